"""`bedplate override`: tightens policies of servers while they run."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bedplate.cli.caller import Ca, KeyOption, Target, find_caller
from bedplate.cli.examples import examples
from bedplate.cli.exits import Exit, Stop
from bedplate.cli.methods import complete_method
from bedplate.cli.operator import method_name, operate, set_time

if TYPE_CHECKING:
    from bedplate.admin.v1 import admin_pb2
    from bedplate.clients.admin import AsyncAdminClient

EXAMPLES_SET = examples(
    "bedplate override set rates.Convert rollout.percent=0 --for 30m --note 'wrong rates since 10:40'",
    "bedplate override set ledger.ListEntries rate.per_second=5 deadline.max=2s --for 1d --note load",
)

app = typer.Typer(
    help="Tighten policies of a server for a while: switch a method off, lower a limit.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)


@app.command("set", epilog=EXAMPLES_SET)
def set_(
    method: Annotated[
        str,
        typer.Argument(
            help="Such as ledger.GetBalance, or the full name of a service for all its methods.",
            autocompletion=complete_method,
            metavar="METHOD",
        ),
    ],
    options: Annotated[
        list[str],
        typer.Argument(
            help="Options as `bedplate why` names them: deadline.max=2s.", metavar="OPTION=VALUE..."
        ),
    ],
    note: Annotated[str, typer.Option(help="Why.")],
    lasts: Annotated[str, typer.Option("--for", help="End after this time; 7d at most.")] = "1h",
    id: Annotated[str, typer.Option(help="Your name for it. Left out: a random one.")] = "",
    target: Target = "",
    key: KeyOption = "",
    ca: Ca = None,
) -> None:
    """Put an override into force, in all processes on the server's database. It never loosens."""
    from bedplate.admin.v1 import admin_pb2 as pb

    request = pb.SetOverrideRequest(
        override=pb.Override(override_id=id, target=_target(method), note=note, options=_options(options))
    )
    set_time(request.duration, lasts, "--for")
    made = operate(find_caller(target, key, ca), lambda client: client.set_override(request))
    typer.echo(_line(made.override))


@app.command("list", epilog=examples("bedplate override list", "bedplate override list --all"))
def list_(
    everything: Annotated[bool, typer.Option("--all", help="Those that have ended, too.")] = False,
    target: Target = "",
    key: KeyOption = "",
    ca: Ca = None,
) -> None:
    """List the overrides in force, or all that were ever set."""

    async def read(client: "AsyncAdminClient") -> "list[admin_pb2.Override]":
        return [one async for one in client.list_overrides() if everything or one.active]

    found = operate(find_caller(target, key, ca), read)
    for one in found:
        typer.echo(_line(one))
    if not found:
        typer.echo("There are no overrides.")


@app.command("clear", epilog=examples("bedplate override clear o4f2a"))
def clear(
    id: Annotated[str, typer.Argument(help="The override's id.", metavar="ID")],
    target: Target = "",
    key: KeyOption = "",
    ca: Ca = None,
) -> None:
    """End an override."""
    operate(find_caller(target, key, ca), lambda client: client.clear_override(override_id=id))
    typer.echo(f"Override {id} is ended.")


def _target(text: str) -> str:
    """A service by its full name, or the full name of a method."""
    is_service = "." in text and "/" not in text and text.rpartition(".")[0].endswith((".v1", ".v2", ".v3"))
    return text if is_service else method_name(text)


def _options(pairs: list[str]) -> Any:
    from bedplate.contract.policy import PolicyError
    from bedplate.policy.layers import parse_options

    values: dict[str, Any] = {}
    for pair in pairs:
        path, equals, text = pair.partition("=")
        if not equals:
            raise Stop(Exit.USAGE, f"{pair} sets nothing; write OPTION=VALUE, such as deadline.max=2s.")
        place = values
        *above, last = path.split(".")
        for name in above:
            place = place.setdefault(name, {})
            if not isinstance(place, dict):
                raise Stop(Exit.USAGE, f"{path} is set twice.")
        place[last] = _value(text)
    try:
        return parse_options(values, where="The options")
    except PolicyError as error:
        raise Stop(Exit.USAGE, str(error)) from error


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _line(override: "admin_pb2.Override") -> str:
    """One override, for people: `o1  package.Service/Method  rollout.percent=0  until ...  by key:x: why`."""
    from google.protobuf import json_format

    options = json_format.MessageToDict(override.options, preserving_proto_field_name=True)
    shown = " ".join(f"{path}={value}" for path, value in _flat(options, ""))
    if override.active:
        end = f"until {override.expire_time.ToJsonString()}"
    elif override.clearer:
        end = f"ended {override.clear_time.ToJsonString()} by {override.clearer}"
    else:
        end = f"ended {override.expire_time.ToJsonString()}"
    who = f"by {override.creator}: {override.note}"
    return "  ".join([override.override_id, override.target, shown, end, who])


def _flat(values: dict[str, Any], prefix: str) -> list[tuple[str, Any]]:
    found: list[tuple[str, Any]] = []
    for name, value in values.items():
        if isinstance(value, dict):
            found += _flat(value, f"{prefix}{name}.")
        else:
            found.append((prefix + name, json.dumps(value) if isinstance(value, list) else value))
    return found

"""`bedplate why`: the policy in force for a method, and where each value came from."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from bedplate.cli.caller import Ca, KeyOption, Target, find_caller
from bedplate.cli.examples import examples
from bedplate.cli.methods import complete_method, find_method

if TYPE_CHECKING:
    from pathlib import Path

    from google.protobuf.descriptor import MethodDescriptor

    from bedplate.policy.explain import Line

EXAMPLES = examples(
    "bedplate why ledger.PostTransactions",
    "bedplate why GetBalance --json",
    "bedplate why GetBalance --live --target ledger:50051",
)
NOBODY = "nobody yet"


def why(
    method: Annotated[
        str,
        typer.Argument(help="Such as ledger.GetBalance.", autocompletion=complete_method, metavar="METHOD"),
    ],
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    live: Annotated[
        bool, typer.Option("--live", help="Ask a server that runs, whose overrides count too.")
    ] = False,
    target: Target = "",
    key: KeyOption = "",
    ca: Ca = None,
) -> None:
    """Print a method's policy: each value, who set it, who keeps it, what would change it."""
    from bedplate.policy.explain import explain
    from bedplate.policy.file import settings_layers
    from bedplate.settings import Settings

    descriptor = find_method(method)
    if live:
        lines = _ask(f"{descriptor.containing_service.full_name}/{descriptor.name}", target, key, ca)
    else:
        lines = explain(descriptor, settings_layers(Settings.load()))
    if json:
        _print_json(descriptor, lines)
    else:
        _print_table(descriptor, lines)


def _ask(method: str, target: str, key: str, ca: "Path | None") -> "tuple[Line, ...]":
    """The policy that a server has in force."""
    from bedplate.cli.operator import operate
    from bedplate.policy.explain import Line

    told = operate(find_caller(target, key, ca), lambda client: client.explain_policy(method=method))
    return tuple(
        Line(each.option, each.value, each.source, each.keeper, bool(each.keeper), each.note, each.change)
        for each in told.values
    )


def _print_json(method: "MethodDescriptor", lines: "tuple[Line, ...]") -> None:
    import dataclasses
    from json import dumps

    from bedplate.contract.policy import service_policy

    service = service_policy(method.containing_service)
    document = {
        "method": f"{method.containing_service.full_name}/{method.name}",
        "http": list(_http(method)),
        "owner": service.owner,
        "tier": service.tier or None,
        "policy": [dataclasses.asdict(line) for line in lines],
    }
    typer.echo(dumps(document, indent=2))


def _print_table(method: "MethodDescriptor", lines: "tuple[Line, ...]") -> None:
    from rich import box
    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    from bedplate.contract.policy import service_policy

    console = Console(highlight=False)
    service = service_policy(method.containing_service)
    console.print(Text(f"{method.containing_service.full_name}/{method.name}", style="bold"))
    for route in _http(method):
        console.print(Text(f"HTTP {route}"))
    facts = [
        f"owner {service.owner}" if service.owner else "",
        f"tier {service.tier}" if service.tier else "",
    ]
    if shown := ", ".join(filter(None, facts)):
        console.print(Text(shown, style="dim"))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("option", "value", "set by", "kept by"):
        # An option is copied into policy files and searched for: it stays in one piece.
        table.add_column(name, overflow="fold", no_wrap=name == "option")
    for line in lines:
        kept = line.keeper if line.enforced else NOBODY
        style = "dim" if line.source == "default" else ""
        value = f"{line.value} ({line.note})" if line.note else line.value
        table.add_row(*(Text(cell, style=style) for cell in (line.option, value, line.source, kept)))
    console.print(table)
    console.print(Text("what would change it", style="bold"))
    # Below the table and not in it: a fifth column leaves none of them room on 80 columns.
    for change, options in _changes(lines).items():
        console.print(Text(f" {change}"))
        console.print(Padding(Text(", ".join(options), style="dim"), (0, 0, 0, 4)))
    if not all(line.enforced for line in lines):
        console.print(
            Text(f"\n{NOBODY}: this version refuses to start on a contract that sets it.", style="dim")
        )


def _changes(lines: "tuple[Line, ...]") -> dict[str, list[str]]:
    """The options by what would change them, in the order of the lines."""
    found: dict[str, list[str]] = {}
    for line in lines:
        found.setdefault(line.change, []).append(line.option)
    return found


def _http(method: "MethodDescriptor") -> Iterator[str]:
    """The method's HTTP routes, such as `GET /v1/ledgers/{ledger_id}`."""
    from bedplate.contract.bindings import bindings

    return (f"{binding.http_method} {binding.path}" for binding in bindings(method))

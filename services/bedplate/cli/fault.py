"""`bedplate fault`: makes calls go wrong on purpose, for a test."""

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
    "bedplate fault set slow ledger.GetBalance --delay 100ms..300ms --percent 10",
    "bedplate fault set broken 'bedplate.rates.v1.RatesService/*' --abort UNAVAILABLE --for 1m",
    "bedplate fault set lost rates.Convert --drop --times 1",
    "bedplate fault set later rates.Convert --pushback 2s",
)

app = typer.Typer(
    help="Make calls of a server go wrong on purpose.", no_args_is_help=True, rich_markup_mode="rich"
)


@app.command("set", epilog=EXAMPLES_SET)
def set_(
    id: Annotated[str, typer.Argument(help="Your name for it: a-z, 0-9 and -.", metavar="ID")],
    method: Annotated[
        str,
        typer.Argument(
            help="Such as ledger.GetBalance, or package.Service/* for all methods of a service.",
            autocompletion=complete_method,
            metavar="METHOD",
        ),
    ],
    delay: Annotated[str, typer.Option(help="Wait before the handler: 300ms, or 100ms..300ms.")] = "",
    abort: Annotated[str, typer.Option(help="End the call with this code, such as UNAVAILABLE.")] = "",
    drop: Annotated[bool, typer.Option("--drop", help="Never answer.")] = False,
    pushback: Annotated[str, typer.Option(help="Refuse, and ask to wait so long: 2s.")] = "",
    percent: Annotated[float, typer.Option(help="Share of the calls that it hits.")] = 100.0,
    times: Annotated[int, typer.Option(help="End after so many calls; 0: never.", min=0)] = 0,
    lasts: Annotated[str, typer.Option("--for", help="End after this time; 24h at most.")] = "10m",
    target: Target = "",
    key: KeyOption = "",
    ca: Ca = None,
) -> None:
    """Inject a fault; one of the same id ends. A server in production refuses."""
    from bedplate.admin.v1 import admin_pb2 as pb

    if sum(map(bool, (delay, abort, drop, pushback))) != 1:
        raise Stop(Exit.USAGE, "Say what happens: one of --delay, --abort, --drop and --pushback.")
    fault = pb.Fault(fault_id=id, target=_full_name(method), percentage=percent, hit_limit=times)
    set_time(fault.duration, lasts, "--for")
    if delay:
        shortest, _, longest = delay.partition("..")
        set_time(fault.delay.shortest, shortest, "--delay")
        set_time(fault.delay.longest, longest or shortest, "--delay")
    elif abort:
        fault.abort.code = _code(abort)
    elif drop:
        fault.drop.SetInParent()
    else:
        set_time(fault.pushback.retry_after, pushback, "--pushback")
    made = operate(find_caller(target, key, ca), lambda client: client.set_fault(fault=fault))
    typer.echo(_line(made.fault))


@app.command("list", epilog=examples("bedplate fault list"))
def list_(target: Target = "", key: KeyOption = "", ca: Ca = None) -> None:
    """List the faults of a server."""

    async def read(client: "AsyncAdminClient") -> "list[admin_pb2.Fault]":
        return [fault async for fault in client.list_faults()]

    faults = operate(find_caller(target, key, ca), read)
    for fault in faults:
        typer.echo(_line(fault))
    if not faults:
        typer.echo("There are no faults.")


@app.command("clear", epilog=examples("bedplate fault clear slow", "bedplate fault clear --all"))
def clear(
    id: Annotated[str, typer.Argument(help="The fault's id.", metavar="ID", show_default=False)] = "",
    everything: Annotated[bool, typer.Option("--all", help="All faults.")] = False,
    target: Target = "",
    key: KeyOption = "",
    ca: Ca = None,
) -> None:
    """End a fault, or all of them."""
    if bool(id) is everything:
        raise Stop(Exit.USAGE, "Name a fault, or say --all.")
    caller = find_caller(target, key, ca)
    if everything:
        done = operate(caller, lambda client: client.clear_faults())
        typer.echo(f"{done.cleared_count} faults are ended.")
    else:
        operate(caller, lambda client: client.clear_fault(fault_id=id))
        typer.echo(f"Fault {id} is ended.")


def _full_name(text: str) -> str:
    return text if text.endswith("/*") else method_name(text)


def _code(text: str) -> Any:
    from google.rpc import code_pb2

    name = text.upper()
    codes = [each for each in dict(code_pb2.Code.items()) if each != "OK"]
    if name not in codes:
        raise Stop(Exit.USAGE, f"--abort {text} is no code of a failure.", f"There are: {', '.join(codes)}.")
    return code_pb2.Code.Value(name)


def _line(fault: "admin_pb2.Fault") -> str:
    """One fault, for people: `slow  package.Service/Method  delay 0.1 to 0.3 s  10 %  2 hits  until ...`."""
    from google.rpc import code_pb2

    match fault.WhichOneof("effect"):
        case "delay":
            shortest_s, longest_s = _seconds(fault.delay.shortest), _seconds(fault.delay.longest)
            range_ = f"{shortest_s:g}" if shortest_s == longest_s else f"{shortest_s:g} to {longest_s:g}"
            effect = f"delay {range_} s"
        case "abort":
            effect = f"abort {code_pb2.Code.Name(fault.abort.code)}"
        case "pushback":
            effect = f"pushback {_seconds(fault.pushback.retry_after):g} s"
        case _:
            effect = "drop"
    hits = f"{fault.hit_count} of {fault.hit_limit} hits" if fault.hit_limit else f"{fault.hit_count} hits"
    until = fault.expire_time.ToDatetime().isoformat(timespec="seconds")
    return "  ".join(
        [fault.fault_id, fault.target, effect, f"{fault.percentage:g} %", hits, f"until {until}Z"]
    )


def _seconds(duration: Any) -> float:
    seconds: float = duration.ToNanoseconds() / 1e9
    return seconds

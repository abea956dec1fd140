"""`bedplate rates`: brings published exchange rates into a server."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bedplate.cli.caller import Ca, Caller, KeyOption, Target, find_caller
from bedplate.cli.examples import examples
from bedplate.cli.exits import CALL_EXITS, Exit, Stop

if TYPE_CHECKING:
    from bedplate.client.errors import CallError
    from bedplate.rates.v1 import rates_pb2
    from bedplate.services.rates.domain import Published

EXAMPLES = examples(
    "bedplate rates import eurofxref-hist.csv",
    "bedplate rates import eurofxref-hist.zip --target rates.example.org:50051 --ca ca.pem",
    "bedplate rates import corrected.csv --source ecb-corrected",
    "Exit codes: 2 the file cannot be read, 10 it is malformed, 11 key or scope, 12 a known rate",
    "has another value, 13 and 14 try again (what was imported is known and counts as unchanged).",
)
BATCH_MAX = 5000  # the contract takes no more rates in a call
IN_FLIGHT_MAX = 2  # so that the server need not wait for the next batch to be made

app = typer.Typer(help="Import exchange rates.", no_args_is_help=True, rich_markup_mode="rich")


@app.callback()
def _rates() -> None:
    """Import exchange rates."""


@app.command("import", epilog=EXAMPLES)
def import_(
    file: Annotated[
        Path,
        typer.Argument(
            help="The European Central Bank's eurofxref-hist.csv or eurofxref.csv, or the zip of one.",
            metavar="FILE",
            show_default=False,
        ),
    ],
    target: Target = "",
    key: KeyOption = "",
    ca: Ca = None,
    source: Annotated[str, typer.Option(help="Whose rates they are: 1 to 32 of a-z, 0-9, _ and -.")] = "ecb",
) -> None:
    """Post the bank's rates in batches. Rates that are known already stay as they are."""
    rates = _read(file)
    caller = find_caller(target, key, ca)
    done = asyncio.run(_post(caller, source, rates))
    days = len({rate.day for rate in rates})
    typer.echo(
        f"{len(rates)} rates of {days} days, {rates[0].day} to {rates[-1].day}: "
        f"{done.created_count} created, {done.unchanged_count} unchanged."
    )


@dataclass(slots=True)
class _Done:
    """What the server has answered so far."""

    created_count: int = 0
    unchanged_count: int = 0

    @property
    def count(self) -> int:
        """Rates that the server knows now."""
        return self.created_count + self.unchanged_count


def _read(file: Path) -> "list[Published]":
    """The file's rates, the oldest first; the whole file is read before anything is posted."""
    from bedplate.services.rates import ecb

    try:
        rates = ecb.read(file)
    except ecb.FileError as error:
        raise Stop(Exit.INVALID, f"{file}: {error}", "Nothing was imported.") from error
    except OSError as error:
        raise Stop(Exit.USAGE, f"{file} cannot be read: {error.strerror or type(error).__name__}.") from error
    if not rates:
        raise Stop(Exit.INVALID, f"{file}: There is no rate in it, only N/A.")
    return rates


async def _post(caller: Caller, source: str, rates: "Sequence[Published]") -> _Done:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from bedplate.client.errors import CallError
    from bedplate.clients.rates import AsyncRatesClient

    done = _Done()
    requests = _requests(source, rates)
    columns = (TextColumn("Importing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task("", total=len(rates))

        async def post(client: AsyncRatesClient) -> None:
            # All of these take from one iterator: the next one free posts the next batch.
            for request in requests:
                response = await client.import_rates(request)
                done.created_count += response.created_count
                done.unchanged_count += response.unchanged_count
                progress.update(bar, completed=done.count)

        failures: list[BaseException] = []
        try:
            async with caller.connect(AsyncRatesClient.SERVICE) as channel, asyncio.TaskGroup() as group:
                for _ in range(IN_FLIGHT_MAX):
                    group.create_task(post(AsyncRatesClient(channel)))
        except* CallError as errors:
            failures.extend(errors.exceptions)  # what is raised here would come out in a group
    for failure in failures:
        assert isinstance(failure, CallError), failure
        raise _stop(failure, caller, done, total=len(rates)) from failure
    return done


def _requests(source: str, rates: "Sequence[Published]") -> "Iterator[rates_pb2.ImportRatesRequest]":
    from bedplate.rates.v1 import rates_pb2
    from bedplate.services.rates.ecb import BASE

    for start in range(0, len(rates), BATCH_MAX):
        batch = [
            rates_pb2.Rate(base=BASE, quote=quote, date=day.isoformat(), value=value)
            for quote, day, value in rates[start : start + BATCH_MAX]
        ]
        yield rates_pb2.ImportRatesRequest(source=source, rates=batch)


def _stop(error: "CallError", caller: Caller, done: _Done, *, total: int) -> Stop:
    from bedplate.contract import reasons
    from bedplate.rates.v1 import rates_pb2

    lines = [violation.sentence for violation in error.violations]
    known = {**reasons.platform(), **reasons.of_file(rates_pb2.DESCRIPTOR)}.get(error.reason)
    if known is not None:
        lines.append(known.help)
    elif error.code == "UNAVAILABLE":
        lines.append(
            f"Nothing answers at {caller.target}. Start a server with `bedplate up`, or give --target."
        )
    code = CALL_EXITS.get(error.code, Exit.FAULT)
    if code in (Exit.AGAIN, Exit.LATE) and done.count:
        lines.append(f"{done.count} of {total} rates are imported. Run the command again for the rest.")
    return Stop(code, str(error), *lines)

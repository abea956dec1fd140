"""The `bedplate` command: its sub-commands, and how each of them ends."""

import signal
import sys
from typing import Any

try:
    import typer
except ModuleNotFoundError:  # the base distribution is for callers and has no command
    sys.exit("The bedplate command is part of the server: pip install 'bedplate[server]'")

from typer.core import TyperGroup

from bedplate.cli import (
    breaking,
    call,
    check,
    fault,
    gateway,
    generate,
    key,
    ledger,
    migrate,
    new,
    override,
    rates,
    serve,
    up,
    why,
)
from bedplate.cli.exits import explain
from bedplate.transport.tuning import tune


class _Commands(TyperGroup):
    """Ends every command with words and an exit code instead of a traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (Exception, KeyboardInterrupt) as error:
            stop = explain(error)
            if stop is None:
                raise
            for index, line in enumerate(stop.lines):
                typer.secho("error: " if index == 0 else "  ", fg="red", bold=True, nl=False, err=True)
                typer.echo(line, err=True)
            raise typer.Exit(stop.code) from error


app = typer.Typer(
    name="bedplate",
    cls=_Commands,
    help="Runs services from their contracts, calls them, and says what they promise.",
    epilog="Begin with: bedplate up",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("up", epilog=up.EXAMPLES)(up.up)
app.command("serve", epilog=serve.EXAMPLES)(serve.serve)
app.command("gateway", epilog=gateway.EXAMPLES)(gateway.gateway)
app.command("migrate", epilog=migrate.EXAMPLES)(migrate.migrate)
app.command("call", epilog=call.EXAMPLES)(call.call)
app.command("why", epilog=why.EXAMPLES)(why.why)
app.command("generate", epilog=generate.EXAMPLES)(generate.generate)
app.command("check", epilog=check.EXAMPLES)(check.check)
app.command("breaking", epilog=breaking.EXAMPLES)(breaking.breaking)
app.add_typer(new.app, name="new")
app.add_typer(key.app, name="key")
app.add_typer(fault.app, name="fault")
app.add_typer(override.app, name="override")
app.add_typer(ledger.app, name="ledger")
app.add_typer(rates.app, name="rates")


@app.command("version", epilog="bedplate version")
def version() -> None:
    """Print the version."""
    from importlib.metadata import version as installed

    typer.echo(installed("bedplate"))


def main() -> None:
    """Run the command; the entry point of the distribution."""
    tune()
    if sys.argv[1:2] in (["up"], ["serve"], ["gateway"]):
        # Until the server itself listens to them, there is nothing to finish.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _leave)
    app()


def _leave(number: int, frame: object) -> None:
    raise SystemExit(0)


if __name__ == "__main__":
    main()

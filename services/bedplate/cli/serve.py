"""`bedplate serve`: some services in this process, the others elsewhere."""

from typing import TYPE_CHECKING, Annotated

import typer

from bedplate.cli.examples import examples
from bedplate.cli.methods import complete_service

if TYPE_CHECKING:
    from bedplate.server.app import App

EXAMPLES = examples(
    "bedplate serve rates",
    "BEDPLATE_UPSTREAMS=rates=dns:///rates:50051 bedplate serve ledger",
    "bedplate serve ledger rates",
)


def serve(
    names: Annotated[
        list[str],
        typer.Argument(
            help="Services to run.", autocompletion=complete_service, metavar="NAME...", show_default=False
        ),
    ],
) -> None:
    """Run services until SIGTERM; others are found by BEDPLATE_UPSTREAMS. Logs JSON lines."""
    from bedplate.cli.process import run_services
    from bedplate.settings import Settings

    settings = Settings.load()
    raise typer.Exit(run_services(settings, tuple(dict.fromkeys(names)), on_ready=_say))


def _say(app: "App") -> None:
    from bedplate.cli.process import served

    typer.echo(f"{served(app)}: HTTP on {app.http_address}, gRPC on {app.grpc_address}")

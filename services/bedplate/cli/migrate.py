"""`bedplate migrate`: brings the tables to the schema that this version expects."""

from typing import TYPE_CHECKING, Annotated

import typer

from bedplate.cli.examples import examples
from bedplate.cli.exits import Exit, Stop
from bedplate.cli.methods import complete_service

if TYPE_CHECKING:
    from bedplate.server.service import ServiceType

EXAMPLES = examples(
    "bedplate migrate",
    "bedplate migrate ledger",
    "bedplate migrate --status",
    "BEDPLATE_DATABASE_URL=postgresql://user:password@db/bedplate bedplate migrate",
)


def migrate(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Services; left out: all.",
            autocompletion=complete_service,
            metavar="NAME...",
            show_default=False,
        ),
    ] = None,
    status: Annotated[
        bool, typer.Option("--status", help="Only say what is pending; exit code 5 when something is.")
    ] = False,
) -> None:
    """Apply pending migrations. `up` and `serve` do it too; run it alone in a deployment."""
    from bedplate.services.registry import load, own_names
    from bedplate.settings import Settings

    settings = Settings.load()
    types = [load(name) for name in dict.fromkeys(names or own_names())]
    if status:
        _print_status(settings.database, types)
    else:
        _apply(settings.database, types)


def _apply(database: str, types: "list[ServiceType]") -> None:
    from bedplate.data.migrate import migrate as apply

    for service in types:
        if service.schema is None:
            typer.echo(f"{service.name}: has no tables")
            continue
        done = apply(database, service.name, service.schema)
        typer.echo(f"{service.name}: applied {', '.join(done)}" if done else f"{service.name}: up to date")


def _print_status(database: str, types: "list[ServiceType]") -> None:
    from bedplate.data.migrate import standing

    pending = []
    for service in types:
        if service.schema is None:
            typer.echo(f"{service.name}: has no tables")
            continue
        found = standing(database, service.name, service.schema)
        at = f"at {found.current}" if found.current else "no tables yet"
        if found.ahead:
            typer.echo(f"{service.name}: {at}, which is newer than this version of bedplate")
        elif found.pending:
            pending.append(service.name)
            typer.echo(f"{service.name}: {at}, pending {', '.join(found.pending)}")
        else:
            typer.echo(f"{service.name}: {at}, up to date")
    if pending:
        raise Stop(Exit.DATABASE, f"Migrations are pending; run: bedplate migrate {' '.join(pending)}")

"""`bedplate migrate`: brings the tables to the schema that this version expects."""

from typing import TYPE_CHECKING, Annotated

import typer

from bedplate.cli.examples import examples
from bedplate.cli.exits import Exit, Stop
from bedplate.cli.methods import complete_service

if TYPE_CHECKING:
    from pathlib import Path

# Name and folder of revisions; None: no tables.
Schemas = dict[str, "Path | None"]

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
            help="Services, or bedplate for the platform's own tables; left out: all.",
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
    from bedplate.records import tables
    from bedplate.services.registry import load, own_names
    from bedplate.settings import Settings

    settings = Settings.load()
    schemas = {
        name: tables.SCHEMA if name == tables.NAME else load(name).schema
        for name in names or (tables.NAME, *own_names())
    }
    if status:
        _print_status(settings.database, schemas)
    else:
        _apply(settings.database, schemas)


def _apply(database: str, schemas: Schemas) -> None:
    from bedplate.data.migrate import migrate as apply

    for name, schema in schemas.items():
        if schema is None:
            typer.echo(f"{name}: has no tables")
            continue
        done = apply(database, name, schema)
        typer.echo(f"{name}: applied {', '.join(done)}" if done else f"{name}: up to date")


def _print_status(database: str, schemas: Schemas) -> None:
    from bedplate.data.migrate import standing

    pending = []
    for name, schema in schemas.items():
        if schema is None:
            typer.echo(f"{name}: has no tables")
            continue
        found = standing(database, name, schema)
        at = f"at {found.current}" if found.current else "no tables yet"
        if found.ahead:
            typer.echo(f"{name}: {at}, which is newer than this version of bedplate")
        elif found.pending:
            pending.append(name)
            typer.echo(f"{name}: {at}, pending {', '.join(found.pending)}")
        else:
            typer.echo(f"{name}: {at}, up to date")
    if pending:
        raise Stop(Exit.DATABASE, f"Migrations are pending; run: bedplate migrate {' '.join(pending)}")

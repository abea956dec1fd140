"""`bedplate key`: makes, lists and revokes API keys."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bedplate.cli.examples import examples
from bedplate.cli.exits import Exit, Stop

if TYPE_CHECKING:
    from datetime import datetime

    from bedplate.auth.key_format import Key

EXAMPLES_CREATE = examples(
    "bedplate key create --tenant acme --scope ledger.read --scope ledger.write",
    "bedplate key create --tenant acme --scope rates.read --id reporting --expires 90d",
)

app = typer.Typer(help="Make, list and revoke API keys.", no_args_is_help=True, rich_markup_mode="rich")

File = Annotated[
    Path | None,
    typer.Option(
        "--file", help="The key file; left out: BEDPLATE_KEYS_FILE or keys.json in the data folder."
    ),
]


@app.command("create", epilog=EXAMPLES_CREATE)
def create(
    tenant: Annotated[str, typer.Option(help="The tenant that the key acts for.")],
    scope: Annotated[list[str], typer.Option(help="What it may do; repeat it for several.")],
    id: Annotated[str, typer.Option(help="Its id: 1 to 32 of a-z and 0-9. Left out: a random one.")] = "",
    expires: Annotated[str, typer.Option(help="A day (2027-01-31), or from now on (90d, 12h).")] = "",
    audience: Annotated[
        list[str] | None,
        typer.Option(help="What it is issued for, where methods ask; repeat it for several."),
    ] = None,
    file: File = None,
) -> None:
    """Make a key and print it. It is shown once and stored nowhere."""
    from bedplate.auth.keys import create_key

    _check_scopes(scope)
    key, text = create_key(
        _path(file),
        tenant=tenant,
        scopes=scope,
        key_id=id,
        expires=_expiry(expires),
        audiences=audience or (),
    )
    until = f", until {key.expires.isoformat(timespec='seconds')}" if key.expires else ""
    typer.echo(f"Key {key.id} for tenant {key.tenant}: {', '.join(sorted(key.scopes))}{until}", err=True)
    typer.echo("It is shown this once. A server that runs takes it within a second.", err=True)
    typer.echo(text)


@app.command("list", epilog=examples("bedplate key list", "bedplate key list --json"))
def list_(
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    file: File = None,
) -> None:
    """List the keys; their texts are not known."""
    from json import dumps

    from bedplate.auth.keys import list_keys

    keys = list_keys(_path(file))
    if json:
        typer.echo(dumps([_row(key) for key in keys], indent=2))
        return
    if not keys:
        typer.echo("There are no keys. Make one with: bedplate key create --tenant T --scope ledger.read")
    for key in keys:
        marks = ["development"] if key.development else []
        marks += [f"until {key.expires.isoformat(timespec='minutes')}"] if key.expires else []
        typer.echo("  ".join([key.id, f"tenant {key.tenant}", " ".join(sorted(key.scopes)), *marks]))


def _row(key: "Key") -> dict[str, object]:
    return {
        "id": key.id,
        "principal": key.principal,
        "tenant": key.tenant,
        "scopes": sorted(key.scopes),
        "audiences": sorted(key.audiences),
        "created": key.created.isoformat() if key.created else None,
        "expires": key.expires.isoformat() if key.expires else None,
        "development": key.development,
    }


@app.command("revoke", epilog=examples("bedplate key revoke reporting"))
def revoke(
    id: Annotated[str, typer.Argument(help="The key's id, as `bedplate key list` shows it.", metavar="ID")],
    file: File = None,
) -> None:
    """Take a key away; servers refuse it within a second."""
    from bedplate.auth.keys import revoke_key

    revoke_key(_path(file), id)
    typer.echo(f"Key {id} is revoked.")


def _path(file: Path | None) -> Path:
    from bedplate.settings import Settings

    return file or Settings.load().keys_path


def _check_scopes(scopes: list[str]) -> None:
    """Refuse a scope that no method asks for: a typing error would show only at the first call."""
    from bedplate.cli.scopes import known_scopes

    known = known_scopes()
    for scope in scopes:
        if scope not in known:
            raise Stop(
                Exit.USAGE,
                f"No method asks for the scope {scope}.",
                f"There are: {', '.join(sorted(known))}.",
            )


def _expiry(text: str) -> "datetime | None":
    from datetime import UTC, datetime, timedelta

    if not text:
        return None
    now = datetime.now(UTC)
    found = None
    if match := re.fullmatch(r"([1-9][0-9]{0,4})([dh])", text):
        unit = timedelta(days=1) if match[2] == "d" else timedelta(hours=1)
        found = now + int(match[1]) * unit
    else:
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            raise Stop(Exit.USAGE, f"--expires {text} is no time; write 2027-01-31, 90d or 12h.") from None
        found = found if found.tzinfo else found.replace(tzinfo=UTC)
    if found <= now:
        raise Stop(Exit.USAGE, f"--expires {text} is in the past.")
    return found

"""`bedplate up`: the whole platform in one process, for a laptop and for a small server."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bedplate.cli.examples import examples
from bedplate.cli.methods import complete_service

if TYPE_CHECKING:
    from google.protobuf.descriptor import MethodDescriptor

    from bedplate.server.app import App
    from bedplate.settings import Settings

EXAMPLES = examples(
    "bedplate up",
    "bedplate up --reload",
    "bedplate up greeter ledger",
    "bedplate up --log -",
    "BEDPLATE_HTTP_ADDRESS=127.0.0.1:8090 bedplate up",
)
DEV_KEY_ID = "dev"
DEV_TENANT = "demo"
# At start a log above this size becomes `bedplate.log.1`, and that one goes.
LOG_BYTES_MAX = 64 * 1024 * 1024


def up(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            help="Services to run. Left out: those of the project around this folder, or those that ship.",
            autocompletion=complete_service,
            metavar="NAME...",
            show_default=False,
        ),
    ] = None,
    log: Annotated[
        str,
        typer.Option(help="Where log lines go; - is standard error. Left out: a file in the data folder."),
    ] = "",
    reload: Annotated[
        bool,
        typer.Option("--reload", help="Generate and start again when contracts or code change; keeps data."),
    ] = False,
    again: Annotated[bool, typer.Option("--again", hidden=True)] = False,
    watched: Annotated[bool, typer.Option("--watched", hidden=True)] = False,
) -> None:
    """Run services in this process until Ctrl-C; makes data folder, tables and a key."""
    from bedplate.cli.process import run_services
    from bedplate.services.registry import contract, own_names
    from bedplate.settings import Settings

    if reload:
        from bedplate.cli.generate import require_project
        from bedplate.cli.reload import run_reloading

        raise typer.Exit(run_reloading(require_project(), names or (), log=log))
    if watched:
        from bedplate.cli.reload import end_with_watcher

        end_with_watcher()
    settings = _with_log(Settings.load(), log)
    wanted = tuple(dict.fromkeys(names or own_names()))
    for name in wanted:
        contract(name)  # a name that there is not leaves no folder behind
    key = ensure_dev_key(settings)
    raise typer.Exit(
        run_services(settings, wanted, on_ready=_say_again if again else lambda app: _greet(app, key))
    )


def _with_log(settings: "Settings", log: str) -> "Settings":
    """The settings, with the log in a file unless somebody says where: a console is for people."""
    if not log and "log_file" in settings.model_fields_set:
        return settings
    path = settings.data_dir / "bedplate.log"
    if not log and path.exists() and path.stat().st_size > LOG_BYTES_MAX:
        path.replace(path.with_name("bedplate.log.1"))
    return settings.model_copy(update={"log_file": log or str(path)})


def ensure_dev_key(settings: "Settings") -> str:
    """The development key's text; made when there is none, with every scope there is.

    Empty where development keys do not count, or where the operator keeps keys
    in a file of their own.

    Raises:
        KeyFileError: The key file cannot be used.
    """
    from bedplate.auth.key_format import write_private
    from bedplate.auth.keys import create_key, digest, list_keys, revoke_key, set_scopes
    from bedplate.cli.caller import DEV_KEY_FILE, read_dev_key
    from bedplate.cli.scopes import known_scopes

    if settings.exposed or settings.keys_file is not None:
        return ""
    path, scopes = settings.keys_path, known_scopes()
    stored = next((key for key in list_keys(path) if key.id == DEV_KEY_ID), None)
    text = read_dev_key(settings)
    if stored is not None and stored.sha256 == digest(text):
        if stored.scopes != scopes:
            set_scopes(path, DEV_KEY_ID, scopes)
        return text
    if stored is not None:
        # Its text is lost: nobody can use it any more.
        revoke_key(path, DEV_KEY_ID)
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    _, text = create_key(path, tenant=DEV_TENANT, scopes=scopes, key_id=DEV_KEY_ID, development=True)
    write_private(settings.data_dir / DEV_KEY_FILE, text.encode() + b"\n")
    return text


def _greet(app: "App", key: str) -> None:
    from importlib.metadata import version

    from bedplate.cli.process import served

    settings = app.settings
    scheme = "https" if settings.tls_certificate else "http"
    http = f"{scheme}://{app.http_address}"
    typer.secho(f"bedplate {version('bedplate')} is up: {served(app)}", bold=True)
    rows = [
        ("HTTP", f"{http}    reference {http}/reference"),
        ("gRPC", app.grpc_address),
        ("data", _shown(settings.data_dir)),
        ("log", "standard error" if settings.log_file == "-" else _shown(Path(settings.log_file))),
    ]
    if key:
        rows.append(("key", f"{key}    tenant {DEV_TENANT}, also in {_shown(_key_file(settings))}"))
    for name, value in rows:
        typer.echo(f"  {name:<6}{value}")
    if not key:
        typer.echo("Make a key with: bedplate key create --tenant T --scope S")
    elif scheme == "http":
        _print_first_calls(app, _shown(_key_file(settings)))
    typer.echo("Ctrl-C stops it.")


def _say_again(app: "App") -> None:
    from bedplate.cli.process import served

    typer.echo(f"{served(app)}: up again, HTTP on {app.http_address}, gRPC on {app.grpc_address}")


def _print_first_calls(app: "App", key_file: str) -> None:
    from bedplate.contract.bindings import bindings

    asked = _first_question(app)
    if asked is None:
        return
    noun, method = asked
    [route, *_] = bindings(method)
    bearer = f'-H "authorization: Bearer $(cat {key_file})"'
    typer.secho("First calls:", bold=True)
    for line in (
        f"curl {bearer} http://{app.http_address}{route.path}",
        f"grpcurl -plaintext {bearer} {app.grpc_address} {method.containing_service.full_name}/{method.name}",
        f"{_command()} call {noun}.{method.name}",
        f"{_command()} why {noun}.{method.name}",
    ):
        typer.echo(f"  {line}")


def _first_question(app: "App") -> "tuple[str, MethodDescriptor] | None":
    """A method that anybody can call at once: it reads, at a path without variables."""
    from bedplate.contract.bindings import bindings
    from bedplate.contract.policy import Idempotency
    from bedplate.gateway.app import is_served
    from bedplate.gateway.routes import parse

    for noun, service in app.services.items():
        for descriptor in service.descriptor.methods:
            method = app.methods[f"{service.descriptor.full_name}/{descriptor.name}"]
            reads = method.policy.idempotency is Idempotency.READ_ONLY and not descriptor.server_streaming
            if not reads or not is_served(method):
                continue
            [route, *_] = bindings(descriptor)
            if route.http_method == "GET" and not parse(route.path, tails=True).variables:
                return noun, descriptor
    return None


def _command() -> str:
    """How this command was begun, so that the lines can be typed as they stand."""
    import shutil
    import sys

    return "bedplate" if shutil.which("bedplate") else _shown(Path(sys.executable).with_name("bedplate"))


def _key_file(settings: "Settings") -> Path:
    from bedplate.cli.caller import DEV_KEY_FILE

    return settings.data_dir / DEV_KEY_FILE


def _shown(path: Path) -> str:
    """A path as short as it can be typed from here."""
    absolute = Path(os.path.abspath(path))
    try:
        return str(absolute.relative_to(Path.cwd()))
    except ValueError:
        return str(absolute)

"""Whom a command calls, and with which key."""

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bedplate.cli.exits import Exit, Stop

if TYPE_CHECKING:
    from google.protobuf.descriptor import ServiceDescriptor

    from bedplate.client.channel import Channel
    from bedplate.client.tls import Tls
    from bedplate.settings import Settings

DEV_KEY_FILE = "dev-key"

# Of servers that want a certificate of their callers, and of those that are not called by their name.
CERTIFICATE, CERTIFICATE_KEY = "BEDPLATE_CERTIFICATE", "BEDPLATE_CERTIFICATE_KEY"
SERVER_NAME = "BEDPLATE_SERVER_NAME"

Target = Annotated[
    str,
    typer.Option(
        envvar="BEDPLATE_TARGET",
        help="gRPC address of the server; left out: where this folder's server listens.",
    ),
]
KeyOption = Annotated[
    str,
    typer.Option(
        envvar="BEDPLATE_KEY",
        help="The API key; left out: the development key that `bedplate up` made.",
        show_envvar=True,
    ),
]
Ca = Annotated[
    Path | None,
    typer.Option(
        envvar="BEDPLATE_CA", help="PEM file of the authority that signed the server; turns TLS on."
    ),
]


@dataclass(frozen=True, slots=True)
class Caller:
    """Whom to call and who is calling.

    Attributes:
        target: A gRPC target.
        key: The API key; empty: none.
        ca: PEM file of the authority to trust; None: plaintext.
    """

    target: str
    key: str
    ca: Path | None

    def connect(self, *services: "ServiceDescriptor") -> "Channel":
        """A channel for calls of these services.

        Raises:
            Stop: The target cannot be used, a TLS file is missing or broken, or the key would travel in
                the clear.
        """
        from bedplate.client.channel import connect

        try:
            return connect(self.target, *services, key=self.key, tls=self._tls())
        except ValueError as error:
            lines = [f"{self.target} cannot be called: {error}."]
            if self.ca is None and "unencrypted" in str(error):
                lines = [f"The key would travel unencrypted to {self.target}.", "Give --ca to call over TLS."]
            raise Stop(Exit.USAGE, *lines) from error

    def _tls(self) -> "Tls | None":
        from bedplate.client.tls import Tls

        found = {name: os.environ.get(name, "") for name in (CERTIFICATE, CERTIFICATE_KEY, SERVER_NAME)}
        if self.ca is None:
            for name in filter(found.get, found):
                raise Stop(Exit.USAGE, f"{name} is set, and nothing that turns TLS on.", "Give --ca, too.")
            return None
        if bool(found[CERTIFICATE]) is not bool(found[CERTIFICATE_KEY]):
            raise Stop(Exit.USAGE, f"{CERTIFICATE} and {CERTIFICATE_KEY} go together: set both or neither.")
        if not found[CERTIFICATE]:
            return Tls(self.ca, server_name=found[SERVER_NAME])
        own, key = Path(found[CERTIFICATE]), Path(found[CERTIFICATE_KEY])
        return Tls(self.ca, own, key, server_name=found[SERVER_NAME])


def find_caller(target: str, key: str, ca: Path | None) -> Caller:
    """What was given, and for the rest what this folder's server uses.

    The development key goes to this machine only.
    """
    from bedplate.client.target import is_loopback, normalised
    from bedplate.settings import Settings

    settings = Settings.load()
    target = target or own_target(settings)
    with contextlib.suppress(ValueError):
        if not key and is_loopback(normalised(target)):
            key = read_dev_key(settings)
    return Caller(target, key, ca)


def own_target(settings: "Settings") -> str:
    """How this machine reaches the gRPC door of the settings."""
    from bedplate.settings import Address, parse_address

    host, port = parse_address(settings.grpc_address)
    return str(Address({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), port))  # noqa: S104


def read_dev_key(settings: "Settings") -> str:
    """The development key of the data folder; empty when there is none."""
    with contextlib.suppress(OSError):
        return (settings.data_dir / DEV_KEY_FILE).read_text().strip()
    return ""

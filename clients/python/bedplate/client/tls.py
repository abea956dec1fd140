"""TLS of a channel, from files that may be renewed while it is open."""

import logging
import ssl
import time
from dataclasses import dataclass
from pathlib import Path

import grpc

# How often the files are looked at, seconds.
LOOK_EVERY_S = 10.0

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Tls:
    """How a channel is encrypted.

    Attributes:
        ca: Certificates of those who may sign the server's, PEM; None: those
            that grpcio ships.
        certificate: The caller's own certificate with its chain, PEM; None: none.
        key: The key of `certificate`, PEM.
        server_name: What the server's certificate must say; empty: the target's host.
    """

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    server_name: str = ""

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("tls: certificate and key go together; give both or none")

    def read(self) -> grpc.ChannelCredentials:
        """Credentials from the files as they are now.

        Raises:
            ValueError: A file cannot be read, holds no PEM, or key and
                certificate do not fit each other. The text names the files.
        """
        try:
            # grpcio finds a broken file only when it connects, and never says which.
            context = ssl.create_default_context(cafile=str(self.ca) if self.ca else None)
            if self.certificate is not None:
                context.load_cert_chain(self.certificate, self.key)
            return grpc.ssl_channel_credentials(
                root_certificates=self.ca.read_bytes() if self.ca else None,
                private_key=self.key.read_bytes() if self.key else None,
                certificate_chain=self.certificate.read_bytes() if self.certificate else None,
            )
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            names = ", ".join(str(path) for path in (self.ca, self.certificate, self.key) if path)
            raise ValueError(f"tls: {names or 'the default CAs'} cannot be used: {error}") from error

    def _stamps(self) -> tuple[tuple[int, int] | None, ...]:
        return tuple(_stamp(path) for path in (self.ca, self.certificate, self.key) if path)


def _stamp(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino


class Reloading:
    """The credentials of a `Tls`, read again when its files have changed."""

    def __init__(self, tls: Tls, *, look_every_s: float = LOOK_EVERY_S) -> None:
        self._tls = tls
        self._look_every_s = look_every_s
        self._stamps = tls._stamps()
        self.credentials = tls.read()
        self._looked = time.monotonic()

    def changed(self) -> bool:
        """Whether `credentials` are others than at the last call.

        Files that are half written or do not fit each other change nothing;
        they are looked at again.
        """
        now = time.monotonic()
        if now - self._looked < self._look_every_s:
            return False
        self._looked = now
        stamps = self._tls._stamps()
        if stamps == self._stamps:
            return False
        try:
            self.credentials = self._tls.read()
        except ValueError as error:
            _LOG.warning("%s; the channel goes on with the certificates it has", error)
            return False
        self._stamps = stamps
        return True

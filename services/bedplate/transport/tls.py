"""TLS from settings, on every door; certificates that change on disk are taken for new handshakes."""

import logging
import ssl
import threading
from pathlib import Path
from typing import Any

import grpc

from bedplate.files import Stamp, stamp
from bedplate.settings import Settings

_log = logging.getLogger("bedplate.transport.tls")


class TlsError(Exception):
    """TLS cannot be used as it is set. The text says what to write."""


class TlsFiles:
    """Certificate, key and the authority of callers' certificates, as they are on disk.

    What changes is read anew at the next handshake. Files that do not go
    together (a certificate was replaced and its key not yet) change nothing
    and are logged, so that a rotation in two steps breaks no handshake.
    """

    def __init__(self, certificate: Path, key: Path, client_ca: Path | None, *, minimum: str = "1.3") -> None:
        """Read the files.

        Args:
            certificate: The chain, PEM.
            key: Its private key, PEM.
            client_ca: Who signs callers' certificates; None: they need none.
            minimum: The oldest version of TLS for `ssl_context`, `1.2` or `1.3`;
                gRPC core takes both and offers no choice.

        Raises:
            TlsError: They cannot be read, or do not go together.
        """
        self._paths = (certificate, key) if client_ca is None else (certificate, key, client_ca)
        self._client_ca = client_ca
        self._minimum = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}[minimum]
        self._lock = threading.Lock()
        self._seen = self._stamp()
        self._config = self._read()
        self._contexts: list[ssl.SSLContext] = []

    @classmethod
    def from_settings(cls, settings: Settings) -> "TlsFiles | None":
        """The files that the settings name; None: they name none."""
        if settings.tls_certificate is None or settings.tls_key is None:
            return None
        return cls(
            settings.tls_certificate,
            settings.tls_key,
            settings.tls_client_ca,
            minimum=settings.tls_minimum,
        )

    def grpc_credentials(self) -> grpc.ServerCredentials:
        """Credentials for the gRPC door."""
        fetch: Any = self._fetch  # None, which says that nothing changed, is missing in its type
        return grpc.dynamic_ssl_server_credentials(
            self._config, fetch, require_client_authentication=self._client_ca is not None
        )

    def ssl_context(self) -> ssl.SSLContext:
        """A context for the HTTP door; `refresh` loads changed files into it."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = self._minimum
        # In TLS 1.2 a caller could ask for one handshake after the other on one connection.
        context.options |= ssl.OP_NO_RENEGOTIATION
        context.load_cert_chain(*self._paths[:2])
        if self._client_ca is not None:
            context.load_verify_locations(self._client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
        with self._lock:
            self._contexts.append(context)
        return context

    def refresh(self) -> bool:
        """Take changed files; True when there were some. Safe on any thread."""
        with self._lock:
            now = self._stamp()
            if now == self._seen or None in now:
                return False
            try:
                config = self._read()
            except TlsError as error:
                _log.error(
                    "the TLS files changed and cannot be used; the ones from before still are: %s", error
                )
                self._seen = now
                return False
            for context in self._contexts:
                context.load_cert_chain(*self._paths[:2])
                if self._client_ca is not None:
                    context.load_verify_locations(self._client_ca)
            self._seen, self._config = now, config
            _log.info("the TLS files changed; new handshakes use them")
            return True

    def _fetch(self) -> grpc.ServerCertificateConfiguration | None:
        return self._config if self.refresh() else None

    def _stamp(self) -> tuple[Stamp | None, ...]:
        return tuple(map(stamp, self._paths))

    def _read(self) -> grpc.ServerCertificateConfiguration:
        certificate, key = self._paths[:2]
        try:
            # OpenSSL says whether the two go together; grpcio would only fail handshakes.
            check = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            check.load_cert_chain(certificate, key)
            if self._client_ca is not None:
                check.load_verify_locations(self._client_ca)
            pair = (key.read_bytes(), certificate.read_bytes())
            authority = self._client_ca.read_bytes() if self._client_ca else None
        except ssl.SSLError as error:
            raise TlsError(
                f"{certificate} and {key} are no certificate and key in PEM that belong together "
                f"({error.reason or 'unreadable'}); check BEDPLATE_TLS_CERTIFICATE, BEDPLATE_TLS_KEY and "
                "BEDPLATE_TLS_CLIENT_CA."
            ) from error
        except OSError as error:
            raise TlsError(f"{error.filename} cannot be read: {error.strerror}.") from error
        return grpc.ssl_server_certificate_configuration([pair], root_certificates=authority)

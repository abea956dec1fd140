"""A whole server in a test: real doors on free ports, a database of its own, keys that are known.

async with serve([ledger.SERVICE]) as served:
    async with LedgerClient(served.grpc_address, key=KEY) as client:
        ...
"""

import tempfile
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bedplate.auth.keys import INVALID_SENTENCE
from bedplate.auth.principal import Principal
from bedplate.errors import Kind, Refusal
from bedplate.server.app import App
from bedplate.server.service import Service, ServiceType
from bedplate.settings import Settings
from bedplate.telemetry.logs import LogWriter

# Acts for TENANT and may call everything that is served.
KEY = "test-key"
TENANT = "tenant-a"
# The same for another tenant, which must see nothing of the first.
OTHER_KEY = "other-test-key"
OTHER_TENANT = "tenant-b"


class TestKeys:
    """Knows KEY, OTHER_KEY and what else it is told."""

    __test__ = False  # it is no test, whatever its name says to pytest

    def __init__(self, principals: Mapping[str, Principal]) -> None:
        self._principals = dict(principals)

    def grant(self, scopes: frozenset[str]) -> None:
        """Let KEY and OTHER_KEY do all of this."""
        for key, tenant in ((KEY, TENANT), (OTHER_KEY, OTHER_TENANT)):
            self._principals.setdefault(key, Principal(f"key:{key}", tenant, scopes))

    def authenticate(self, credential: str) -> Principal:
        """See `Authenticator`."""
        found = self._principals.get(credential)
        if found is None:
            raise Refusal(Kind.UNKNOWN_CALLER, "CREDENTIAL_INVALID", INVALID_SENTENCE)
        return found


@dataclass(frozen=True, slots=True)
class Served:
    """A server that runs.

    Attributes:
        app: The server.
        grpc_address: Where it answers gRPC, `host:port`.
        http_address: Where it answers HTTP, `host:port`.
        log: The file of its log lines; `app.telemetry.log.flush()` completes it.
    """

    app: App
    grpc_address: str
    http_address: str
    log: Path


@asynccontextmanager
async def serve(
    services: Iterable[ServiceType | Service],
    *,
    database_url: str = "",
    principals: Mapping[str, Principal] | None = None,
    **settings: Any,
) -> AsyncIterator[Served]:
    """Run a server until the block ends; it drains as a real one does.

    A refusal with an undeclared reason is answered INTERNAL, so that a test sees it.

    Args:
        services: What it serves.
        database_url: Its database; empty: a SQLite file of its own, removed at the end.
        principals: Further callers by key.
        **settings: Other settings, by the names of `Settings`.
    """
    keys = TestKeys(principals or {})
    with tempfile.TemporaryDirectory(prefix="bedplate-") as folder:
        given: dict[str, Any] = {
            "http_address": "127.0.0.1:0",
            "grpc_address": "127.0.0.1:0",
            "data_dir": Path(folder),
            "database_url": database_url,
            "log_file": str(Path(folder) / "log"),
            **settings,
        }
        app = App(
            Settings(**given),
            [_type(service) for service in services],
            authenticator=keys,
            strict=True,
            log=LogWriter.open(given["log_file"]),
        )
        await app.start()
        keys.grant(_scopes(app))
        try:
            yield Served(app, app.grpc_address, app.http_address, Path(given["log_file"]))
        finally:
            await app.stop()


def _type(service: ServiceType | Service) -> ServiceType:
    if isinstance(service, ServiceType):
        return service
    return ServiceType(service.name, lambda _: service)


def _scopes(app: App) -> frozenset[str]:
    auths = [method.policy.auth for method in app.methods.values()]
    return frozenset(scope for auth in auths if auth for scope in auth.all_scopes | auth.any_scopes)

"""bedplate with everything on: the gRPC door and the HTTP door of one process."""

import os
import tempfile
from pathlib import Path
from typing import Any

from bedplate.transport.tuning import tune

tune()  # as the command does, before grpc is imported

# ruff: noqa: E402
from bedplate.auth.principal import Principal
from bedplate.errors import Kind, Refusal
from bedplate.pipeline.call import Call
from bedplate.server.app import App
from bedplate.server.service import Context, Service, ServiceType
from bedplate.settings import Settings
from tests.bench import contract
from tests.bench.servers.process import KEY, serve

ALIVE: list[App] = []


class Handlers:
    """The service's logic."""

    async def Charge(self, request: Any, call: Call) -> Any:
        """Answer the call."""
        return contract.charge(request)


class OneKey:
    """Knows one key by its digest, as the key file does, without the file."""

    def __init__(self) -> None:
        self._principal = Principal("key:bench", "tenant", frozenset({contract.SCOPE}))

    def authenticate(self, credential: str) -> Principal:
        """The principal of the key."""
        if credential != KEY:
            raise Refusal(Kind.UNKNOWN_CALLER, "CREDENTIAL_INVALID", "The key is not valid.")
        return self._principal


def build(context: Context) -> Service:
    """The service."""
    return Service("bench", contract.SERVICE, Handlers())


async def start() -> list[int]:
    """Serve on free ports; gRPC's, then HTTP's."""
    folder = Path(os.environ.get("BENCH_DIR") or tempfile.mkdtemp())
    settings = Settings(
        http_address="127.0.0.1:0",
        grpc_address="127.0.0.1:0",
        data_dir=folder,
        log_file=str(folder / "log.jsonl"),
    )
    # As in production, where responses are not held against their contract.
    app = App(settings, [ServiceType("bench", build)], authenticator=OneKey(), strict=False)
    await app.start()
    ALIVE.append(app)
    addresses = [address for address in (app.grpc_address, app.http_address) if address]
    return [int(address.rpartition(":")[2]) for address in addresses]


if __name__ == "__main__":
    serve(start)

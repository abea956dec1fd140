"""The server under load: `python -m tests.load.serve [SETTING=VALUE...]`; tells its gRPC port."""

import sys
import tempfile
from pathlib import Path

from bedplate.transport.tuning import tune

tune()  # as the command does, before grpc is imported

# ruff: noqa: E402
from bedplate.auth.principal import Principal
from bedplate.server.app import App
from bedplate.settings import Settings
from bedplate.testing.serve import KEY, TENANT, TestKeys
from tests.bench.servers.process import serve
from tests.load.contract import SCOPE, TYPE

ALIVE: list[App] = []
FOLDER = tempfile.TemporaryDirectory(prefix="bedplate-load-")


async def start() -> list[int]:
    """Serve on free ports; gRPC's, then HTTP's."""
    folder = Path(FOLDER.name)
    settings = Settings(
        http_address="127.0.0.1:0",
        grpc_address="127.0.0.1:0",
        data_dir=folder,
        log_file=str(folder / "log.jsonl"),
        **dict(pair.split("=", 1) for pair in sys.argv[1:]),
    )
    keys = TestKeys({KEY: Principal("key:load", TENANT, frozenset({SCOPE}))})
    app = App(settings, [TYPE], authenticator=keys)
    await app.start()
    ALIVE.append(app)
    return [int(address.rpartition(":")[2]) for address in (app.grpc_address, app.http_address)]


if __name__ == "__main__":
    with FOLDER:
        serve(start)

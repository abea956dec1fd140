"""bedplate that has no room for any call, and refuses each: early, in the pipeline, or by core.

python -m tests.bench.servers.bedplate_refusing; BENCH_REFUSES says where.
"""

import os
import tempfile
from pathlib import Path
from typing import Any

from bedplate.transport.tuning import tune

tune()  # as the command does, before grpc is imported

# ruff: noqa: E402
from bedplate.server.app import App
from bedplate.server.service import ServiceType
from bedplate.settings import Settings
from tests.bench.servers.bedplate_platform import ALIVE, OneKey, build
from tests.bench.servers.process import serve

WHERE = os.environ.get("BENCH_REFUSES", "early")


class Full(App):
    """A process whose limit is nothing."""

    async def _open_doors(self, parts: Any, tls: Any) -> None:
        if WHERE != "core":
            parts.load.limit.value = 0.0
        await super()._open_doors(parts, tls)
        if WHERE == "pipeline":
            assert self._grpc is not None
            self._grpc._early._methods.clear()
            self._grpc.asks_early = False


async def start() -> list[int]:
    """Serve on free ports; gRPC's, then HTTP's."""
    folder = Path(os.environ.get("BENCH_DIR") or tempfile.mkdtemp())
    settings = Settings(
        http_address="127.0.0.1:0",
        grpc_address="127.0.0.1:0",
        data_dir=folder,
        log_file=str(folder / "log.jsonl"),
        load_calls=1 if WHERE == "core" else 10_000,
    )
    app = Full(settings, [ServiceType("bench", build)], authenticator=OneKey())
    await app.start()
    ALIVE.append(app)
    return [int(address.rpartition(":")[2]) for address in (app.grpc_address, app.http_address)]


if __name__ == "__main__":
    serve(start)

"""The gateway of its own process, here in the test's."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bedplate.client.tls import Tls
from bedplate.gateway.elsewhere.upstream import Target
from bedplate.server.edge import Edge
from bedplate.server.sources import Files, Reflected
from bedplate.settings import Settings
from bedplate.telemetry.logs import LogWriter
from tests.gateway.http_door import Log
from tests.gateway.wire import PATIENCE_S, Reply, call


@dataclass(slots=True)
class Opened:
    """An edge that answers.

    Attributes:
        edge: It.
        log: Where it logs.
    """

    edge: Edge
    log: Log

    async def get(self, target: str, **headers: Any) -> Reply:
        """GET a target, without a key unless one is given."""
        return await self.ask("GET", target, **headers)

    async def ask(self, http_method: str, target: str, body: bytes | None = None, **headers: Any) -> Reply:
        """Send a request."""
        return await call(self.edge.http_address, http_method, target, body, **{"key": None, **headers})

    def logged(self, event: str) -> list[dict[str, Any]]:
        """The lines of one event."""
        self.edge.telemetry.log.flush()
        lines = [json.loads(line) for line in self.log.getvalue().splitlines()]
        return [line for line in lines if line["event"] == event]

    async def until_logged(self, event: str) -> None:
        """Wait until a line of an event is there."""
        async with asyncio.timeout(PATIENCE_S):
            while not self.logged(event):
                await asyncio.sleep(0.01)

    async def until_ready(self) -> None:
        """Wait until the server behind wants callers."""
        async with asyncio.timeout(PATIENCE_S):
            while (await self.get("/readyz")).status != 200:
                await asyncio.sleep(0.01)


@asynccontextmanager
async def open_edge(
    target: str, contracts: Path | str, *, tls: Tls | None = None, every_s: float = 3600.0, **settings: Any
) -> AsyncIterator[Opened]:
    """An edge in front of a target; `contracts` is a file, or `reflect`."""
    at = Target.of(target, tls=tls, plaintext=False)
    source: Any = (
        Reflected(at, every_s=every_s)
        if contracts == "reflect"
        else Files([Path(contracts)], every_s=every_s)
    )
    log = Log()
    # A machine that is busy with other tests is no overload.
    given = {"http_address": "127.0.0.1:0", "drain_refuse_s": 0.0, "load_shedding": False, **settings}
    edge = Edge(Settings(**given), at, source, log=LogWriter(log))
    await edge.start()
    try:
        yield Opened(edge, log)
    finally:
        edge.hurry()
        await edge.stop()

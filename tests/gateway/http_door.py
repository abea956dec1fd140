"""An HTTP door with the shop behind it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from bedplate.pipeline.stage import OpenGate
from bedplate.settings import Settings
from bedplate.telemetry.logs import LogWriter
from bedplate.telemetry.recorder import Telemetry
from bedplate.transport.http import HttpDoor
from tests.gateway import shop


class Log(BytesIO):
    """Keeps what was logged after it was closed."""

    def close(self) -> None:
        pass


@dataclass(slots=True)
class Open:
    """A door that is open, and what is behind it."""

    door: HttpDoor
    handlers: shop.Handlers
    telemetry: Telemetry
    gate: OpenGate
    log: Log
    ready: bool = True

    @property
    def address(self) -> str:
        return self.door.address

    def logged(self) -> str:
        self.telemetry.log.flush()
        return self.log.getvalue().decode()


@asynccontextmanager
async def open_door(**settings: Any) -> AsyncIterator[Open]:
    """A door with these settings; it is stopped at the end, hard."""
    given = Settings(http_address="127.0.0.1:0", **settings)
    log = Log()
    telemetry = Telemetry(log=LogWriter(log))
    handlers, gate = shop.Handlers(), OpenGate()
    door = HttpDoor(shop.methods(handlers, telemetry, given, gate), given, telemetry, lambda: opened.ready)
    opened = Open(door, handlers, telemetry, gate, log)
    await door.start()
    try:
        yield opened
    finally:
        await door.stop(0)
        telemetry.log.close()

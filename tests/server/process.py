"""A server in a process of its own, and what it says."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bedplate.transport.tuning import EXPERIMENTS

ROOT = Path(__file__).parent.parent.parent
WAIT_S = 60.0


class Process:
    """The echo service as `tests.server.serve_echo` runs it.

    Attributes:
        began: Texts whose handlers began.
        ended: Texts whose handlers ended.
    """

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.began: list[str] = []
        self.ended: list[str] = []
        self.grpc_address = self.http_address = ""
        self._ready = asyncio.Event()
        self._said = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            word, *rest = line.decode().split()
            if word == "ready":
                self.grpc_address, self.http_address = rest
                self._ready.set()
            elif word == "began":
                self.began.append(rest[0])
            elif word == "ended":
                self.ended.append(rest[0])
            self._said.set()
        self._ready.set()

    @property
    def pid(self) -> int:
        """Its number among the machine's processes."""
        return self._process.pid

    async def ready(self) -> None:
        """Wait until it takes calls."""
        await asyncio.wait_for(self._ready.wait(), WAIT_S)
        assert self.grpc_address, f"it ended with {await self._process.wait()}"

    async def until(self, count: int) -> None:
        """Wait until so many handlers have begun."""
        async with asyncio.timeout(WAIT_S):
            while len(self.began) < count:
                self._said.clear()
                await self._said.wait()

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    async def exit_code(self) -> int:
        """Wait for its end."""
        code = await asyncio.wait_for(self._process.wait(), WAIT_S)
        await self._reading
        return code

    def close(self) -> None:
        """End it if it still runs."""
        if self._process.returncode is None:
            self._process.kill()


@asynccontextmanager
async def process(folder: Path, **settings: object) -> AsyncIterator[Process]:
    """Start one; it is ended with the block."""
    started = Process(
        await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.server.serve_echo",
            str(folder),
            *(f"{name}={value}" for name, value in settings.items()),
            cwd=ROOT,
            env=os.environ | {"GRPC_EXPERIMENTS": EXPERIMENTS},  # as the command runs it
            stdout=asyncio.subprocess.PIPE,
        )
    )
    try:
        await started.ready()
        yield started
    finally:
        started.close()
        await started.exit_code()

"""Servers in processes of their own: they print their ports, and end with their standard input."""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from tests.gateway.conformance.contract import ROOT

START_S = 60.0
STOP_S = 20.0

# Settings of the servers: so that limits of time are reached within a test's
# patience, and nobody is refused for asking often.
LIMITS: dict[str, Any] = {
    "address_rate": 0,
    "load_shedding": False,
    "http_header_s": 0.5,
    "http_body_s": 1.0,
}


async def serve(start: Callable[[], Awaitable[tuple[dict[str, Any], Callable[[], Awaitable[Any]]]]]) -> None:
    """Run a server until standard input ends.

    Args:
        start: Starts it; what it listens on by name, and what stops it.
    """
    ports, stop = await start()
    print(json.dumps(ports), flush=True)
    loop = asyncio.get_running_loop()
    over = asyncio.Event()

    def watch() -> None:
        sys.stdin.buffer.read()
        loop.call_soon_threadsafe(over.set)

    threading.Thread(target=watch, daemon=True).start()
    await over.wait()
    await stop()


class Running:
    """A server that runs.

    Attributes:
        ports: What it said that it listens on.
    """

    def __init__(self, *command: str, program: tuple[str, ...] = (sys.executable, "-m")) -> None:
        """Start a program (left out: `python -m`) with these words, and wait for its ports.

        Raises:
            RuntimeError: It ended before it said them.
        """
        self._process = subprocess.Popen(
            [*program, *command], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert self._process.stdout is not None
        timer = threading.Timer(START_S, self._process.kill)
        timer.start()
        line = self._process.stdout.readline()
        timer.cancel()
        if not line:
            self.stop()
            raise RuntimeError(f"{' '.join(command)} ended before it served")
        self.ports: dict[str, Any] = json.loads(line)

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def stop(self) -> None:
        """End it."""
        process = self._process
        if process.stdin is not None:
            process.stdin.close()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()

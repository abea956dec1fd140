"""What every server of the benchmark does: uvloop, one free port, tell it, serve until the end."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import uvloop

KEY = "bp_bench_" + "k" * 43
PATH = "/v1/payments:charge"

# A task that nobody holds may be collected.
ALIVE: list[asyncio.Task[None]] = []


def serve(start: Callable[[], Awaitable[int | list[int]]]) -> None:
    """Start a server, print its port or ports on one line, and serve until standard input ends."""

    async def main() -> None:
        ports = await start()
        print(*(ports if isinstance(ports, list) else [ports]), flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)

    uvloop.run(main())


async def start_asgi(app: Any) -> int:
    """Serve an ASGI application by uvicorn on a free port."""
    import uvicorn

    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", access_log=False)
    )
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    ALIVE.append(asyncio.create_task(server.serve()))
    while not server.started:
        await asyncio.sleep(0.01)
    port: int = server.servers[0].sockets[0].getsockname()[1]
    return port

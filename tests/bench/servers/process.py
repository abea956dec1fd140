"""What every server of the benchmark does: uvloop, one free port, tell it, serve until the end."""

import asyncio
import sys
from collections.abc import Awaitable, Callable

import uvloop

KEY = "bp_bench_" + "k" * 43


def serve(start: Callable[[], Awaitable[int | list[int]]]) -> None:
    """Start a server, print its port or ports on one line, and serve until standard input ends."""

    async def main() -> None:
        ports = await start()
        print(*(ports if isinstance(ports, list) else [ports]), flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)

    uvloop.run(main())

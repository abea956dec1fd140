"""The gateway as a process of its own, with what a test gives it.

    python -m tests.gateway.elsewhere.serve TARGET FILE|reflect [SETTING=VALUE ...]

prints the port that it listens on, and answers until its standard input ends.
"""

import asyncio
import sys
from pathlib import Path
from typing import Any

from bedplate.transport.tuning import tune

tune()  # as the command does, before grpc is imported

# ruff: noqa: E402
from bedplate.gateway.elsewhere.upstream import Target
from bedplate.server.edge import Edge
from bedplate.server.sources import Files, Reflected
from bedplate.settings import Settings
from tests.gateway.conformance.process import serve


async def start(target: str, contracts: str, settings: dict[str, str]) -> tuple[dict[str, Any], Any]:
    """Listen; what it listens on, and what stops it."""
    at = Target.of(target, tls=None, plaintext=False)
    source = Reflected(at) if contracts == "reflect" else Files([Path(contracts)])
    edge = Edge(Settings(http_address="127.0.0.1:0", **settings), at, source)  # type: ignore[arg-type]
    await edge.start()
    return {"http": edge.http_address}, edge.stop


if __name__ == "__main__":
    given = dict(word.split("=", 1) for word in sys.argv[3:])
    asyncio.run(serve(lambda: start(sys.argv[1], sys.argv[2], given)))

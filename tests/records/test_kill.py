"""kill -9 at every step between receipt and answer, then the same call again: the effect exactly once."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
import sqlalchemy as sa

from bedplate.data.postgresql import with_driver
from bedplate.testing.serve import KEY
from tests.records import till
from tests.records.serve_till import POINTS, REFUSAL_POINTS, STEP_POINTS
from tests.records.till import SellRequest, SellResponse

ROOT = Path(__file__).parent.parent.parent
METADATA = (("authorization", f"Bearer {KEY}"),)
WAIT_S = 30.0


class Servers:
    """Servers that follow each other, of which one runs at a time."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self._process = process
        made = sa.make_url(url)
        self._engine = sa.create_engine(with_driver(made) if made.drivername.startswith("postgres") else made)
        self._address = ""

    async def next(self) -> None:
        """Wait for the next server."""
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), WAIT_S)
        self._address = line.decode().strip()
        assert self._address, "no server came up"

    async def call(self, method: str, request: Any, timeout_s: float = 8.0) -> tuple[str, Any, bool]:
        """Code, response or details, and whether it is a replay."""
        async with grpc.aio.insecure_channel(
            self._address, options=[("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]
        ) as channel:
            path = f"/{till.SERVICE.full_name}/{method}"
            call: Any = channel.unary_unary(path, SellRequest.SerializeToString, SellResponse.FromString)(
                request, metadata=METADATA, timeout=timeout_s
            )
            try:
                said = await call
            except grpc.aio.AioRpcError as error:
                replayed = ("idempotent-replayed", "true") in tuple(error.initial_metadata())
                return error.code().name, error.details(), replayed
            return "OK", said, ("idempotent-replayed", "true") in tuple(await call.initial_metadata())

    def run(self, work: Any) -> Any:
        """Ask the database past the server, which lets go of it between two statements only."""
        with self._engine.begin() as connection:
            return work(connection)

    def close(self) -> None:
        self._engine.dispose()


@asynccontextmanager
async def running(folder: Path, url: str) -> AsyncIterator[Servers]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.records.serve_till",
        str(folder),
        url,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    )
    servers = Servers(process, url)
    try:
        await servers.next()
        yield servers
    finally:
        servers.close()
        process.terminate()
        await process.wait()


# A method, an item, the code of its answer, and the steps at which its server is killed.
Plan = list[tuple[str, str, str, tuple[str, ...]]]
SOME: Plan = [
    ("Sell", "tea", "OK", ("kept", "committed")),
    ("Sell", "rare", "FAILED_PRECONDITION", ("keeping",)),
    ("SellInSteps", "tea", "OK", ("between",)),
]
ALL: Plan = [
    ("Sell", "tea", "OK", POINTS),
    ("Sell", "rare", "FAILED_PRECONDITION", REFUSAL_POINTS),
    ("SellInSteps", "tea", "OK", STEP_POINTS),
]


async def kill_at_each(plan: Plan, folder: Path, url: str) -> None:
    async with running(folder, url) as servers:
        servers.run(lambda connection: till.set_sold_out(connection, "rare", True))
        for method, item, code, points in plan:
            for point in points:
                await kill_at(servers, method, point, item, code)


async def test_a_server_killed_on_the_way_leaves_one_effect_once_the_call_was_repeated(
    database_url: str, tmp_path: Path
) -> None:
    await kill_at_each(SOME, tmp_path / "data", database_url)


@pytest.mark.soak
async def test_a_server_killed_at_any_step_leaves_one_effect_once_the_call_was_repeated(
    database_url: str, tmp_path: Path
) -> None:
    await kill_at_each(ALL, tmp_path / "data", database_url)


async def kill_at(servers: Servers, method: str, point: str, item: str, code: str) -> None:
    """Kill the server at a point of a call, and repeat that."""
    before = len(servers.run(till.sales))
    request = SellRequest(request_id=f"{method}-{item}-{point}", item=item, note=point)
    # A step's lease ends with the deadline of the call that died: 0.5 s, and 1 s for clocks that differ.
    killed = await servers.call(method, request, timeout_s=0.5)
    assert killed[0] in ("UNAVAILABLE", "DEADLINE_EXCEEDED"), (point, killed)
    await servers.next()
    request.note = ""

    again = await servers.call(method, request)
    while again[0] == "ABORTED":
        await asyncio.sleep(0.1)  # as RetryInfo says
        again = await servers.call(method, request)
    third = await servers.call(method, request)

    assert again[0] == code, (point, again)
    assert again[2] is (point in ("committed", "answered")), point
    assert (third[0], third[1], third[2]) == (code, again[1], True), point
    sold = servers.run(till.sales)
    assert len(sold) - before == (1 if code == "OK" else 0), point
    assert {state for _, _, state in sold} <= {"sold"}, point

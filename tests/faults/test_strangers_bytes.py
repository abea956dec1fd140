"""A caller who may not call cannot make the server keep what it sends."""

import asyncio
from pathlib import Path

import grpc
import psutil
import pytest

from bedplate.testing.serve import KEY
from tests.protos import echo
from tests.protos.echo import EchoRequest
from tests.server.process import Process, process
from tests.transport.http2 import connect

CALLS = 100
CONNECTIONS = 3
LARGE = EchoRequest(text="a", payload=bytes(4_000_000)).SerializeToString()
# What a process may grow by while 1.2 GB are on their way to it: windows,
# buffers of sockets, and what Python keeps for 300 calls.
GROWTH_MAX = 120_000_000
EVERY_S = 0.01


class Growth:
    """Watches how much memory a process takes; the most of it above what it began with, in bytes."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._began = self._process.memory_info().rss
        self.most = 0
        self._watching = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        while True:
            self.look()
            await asyncio.sleep(EVERY_S)

    def look(self) -> None:
        self.most = max(self.most, self._process.memory_info().rss - self._began)

    def end(self) -> int:
        self.look()
        self._watching.cancel()
        return self.most


async def flood(server: Process, method: str, metadata: tuple[tuple[str, str], ...]) -> set[str]:
    """Send LARGE on many calls of several connections at once; the codes that came back."""
    options = [("grpc.use_local_subchannel_pool", 1)]
    channels = [grpc.aio.insecure_channel(server.grpc_address, options=options) for _ in range(CONNECTIONS)]
    codes = set()

    async def one(channel: grpc.aio.Channel) -> None:
        call = channel.unary_unary(f"/{echo.SERVICE.full_name}/{method}")(LARGE, metadata=metadata)
        codes.add((await call.code()).name)

    try:
        await asyncio.gather(*(one(channel) for channel in channels for _ in range(CALLS)))
    finally:
        await asyncio.gather(*(channel.close() for channel in channels))
    return codes


@pytest.mark.parametrize(("method", "key"), [("Echo", "wrong"), ("Chat", "")])
async def test_four_megabytes_on_hundreds_of_calls_without_a_key_are_not_kept(
    tmp_path: Path, method: str, key: str
) -> None:
    metadata = (("authorization", f"Bearer {key}"),) if key else ()
    async with process(tmp_path) as server:
        growth = Growth(server.pid)

        codes = await flood(server, method, metadata)

        assert codes == {"UNAUTHENTICATED"}
        assert growth.end() < GROWTH_MAX


async def test_a_peer_that_sends_all_that_its_windows_allow_before_it_is_refused_is_not_kept(
    tmp_path: Path,
) -> None:
    async with process(tmp_path) as server:
        growth = Growth(server.pid)
        for _ in range(5):
            async with connect(server.grpc_address) as peer:
                held = [peer.call(message=LARGE[:600], end=False) for _ in range(CALLS)]
                await asyncio.gather(*(peer.result(stream) for stream in held))

                assert {stream.code for stream in held} == {16}

        assert growth.end() < GROWTH_MAX


async def test_a_caller_with_a_key_may_send_as_much(tmp_path: Path) -> None:
    async with process(tmp_path) as server, grpc.aio.insecure_channel(server.grpc_address) as channel:
        call = channel.unary_unary(f"/{echo.SERVICE.full_name}/Echo")

        answers = await asyncio.gather(
            *(call(LARGE, metadata=(("authorization", f"Bearer {KEY}"),)) for _ in range(3))
        )

    assert [len(answer) > 4_000_000 for answer in answers] == [True] * 3

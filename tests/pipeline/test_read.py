"""A door that reads a request late does so once it is decided that the call may run."""

import asyncio
from typing import Any

import pytest

from bedplate.pipeline.failure import Failure
from tests.pipeline.conftest import Bench
from tests.pipeline.running import payloads
from tests.protos.echo import EchoRequest, Hold

HI = EchoRequest(text="hi", times=1)
KINDS = ["Echo", "Collect", "Repeat", "Chat"]


class Reader:
    """Reads a request, and counts how often it was asked to."""

    def __init__(self, bench: Bench, kind: str) -> None:
        self._streams = bench.methods[kind].client_streaming
        self.asked = 0

    async def read(self) -> Any:
        self.asked += 1
        return payloads(HI) if self._streams else HI.SerializeToString()


async def run(bench: Bench, kind: str, call: Any, read: Any) -> list[Any]:
    method = bench.methods[kind]
    responses: list[Any] = []

    async def write(response: Any) -> None:
        responses.append(response)

    if method.server_streaming:
        await method.deliver(call, None, write, read)
    else:
        responses.append(await method.unary(call, None, read))
    return responses


@pytest.mark.parametrize("kind", KINDS)
async def test_a_request_is_read_once_for_a_caller_who_may_call(bench: Bench, kind: str) -> None:
    reader = Reader(bench, kind)

    responses = await run(bench, kind, bench.call(kind), reader.read)

    assert [response.text.split()[0] for response in responses] == ["hi"]
    assert reader.asked == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("key", ["", "wrong", "homeless", "nothing"])
async def test_nothing_is_read_for_a_caller_who_may_not(bench: Bench, kind: str, key: str) -> None:
    reader = Reader(bench, kind)

    with pytest.raises(Failure):
        await run(bench, kind, bench.call(kind, key=key), reader.read)

    assert reader.asked == 0


async def test_our_deadline_ends_a_call_whose_request_does_not_come(bench: Bench) -> None:
    with pytest.raises(Failure) as failed:
        await run(bench, "EchoQuick", bench.call("EchoQuick"), asyncio.Event().wait)

    assert failed.value.reason == "DEADLINE_EXCEEDED"


@pytest.mark.parametrize(("reads", "reason"), [(False, "DRAINING"), (True, "OUTCOME_UNKNOWN")])
async def test_a_call_that_is_stopped_before_its_request_is_there_had_no_effect(
    bench: Bench, reads: bool, reason: str
) -> None:
    call = bench.call()
    hold = bench.handlers.actions["hi"] = Hold()
    waits = asyncio.Event()

    async def read() -> Any:
        waits.set()
        return HI.SerializeToString() if reads else await asyncio.Event().wait()

    running = asyncio.ensure_future(run(bench, "Echo", call, read))
    await (hold.reached if reads else waits).wait()
    call.stopped = True
    running.cancel()

    with pytest.raises(Failure) as failed:
        await running
    assert failed.value.reason == reason

"""Who hedges, and what servers make of it: stubs, plain code, calls in process, deployments, counts."""

import asyncio
import socket
import threading
from pathlib import Path
from typing import Any

import grpc
import pytest

from bedplate.client import wrap
from bedplate.client.errors import (
    Aborted,
    CallError,
    Unavailable,
)
from bedplate.contract.headers import HEDGED_ATTEMPTS
from bedplate.errors import Kind, Refusal
from bedplate.testing.serve import KEY, serve
from bedplate.transport.local import LocalChannel
from tests.client.finding import REQUEST, Attempt, Finder, PlainFinder, Servers, calling, good, hold, refuse
from tests.client.plain import threaded_server
from tests.protos import hedged
from tests.protos.hedged import FindRequest, FindResponse


def plain(client: Finder, method: str) -> Any:
    """A method as generated stubs call it."""
    return client._channel.unary_unary(
        f"/tests.hedged.v1.FindService/{method}", FindRequest.SerializeToString, FindResponse.FromString
    )


async def test_a_stub_on_the_channel_is_hedged_as_well_and_sees_one_call() -> None:
    servers = Servers(hold, good)
    async with calling(servers) as client:
        call = plain(client, "Find")(REQUEST, timeout=5)
        ends: list[Any] = []
        call.add_done_callback(ends.append)
        assert not call.done()
        assert 4 < call.time_remaining() <= 5

        assert (await call).text == "1"
        assert await call.code() is grpc.StatusCode.OK
        assert await call.details() == ""
        assert (await call.initial_metadata(), await call.trailing_metadata()) == (grpc.aio.Metadata(),) * 2
        assert (call.done(), call.cancelled(), call.cancel()) == (True, False, False)
        assert ends == [call]
        assert (await call).text == "1"


async def test_where_deadlines_are_only_observed_attempts_have_none() -> None:
    servers = Servers(hold, good)
    async with calling(servers) as client:
        call = plain(client, "FindObserved")(REQUEST)

        assert call.time_remaining() is None
        assert (await call).text == "1"

    assert [attempt.left_s for attempt in servers.seen] == [None, None]


async def test_a_stub_sees_the_failure_of_the_attempt_that_ended_its_call() -> None:
    sent = (("x-why", "so"),)
    servers = Servers(refuse("UNAVAILABLE"), refuse("NOT_FOUND", metadata=sent))
    async with calling(servers) as client:
        call = plain(client, "FindLate")(REQUEST)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call

        assert refused.value.code() is grpc.StatusCode.NOT_FOUND
        assert await call.code() is grpc.StatusCode.NOT_FOUND
        assert await call.details() == "no"
        assert await call.trailing_metadata() == grpc.aio.Metadata(*sent)


async def test_a_stub_can_cancel_all_attempts() -> None:
    servers = Servers(hold)
    async with calling(servers) as client:
        call = plain(client, "FindThrice")(REQUEST)
        await servers.came(3)

        assert call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        assert call.cancelled()
        assert await call.code() is grpc.StatusCode.CANCELLED
        assert await call.details()
        assert not await call.trailing_metadata()
        await asyncio.gather(*(attempt.cancelled.wait() for attempt in servers.seen))


async def test_who_stops_waiting_for_the_end_of_a_call_does_not_cancel_it() -> None:
    servers = Servers(lambda _: servers.release.wait())
    async with calling(servers) as client:
        call = plain(client, "FindLate")(REQUEST)
        await servers.came(1)
        waiting = asyncio.create_task(call.code())
        connecting = asyncio.create_task(call.wait_for_connection())
        await asyncio.wait([waiting], timeout=0)
        waiting.cancel()
        servers.release.set()

        assert (await call).text == "0"
        await connecting


def test_plain_code_is_hedged_as_well() -> None:
    numbers: list[str | None] = []
    cancelled = threading.Event()

    async def answer(request: bytes, context: Any) -> Any:
        number = dict(context.invocation_metadata()).get(HEDGED_ATTEMPTS)
        numbers.append(number)
        if number is None:
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()
        return FindResponse(text=str(number))

    with threaded_server(answer) as address, PlainFinder(address) as client:
        assert client.call("Find", REQUEST).text == "1"
        assert cancelled.wait(10)

    assert numbers == [None, "1"]


class Handlers:
    """The service in bedplate: holds the first attempt until it is cancelled, or refuses all."""

    def __init__(self, *, fails: bool = False) -> None:
        self.calls = 0
        self.ended = asyncio.Event()
        self._fails = fails

    async def Find(self, request: Any, call: Any) -> Any:
        self.calls += 1
        if self._fails:
            raise Refusal(Kind.UNAVAILABLE, "DEPENDENCY_UNAVAILABLE", "Not now.")
        if self.calls == 1:
            try:
                await asyncio.Event().wait()
            finally:
                self.ended.set()
        return FindResponse(text=request.text)

    FindLate = FindObserved = FindOnce = FindShort = FindThrice = Find


async def test_a_channel_around_another_one_does_not_multiply_its_attempts() -> None:
    servers = Servers(refuse("UNAVAILABLE", reason="OUTCOME_UNKNOWN"))
    async with calling(servers) as client:
        around = Finder(client._channel, key="of-its-own")
        with pytest.raises(Unavailable):
            await around.call("FindLate", REQUEST)

    assert servers.numbers == [None, "1", "2"]


async def test_a_call_in_process_is_not_hedged() -> None:
    handlers = Handlers(fails=True)
    async with serve([hedged.service(handlers)], drain_refuse_s=0.0) as served:
        local = LocalChannel(served.app.methods)
        for channel in (local, wrap(local, hedged.SERVICE)):
            client = Finder(channel, key=KEY)
            with pytest.raises(Unavailable):
                await client.call("FindLate", REQUEST)
        assert handlers.calls == 2

        async with Finder(served.grpc_address, key=KEY) as client:
            with pytest.raises(Unavailable):
                await client.call("FindLate", REQUEST)
        assert handlers.calls == 5


async def test_where_no_further_attempt_is_wanted_the_failure_before_it_is_told() -> None:
    servers = Servers(refuse("ABORTED"), refuse("UNAVAILABLE", reason="ATTEMPT_UNWANTED"))
    async with calling(servers) as client:
        with pytest.raises(Aborted):
            await client.call("FindLate", REQUEST)

    assert len(servers.seen) == 2


async def test_where_no_further_attempt_is_wanted_those_that_run_still_answer() -> None:
    async def answer_after_the_refusal(attempt: Attempt) -> None:
        await servers.came(2)
        await servers.seen[1].ended.wait()

    servers = Servers(answer_after_the_refusal, refuse("UNAVAILABLE", reason="ATTEMPT_UNWANTED"))
    async with calling(servers) as client:
        answer = await client.call("Find", REQUEST)

    assert answer.text == "0"
    assert len(servers.seen) == 2


@pytest.mark.parametrize(("allowed", "calls"), [(1, 1), (2, 2)])
async def test_a_deployment_allows_fewer_attempts_than_the_contract(
    allowed: int, calls: int, tmp_path: Path
) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(f'["tests.hedged.v1.FindService/FindLate"]\nhedge.max_attempts = {allowed}\n')
    handlers = Handlers(fails=True)
    async with (
        serve([hedged.service(handlers)], policy_file=policy, drain_refuse_s=0.0) as served,
        Finder(served.grpc_address, key=KEY) as client,
    ):
        with pytest.raises(Unavailable) as refused:
            await client.call("FindLate", REQUEST)

    assert refused.value.reason == "DEPENDENCY_UNAVAILABLE"
    assert handlers.calls == calls


async def test_a_server_counts_an_attempt_that_lost_as_cancelled_and_not_as_failed() -> None:
    handlers = Handlers()
    async with (
        serve([hedged.service(handlers)], drain_refuse_s=0.0) as served,
        Finder(served.grpc_address, key=KEY) as client,
    ):
        assert (await client.call("Find", REQUEST)).text == "x"
        await handlers.ended.wait()

    def ended(code: str) -> float | None:
        labels = {"method": "tests.hedged.v1.FindService/Find", "door": "grpc", "code": code}
        return served.app.telemetry.registry.get_sample_value("bedplate_calls_total", labels)

    assert (ended("OK"), ended("CANCELLED")) == (1.0, 1.0)
    assert {ended(code) for code in ("UNAVAILABLE", "INTERNAL", "DEADLINE_EXCEEDED")} <= {None, 0.0}


async def test_nothing_is_hedged_before_there_is_a_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = Finder(f"127.0.0.1:{silent.getsockname()[1]}")
        budget = client._channel.budget
        with pytest.raises(CallError):
            await client.call("FindShort", REQUEST)
        await client.close()

    assert budget.tokens == 8.0

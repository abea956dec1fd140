"""Hedged calls over real channels: which attempts are sent, what wins, and what is left of the others."""

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2

from bedplate.client import AsyncClient, Client
from bedplate.client.errors import (
    CallError,
    DeadlineExceeded,
    InvalidArgument,
    ResourceExhausted,
    Unavailable,
)
from bedplate.contract.headers import HEDGED_ATTEMPTS, TRACEPARENT
from bedplate.errors import Kind, Refusal
from bedplate.testing.serve import KEY, serve
from bedplate.transport.local import LocalChannel
from tests.client.conftest import working
from tests.client.plain import draining, plain_server, threaded_server, trailers
from tests.protos import hedged
from tests.protos.hedged import FindRequest, FindResponse

Do = Callable[["Attempt"], Awaitable[object]]
TRACE = "00-11111111111111111111111111111111-2222222222222222-01"
REQUEST = FindRequest(text="x")
WARM = "warm"


class Finder(AsyncClient):
    """For asyncio."""

    SERVICE = hedged.SERVICE


class PlainFinder(Client):
    """For plain code."""

    SERVICE = hedged.SERVICE


class Attempt:
    """One attempt, as a server sees it; `server` is the number of the server."""

    def __init__(self, context: Any, server: int) -> None:
        self.context = context
        self.server = server
        self.metadata = dict(context.invocation_metadata())
        self.left_s: float = context.time_remaining()
        self.at = time.monotonic()
        self.cancelled = asyncio.Event()
        self.ended = asyncio.Event()
        context.add_done_callback(lambda _: self.ended.set())

    @property
    def number(self) -> str | None:
        """What it says of attempts before it."""
        return self.metadata.get(HEDGED_ATTEMPTS)

    async def refuse(self, code: str, *, reason: str = "", metadata: Any = ()) -> None:
        """Answer otherwise."""
        if reason:
            info = error_details_pb2.ErrorInfo(reason=reason, domain="bedplate")
            metadata = trailers(code, "no", info)
        await self.context.abort(grpc.StatusCode[code], "no", metadata)


class Servers:
    """What some servers do with the attempts of a call, in the order in which they were sent.

    Attributes:
        seen: The attempts that came.
        release: Lets the attempts go that are held.
        warm: Servers to which there is a connection.
    """

    def __init__(self, *do: Do) -> None:
        self._do = do
        self.seen: list[Attempt] = []
        self.warm: set[int] = set()
        self.release = asyncio.Event()
        self._came = asyncio.Condition()

    def answer(self, server: int) -> Callable[[bytes, Any], Awaitable[Any]]:
        """What one of them does."""

        async def handle(request: bytes, context: Any) -> Any:
            attempt = Attempt(context, server)
            number = int(attempt.number or 0)
            if FindRequest.FromString(request).text == WARM:
                self.warm.add(server)
                return FindResponse()
            async with self._came:
                self.seen.append(attempt)
                self._came.notify_all()
            try:
                await self._do[min(number, len(self._do) - 1)](attempt)
            except asyncio.CancelledError:
                attempt.cancelled.set()
                raise
            return FindResponse(text=f"{number}")

        return handle

    async def came(self, count: int) -> None:
        """Wait until so many attempts have come."""
        async with self._came:
            await self._came.wait_for(lambda: len(self.seen) >= count)

    @property
    def numbers(self) -> list[str | None]:
        """What the attempts say of those before them."""
        return [attempt.number for attempt in self.seen]


async def good(attempt: Attempt) -> None:
    """Answer at once."""


async def hold(attempt: Attempt) -> None:
    """Answer never."""
    await asyncio.Event().wait()


def refuse(code: str, **named: Any) -> Do:
    """Answer otherwise."""
    return lambda attempt: attempt.refuse(code, **named)


@asynccontextmanager
async def calling(servers: Servers, count: int = 1) -> AsyncIterator[Finder]:
    """A client of so many servers, connected to all of them."""
    async with asyncio.timeout(30):
        async with AsyncExitStack() as stack:
            contexts = [plain_server(servers.answer(number)) for number in range(count)]
            addresses = [await stack.enter_async_context(context) for context in contexts]
            client = await stack.enter_async_context(Finder(f"ipv4:{','.join(addresses)}"))
            while len(servers.warm) < count:
                await client.call("FindOnce", FindRequest(text=WARM))
            yield client


def tasks() -> set[Any]:
    """What runs in the loop, beside the servers' and grpcio's own."""
    return {
        task
        for task in asyncio.all_tasks()
        if "client/race" in str(task) or "_invoke" in str(task.get_coro())
    }


async def test_a_second_attempt_wins_where_the_first_gets_no_answer_and_the_first_is_cancelled() -> None:
    servers = Servers(hold, good)
    async with calling(servers) as client:
        answer = await client.call("Find", REQUEST)
        await servers.seen[0].cancelled.wait()

    assert answer.text == "1"
    assert servers.numbers == [None, "1"]


async def test_a_late_answer_of_the_first_attempt_wins_too() -> None:
    servers = Servers(lambda _: servers.release.wait(), hold)
    async with calling(servers) as client:
        call = asyncio.create_task(client.call("FindThrice", REQUEST))
        await servers.came(3)
        servers.release.set()

        assert (await call).text == "0"
        await asyncio.gather(*(attempt.cancelled.wait() for attempt in servers.seen[1:]))

    assert servers.numbers == [None, "1", "2"]


async def test_each_attempt_goes_to_another_server() -> None:
    servers = Servers(hold, hold, good)
    async with calling(servers, count=3) as client:
        await client.call("FindThrice", REQUEST)

    assert sorted(attempt.server for attempt in servers.seen) == [0, 1, 2]


async def test_an_answer_in_time_sends_nothing_more() -> None:
    servers = Servers(good)
    async with calling(servers) as client:
        await client.call("FindLate", REQUEST)

    assert servers.numbers == [None]


async def test_a_method_that_is_not_hedged_is_sent_once() -> None:
    servers = Servers(refuse("UNAVAILABLE"))
    async with calling(servers) as client:
        with pytest.raises(Unavailable):
            await client.call("FindOnce", REQUEST)

    assert servers.numbers == [None]


@pytest.mark.parametrize("code", ["UNAVAILABLE", "ABORTED"])
def test_a_failure_of_the_policys_codes_sends_the_next_attempt_at_once(code: str) -> None:
    async def go() -> None:
        servers = Servers(refuse(code), good)
        async with calling(servers) as client:
            started = time.monotonic()
            await client.call("FindLate", REQUEST)

        assert servers.numbers == [None, "1"]
        assert time.monotonic() - started < 8  # the delay is 10 s

    asyncio.run(go())


async def test_when_all_attempts_fail_the_last_answer_is_the_calls() -> None:
    servers = Servers(
        refuse("UNAVAILABLE"), refuse("ABORTED"), refuse("UNAVAILABLE", reason="OUTCOME_UNKNOWN")
    )
    async with calling(servers) as client:
        with pytest.raises(Unavailable) as refused:
            await client.call("FindLate", REQUEST)

    assert refused.value.reason == "OUTCOME_UNKNOWN"
    assert refused.value.request == REQUEST
    assert servers.numbers == [None, "1", "2"]


async def test_any_other_answer_ends_the_call_and_cancels_the_attempts_that_run() -> None:
    servers = Servers(hold, refuse("INVALID_ARGUMENT"))
    async with calling(servers) as client:
        with pytest.raises(InvalidArgument):
            await client.call("Find", REQUEST)
        await servers.seen[0].cancelled.wait()

    assert len(servers.seen) == 2


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("RESOURCE_EXHAUSTED", "OVERLOADED"),
        ("RESOURCE_EXHAUSTED", "RATE_LIMITED"),
        ("DEADLINE_EXCEEDED", "DEADLINE_TOO_SHORT"),
    ],
)
async def test_a_server_without_room_or_time_for_an_attempt_does_not_end_the_others(
    code: str, reason: str
) -> None:
    async def answer_after_the_refusal(attempt: Attempt) -> None:
        await servers.came(2)
        await servers.seen[1].ended.wait()

    servers = Servers(answer_after_the_refusal, refuse(code, reason=reason))
    async with calling(servers) as client:
        answer = await client.call("Find", REQUEST)

    assert answer.text == "0"
    assert len(servers.seen) == 2  # and nobody else was asked


async def test_a_refusal_for_load_is_the_answer_where_nothing_else_runs() -> None:
    servers = Servers(refuse("RESOURCE_EXHAUSTED", reason="OVERLOADED"))
    async with calling(servers) as client:
        with pytest.raises(ResourceExhausted) as refused:
            await client.call("FindLate", REQUEST)

    assert refused.value.reason == "OVERLOADED"
    assert len(servers.seen) == 1


@pytest.mark.parametrize("pushback", ["-1", "soon", "", "1.5", "9" * 5000])
async def test_a_server_that_says_no_more_is_obeyed(pushback: str) -> None:
    servers = Servers(refuse("UNAVAILABLE", metadata=(("grpc-retry-pushback-ms", pushback),)))
    async with calling(servers) as client:
        with pytest.raises(Unavailable):
            await client.call("FindLate", REQUEST)

    assert len(servers.seen) == 1


async def test_a_server_that_says_when_is_not_asked_before() -> None:
    servers = Servers(refuse("UNAVAILABLE", metadata=(("grpc-retry-pushback-ms", "80"),)), good)
    async with calling(servers) as client:
        await client.call("FindLate", REQUEST)

    assert servers.seen[1].at - servers.seen[0].at >= 0.078


async def test_a_server_that_stops_is_replaced_by_another_without_a_failure() -> None:
    servers = Servers(refuse("UNAVAILABLE", metadata=draining()), good)
    async with calling(servers, count=2) as client:
        budget = client._channel.budget
        before = budget.tokens
        await client.call("FindLate", REQUEST)

        assert budget.tokens == before  # what was not begun cost nothing

    assert len(servers.seen) == 2


async def test_a_server_that_dies_in_the_middle_is_replaced_by_another() -> None:
    servers = Servers(hold, good)
    first, second = plain_server(servers.answer(0)), plain_server(servers.answer(1))
    one, other = await first.__aenter__(), await second.__aenter__()
    async with Finder(f"ipv4:{one},{other}") as client:
        call = asyncio.create_task(client.call("FindLate", REQUEST))
        await servers.came(1)
        at = servers.seen[0].server
        await (first, second)[at].__aexit__(None, None, None)

        assert (await call).text == "1"

    assert servers.seen[1].server == 1 - at
    await (second, first)[at].__aexit__(None, None, None)


async def test_all_attempts_share_one_deadline() -> None:
    servers = Servers(hold)
    async with calling(servers) as client:
        started = time.monotonic()
        with pytest.raises(DeadlineExceeded):
            await client.call("FindShort", REQUEST)
        took_s = time.monotonic() - started

    assert 0.25 < took_s < 3
    first, *others = servers.seen
    assert others
    for attempt in others:
        # What is left shrinks as time passes; gRPC counts in milliseconds.
        assert attempt.left_s <= first.left_s - (attempt.at - first.at) + 0.02


async def test_the_deadline_of_the_caller_holds_for_all_attempts_and_shrinks_by_the_hop() -> None:
    servers = Servers(hold)
    async with calling(servers) as client:
        with working(0.2), pytest.raises(DeadlineExceeded):
            await client.call("Find", REQUEST)

    assert all(attempt.left_s < 0.2 for attempt in servers.seen)


async def test_a_cancelled_caller_cancels_all_attempts_and_leaves_nothing_behind() -> None:
    servers = Servers(hold)
    async with calling(servers) as client:
        call = asyncio.create_task(client.call("FindThrice", REQUEST))
        await servers.came(3)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

        assert not tasks()
        await asyncio.gather(*(attempt.cancelled.wait() for attempt in servers.seen))


async def test_a_call_that_is_won_leaves_nothing_behind() -> None:
    servers = Servers(hold, hold, good)
    async with calling(servers) as client:
        await client.call("FindThrice", REQUEST)

        assert not tasks()


async def test_calls_to_slow_servers_add_no_more_attempts_than_the_budget_has() -> None:
    servers = Servers(lambda _: servers.release.wait())
    async with calling(servers) as client:
        calls = [asyncio.create_task(client.call("Find", REQUEST)) for _ in range(30)]
        await servers.came(34)  # half of the 8 tokens: the rest is left for failures
        servers.release.set()
        await asyncio.gather(*calls)

    assert len(servers.seen) == 34


async def test_a_channel_that_is_being_closed_lets_the_attempts_that_run_end_and_sends_no_more() -> None:
    servers = Servers(lambda _: servers.release.wait(), hold)
    async with calling(servers) as client:
        call = asyncio.create_task(client.call("FindLate", REQUEST))
        await servers.came(1)
        closing = asyncio.create_task(client.close(grace_s=20))
        refused = asyncio.create_task(client.call("FindLate", REQUEST))
        await asyncio.wait([refused])
        servers.release.set()

        assert (await call).text == "0"
        assert isinstance(refused.exception(), RuntimeError)
        await closing


async def test_a_failure_after_the_channel_was_closed_is_told_and_nobody_else_is_asked() -> None:
    async def refuse_when_told(attempt: Attempt) -> None:
        await servers.release.wait()
        await attempt.refuse("UNAVAILABLE")

    servers = Servers(refuse_when_told, good)
    async with calling(servers) as client:
        call = asyncio.create_task(client.call("FindLate", REQUEST))
        await servers.came(1)
        closing = asyncio.create_task(client.close(grace_s=20))
        await asyncio.wait([asyncio.create_task(client.call("FindOnce", REQUEST))])
        servers.release.set()

        with pytest.raises(CallError):
            await call
        await closing

    assert len(servers.seen) == 1


async def test_all_attempts_are_children_of_the_callers_span() -> None:
    servers = Servers(hold, good)
    async with calling(servers) as client:
        with working(10, traceparent=TRACE):
            await client.call("Find", REQUEST)

    assert [attempt.metadata[TRACEPARENT] for attempt in servers.seen] == [TRACE, TRACE]


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

    FindLate = FindOnce = FindShort = FindThrice = Find


async def test_a_call_in_process_is_not_hedged() -> None:
    handlers = Handlers(fails=True)
    async with serve([hedged.service(handlers)], drain_refuse_s=0.0) as served:
        async with Finder(LocalChannel(served.app.methods), key=KEY) as client:
            with pytest.raises(Unavailable):
                await client.call("FindLate", REQUEST)
        assert handlers.calls == 1

        async with Finder(served.grpc_address, key=KEY) as client:
            with pytest.raises(Unavailable):
                await client.call("FindLate", REQUEST)
        assert handlers.calls == 4


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

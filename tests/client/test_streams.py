"""Calls whose requests or responses stream."""

import asyncio
import gc
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import grpc
import pytest

from bedplate.client.errors import Cancelled, DeadlineExceeded, NotFound, Unauthenticated, Unavailable
from bedplate.testing.serve import KEY, Served
from bedplate.transport.local import LocalChannel
from tests.client.echo_client import AsyncEchoClient, EchoClient
from tests.protos import echo


@pytest.fixture(params=["grpc", "local"])
async def client(request: pytest.FixtureRequest, served: Served) -> AsyncIterator[AsyncEchoClient]:
    """A client, over gRPC and in process."""
    target: Any = served.grpc_address if request.param == "grpc" else LocalChannel(served.app.methods)
    async with AsyncEchoClient(target, key=KEY) as opened:
        yield opened


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop run until something holds; handlers have no other signal at their end."""
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)


@pytest.mark.parametrize("times", [0, 1, 17, 1_000])
async def test_all_responses_come_in_order(client: AsyncEchoClient, times: int) -> None:
    texts = [answer.text async for answer in client.repeat(text="a", times=times)]

    assert texts == [f"a {number}" for number in range(times)]


async def test_a_stream_that_ended_stays_ended(client: AsyncEchoClient) -> None:
    stream = client.repeat(text="a", times=1)
    await anext(stream)

    for _ in range(2):
        with pytest.raises(StopAsyncIteration):
            await anext(stream)


async def test_a_stream_that_fails_raises_after_the_responses_before(client: AsyncEchoClient) -> None:
    stream = client.repeat(text="nobody", times=3)
    for number in range(3):
        assert (await anext(stream)).text == f"nobody {number}"

    with pytest.raises(NotFound) as refused:
        await anext(stream)

    assert (refused.value.reason, refused.value.facts) == ("ECHO_NOT_FOUND", {"text": "nobody"})


async def test_a_refused_stream_raises_at_its_first_response(served: Served) -> None:
    async with AsyncEchoClient(served.grpc_address) as client:
        with pytest.raises(Unauthenticated):
            await anext(client.repeat(text="a", times=3))


async def test_a_stream_that_a_draining_server_refuses_is_asked_for_again(served: Served) -> None:
    gate, telemetry = served.app._gate, served.app.telemetry
    async with AsyncEchoClient(served.grpc_address, key=KEY) as client:
        before = telemetry.begun
        gate.draining = True
        reading = asyncio.ensure_future(anext(client.repeat(text="a", times=1)))
        # The watch of the server's health is one; the others were refused.
        await until(lambda: telemetry.begun >= before + 4)
        gate.draining = False

        assert (await reading).text == "a 0"


async def test_leaving_a_stream_ends_its_handler(client: AsyncEchoClient, handlers: echo.Handlers) -> None:
    hold = handlers.actions["held"] = echo.Hold()
    async with client.repeat(text="held", times=1) as stream:
        await anext(stream)
        # The handler answers `times` responses and then runs its action.
        await hold.reached.wait()

    await until(lambda: "held" in handlers.left)


async def test_dropping_a_stream_ends_its_handler(client: AsyncEchoClient, handlers: echo.Handlers) -> None:
    hold = handlers.actions["held"] = echo.Hold()
    stream = client.repeat(text="held", times=1)
    await anext(stream)
    await hold.reached.wait()

    del stream
    gc.collect()

    await until(lambda: "held" in handlers.left)


async def test_whoever_waits_on_a_stream_that_is_cancelled_is_told(
    client: AsyncEchoClient, handlers: echo.Handlers
) -> None:
    hold = handlers.actions["held"] = echo.Hold()
    stream = client.repeat(text="held", times=0)
    waiting = asyncio.create_task(anext(stream))
    await hold.reached.wait()

    stream.cancel()

    with pytest.raises(Cancelled):
        await waiting
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_a_stream_cancelled_before_it_began_is_never_started(
    client: AsyncEchoClient, handlers: echo.Handlers
) -> None:
    stream = client.repeat(text="a", times=1)
    stream.cancel()

    with pytest.raises(Cancelled):
        await anext(stream)
    assert handlers.entered == []


async def test_cancelling_the_task_that_waits_cancels_the_call(
    client: AsyncEchoClient, handlers: echo.Handlers
) -> None:
    hold = handlers.actions["held"] = echo.Hold()
    task = asyncio.create_task(client.echo(text="held"))
    await hold.reached.wait()

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: "held" in handlers.left)


async def test_a_timeout_around_a_call_is_a_timeout(client: AsyncEchoClient, handlers: echo.Handlers) -> None:
    handlers.actions["held"] = echo.Hold()

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await client.echo(text="held")


async def test_a_stream_ends_at_its_deadline(client: AsyncEchoClient, handlers: echo.Handlers) -> None:
    handlers.actions["held"] = echo.Hold()
    await client.echo(text="once")  # connected: the clock is about the stream alone
    stream = client.repeat(text="held", times=2, timeout_s=1.0)
    texts = [(await anext(stream)).text for _ in range(2)]

    with pytest.raises(DeadlineExceeded):
        await anext(stream)

    assert texts == ["held 0", "held 1"]


async def test_a_reader_that_stops_reading_holds_the_writer_until_the_deadline(
    client: AsyncEchoClient, handlers: echo.Handlers
) -> None:
    stream = client.repeat(text="x" * 900, times=1_000_000, timeout_s=0.5)
    await anext(stream)
    ended = asyncio.Event()
    stream._call.add_done_callback(lambda _: ended.set())

    await ended.wait()

    with pytest.raises(DeadlineExceeded):
        # What was on its way at the deadline may still come, but not a million of them.
        [_ async for _ in stream]


def numbered(count: int) -> Iterator[Any]:
    """Requests."""
    return (echo.EchoRequest(text=str(number)) for number in range(count))


async def numbered_async(count: int) -> AsyncIterator[Any]:
    """Requests, one for each turn of the loop."""
    for request in numbered(count):
        await asyncio.sleep(0)
        yield request


@pytest.mark.parametrize("requests", [numbered, numbered_async])
@pytest.mark.parametrize("count", [0, 1, 100])
async def test_streamed_requests_are_all_seen(
    client: AsyncEchoClient, requests: Callable[[int], Any], count: int
) -> None:
    collected = await client.collect(requests(count))
    chatted = [answer.text async for answer in client.chat(requests(count))]

    assert collected.text == " ".join(map(str, range(count)))
    assert chatted == [str(number) for number in range(count)]


async def test_requests_may_depend_on_responses(client: AsyncEchoClient) -> None:
    answered: asyncio.Queue[str] = asyncio.Queue()

    async def questions() -> AsyncIterator[Any]:
        text = "a"
        while len(text) < 5:
            yield echo.EchoRequest(text=text)
            text = await answered.get() + "a"

    texts = []
    async for answer in client.chat(questions()):
        texts.append(answer.text)
        answered.put_nowait(answer.text)

    assert texts == ["a", "aa", "aaa", "aaaa"]


async def test_what_goes_wrong_in_making_requests_is_raised_as_it_was(
    client: AsyncEchoClient, handlers: echo.Handlers
) -> None:
    def broken() -> Iterator[Any]:
        yield echo.EchoRequest(text="a")
        raise LookupError("no more paper")

    with pytest.raises(LookupError, match="no more paper"):
        await client.collect(broken())
    with pytest.raises(LookupError, match="no more paper"):
        async for _ in client.chat(broken()):
            pass


async def test_a_request_of_the_wrong_type_in_a_stream_is_refused_by_name(client: AsyncEchoClient) -> None:
    with pytest.raises(TypeError, match="Collect: the request must be a EchoRequest, not EchoResponse"):
        await client.collect([echo.EchoResponse()])


async def test_a_refused_stream_of_requests_says_why(client: AsyncEchoClient) -> None:
    requests = [echo.EchoRequest(text="a"), echo.EchoRequest(text="nobody"), echo.EchoRequest(text="b")]

    with pytest.raises(NotFound):
        await client.collect(requests)


async def test_a_server_that_stops_ends_streams_as_unavailable(handlers: echo.Handlers) -> None:
    from bedplate.testing.serve import serve

    hold = handlers.actions["held"] = echo.Hold()
    async with serve([echo.service(handlers)], stop_grace_s=0.0, drain_refuse_s=0.0) as served:
        client = AsyncEchoClient(served.grpc_address, key=KEY)
        waiting = asyncio.ensure_future(anext(client.repeat(text="held", times=0)))
        await hold.reached.wait()

    with pytest.raises(Unavailable):
        await waiting
    await client.close()


async def test_a_synchronous_stream_gives_the_same(served: Served) -> None:
    def read(times: int) -> list[str]:
        with EchoClient(served.grpc_address, key=KEY) as client:
            return [answer.text for answer in client.repeat(text="a", times=times)]

    for times in (0, 1, 64, 65, 1_000):
        assert await asyncio.to_thread(read, times) == [f"a {number}" for number in range(times)]


async def test_a_synchronous_stream_fails_and_is_left_as_the_other(
    served: Served, handlers: echo.Handlers
) -> None:
    hold = handlers.actions["held"] = echo.Hold()

    def fail() -> list[str]:
        with EchoClient(served.grpc_address, key=KEY) as client:
            stream = client.repeat(text="nobody", times=3)
            texts = [next(stream).text for _ in range(3)]
            with pytest.raises(NotFound):
                next(stream)
            assert list(stream) == []
        return texts

    def leave() -> None:
        with (
            EchoClient(served.grpc_address, key=KEY) as client,
            client.repeat(text="held", times=1) as stream,
        ):
            next(stream)

    def drop() -> EchoClient:
        client = EchoClient(served.grpc_address, key=KEY)
        next(client.repeat(text="held", times=1))
        return client

    assert len(await asyncio.to_thread(fail)) == 3
    await asyncio.to_thread(leave)
    dropped = await asyncio.to_thread(drop)
    gc.collect()
    await until(lambda: len(handlers.left) == len(handlers.entered))
    await asyncio.to_thread(dropped.close)
    assert hold.reached.is_set() or handlers.entered == ["nobody"]


async def test_a_synchronous_client_streams_requests_from_a_plain_iterator(served: Served) -> None:
    def talk() -> tuple[str, list[str]]:
        with EchoClient(served.grpc_address, key=KEY) as client:
            collected = client.collect(numbered(50)).text
            return collected, [answer.text for answer in client.chat(numbered(50))]

    collected, chatted = await asyncio.to_thread(talk)

    assert collected.split() == chatted == [str(number) for number in range(50)]


async def test_a_call_by_name_is_checked_against_the_contract(client: AsyncEchoClient) -> None:
    with pytest.raises(ValueError, match="has no method 'Nothing'; it has Echo"):
        await client.call("Nothing", echo.EchoRequest())
    with pytest.raises(TypeError, match="Repeat"):
        await client.call("Repeat", echo.EchoRequest())
    with pytest.raises(TypeError, match="Echo"):
        client.stream("Echo", echo.EchoRequest())
    with pytest.raises(TypeError, match="must be a EchoRequest, not EchoResponse"):
        await client.call("Echo", echo.EchoResponse())


async def test_a_request_and_its_fields_exclude_each_other(client: AsyncEchoClient) -> None:
    with pytest.raises(TypeError, match=r"Echo: give the request, or its fields \(text\), not both"):
        await client.echo(echo.EchoRequest(), text="a")


@pytest.mark.parametrize(
    ("named", "error", "message"),
    [
        ({"text": 5}, TypeError, "Repeat: text cannot be a int"),
        ({"text": "a", "times": "x"}, TypeError, "Repeat: times cannot be a str"),
        ({"text": "a", "times": 2**40}, ValueError, "Repeat: times cannot be a int"),
        ({"text": b"\xff"}, ValueError, "Repeat: text cannot be a bytes"),
        ({"text": "\ud800"}, ValueError, "Repeat: text cannot be a str"),
    ],
)
async def test_a_value_that_does_not_fit_its_field_is_refused_by_name(
    client: AsyncEchoClient, named: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        client.repeat(**named)


async def test_what_does_not_fit_is_not_shown_where_the_request_has_secrets(client: AsyncEchoClient) -> None:
    with pytest.raises(ValueError, match="Repeat: times cannot be a int like this") as caught:
        client.repeat(text="a", times=4929123456781234)

    shown = "".join(traceback.format_exception(caught.value))
    assert "4929123456781234" not in shown.replace("times=4929123456781234", "")


async def test_a_call_object_that_is_closed_under_a_caller_is_unavailable(
    served: Served, handlers: echo.Handlers
) -> None:
    hold = handlers.actions["held"] = echo.Hold()
    async with grpc.aio.insecure_channel(served.grpc_address) as plain:
        call = asyncio.create_task(AsyncEchoClient(plain, key=KEY).echo(text="held"))
        await hold.reached.wait()

    with pytest.raises(Unavailable):
        await call

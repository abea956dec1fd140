"""A call within the process is what it is over gRPC, and touches its caller in nothing else."""

import asyncio
import contextvars
import gc
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from bedplate.contract.headers import STATUS_DETAILS
from bedplate.contract.scope import CURRENT
from bedplate.errors import Kind, Refusal
from bedplate.testing.serve import KEY, OTHER_KEY, Served
from bedplate.transport.local import LocalChannel
from tests.client.conftest import working
from tests.protos import echo

SERVICE = "/tests.echo.v1.EchoService"
AUTH = (("authorization", f"Bearer {KEY}"),)


def ask(text: str = "a", **named: Any) -> bytes:
    """A request on the wire."""
    return bytes(echo.EchoRequest(text=text, **named).SerializeToString())


class Case:
    """A call; streams are lists."""

    def __init__(
        self,
        method: str,
        request: bytes | list[bytes],
        metadata: Any = AUTH,
        *,
        responses: bool = False,
        timeout: float | None = None,
    ) -> None:
        self.method = method if method.startswith("/") else f"{SERVICE}/{method}"
        self.request = request
        self.metadata = metadata
        self.kind = (
            f"{'stream' if isinstance(request, list) else 'unary'}_{'stream' if responses else 'unary'}"
        )
        self.timeout = timeout


CASES = {
    "an answer": Case("Echo", ask(payload=b"\x00\xff")),
    "an empty message": Case("EchoOpen", b""),
    "a refusal of the handler": Case("Echo", ask("nobody")),
    "a required field": Case("Echo", ask("")),
    "a field that is too long": Case("Echo", ask("x" * 1001)),
    "no message at all": Case("Echo", b"\xff\xff"),
    "a text that is no text": Case("Echo", b"\x0a\x01\xff"),
    "a request that is too large": Case("EchoSmall", ask("x" * 100)),
    "a response that is too large": Case("EchoSmall", ask("x" * 20, payload=b"y" * 30), timeout=2),
    "no key": Case("Echo", ask(), ()),
    "no key where none is needed": Case("EchoOpen", ask(), ()),
    "another scheme": Case("Echo", ask(), (("authorization", f"Basic {KEY}"),)),
    "a wrong key": Case("Echo", ask(), (("authorization", "Bearer wrong"),)),
    "two keys": Case("Echo", ask(), (*AUTH, ("authorization", f"Bearer {OTHER_KEY}"))),
    "another tenant": Case("Echo", ask(), (("authorization", f"Bearer {OTHER_KEY}"),)),
    "an unknown method": Case("Nothing", ask()),
    "an unknown service": Case("/nothing.Service/Echo", ask()),
    "an unknown method with a stream": Case("Nothing", ask(), responses=True),
    "a bug": Case("Echo", ask("bug")),
    "a bug that cancels itself": Case("Echo", ask("cancels itself")),
    "no time": Case("Echo", ask("held"), timeout=0.15),
    "headers": Case("Echo", ask("headers")),
    "headers before a fault": Case("Echo", ask("headers and fault")),
    "headers before a refusal": Case("Echo", ask("headers and refusal")),
    "headers before a refusal of a stream": Case("Repeat", ask("headers and refusal"), responses=True),
    "headers of a stream of nothing": Case("Repeat", ask("headers"), responses=True),
    "responses": Case("Repeat", ask(times=5), responses=True),
    "no responses": Case("Repeat", ask(times=0), responses=True),
    "more responses than wait": Case("Repeat", ask(times=200), responses=True),
    "a refusal after responses": Case("Repeat", ask("nobody", times=3), responses=True),
    "a required field of a stream": Case("Repeat", ask("", times=3), responses=True),
    "requests": Case("Collect", [ask("a"), ask("b"), ask("c")]),
    "no requests": Case("Collect", []),
    "more requests than wait": Case("Collect", [ask(str(number)) for number in range(200)]),
    "a refusal of one of the requests": Case("Collect", [ask("a"), ask("nobody"), ask("c")]),
    "a request that is no message": Case("Collect", [ask("a"), b"\xff\xff"]),
    "a conversation": Case("Chat", [ask("a"), ask("b")], responses=True),
    "a refusal within a conversation": Case("Chat", [ask("a"), ask(""), ask("b")], responses=True),
}


async def outcome(channel: grpc.aio.Channel, case: Case) -> dict[str, Any]:
    """What a plain stub sees of a call, as far as it is no accident."""
    start: Any = getattr(channel, case.kind)(case.method)
    request = iter(case.request) if isinstance(case.request, list) else case.request
    call = start(request, metadata=case.metadata, timeout=case.timeout)
    seen: dict[str, Any] = {"responses": [], "raised": None}
    try:
        if case.kind.endswith("_stream"):
            async for response in call:
                seen["responses"].append(response)
        else:
            seen["responses"].append(await call)
    except grpc.aio.AioRpcError as error:
        seen["raised"] = (error.code(), error.details())
        seen["same"] = (
            error.trailing_metadata() == await call.trailing_metadata(),
            error.initial_metadata() == await call.initial_metadata(),
        )
    seen["code"] = await call.code()
    seen["details"] = await call.details()
    seen["headers"] = [pair for pair in await call.initial_metadata() if pair[0].startswith("x-")]
    seen["trailers"] = [
        (name, readable(value) if name == STATUS_DETAILS else value)
        for name, value in await call.trailing_metadata()
    ]
    assert call.done()
    assert not call.cancelled()
    if seen["code"] is grpc.StatusCode.DEADLINE_EXCEEDED:
        # Which side notices first is an accident.
        seen["details"] = seen["trailers"] = seen["raised"] = None
    return seen


def readable(value: str | bytes) -> Any:
    """The details of a status, without its error id."""
    assert isinstance(value, bytes)
    found = []
    for packed in status_pb2.Status.FromString(value).details:
        for kind in (error_details_pb2.ErrorInfo, error_details_pb2.BadRequest, error_details_pb2.RetryInfo):
            detail: Any = kind()
            if packed.Unpack(detail):
                if kind is error_details_pb2.ErrorInfo and detail.metadata.pop("error_id", ""):
                    detail.metadata["error_id"] = "hidden"
                found.append(str(detail))
    return found


@pytest.fixture
async def channel(served: Served) -> LocalChannel:
    """The in-process channel to the served echo."""
    return LocalChannel(served.app.methods)


@pytest.fixture
def acting(handlers: echo.Handlers) -> echo.Handlers:
    """Handlers that do what the cases say."""

    async def bug(call: Any) -> None:
        raise ZeroDivisionError("secret")

    async def cancels_itself(call: Any) -> None:
        raise asyncio.CancelledError

    async def headers(call: Any) -> None:
        call.response_headers.append(("x-one", "1"))
        call.response_headers.append(("x-two-bin", b"\x00\xff"))

    async def headers_and_fault(call: Any) -> None:
        await headers(call)
        await bug(call)

    async def headers_and_refusal(call: Any) -> None:
        await headers(call)
        raise Refusal(Kind.NOT_FOUND, "ECHO_NOT_FOUND", "There is no echo here.", text="none")

    handlers.actions = {
        "bug": bug,
        "cancels itself": cancels_itself,
        "headers": headers,
        "headers and fault": headers_and_fault,
        "headers and refusal": headers_and_refusal,
        "held": echo.Hold(),
    }
    return handlers


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
async def test_a_local_call_gives_what_the_wire_gives(
    served: Served, channel: LocalChannel, acting: echo.Handlers, case: Case
) -> None:
    async with grpc.aio.insecure_channel(served.grpc_address) as wire:
        over_the_wire = await outcome(wire, case)

    assert await outcome(channel, case) == over_the_wire
    assert "secret" not in repr(over_the_wire)


def stub(channel: grpc.aio.Channel, method: str = "Echo", kind: str = "unary_unary") -> Any:
    """A plain stub's callable."""
    make = getattr(channel, kind)
    return make(f"{SERVICE}/{method}", echo.EchoRequest.SerializeToString, echo.EchoResponse.FromString)


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop run until something holds."""
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0)


async def test_caller_and_handler_share_no_message(channel: LocalChannel, handlers: echo.Handlers) -> None:
    seen: list[Any] = []

    async def keep(call: Any) -> None:
        seen.append(call.request)

    handlers.actions["a"] = keep
    request = echo.EchoRequest(text="a")
    call = stub(channel)(request, metadata=AUTH)
    request.text = "changed"

    first, again = await call, await call

    assert seen[0].text == "a"
    assert seen[0] is not request
    assert first is again


async def test_caller_and_handler_share_no_context(channel: LocalChannel, handlers: echo.Handlers) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")
    seen: list[Any] = []

    async def look(call: Any) -> None:
        seen.extend((variable.get(), CURRENT.get() is call, call.door, asyncio.current_task()))
        variable.set("by the handler")

    handlers.actions["a"] = look
    variable.set("by the caller")
    with working(5) as work:
        await stub(channel)(echo.EchoRequest(text="a"), metadata=AUTH)

        assert CURRENT.get() is work
    assert seen[:3] == ["unset", True, "local"]
    assert seen[3] is not asyncio.current_task()
    assert variable.get() == "by the caller"


async def test_a_local_call_is_recorded_as_one(channel: LocalChannel, served: Served) -> None:
    await stub(channel)(echo.EchoRequest(text="a"), metadata=AUTH)

    served.app.telemetry.log.flush()
    assert '"door":"local"' in served.log.read_text()


async def test_a_call_that_was_let_in_may_call_within_while_the_process_drains(
    served: Served, channel: LocalChannel, handlers: echo.Handlers
) -> None:
    hold = echo.Hold()

    async def call_within(call: Any) -> None:
        await hold(call)
        await stub(channel)(echo.EchoRequest(text="inner"), metadata=AUTH)

    handlers.actions["outer"] = call_within
    async with grpc.aio.insecure_channel(served.grpc_address) as wire:
        outer = asyncio.ensure_future(stub(wire)(echo.EchoRequest(text="outer"), metadata=AUTH))
        await hold.reached.wait()
        stopping = asyncio.ensure_future(served.app.stop())
        await until(lambda: served.app._gate.draining)
        hold.release.set()

        assert (await outer).text == "outer"
    await stopping


async def test_work_that_does_not_stop_when_told_does_not_hold_its_caller(
    channel: LocalChannel, handlers: echo.Handlers
) -> None:
    release = asyncio.Event()

    async def stubborn(call: Any) -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    handlers.actions["a"] = stubborn

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub(channel)(echo.EchoRequest(text="a"), metadata=AUTH, timeout=0.1)

    assert refused.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    release.set()
    await until(lambda: handlers.left == ["a"])


async def test_a_cancelled_call_ends_its_handler_and_raises_cancelled(
    channel: LocalChannel, handlers: echo.Handlers
) -> None:
    hold = handlers.actions["a"] = echo.Hold()
    call = stub(channel)(echo.EchoRequest(text="a"), metadata=AUTH)
    ended: list[Any] = []
    call.add_done_callback(ended.append)
    await hold.reached.wait()

    assert call.cancel()
    assert not call.cancel()

    with pytest.raises(asyncio.CancelledError):
        await call
    assert call.cancelled()
    assert await call.code() is grpc.StatusCode.CANCELLED
    assert ended == [call]
    await until(lambda: handlers.left == ["a"])


async def test_a_call_that_is_dropped_ends_its_handler(
    channel: LocalChannel, handlers: echo.Handlers
) -> None:
    hold = handlers.actions["a"] = echo.Hold()
    call = stub(channel)(echo.EchoRequest(text="a"), metadata=AUTH)
    await hold.reached.wait()

    del call
    gc.collect()

    await until(lambda: handlers.left == ["a"])


async def test_a_cancelled_stream_gives_no_more_responses(channel: LocalChannel) -> None:
    call = stub(channel, "Repeat", "unary_stream")(echo.EchoRequest(text="a", times=50), metadata=AUTH)
    await call.read()

    call.cancel()

    with pytest.raises(asyncio.CancelledError):
        await call.read()


async def test_messages_can_be_written_and_read_one_by_one(channel: LocalChannel) -> None:
    call = stub(channel, "Chat", "stream_stream")(metadata=AUTH, timeout=5)
    await call.wait_for_connection()
    assert 0 < call.time_remaining() <= 5

    for text in ("a", "b"):
        await call.write(echo.EchoRequest(text=text))
        assert (await call.read()).text == text
    await call.done_writing()

    assert await call.read() is grpc.aio.EOF
    assert await call.code() is grpc.StatusCode.OK
    with pytest.raises(asyncio.InvalidStateError):
        await call.write(echo.EchoRequest(text="c"))


async def test_an_iterator_and_writing_exclude_each_other(channel: LocalChannel) -> None:
    call = stub(channel, "Collect", "stream_unary")(iter([echo.EchoRequest(text="a")]), metadata=AUTH)

    with pytest.raises(grpc.aio.UsageError):
        await call.write(echo.EchoRequest(text="b"))
    assert (await call).text == "a"


async def test_a_writer_waits_for_a_handler_that_does_not_read(
    channel: LocalChannel, handlers: echo.Handlers
) -> None:
    hold = handlers.actions["0"] = echo.Hold()
    made: list[int] = []

    async def requests() -> AsyncIterator[Any]:
        for number in range(100):
            made.append(number)
            yield echo.EchoRequest(text=str(number))

    call = asyncio.ensure_future(stub(channel, "Collect", "stream_unary")(requests(), metadata=AUTH))
    await hold.reached.wait()
    for _ in range(200):
        await asyncio.sleep(0)
    assert len(made) < 30

    hold.release.set()
    assert len((await call).text.split()) == 100


async def test_an_iterator_that_fails_cancels_the_call_as_grpcio_does(channel: LocalChannel) -> None:
    async def requests() -> AsyncIterator[Any]:
        yield echo.EchoRequest(text="a")
        raise LookupError

    with pytest.raises(asyncio.CancelledError):
        await stub(channel, "Collect", "stream_unary")(requests(), metadata=AUTH)


async def test_a_closed_channel_takes_no_calls_and_ends_those_that_run(
    channel: LocalChannel, handlers: echo.Handlers
) -> None:
    hold = handlers.actions["a"] = echo.Hold()
    call = stub(channel)(echo.EchoRequest(text="a"), metadata=AUTH)
    await hold.reached.wait()
    assert channel.get_state() is grpc.ChannelConnectivity.READY
    await channel.channel_ready()

    await channel.close()

    assert channel.get_state() is grpc.ChannelConnectivity.SHUTDOWN
    await channel.wait_for_state_change(grpc.ChannelConnectivity.READY)
    with pytest.raises(asyncio.CancelledError):
        await call
    with pytest.raises(grpc.aio.UsageError):
        stub(channel)(echo.EchoRequest(text="a"))


async def test_a_channel_that_closes_with_grace_lets_calls_finish(
    channel: LocalChannel, handlers: echo.Handlers
) -> None:
    hold = handlers.actions["a"] = echo.Hold()
    call = stub(channel)(echo.EchoRequest(text="a"), metadata=AUTH)
    await hold.reached.wait()

    closing = asyncio.ensure_future(channel.close(5))
    hold.release.set()

    assert (await call).text == "a"
    await closing


async def test_a_channel_is_not_used_from_another_loop(channel: LocalChannel) -> None:
    async def call() -> None:
        with pytest.raises(grpc.aio.UsageError, match="another event loop"):
            stub(channel)(echo.EchoRequest(text="a"))

    await asyncio.to_thread(asyncio.run, call())


async def test_details_are_where_grpc_has_them(channel: LocalChannel) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await stub(channel)(echo.EchoRequest(text="nobody"), metadata=AUTH)

    names = [name for name, _ in refused.value.trailing_metadata() or ()]
    assert names == [STATUS_DETAILS]
    assert refused.value.details() == "There is no echo here."
    assert isinstance(refused.value, grpc.RpcError)

"""What a handler says for the end of an answer comes there over gRPC, and in process the same."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from bedplate.errors import Kind, Refusal
from bedplate.testing.serve import KEY, Served, serve
from bedplate.transport.local import LocalChannel
from tests.protos import echo
from tests.protos.echo import EchoRequest
from tests.protos.echo_client import raw

TIMES = 2


async def mark(call: Any) -> None:
    call.response_headers += [("x-first", "1"), ("trailer-x-last", "2"), ("trailer-x-bytes-bin", b"\x00\xff")]


class Marking(echo.Handlers):
    """Says something before and after its answers; the end of a stream it says late."""

    async def Repeat(self, request: Any, call: Any) -> AsyncIterator[Any]:
        call.response_headers.append(("x-first", "1"))
        async for response in super().Repeat(request, call):
            yield response
        call.response_headers += [("trailer-x-last", "2"), ("trailer-x-bytes-bin", b"\x00\xff")]


async def fail(call: Any) -> None:
    await mark(call)
    raise Refusal(Kind.NOT_FOUND, "ECHO_NOT_FOUND", "There is no echo here.", text="none")


async def fail_for_now(call: Any) -> None:
    await mark(call)
    raise Refusal(Kind.UNAVAILABLE, "DEPENDENCY_UNAVAILABLE", "Not now.")


@pytest.fixture
def handlers() -> Marking:
    made = Marking()
    made.actions = {"good": mark, "failed": fail, "failed for now": fail_for_now}
    return made


@pytest.fixture
async def served(handlers: Marking) -> AsyncIterator[Served]:
    async with serve([echo.service(handlers)], drain_refuse_s=0.0) as running:
        yield running


@pytest.fixture(params=["wire", "in process"])
async def channel(request: pytest.FixtureRequest, served: Served) -> AsyncIterator[grpc.aio.Channel]:
    """A plain channel, and one in process."""
    if request.param == "in process":
        yield LocalChannel(served.app.methods)
        return
    async with grpc.aio.insecure_channel(served.grpc_address) as opened:
        yield opened


def begin(channel: grpc.aio.Channel, kind: str, method: str, text: str) -> Any:
    start = getattr(channel, kind)(f"/tests.echo.v1.EchoService/{method}", request_serializer=raw)
    return start(
        EchoRequest(text=text, times=TIMES), metadata=(("authorization", f"Bearer {KEY}"),), timeout=10
    )


async def said(call: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """What came before the answer, and at its end."""
    return dict(await call.initial_metadata()), dict(await call.trailing_metadata())


@pytest.mark.parametrize("text", ["good", "failed", "failed for now"])
async def test_what_is_for_the_end_comes_there_under_its_own_name(
    channel: grpc.aio.Channel, text: str
) -> None:
    call = begin(channel, "unary_unary", "Echo", text)
    with contextlib.suppress(grpc.aio.AioRpcError):
        await call
    first, last = await said(call)

    assert (last["x-last"], last["x-bytes-bin"]) == ("2", b"\x00\xff")
    assert "1" in (first.get("x-first"), last.get("x-first"))
    assert not [name for name in {**first, **last} if name.startswith("trailer-")]


async def test_a_handler_may_say_it_after_its_last_response(channel: grpc.aio.Channel) -> None:
    call = begin(channel, "unary_stream", "Repeat", "hi")
    assert len([response async for response in call]) == TIMES
    first, last = await said(call)

    assert first["x-first"] == "1"
    assert (last["x-last"], last["x-bytes-bin"]) == ("2", b"\x00\xff")
    assert "x-first" not in last


async def test_an_answer_without_headers_may_have_an_end(
    channel: grpc.aio.Channel, handlers: Marking
) -> None:
    async def end_only(call: Any) -> None:
        call.response_headers.append(("trailer-x-last", "2"))

    handlers.actions["end only"] = end_only
    call = begin(channel, "unary_unary", "Echo", "end only")
    await call

    assert (await said(call))[1]["x-last"] == "2"

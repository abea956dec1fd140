"""What is sent before an answer over gRPC reaches the caller, and costs it no attempt."""

import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from bedplate.errors import Kind, Refusal
from bedplate.testing.serve import Served, serve
from tests.protos import echo
from tests.protos.echo import EchoRequest
from tests.protos.echo_client import EchoClient, raw

TRIES = {
    "methodConfig": [
        {
            "name": [{}],
            "retryPolicy": {
                "maxAttempts": 3,
                "initialBackoff": "0.01s",
                "maxBackoff": "0.01s",
                "backoffMultiplier": 1,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ]
}
MARK = ("x-mark", "here")


async def mark(call: Any) -> None:
    call.response_headers.append(MARK)


class Marking(echo.Handlers):
    """Sends a header with every answer, before its first response."""

    async def Repeat(self, request: Any, call: Any) -> AsyncIterator[Any]:
        await mark(call)
        async for response in super().Repeat(request, call):
            yield response


@pytest.fixture
def handlers() -> Marking:
    return Marking()


@pytest.fixture
async def served(handlers: Marking) -> AsyncIterator[Served]:
    async with serve([echo.service(handlers)], drain_refuse_s=0.0) as running:
        yield running


@pytest.fixture
async def client(served: Served) -> AsyncIterator[EchoClient]:
    async with EchoClient(served.grpc_address) as opened:
        yield opened


async def test_headers_of_a_refusal_cost_the_caller_no_attempt(served: Served, handlers: Marking):
    async def refuse(call: Any) -> None:
        await mark(call)
        raise Refusal(Kind.UNAVAILABLE, "DEPENDENCY_UNAVAILABLE", "Not now.")

    handlers.actions["hi"] = refuse
    options = [("grpc.service_config", json.dumps(TRIES))]
    async with grpc.aio.insecure_channel(served.grpc_address, options=options) as channel:
        method = channel.unary_unary("/tests.echo.v1.EchoService/Echo", request_serializer=raw)
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await method(EchoRequest(text="hi"), metadata=(("authorization", "Bearer test-key"),), timeout=10)

    assert len(handlers.entered) == 3
    assert MARK in tuple(error.value.trailing_metadata() or ())


@pytest.mark.parametrize("times", [0, 2])
@pytest.mark.parametrize("text", ["hi", "nobody"])
async def test_a_stream_has_its_headers_however_it_ends(client: EchoClient, times: int, text: str):
    begun = client.begin("Repeat", EchoRequest(text=text, times=times))
    ended = contextlib.suppress(grpc.aio.AioRpcError) if text == "nobody" else contextlib.nullcontext()
    with ended:
        assert len([response async for response in begun]) == times

    assert tuple(await begun.initial_metadata()).count(MARK) == 1

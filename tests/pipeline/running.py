"""Runs calls through compiled methods the way the doors do."""

from collections.abc import AsyncIterator
from typing import Any

from google.rpc import error_details_pb2

from bedplate.pipeline.compile import Method
from bedplate.pipeline.failure import Failure
from tests.protos.echo import EchoRequest


async def payloads(*requests: Any) -> AsyncIterator[bytes]:
    """Raw request messages, one after the other."""
    for request in requests:
        yield request if isinstance(request, bytes) else request.SerializeToString()


async def run(method: Method, call: Any, *requests: Any) -> list[Any]:
    """All responses; raises `Failure`."""
    sent = requests or (EchoRequest(text="hi"),)
    payload: Any = payloads(*sent)
    if not method.client_streaming:
        (only,) = sent
        payload = only if isinstance(only, bytes) else only.SerializeToString()
    if not method.server_streaming:
        return [await method.unary(call, payload)]
    responses: list[Any] = []

    async def write(response: Any) -> None:
        responses.append(response)

    await method.deliver(call, payload, write)
    return responses


async def fail(method: Method, call: Any, *requests: Any) -> Failure:
    """How a call fails."""
    try:
        answers = await run(method, call, *requests)
    except Failure as failure:
        return failure
    raise AssertionError(f"did not fail: {answers}")


def detail(failure: Failure, name: str) -> Any:
    """One detail of a failure."""
    found = getattr(error_details_pb2, name)()
    assert any(packed.Unpack(found) for packed in failure.status.details), f"it has no {name}"
    return found

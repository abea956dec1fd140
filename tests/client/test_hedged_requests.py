"""What the attempts of a hedged call carry."""

import asyncio
from typing import Any

import grpc

from bedplate.client import AsyncClient
from tests.client.plain import plain_server
from tests.protos import hedged
from tests.protos.hedged import FindRequest, FindResponse


class Finder(AsyncClient):
    """For asyncio."""

    SERVICE = hedged.SERVICE


async def test_all_attempts_ask_the_same_whatever_the_caller_does_with_its_request_meanwhile() -> None:
    came, go = asyncio.Event(), asyncio.Event()
    asked: list[str] = []

    async def handle(request: bytes, context: Any) -> Any:
        asked.append(FindRequest.FromString(request).text)
        if len(asked) == 1:
            came.set()
            await go.wait()
            await context.abort(grpc.StatusCode.UNAVAILABLE, "no")
        return FindResponse()

    async with asyncio.timeout(20), plain_server(handle) as address, Finder(address) as client:
        request = FindRequest(text="first")
        call = asyncio.create_task(client.call("FindLate", request))
        await came.wait()
        request.text = "second"
        go.set()
        await call

    assert asked == ["first", "first"]

"""Streams of requests that a server refuses while they are still sent."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from bedplate.client.errors import NotFound, Unauthenticated
from bedplate.testing.serve import KEY, Served, serve
from tests.client.echo_client import AsyncEchoClient
from tests.protos import echo

# Often enough that a write meets the end of its call in each of the orders that there are.
TIMES = 40
PAYLOAD = b"x" * 200_000


def large(first: str = "a", count: int = 50) -> Iterator[Any]:
    """Requests that do not fit what a connection takes in at once."""
    yield echo.EchoRequest(text=first, payload=PAYLOAD)
    for _ in range(count):
        yield echo.EchoRequest(text="b", payload=PAYLOAD)


async def turning(requests: Iterator[Any]) -> AsyncIterator[Any]:
    """The requests as they are, without a thread between."""
    for request in requests:
        yield request


@pytest.fixture
async def stranger(served: Served) -> AsyncIterator[AsyncEchoClient]:
    """A client without a key."""
    async with AsyncEchoClient(served.grpc_address) as opened:
        yield opened


async def test_a_stream_that_is_refused_at_once_says_why_however_much_is_sent(
    stranger: AsyncEchoClient,
) -> None:
    for _ in range(TIMES):
        with pytest.raises(Unauthenticated):
            await stranger.collect(turning(large()))


async def test_a_stream_that_is_refused_in_the_midst_says_why_however_much_is_sent(
    client: AsyncEchoClient,
) -> None:
    for _ in range(TIMES):
        with pytest.raises(NotFound) as refused:
            await client.collect(turning(large("nobody")))
        assert (refused.value.reason, refused.value.facts) == ("ECHO_NOT_FOUND", {"text": "nobody"})


async def test_a_conversation_that_is_refused_says_why_however_much_is_sent(
    client: AsyncEchoClient, stranger: AsyncEchoClient
) -> None:
    for _ in range(TIMES):
        with pytest.raises(NotFound):
            _ = [answer async for answer in client.chat(turning(large("nobody")))]
        with pytest.raises(Unauthenticated):
            _ = [answer async for answer in stranger.chat(turning(large()))]


class Brief(echo.Handlers):
    """Answers the first request and has enough."""

    async def Collect(self, requests: AsyncIterator[Any], call: Any) -> Any:
        return await self._answer(await anext(requests), call)

    async def Chat(self, requests: AsyncIterator[Any], call: Any) -> AsyncIterator[Any]:
        yield await self._answer(await anext(requests), call)


async def test_an_answer_that_comes_before_all_is_sent_is_an_answer() -> None:
    async with (
        serve([echo.service(Brief())], drain_refuse_s=0.0) as served,
        AsyncEchoClient(served.grpc_address, key=KEY) as client,
    ):
        for _ in range(TIMES):
            assert (await client.collect(turning(large("first")))).text == "first"
            assert [answer.text async for answer in client.chat(turning(large("first")))] == ["first"]

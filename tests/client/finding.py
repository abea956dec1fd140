"""Servers of a hedged method that do as they are told, attempt by attempt, and callers of them."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import grpc
from google.rpc import error_details_pb2

from bedplate.client import AsyncClient, Client
from bedplate.contract.headers import HEDGED_ATTEMPTS
from tests.client.plain import plain_server, trailers
from tests.protos import hedged
from tests.protos.hedged import FindRequest, FindResponse

Do = Callable[["Attempt"], Awaitable[object]]
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
        self.left_s: float | None = context.time_remaining()
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

"""The responses of a call for synchronous callers."""

import asyncio
from collections import deque
from collections.abc import Iterator
from types import TracebackType
from typing import Generic, Self, TypeVar

from bedplate.client.bridge import Bridge
from bedplate.client.caller import AsyncStream

R = TypeVar("R")

# Responses that wait on the loop's side; going over to it for each one costs
# more than the response itself.
AHEAD_MAX = 64


class _End:
    """What comes after the last response: nothing, or what the call ended with."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class Stream(Iterator[R], Generic[R]):
    """The responses of a call, one by one. The call starts at the first one asked for.

    Leave it early with `cancel`, or use it in a `with`.
    """

    def __init__(self, bridge: Bridge, responses: AsyncStream[R]) -> None:
        self._bridge = bridge
        self._responses = responses
        self._taken: deque[R | _End] = deque()
        self._ahead: asyncio.Queue[R | _End] = asyncio.Queue(AHEAD_MAX)
        self._pump: asyncio.Task[None] | None = None
        self._ended = False

    def __next__(self) -> R:
        if self._ended:
            raise StopIteration
        if not self._taken:
            try:
                self._taken.extend(self._bridge.run(self._take()))
            except BaseException:
                self._abandon()
                raise
        item = self._taken.popleft()
        if not isinstance(item, _End):
            return item
        self._ended = True
        if item.error is not None:
            raise item.error
        raise StopIteration

    def cancel(self) -> None:
        """Give the call up; whoever waits for a response gets `Cancelled`."""
        self._taken.clear()
        self._bridge.post(_stop, self._responses, self._ahead)

    async def _take(self) -> list[R | _End]:
        """What has come; waits for one."""
        if self._pump is None:
            self._pump = asyncio.create_task(_fill(self._responses, self._ahead))
        items = [await self._ahead.get()]
        while not self._ahead.empty():
            items.append(self._ahead.get_nowait())
        return items

    def _abandon(self) -> None:
        self._ended = True
        self.cancel()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._ended:
            self._abandon()

    def __del__(self) -> None:
        if self._pump is not None and not self._ended:
            self._bridge.post(_stop, self._responses, self._ahead)


async def _fill(responses: AsyncStream[R], ahead: "asyncio.Queue[R | _End]") -> None:
    error: BaseException | None = None
    try:
        async for response in responses:
            await ahead.put(response)
    except Exception as found:
        error = found
    await ahead.put(_End(error))


def _stop(responses: AsyncStream[R], ahead: "asyncio.Queue[R | _End]") -> None:
    """Cancel the call, and make room so that whoever fills the queue comes to an end."""
    responses.cancel()
    while not ahead.empty():
        ahead.get_nowait()

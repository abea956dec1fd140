"""What a caller holds of a hedged call: one call, whichever of its attempts becomes it."""

import asyncio
import time
from collections.abc import Callable, Generator
from typing import Any

import grpc

from bedplate.client.race import Ground, Start, race
from bedplate.contract.promises import Hedge


class HedgedCall(grpc.aio.UnaryUnaryCall):  # type: ignore[type-arg]
    """A call with several attempts; it is what grpcio hands out of a call with one.

    Metadata, code and details are those of the attempt whose answer it has, so
    they are there when the call has ended, and not before.
    """

    def __init__(self, start: Start, hedge: Hedge, channel: Ground, left_s: float | None) -> None:
        """Begin the call; see `race`."""
        self._ends_at = None if left_s is None else time.monotonic() + left_s
        self._race = asyncio.get_running_loop().create_task(race(start, hedge, channel, left_s))

    def __await__(self) -> Generator[Any, None, Any]:
        """The response.

        Raises:
            AioRpcError: What ended the call: an answer that holds for all attempts, or the last one.
            asyncio.CancelledError: It was cancelled, or its channel was closed.
        """
        decided = yield from self._race
        return (yield from decided.__await__())

    def cancel(self) -> bool:
        """Give all attempts up; False when the call had ended."""
        return self._race.cancel()

    def cancelled(self) -> bool:
        """Whether the caller cancelled it."""
        return self._race.cancelled()

    def done(self) -> bool:
        """Whether it has ended."""
        return self._race.done()

    def time_remaining(self) -> float | None:
        """Seconds until the deadline of all attempts; None without one."""
        return None if self._ends_at is None else max(0.0, self._ends_at - time.monotonic())

    def add_done_callback(self, callback: Callable[[Any], Any]) -> None:
        """Run a function of the call when it ends."""
        self._race.add_done_callback(lambda _: callback(self))

    async def initial_metadata(self) -> Any:
        """What the server sent before its response; waits for the end."""
        decided = await self._decided()
        return grpc.aio.Metadata() if decided is None else await decided.initial_metadata()

    async def trailing_metadata(self) -> Any:
        """What the server sent at the end; waits for it."""
        decided = await self._decided()
        return grpc.aio.Metadata() if decided is None else await decided.trailing_metadata()

    async def code(self) -> grpc.StatusCode:
        """How it ended; waits for that."""
        decided = await self._decided()
        return grpc.StatusCode.CANCELLED if decided is None else await decided.code()

    async def details(self) -> str:
        """The sentence of its end; waits for that."""
        decided = await self._decided()
        return "Locally cancelled by application!" if decided is None else await decided.details()

    async def debug_error_string(self) -> str:
        """Where it ended; waits for that."""
        decided = await self._decided()
        return "" if decided is None else await decided.debug_error_string()

    async def wait_for_connection(self) -> None:
        """Wait until it has ended: which connection it has is not known before."""
        await self._decided()

    async def _decided(self) -> Any:
        """The attempt whose answer it has; None when it was cancelled. Who stops waiting cancels nothing."""
        await asyncio.wait([self._race])
        return None if self._race.cancelled() else self._race.result()

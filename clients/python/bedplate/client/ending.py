"""How a call really ended: what grpcio tells wrongly is put right.

Where requests stream, grpcio (1.76 to 1.85) puts `INTERNAL: Internal error from
Core` in the place of what the server said when a request could not be written, and
a request cannot be written because the server has ended the call: it had said why.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import grpc

from bedplate.client.errors import GONE_SENTENCE, CallError, Unavailable

# The status is on its way when a write fails; only a call that grpcio lost never gets one. Seconds.
STATUS_WAIT_S = 5.0

_LOST_WRITE = "Internal error from Core"


class Ending:
    """Keeps the status that the server sent, whichever order grpcio has its own in.

    Attributes:
        status: What the server said; None while it has said nothing.
    """

    def __init__(self, call: Any) -> None:
        self.status: grpc.aio.AioRpcError | None = None
        self._told = asyncio.Event()
        # Runs each time that the status is set, the second time too.
        call.add_done_callback(self._note)

    def _note(self, call: Any) -> None:
        status = grpc.aio.AioRpcError(
            _at_once(call.code()),
            grpc.aio.Metadata(),
            _at_once(call.trailing_metadata()),
            _at_once(call.details()),
        )
        if not is_lost_write(status):
            self.status = status
            self._told.set()

    async def of(self, error: grpc.aio.AioRpcError) -> grpc.aio.AioRpcError:
        """What the server said, OK too, where the error is a write's; otherwise the error."""
        if not is_lost_write(error):
            return error
        try:
            async with asyncio.timeout(STATUS_WAIT_S):
                await self._told.wait()
        except TimeoutError:
            return error
        return self.status or error


def is_lost_write(error: grpc.aio.AioRpcError) -> bool:
    """Whether grpcio tells of a request that it could not write, and not of what the server said."""
    return error.code() is grpc.StatusCode.INTERNAL and error.details() == _LOST_WRITE


def _at_once(told: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine returns that has nothing to wait for: the status is there."""
    try:
        told.send(None)
    except StopIteration as end:
        return end.value
    told.close()
    raise AssertionError("the call has ended and its status is not there")


async def answer(waiting: Awaitable[Any], given_up: Callable[[], CallError] | None = None) -> Any:
    """What a call answers; tells a call that was given up from a task that was cancelled.

    grpcio raises CancelledError for both.
    """
    try:
        return await waiting
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise (given_up() if given_up else Unavailable(GONE_SENTENCE)) from None

"""Sends the attempts of a hedged call; the first good answer wins, and the others are cancelled."""

import asyncio
import time
from collections.abc import Callable
from typing import Any, Protocol

import grpc

from bedplate.client.deadline import SHORTEST_S
from bedplate.client.ending import answer
from bedplate.client.errors import CallError, from_rpc_error
from bedplate.client.hedge import NEVER_S, Budget, Race, Setback
from bedplate.contract.headers import HEDGED_ATTEMPTS, PUSHBACK
from bedplate.contract.promises import Hedge
from bedplate.contract.reasons import platform

_READY = grpc.ChannelConnectivity.READY

# An attempt for which less is left is not worth a server's while. Seconds.
LEAST_S = 2 * SHORTEST_S

# As many has the longest that gRPC reads, 32 bits of milliseconds.
PUSHBACK_DIGITS = 10

# Refusals of servers that did not begin: a stop of theirs must not use up the budget.
_NOT_BEGUN = frozenset({"DRAINING"})
# What an attempt is refused with where an operator allows fewer than the contract.
_UNWANTED = "ATTEMPT_UNWANTED"

# Starts an attempt and gives its call: the seconds that it has, and what only it sends.
Start = Callable[[float | None, tuple[tuple[str, str], ...]], Any]


class Ground(Protocol):
    """The channel, as far as a race needs it."""

    @property
    def closed(self) -> bool:
        """Whether it takes no further calls."""
        ...

    @property
    def budget(self) -> Budget:
        """Of all its hedged calls."""
        ...

    def get_state(self) -> grpc.ChannelConnectivity:
        """The state of the connection."""
        ...


async def race(start: Start, hedge: Hedge, channel: Ground, left_s: float | None) -> Any:
    """The attempt whose answer is the call's. It has ended, well or not.

    Args:
        start: Starts an attempt.
        hedge: The method's promise.
        channel: Over which they are sent.
        left_s: How long all attempts together may take, seconds; None: for ever.
    """
    now = time.monotonic()
    ends_at = NEVER_S if left_s is None else now + left_s
    plan = Race(hedge, channel.budget, now=now, ends_at=ends_at - LEAST_S)
    attempts = _Attempts(start)
    attempts.send(0, left_s)
    last: Any = None
    try:
        while True:
            for number, call, error in await attempts.wait(plan.next_at):
                if error is None:
                    plan.succeeded()
                    return call
                setback = _setback(error, hedge.codes)
                over = plan.failed(number, setback, time.monotonic())
                if last is None or not setback.unwanted:
                    last = call
                if over:
                    return last
            now = time.monotonic()
            if plan.next_at is not None and plan.next_at <= now:
                if channel.closed:
                    plan.stop()
                elif plan.running and channel.get_state() is not _READY:
                    # What runs has not left yet, and another one would wait beside it.
                    plan.postpone(now)
                elif plan.send(now):
                    attempts.send(plan.sent - 1, None if left_s is None else ends_at - now)
                if plan.over:
                    assert last is not None  # nothing runs any more, so something was answered
                    return last
    finally:
        await attempts.cancel()


class _Attempts:
    """The attempts that run.

    Each is told of by its call's own callback: a task for each of them, and waiting
    for tasks, made a call that is answered in time a tenth dearer.
    """

    def __init__(self, start: Start) -> None:
        self._start = start
        self._loop = asyncio.get_running_loop()
        self._running: dict[int, Any] = {}
        self._ended: list[int] = []
        self._waiter: asyncio.Future[None] | None = None

    def send(self, number: int, left_s: float | None) -> None:
        call = self._start(left_s, ((HEDGED_ATTEMPTS, str(number)),) if number else ())
        self._running[number] = call
        call.add_done_callback(lambda _: self._end(number))

    async def wait(self, until: float | None) -> list[tuple[int, Any, Exception | None]]:
        """Which attempts ended, each with its call and how it failed; none when the time came first."""
        if not self._ended:
            self._waiter = self._loop.create_future()
            timer = None
            if until is not None:
                timer = self._loop.call_later(max(0.0, until - time.monotonic()), self._wake)
            try:
                await self._waiter
            finally:
                self._waiter = None
                if timer is not None:
                    timer.cancel()
        numbers, self._ended = self._ended, []
        calls = [(number, self._running.pop(number)) for number in numbers]
        ended = [(number, call, await _failure(call)) for number, call in calls]
        # Good answers first, and of failures the latest attempt's last: it is the one to be told.
        return sorted(ended, key=lambda one: (one[2] is not None, one[0]))

    async def cancel(self) -> None:
        """Give up those that run."""
        for call in self._running.values():
            call.cancel()
        for call in self._running.values():
            await _failure(call)

    def _end(self, number: int) -> None:
        self._ended.append(number)
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


async def _failure(call: Any) -> Exception | None:
    """How a call failed; None: it did not."""
    try:
        await answer(call)
    except (grpc.aio.AioRpcError, CallError) as error:
        return error
    return None


def _setback(error: Exception, codes: tuple[str, ...]) -> Setback:
    """What an answer that is not good means for the other attempts.

    Those of `codes`: the next one goes at once, or when the server says. A server
    that had no room or no time for this attempt says nothing of the others, but
    asking more servers then would make it worse. Everything else holds for all.
    """
    if not isinstance(error, grpc.aio.AioRpcError):
        return Setback(fatal=True)
    failure = from_rpc_error(error)
    ours = failure.domain == "bedplate"
    begun = not (ours and failure.reason in _NOT_BEGUN)
    if ours and failure.reason == _UNWANTED:
        return Setback(wait_s=NEVER_S, begun=False, unwanted=True)
    pushback_s = _pushback_s(error, failure)
    # A server that stops ends calls with CANCELLED, which `from_rpc_error` calls by its name.
    if failure.code in codes:
        return Setback(wait_s=pushback_s or 0.0, begun=begun)
    known = platform().get(failure.reason) if ours else None
    if pushback_s is not None or (known is not None and known.retryable):
        return Setback(wait_s=NEVER_S, begun=begun)
    return Setback(fatal=True)


def _pushback_s(error: grpc.aio.AioRpcError, failure: CallError) -> float | None:
    """How long the server asks to wait, seconds; NEVER_S: for ever; None: it does not say."""
    for name, value in error.trailing_metadata() or ():
        if name == PUSHBACK:
            text = value if isinstance(value, str) else ""
            # What cannot be read means no, as in gRPC.
            readable = text.isascii() and text.isdecimal() and len(text) <= PUSHBACK_DIGITS
            return int(text) / 1000 if readable else NEVER_S
    return failure.retry_after_s

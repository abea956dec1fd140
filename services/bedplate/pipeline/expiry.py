"""What ends calls at their deadlines: one timer of the event loop for many calls.

A timer for every call costs as much as five stages, and nearly none ever comes
to its end. So the calls that run are kept with their deadlines, and the loop is
asked to look when the earliest comes: asked anew only for an earlier one, or
after a look.
"""

import asyncio
import contextvars
import math
import time
from collections.abc import Callable
from threading import get_ident
from typing import Any

# A look goes through all calls that are kept. Where so many are, further ones get
# a timer each.
KEPT_MAX = 256
# Timers of a loop are exact to a millisecond and may come early by half of one. Seconds.
TICK_S = 0.001

# What is done when the time of a call has come; it is given the call and the task in which it runs.
Late = Callable[[Any, "asyncio.Task[object]"], None]


class Watch:
    """The calls of one event loop that have a time at which something is done about them."""

    __slots__ = ("_kept", "_loop", "_next", "_own", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._kept: dict[Any, tuple[float, Late, asyncio.Task[object]]] = {}
        self._own: dict[Any, asyncio.TimerHandle] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._next = math.inf  # when it looks, `time.monotonic` seconds

    def __contains__(self, call: object) -> bool:
        return call in self._kept or call in self._own

    def add(self, call: Any, due: float, late: Late, task: "asyncio.Task[object] | None" = None) -> None:
        """Have something done about a call, once it is due.

        Args:
            call: The call; there is nothing to be done about it so far.
            due: When, `time.monotonic` seconds.
            late: What.
            task: In which the call runs; None: the one that asks.
        """
        task = task or asyncio.current_task(self._loop)
        assert task is not None
        if len(self._kept) >= KEPT_MAX:
            left_s = due - time.monotonic()
            self._own[call] = self._loop.call_later(left_s, self._one, call, late, task)
            return
        self._kept[call] = (due, late, task)
        if due < self._next:
            self._ask(due)

    def discard(self, call: Any) -> None:
        """The call has ended."""
        if self._kept.pop(call, None) is None and (timer := self._own.pop(call, None)) is not None:
            timer.cancel()

    def _ask(self, due: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._next = due
        # In a context of its own: that of the call which happened to ask would keep it alive.
        self._timer = self._loop.call_later(due - time.monotonic(), self._look, context=contextvars.Context())

    def _look(self) -> None:
        self._timer, self._next = None, math.inf
        now = time.monotonic() + TICK_S
        past = [(call, late, task) for call, (due, late, task) in self._kept.items() if due <= now]
        for call, _, _ in past:
            del self._kept[call]
        if self._kept:
            self._ask(min(due for due, _, _ in self._kept.values()))
        for call, late, task in past:
            late(call, task)

    def _one(self, call: Any, late: Late, task: "asyncio.Task[object]") -> None:
        del self._own[call]
        late(call, task)


class Expiry:
    """The calls of a process that have a time at which something is done about them."""

    def __init__(self) -> None:
        self._by_loop: dict[asyncio.AbstractEventLoop, Watch] = {}
        # All in one, for loops of several threads.
        self._last: tuple[int, asyncio.AbstractEventLoop, Watch] | None = None

    def here(self) -> Watch:
        """The calls of the loop that runs."""
        # A thread runs one loop at a time, and to ask which one is a call of the kernel. (Of a
        # loop that moves to another thread, while its old one runs a new one, it would be wrong.)
        last, thread = self._last, get_ident()
        if last is None or last[0] != thread or not last[1].is_running():
            loop = asyncio.get_running_loop()
            self._by_loop = {known: watch for known, watch in self._by_loop.items() if not known.is_closed()}
            last = self._last = (thread, loop, self._by_loop.setdefault(loop, Watch(loop)))
        return last[2]

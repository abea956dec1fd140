"""One unit of work: who waits for it, until when, and whether it may still commit."""

import asyncio
import contextvars
import enum
import threading
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import sqlalchemy as sa

from bedplate.data.slot import Slot

T = TypeVar("T")
Work = Callable[[sa.Connection], T]


class State(enum.Enum):
    """How far a unit has come."""

    WAITING = enum.auto()  # in the queue, or between two attempts
    RUNNING = enum.auto()  # the work runs; its statements may be cancelled
    SETTLING = enum.auto()  # rolling back: a cancel would hit nothing, or what comes next
    COMMITTING = enum.auto()  # COMMIT is on its way: nobody can take it back
    RETURNED = enum.auto()  # the thread is done with it


class Unit(Generic[T]):
    """One unit of work on its way through queue, thread and back.

    The event loop ends it (cancelled, late), a worker thread runs it; `lock`
    decides which of the two was first. It is held for a few instructions only.

    Attributes:
        work: The caller's function.
        write: Whether it may write.
        serializable: Whether its transaction is.
        deadline: `time.monotonic` seconds.
        pending: The call's own records, written just before commit.
        future: What the caller awaits.
        ended: The caller no longer waits; nothing may commit.
        ended_event: The same, for a thread that waits between two attempts.
        slot: Where it runs; None while it waits.
        timer: Fires at the deadline.
    """

    __slots__ = (
        "__weakref__",
        "context",
        "deadline",
        "ended",
        "ended_event",
        "future",
        "lock",
        "loop",
        "pending",
        "serializable",
        "slot",
        "state",
        "timer",
        "work",
        "write",
    )

    def __init__(
        self,
        work: Work[T],
        *,
        write: bool,
        serializable: bool,
        deadline: float,
        pending: list[Callable[[Any], None]],
    ) -> None:
        self.work = work
        self.write = write
        self.serializable = serializable
        self.deadline = deadline
        self.pending = pending
        self.context = contextvars.copy_context()
        self.loop = asyncio.get_running_loop()
        self.future: asyncio.Future[T] = self.loop.create_future()
        self.slot: Slot | None = None
        self.timer: asyncio.TimerHandle | None = None
        self.lock = threading.Lock()
        self.state = State.WAITING
        self.ended = False
        self.ended_event: threading.Event | None = None

    def left_s(self) -> float:
        """Seconds until the deadline; may be negative."""
        return self.deadline - time.monotonic()

    def end(self) -> bool:
        """Forbid the commit; False when it has begun or the thread has returned."""
        with self.lock:
            if self.state is State.COMMITTING or self.state is State.RETURNED:
                return False
            self.ended = True
            if self.ended_event is not None:
                self.ended_event.set()
            return True

    def enter(self, state: State) -> bool:
        """Go on to a state; False, and no change, when the caller no longer waits."""
        with self.lock:
            if self.ended:
                return False
            self.state = state
            return True

    def settle(self, state: State) -> bool:
        """Go on to a state in which nothing may be cancelled; returns whether the caller still waits."""
        with self.lock:
            self.state = state
            return not self.ended

    def pause(self, wait_s: float) -> bool:
        """Wait between two attempts; False as soon as the caller no longer waits."""
        with self.lock:
            if self.ended:
                return False
            if self.ended_event is None:
                self.ended_event = threading.Event()
        return not self.ended_event.wait(wait_s)

    def answer(self, result: T) -> None:
        """Hand the result to the caller. On the event loop."""
        self.disarm()
        if not self.future.done():
            self.future.set_result(result)

    def refuse(self, error: BaseException) -> None:
        """Hand an exception to the caller. On the event loop."""
        self.disarm()
        if not self.future.done():
            self.future.set_exception(error)

    def disarm(self) -> None:
        """Stop the timer. On the event loop."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

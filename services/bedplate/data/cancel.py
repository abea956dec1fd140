"""Stops units of work whose callers no longer wait, until their threads return."""

import queue
import threading
import time
from typing import Any

from bedplate.data.session import Session
from bedplate.data.unit import State, Unit

PERIOD_S = 0.01
# A server that has not answered a cancel by then is stalled or out of reach:
# the connection is cut, so that its slot does not stay taken.
KILL_AFTER_S = 2.0


class Canceller:
    """A thread that cancels, because a cancel may block and the event loop may not.

    One cancel is not enough: sent between two statements it stops neither, and
    the next one would run on. So it is repeated until the thread returns.
    """

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Unit[Any] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def watch(self, unit: Unit[Any]) -> None:
        """See to it that a unit that runs in a slot returns. On the event loop."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="bedplate-cancel", daemon=True)
                self._thread.start()
        self._queue.put(unit)

    def close(self) -> None:
        """Let the thread end."""
        with self._lock:
            if self._thread is not None:
                self._queue.put(None)
                self._thread = None

    def _run(self) -> None:
        watched: list[_Watch] = []
        while True:
            try:
                unit = self._queue.get(timeout=PERIOD_S if watched else None)
            except queue.Empty:
                pass
            else:
                if unit is None:
                    return
                watched.append(_Watch(unit))
            watched = [watch for watch in watched if watch.step()]


class _Watch:
    """What has been done so far about one unit."""

    def __init__(self, unit: Unit[Any]) -> None:
        self._unit = unit
        self._since = time.monotonic()
        self._next = self._since

    def step(self) -> bool:
        """Cancel or cut when it is time to; False when the thread has returned."""
        unit, now = self._unit, time.monotonic()
        if now < self._next:
            return unit.state is not State.RETURNED
        slot = unit.slot
        assert slot is not None, "only a unit that has a slot is watched"
        with slot.touching:
            if unit.state is State.RETURNED:
                return False
            session = slot.session
            if session is None:  # still connecting, which has a time limit of its own
                self._next = now + PERIOD_S
                return True
            cut = now - self._since > KILL_AFTER_S and session.kill()
            if not cut and _may_cancel(unit, session):
                session.cancel()
            self._next = time.monotonic() + session.cancel_every_s
        return True


def _may_cancel(unit: Unit[Any], session: Session) -> bool:
    if unit.state is State.COMMITTING:
        return session.cancels_commit
    return unit.state is State.RUNNING and unit.ended

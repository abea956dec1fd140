"""How far the event loop is behind, and how hard that presses.

A handler that only computes never has two calls running at once, so no count of
calls shows that there are too many. Calls of the HTTP door wait in the loop's
own queue: a timer comes as late as that queue is long. Calls of the gRPC door
wait in core, which hands over one of each method at a time and never more than
the loop can begin; a loop that is never idle makes the door look how many there
are (see `Load.probe`).
"""

import asyncio
import contextlib
import os
import sys
import time
from collections.abc import Callable

# How often the loop is asked. Seconds.
TICK_S = 0.025

# One late tick is a pause of the collector, or of the machine; so many in a row are a queue.
LATE_TICKS = 3
# Less than so many new calls in them: whatever makes the loop late, it is not calls.
CALLS_LEAST = 5
# A loop that had work for less than this share of a tick is behind with nothing.
IDLE = 0.90

# What presses at most: 1 refuses all that is sheddable, 2 all but the critical.
PRESSURE_MAX = 2.0
# How fast the pressure rises while calls wait too long, and falls while they do
# not; the last for each share of the time in which the loop is idle. Per second.
RISE = 3.0
FALL = 0.5
FALL_IDLE = 4.0


class Pressure:
    """What the loop's state asks for, 0 to PRESSURE_MAX; told tick by tick.

    Attributes:
        value: The pressure.
        lag_s: How late the last tick was, seconds.
        behind: Whether calls wait in core for longer than they should; the door says it.
    """

    __slots__ = ("_calls", "_late", "_target_s", "behind", "lag_s", "value")

    def __init__(self, target_s: float) -> None:
        """Begin without any.

        Args:
            target_s: How late the loop may be, seconds.
        """
        self._target_s = target_s
        self._late = self._calls = 0
        self.value = 0.0
        self.lag_s = 0.0
        self.behind = False

    def tick(self, lag_s: float, busy: float, calls: int) -> None:
        """The loop was asked.

        Args:
            lag_s: How late it answered, seconds.
            busy: Share of the time since the last tick in which it had work.
            calls: New calls since then.
        """
        self.lag_s = lag_s
        elapsed_s = TICK_S + lag_s
        if lag_s > self._target_s:
            self._late += 1
            self._calls += calls
        else:
            self._late = self._calls = 0
        if busy < IDLE:
            self.behind = False
        if self.behind or (self._late >= LATE_TICKS and self._calls >= CALLS_LEAST):
            self.value = min(PRESSURE_MAX, self.value + RISE * elapsed_s)
        elif self.value and not self._late:
            fall = FALL + FALL_IDLE * max(0.0, IDLE - busy)
            self.value = max(0.0, self.value - fall * elapsed_s)


class LoopSampler:
    """Asks the running loop every TICK_S how late and how busy it is, until it is stopped."""

    def __init__(self, tick: Callable[[float, float, float], None]) -> None:
        """Begin to ask.

        Args:
            tick: Is told how late the loop was, seconds, how busy, 0 to 1, and
                for how long it computed since the last tick, seconds.
        """
        self._tick = tick
        self._loop = asyncio.get_running_loop()
        self._work = _Work()
        self._last, self._last_work = time.monotonic(), self._work.so_far()
        self._timer = self._loop.call_later(TICK_S, self._look)

    def _look(self) -> None:
        now, (ran_s, waited_s) = time.monotonic(), self._work.so_far()
        elapsed_s = now - self._last
        newly_s = ran_s - self._last_work[0]
        busy = (newly_s + waited_s - self._last_work[1]) / elapsed_s
        self._tick(max(0.0, elapsed_s - TICK_S), busy, newly_s)
        # From now, not from when it was due: a late tick must not be followed by a burst.
        self._last, self._last_work = now, (ran_s, waited_s)
        self._timer = self._loop.call_later(TICK_S, self._look)

    def stop(self) -> None:
        """Ask no more."""
        self._timer.cancel()
        self._work.close()


class _Work:
    """For how long the thread that asks has computed, and waited for a core, so far.

    Only Linux tells the second: a loop that could run and gets no core on a
    crowded machine is as full as one that computes. It costs some 5 us a tick.
    """

    def __init__(self) -> None:
        self._file: int | None = None
        if sys.platform == "linux":
            with contextlib.suppress(OSError):
                self._file = os.open("/proc/thread-self/schedstat", os.O_RDONLY | os.O_CLOEXEC)

    def so_far(self) -> tuple[float, float]:
        """Seconds computed, and seconds waited."""
        if self._file is None:
            return time.thread_time(), 0.0
        ran, waited, _ = os.pread(self._file, 100, 0).split()
        return int(ran) / 1e9, int(waited) / 1e9

    def close(self) -> None:
        """Ask no more."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

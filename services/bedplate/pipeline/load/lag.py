"""How late the event loop is, and how hard that presses.

A handler that only computes never has two calls running at once, so no count
of calls shows that there are too many: they wait in the loop's own queue. A
timer does: it comes as late as that queue is long.
"""

import asyncio
import time
from collections.abc import Callable

# How often the loop is asked. Seconds.
TICK_S = 0.025

# One late tick is a pause of the collector, or of the machine; so many in a row are a queue.
LATE_TICKS = 3
# Less than so many new calls in a tick: whatever makes the loop late, it is not calls.
CALLS_LEAST = 5

# What presses at most: 1 refuses all that is sheddable, 2 all but the critical.
PRESSURE_MAX = 2.0
# How fast the pressure rises while the loop is as late as it may be (and up to
# RISE_MAX times as fast when it is later), and falls once it is not. Per second.
RISE = 1.0
RISE_MAX = 4.0
FALL = 0.25


class Pressure:
    """What the loop's lag asks for, 0 to PRESSURE_MAX; told tick by tick.

    Attributes:
        value: The pressure.
        lag_s: How late the last tick was, seconds.
    """

    __slots__ = ("_late", "_target_s", "lag_s", "value")

    def __init__(self, target_s: float) -> None:
        """Begin without any.

        Args:
            target_s: How late the loop may be, seconds.
        """
        self._target_s = target_s
        self._late = 0
        self.value = 0.0
        self.lag_s = 0.0

    def tick(self, lag_s: float, calls: int) -> None:
        """The loop was asked.

        Args:
            lag_s: How late it answered, seconds.
            calls: New calls since the last tick.
        """
        self.lag_s = lag_s
        elapsed_s = TICK_S + lag_s
        times = lag_s / self._target_s
        if times > 1.0 and calls >= CALLS_LEAST:
            self._late += 1
            if self._late >= LATE_TICKS:
                self.value = min(PRESSURE_MAX, self.value + RISE * min(times, RISE_MAX) * elapsed_s)
            return
        self._late = 0
        if self.value:
            self.value = max(0.0, self.value - FALL * elapsed_s)


class LagSampler:
    """Asks the running loop every TICK_S how late it is, until it is stopped."""

    def __init__(self, tick: Callable[[float], None]) -> None:
        """Begin to ask.

        Args:
            tick: Is told how late the loop was, seconds.
        """
        self._tick = tick
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(TICK_S, self._look)
        self._due = time.monotonic() + TICK_S

    def _look(self) -> None:
        now = time.monotonic()
        self._tick(max(0.0, now - self._due))
        # From now, not from when it was due: a late tick must not be followed by a burst.
        self._due = now + TICK_S
        self._timer = self._loop.call_later(TICK_S, self._look)

    def stop(self) -> None:
        """Ask no more."""
        self._timer.cancel()

"""A caller that servers refuse for load refuses itself, before it asks them.

A refusal costs a server about half of what an answer does, so callers that go
on asking can keep it busy with refusing. Each caller counts what it asked for
and what servers took on; asks for more than twice what they take are answered
here, at random, so that enough get through to notice when there is room again.
"""

import math
import random
import time
from collections.abc import Callable

# Asks above so many times what servers take on are answered here.
FACTOR = 2.0
# Fewer refusals than this lately change nothing.
LEAST = 10.0
# What happened this long ago counts a third. Seconds.
MEMORY_S = 5.0


class Throttle:
    """What one kind of call met lately."""

    __slots__ = ("_asked", "_at", "_clock", "_draw", "_taken", "wait_s")

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, draw: Callable[[], float] = random.random
    ) -> None:
        self._clock = clock
        self._draw = draw
        self._asked = self._taken = 0.0
        self._at = clock()
        self.wait_s: float | None = None

    def refuses(self) -> bool:
        """Whether the next call is better not made; one that is not counts as refused."""
        self._forget()
        surplus = self._asked - LEAST - FACTOR * self._taken
        if surplus < 0.0 or self._draw() >= surplus / (self._asked + 1.0):
            return False
        self._asked += 1.0
        return True

    def taken(self) -> None:
        """A server took a call on, however it ended."""
        self._asked += 1.0
        self._taken += 1.0

    def refused(self, wait_s: float | None) -> None:
        """A server refused a call for load, and asked to wait so long, seconds."""
        self._asked += 1.0
        self.wait_s = wait_s

    def _forget(self) -> None:
        now = self._clock()
        elapsed_s = now - self._at
        if elapsed_s > 0.01:
            kept = math.exp(-elapsed_s / MEMORY_S)
            self._asked *= kept
            self._taken *= kept
            self._at = now

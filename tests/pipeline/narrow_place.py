"""A simulated narrow place: so many slots of so long, calls that come whether or not there is room.

It drives the real `Load`, by a clock of its own, so that minutes take a moment.
"""

import heapq
import random
from collections import Counter, deque
from dataclasses import dataclass, field

from bedplate.contract.promises import Criticality
from bedplate.pipeline.load.load import Load

MIX = {Criticality.CRITICAL: 0.1, Criticality.DEFAULT: 0.6, Criticality.SHEDDABLE: 0.3}


@dataclass
class Seen:
    """What callers saw in a stretch of time."""

    seconds: float
    offered: Counter[Criticality] = field(default_factory=Counter)
    good: Counter[Criticality] = field(default_factory=Counter)
    latencies_s: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        """Good answers a second."""
        return self.good.total() / self.seconds

    def success(self, level: Criticality) -> float:
        """Share of calls that were let in."""
        return self.good[level] / self.offered[level]


class NarrowPlace:
    """`slots` that take `service_s` each, behind a `Load`."""

    def __init__(self, *, slots: int = 8, service_s: float = 0.020, seed: int = 1) -> None:
        self.load = Load()
        self.slots = slots
        self.service_s = service_s
        self.now = 0.0
        self._door = self.load.door("a.v1.A/Do")
        self._random = random.Random(seed)
        self._waiting: deque[tuple[float, Criticality]] = deque()
        self._ends: list[tuple[float, float, int]] = []
        self._levels: dict[int, Criticality] = {}
        self._number = 0

    @property
    def capacity(self) -> float:
        """Calls a second that it can do."""
        return self.slots / self.service_s

    def run(self, seconds: float, per_second: float) -> Seen:
        """Offer calls at a rate for a time."""
        seen = Seen(seconds)
        until = self.now + seconds
        arrival = self.now + self._random.expovariate(per_second)
        while True:
            end = self._ends[0][0] if self._ends else until
            if min(arrival, end) >= until:
                break
            if end <= arrival:
                self._end(seen)
            else:
                self.now = arrival
                self._arrive(seen)
                arrival += self._random.expovariate(per_second)
        self.now = until
        return seen

    def _arrive(self, seen: Seen) -> None:
        level = self._random.choices(list(MIX), list(MIX.values()))[0]
        seen.offered[level] += 1
        if self.load.refusal(self._door, level) is not None:
            return
        self.load.limit.begin()
        self._waiting.append((self.now, level))
        self._serve()

    def _serve(self) -> None:
        while self._waiting and len(self._ends) < self.slots:
            began, level = self._waiting.popleft()
            self._number += 1
            self._levels[self._number] = level
            took_s = self.service_s * self._random.uniform(0.8, 1.2)
            heapq.heappush(self._ends, (self.now + took_s, began, self._number))

    def _end(self, seen: Seen) -> None:
        self.now, began, number = heapq.heappop(self._ends)
        seen.good[self._levels.pop(number)] += 1
        seen.latencies_s.append(self.now - began)
        self.load.limit.end(self._door.base, self.now - began, self.now)
        self._serve()

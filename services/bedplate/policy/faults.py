"""Faults that an operator injects for a test: which calls they hit, and what happens to those."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

# Faults that a process holds at once: what people set by hand for a test.
FAULTS_MAX = 100
# How long a fault lasts unless it says otherwise, and at most, seconds: a
# forgotten one ends by itself.
LASTS_S = 600.0
LASTS_MAX_S = 24 * 3600.0
DELAY_MAX_S = 60.0


@dataclass(frozen=True, slots=True)
class Delay:
    """Wait before the handler, for a time drawn evenly from a range; seconds."""

    shortest_s: float
    longest_s: float


@dataclass(frozen=True, slots=True)
class Abort:
    """Answer with a code, by its name, instead of running the handler."""

    code: str


@dataclass(frozen=True, slots=True)
class Drop:
    """Never answer, as when the answer is lost on the way: the call ends at its deadline."""


@dataclass(frozen=True, slots=True)
class Pushback:
    """Refuse, and say how long to wait before the next attempt; seconds."""

    retry_after_s: float


Effect = Delay | Abort | Drop | Pushback


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    Attributes:
        id: The operator's name for it.
        target: Full name of a method, `package.Service/Method`, or
            `package.Service/*` for all methods of a service.
        effect: What happens.
        share: Of the calls, which part is hit: above 0, at most 1.
        limit: Calls that it hits before it ends; 0: any number.
        lasts_s: How long it lasts, seconds.
        set_by: Principal that set it.
        ends: When it ends, seconds of the clock of `Faults`.
        hits: Calls that it has hit.
    """

    id: str
    target: str
    effect: Effect
    share: float = 1.0
    limit: int = 0
    lasts_s: float = LASTS_S
    set_by: str = ""
    ends: float = 0.0
    hits: int = 0

    def covers(self, method: str) -> bool:
        """Whether it is about this method."""
        service, _, name = self.target.partition("/")
        return method == self.target or (name == "*" and method.partition("/")[0] == service)


class FullError(Exception):
    """There are as many faults as there may be."""


class Faults:
    """The faults of a process, in the order in which they were set.

    Attributes:
        armed: Whether there are any; what every call looks at.
    """

    __slots__ = ("_clock", "_draw", "_faults", "armed")

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """No faults.

        Args:
            clock: Tells seconds.
            draw: Evenly from 0 up to and without 1, for shares and delays.
        """
        self._clock = clock
        self._draw = draw
        self._faults: dict[str, Fault] = {}
        self.armed = False

    def set(self, fault: Fault) -> Fault:
        """Inject a fault from now on; one of the same id ends.

        Returns:
            The fault, with the time of its end, and with no hits.

        Raises:
            FullError: There are FAULTS_MAX others.
        """
        self._prune()
        if fault.id not in self._faults and len(self._faults) >= FAULTS_MAX:
            raise FullError
        made = replace(fault, ends=self._clock() + fault.lasts_s, hits=0)
        self._faults.pop(fault.id, None)
        self._faults[fault.id] = made
        self.armed = True
        return made

    def clear(self, id: str) -> bool:
        """End a fault; False when there is none of this id."""
        self._prune()
        found = self._faults.pop(id, None) is not None
        self.armed = bool(self._faults)
        return found

    def all(self) -> tuple[Fault, ...]:
        """The faults that are in force."""
        self._prune()
        return tuple(self._faults.values())

    def left_s(self, fault: Fault) -> float:
        """How long a fault still lasts, seconds."""
        return max(fault.ends - self._clock(), 0.0)

    def hit(self, method: str) -> tuple[Effect, ...]:
        """What happens to a call that comes now: delays, and then at most one of the others."""
        self._prune()
        effects: list[Effect] = []
        for fault in tuple(self._faults.values()):
            if not fault.covers(method) or self._draw() >= fault.share:
                continue
            self._count(fault)
            effects.append(fault.effect)
            if not isinstance(fault.effect, Delay):
                break
        return tuple(effects)

    def wait_s(self, delay: Delay) -> float:
        """How long a delay is this time, seconds."""
        return delay.shortest_s + (delay.longest_s - delay.shortest_s) * self._draw()

    def _count(self, fault: Fault) -> None:
        hits = fault.hits + 1
        if fault.limit and hits >= fault.limit:
            del self._faults[fault.id]
            self.armed = bool(self._faults)
        else:
            self._faults[fault.id] = replace(fault, hits=hits)

    def _prune(self) -> None:
        now = self._clock()
        for id in [fault.id for fault in self._faults.values() if fault.ends <= now]:
            del self._faults[id]
        self.armed = bool(self._faults)

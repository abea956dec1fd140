"""How long the calls of a method lately take, as far as it is needed to know what cannot finish."""

import math
import time
from collections.abc import Callable

# The share of calls that are quicker than the estimate. Low, because a call is
# refused for it: with less time than nine of ten calls took, it would nearly
# always be wasted work; with less than half of them took, it might well be not.
# It also means that somebody who sends slow calls has to send most of them to
# move it.
QUICKEST = 0.1
# How far one call moves the estimate, as a part of it: up by 1 %, down by 9 %. It
# takes 230 calls to believe that a method has become ten times slower, and 25
# that it is quick again.
STEP = 0.1
UP = math.exp(STEP * QUICKEST)
DOWN = math.exp(-STEP * (1 - QUICKEST))
# Calls before the estimate is believed.
ENOUGH = 100
# Of calls that it speaks against, one in so many is let through nevertheless, and
# one a while after the last one, seconds: so it is noticed when the method is
# quick again, with many calls and with few.
PROBE_EVERY = 16
PROBE_AFTER_S = 1.0
# An estimate is forgotten when no call has succeeded for so long, seconds.
FORGET_S = 30.0


class Timing:
    """How long the successful calls of one method take: nine of ten take longer than `estimate_s`.

    A quantile that is followed call by call: one comparison and one
    multiplication, nothing kept but a number.

    Attributes:
        estimate_s: The time in which one in ten calls is done, seconds; 0 at first.
        count: Calls that it was made of.
        refused: Calls that were refused for it.
    """

    __slots__ = ("_clock", "_doubted", "_last", "_probed", "count", "estimate_s", "refused")

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._last = self._probed = -math.inf
        self._doubted = 0
        self.estimate_s = 0.0
        self.count = 0
        self.refused = 0

    def succeeded(self, took_s: float, now: float) -> None:
        """Note that a call has ended well, after so many seconds, and when by the clock."""
        if now - self._last > FORGET_S:
            self.count, self.estimate_s = 1, took_s
        else:
            self.count += 1
            self.estimate_s *= UP if took_s > self.estimate_s else DOWN
        self._last = now

    def doubts(self, given_s: float) -> bool:
        """Whether a call that has so long from beginning to end is to be refused."""
        if given_s >= self.estimate_s or self.count < ENOUGH:
            return False
        now = self._clock()
        if now - self._last > FORGET_S:
            return False
        self._doubted += 1
        if self._doubted < PROBE_EVERY and now - self._probed < PROBE_AFTER_S:
            self.refused += 1
            return True
        self._doubted, self._probed = 0, now
        return False


class Timings:
    """The timings of a process's methods."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._by_method: dict[str, Timing] = {}

    def of(self, method: str) -> Timing:
        """A method's, made when it is first asked for."""
        found = self._by_method.get(method)
        if found is None:
            found = self._by_method[method] = Timing(self._clock)
        return found

"""How many calls may run at once in this process, found by how much slower calls get.

Each method has a latency that it takes while there is room (its base). When
calls take twice that, more calls at once only wait for each other somewhere
below, so fewer are let in; while they do not, more are. Only ratios to a
method's own base are compared: methods are of different speed, and the mix of
them changes.
"""

import math

# Where it begins, and its bounds. Calls at once.
FIRST = 100.0
LEAST = 4.0
MOST = 10_000.0

# Calls may take this many times their base before the limit falls. At 2, as
# many wait below as are worked on, and whatever is the narrow place never idles.
TOLERANCE = 2.0
# Latencies below this tell of the scheduler and the loop, not of a narrow place
# below: handlers that are faster are bounded by the loop, which is measured by
# itself (lag.py). Seconds.
FLOOR_S = 0.010

# The limit is looked at this often, when so many calls have ended. Seconds.
WINDOW_S = 0.1
WINDOW_CALLS = 10
# Few calls: looked at all the same after this long. Seconds.
WINDOW_MAX_S = 1.0

# The largest step down in one window, and how far a step up goes while nothing
# is slower at all.
DOWN = 0.7
UP = 1.1
# Below this nothing is slower.
CALM = 1.25

# A base follows faster calls at once. It follows slower ones only while the
# limit does not bind, because then the slowness is not of our making, and over
# some ten seconds.
FALL = 0.3
RISE = 0.01

# A limit that binds for long hides what the base is now. So every so often the
# limit is taken far below what is needed for a moment, in which bases may rise.
# Costs some 1.5 % of the throughput while overloaded. Seconds.
PROBE_EVERY_S = 30.0
PROBE_S = 0.6
PROBE_SHARE = 0.25
PROBE_RISE = 0.5


class Base:
    """How long calls of one method take while there is room, seconds; 0 until one has ended."""

    __slots__ = ("base_s", "calls", "sum_s")

    def __init__(self) -> None:
        self.base_s = 0.0
        self.calls = 0
        self.sum_s = 0.0

    def settle(self, rise: float) -> float:
        """Take what the window has seen into the base; how many times the base calls took, times the calls.

        Args:
            rise: How far the base follows calls that were slower, 0 to 1.
        """
        mean_s = self.sum_s / self.calls
        if not self.base_s:
            self.base_s = mean_s
        follow = FALL if mean_s < self.base_s else rise
        self.base_s += (mean_s - self.base_s) * follow
        strain = self.calls * max(mean_s, FLOOR_S) / max(self.base_s, FLOOR_S)
        self.calls = 0
        self.sum_s = 0.0
        return strain


class AdaptiveLimit:
    """The limit of a process.

    Attributes:
        value: How many calls may run at once now; a fraction is meant.
        running: How many do.
    """

    __slots__ = (
        "_active",
        "_began",
        "_bound_since",
        "_calls",
        "_clean_from",
        "_found",
        "_peak",
        "_probe_until",
        "running",
        "value",
    )

    def __init__(self, first: float = FIRST) -> None:
        self.value = first
        self.running = 0
        self._active: list[Base] = []
        self._calls = 0
        self._peak = 0
        self._began = -1.0
        self._found = first
        self._bound_since: float | None = None
        self._clean_from = 0.0
        self._probe_until: float | None = None

    def begin(self) -> None:
        """A call was let in."""
        self.running += 1
        if self.running > self._peak:
            self._peak = self.running

    def end(self, base: Base, took_s: float, now: float) -> None:
        """A call ended that took as long as such calls take.

        Args:
            base: Of its method.
            took_s: How long it took, seconds.
            now: The time, `time.monotonic` seconds.
        """
        self.running -= 1
        if not base.calls:
            self._active.append(base)
        base.calls += 1
        base.sum_s += took_s
        self._calls += 1
        if self._began < 0.0:
            self._began = now  # the first window begins with the first call that ended
        age_s = now - self._began
        if age_s >= WINDOW_S and (self._calls >= WINDOW_CALLS or age_s >= WINDOW_MAX_S):
            self._settle(now)

    def drop(self) -> None:
        """A call ended that says nothing of how long such calls take."""
        self.running -= 1

    def _settle(self, now: float) -> None:
        """Look at what a window has seen, and begin another."""
        binds = self._peak * 2 >= self.value
        probing = self._probe_until is not None
        clean = probing and self._began >= self._clean_from
        rise = PROBE_RISE if clean else 0.0 if binds or probing else RISE
        slowest_s = max(base.sum_s / base.calls for base in self._active)
        ratio = sum(base.settle(rise) for base in self._active) / self._calls
        self._active.clear()
        self._calls = 0
        self._peak = self.running
        self._began = now
        if probing:
            self._probe(now, clean)
        else:
            self._adapt(ratio, binds, now, slowest_s)

    def _adapt(self, ratio: float, binds: bool, now: float, slowest_s: float) -> None:
        if not binds:
            # Fewer run than may: how long they take is nothing that the limit could mend.
            self._bound_since = None
            return
        if self._bound_since is None:
            self._bound_since = now
        if ratio > TOLERANCE:
            self.value = max(LEAST, self.value * max(DOWN, TOLERANCE / ratio))
        else:
            step = max(math.sqrt(self.value), self.value * (UP - 1.0) if ratio < CALM else 0.0)
            self.value = min(MOST, self.value + step)
        if now >= self._bound_since + PROBE_EVERY_S:
            # Calls that end in the first part of it began before.
            self._clean_from = now + max(PROBE_S / 2, slowest_s)
            self._probe_until = now + PROBE_S
            self._found = self.value
            self.value = max(LEAST / 2, self.value * PROBE_SHARE)

    def _probe(self, now: float, clean: bool) -> None:
        assert self._probe_until is not None
        if clean and now >= self._probe_until:
            self.value, self._probe_until, self._bound_since = self._found, None, now

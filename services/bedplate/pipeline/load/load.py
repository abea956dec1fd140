"""What a process lets in: one decision for each call, from the adaptive limit and the loop's state."""

import random
import time
from collections.abc import Callable
from math import ceil

from bedplate.contract.promises import Criticality
from bedplate.pipeline.failure import Failure
from bedplate.pipeline.load.lag import IDLE, TICK_S, LoopSampler, Pressure
from bedplate.pipeline.load.limit import AdaptiveLimit, Base
from bedplate.pipeline.load.overloaded import overloaded
from bedplate.pipeline.load.slots import LEVELS, Slots
from bedplate.telemetry.metrics import Cell

# How much of the limit each criticality may fill. Critical calls may go as far
# above it as others reach: that is their reserve. (Where 8 calls run at once and
# a third of them are critical, a reserve of 2 refuses one critical call in 16.)
SHARES = {Criticality.CRITICAL: 2.0, Criticality.DEFAULT: 1.0, Criticality.SHEDDABLE: 0.7}
# From which pressure of the loop on a part of the calls is refused; from
# one more on, all are. The critical never are for it.
FROM_PRESSURE = {Criticality.CRITICAL: float("inf"), Criticality.DEFAULT: 1.0, Criticality.SHEDDABLE: 0.0}

# How late the loop may be before calls are refused for it. Seconds.
LAG_S = 0.05

# While the loop is never idle, the door looks every so many ticks whether more
# calls wait in core than the loop can begin within the lag it may have.
PROBE_TICKS = 4
PROBE_LEAST = 4
PROBE_MAX = 48
COST_FOLLOW = 0.2

Probe = Callable[[int, Callable[[int], None]], None]

# A refusal takes so much of the loop, half of what a cheap call takes: 5,000 of
# them a second are a third of a core. So only this share of what the loop can
# compute is spent on refusing for pressure, some 1,400 calls a second of a whole
# core. The calls above that are taken at the pace at which the loop gets to them,
# and what waits too long in core is refused there, for nothing.
REFUSAL_S = 70e-6
REFUSING_SHARE = 0.1
REFUSALS_MAX = 100.0

# A refused caller is asked to wait for as long as calls lately take, twice, plus
# so much for each step of pressure; a little more or less, so that not all come
# back at once. Seconds.
WAIT_CALLS = 2.0
WAIT_PRESSURE_S = 0.5
WAIT_SPREAD = 0.25


class Door:
    """What is remembered of one method: how long it takes, and who was refused."""

    __slots__ = ("base", "refused")

    def __init__(self) -> None:
        self.base = Base()
        self.refused = dict.fromkeys(LEVELS, 0)


class Load:
    """What a process has taken on; one for all methods.

    Attributes:
        on: False: nothing is refused, only counted.
        limit: How many calls may run at once.
        pressure: What the loop's state asks for.
        lags: How late the loop was, tick by tick.
        probe: Has the gRPC door ask core for so many calls of each busy method, and
            tell how many came at once; None: there is nobody to ask.
    """

    def __init__(self, *, lag_s: float = LAG_S, on: bool = True) -> None:
        self.on = on
        self.limit = AdaptiveLimit()
        self.pressure = Pressure(lag_s)
        self.lags = Cell()
        self.doors: dict[str, Door] = {}
        self.slots: dict[str, Slots] = {}
        self.probe: Probe | None = None
        self._lag_s = lag_s
        self._cost_s = lag_s
        self._ticks = 0
        self._wanted = 0
        self._asked_at = 0.0
        self._begun = 0
        self._refusals = REFUSALS_MAX
        self._owed = dict.fromkeys(LEVELS, 0.0)
        self._random: Callable[[float, float], float] = random.uniform

    def door(self, method: str) -> Door:
        """What is remembered of a method, made when it is first asked for."""
        return self.doors.setdefault(method, Door())

    def slots_of(self, method: str, limit: int, queue: int) -> Slots:
        """The slots of a method, with these bounds from now on."""
        found = self.slots.get(method)
        if found is None:
            found = self.slots[method] = Slots(limit, queue)
        else:
            found.resize(limit, queue)
        return found

    def watch(self) -> LoopSampler:
        """Begin to measure the running loop; stop what this returns in the end."""
        return LoopSampler(self.tick)

    def tick(self, lag_s: float, busy: float, ran_s: float) -> None:
        """The loop was so late, seconds, so busy, 0 to 1, and computed for so long, seconds."""
        self.lags.add(lag_s)
        self.pressure.tick(lag_s, busy, self._begun)
        elapsed_s = TICK_S + lag_s
        if self._begun:
            self._cost_s += (busy * elapsed_s / self._begun - self._cost_s) * COST_FOLLOW
        self._begun = 0
        self._ticks += 1
        if busy >= IDLE and self.probe is not None and self._ticks % PROBE_TICKS == 0:
            self._wanted = min(PROBE_MAX, max(PROBE_LEAST, ceil(self._lag_s / self._cost_s)))
            self._asked_at = time.monotonic()
            self.probe(2 * self._wanted, self._probed)
        self._refusals = min(REFUSALS_MAX, self._refusals + REFUSING_SHARE * ran_s / REFUSAL_S)

    def _probed(self, came: int) -> None:
        """So many calls came when they were asked for; less those that are new, they had waited."""
        new = (time.monotonic() - self._asked_at) / self._cost_s
        self.pressure.behind = came - new >= self._wanted

    def refusal(self, door: Door, level: Criticality) -> Failure | None:
        """The refusal of a new call; None: there is room for it."""
        self._begun += 1
        limit, pressure = self.limit, self.pressure.value
        room = limit.running < limit.value * SHARES[level]
        if room and not (pressure and self._falls_to(level, pressure)):
            return None
        if not self.on:
            return None
        door.refused[level] += 1
        wait_s = WAIT_CALLS * door.base.base_s + WAIT_PRESSURE_S * pressure + self.pressure.lag_s
        return overloaded(wait_s * self._random(1.0 - WAIT_SPREAD, 1.0 + WAIT_SPREAD))

    def _falls_to(self, level: Criticality, pressure: float) -> bool:
        """Whether this call is one of the share that the pressure refuses; evenly spread."""
        share = pressure - FROM_PRESSURE[level]
        if share <= 0.0 or self._refusals < 1.0:
            return False
        owed = self._owed[level] + min(1.0, share)
        if owed >= 1.0:
            self._owed[level] = owed - 1.0
            self._refusals -= 1.0
            return True
        self._owed[level] = owed
        return False

"""A token bucket for each of many holders: exact, in memory, about a microsecond a call."""

import math
from collections import OrderedDict
from collections.abc import Hashable, Iterable

from bedplate.contract.promises import PolicyError, Rate, RateScope

# Holders whose bucket is not full that are remembered; a full one needs no memory.
HOLDERS_MAX = 50_000
# How many of the longest known are looked at when a new one comes: more than
# one, so that full ones go faster than new ones come.
LOOKS = 4
# Sums of floats are short by less than this; a caller who waited as long as it
# was told is not refused for it. Tokens.
TOLERANCE = 1e-9
# The longest wait that is told; protobuf's durations end after it. Seconds.
TOLD_MAX_S = 1e9


class Bucket:
    """The tokens of one bucket's name, for each of its holders.

    All times are those of one monotonic clock, seconds.

    Attributes:
        name: As the contract has it.
        per: Who is a holder.
        per_second: Tokens a second that flow back.
        burst: The most tokens that a holder has.
        refused: Calls that were refused so far.
    """

    __slots__ = ("_claims", "_levels", "burst", "name", "per", "per_second", "refused")

    def __init__(self, name: str, rate: Rate) -> None:
        self.name = name
        self.per: RateScope = rate.per
        self.per_second = rate.per_second
        self.burst = float(rate.burst)
        self.refused = 0
        self._claims: dict[str, Rate] = {}
        # Tokens, and when they were counted.
        self._levels: OrderedDict[Hashable, list[float]] = OrderedDict()

    @property
    def holders(self) -> int:
        """How many holders are remembered."""
        return len(self._levels)

    def take(self, holder: Hashable, cost: float, now: float) -> float:
        """Take tokens.

        Returns:
            How many are left; or, below 0, how many are missing: then none were taken.
        """
        level = self._levels.get(holder)
        if level is None:
            if self._levels:
                self._make_room(now)
            level = self._levels[holder] = [self.burst, now]
        tokens = level[0] + (now - level[1]) * self.per_second
        if tokens > self.burst:
            tokens = self.burst
        level[1] = now
        left = tokens - cost
        if left < -TOLERANCE:
            level[0] = tokens
            return left
        level[0] = left
        return left if left > 0.0 else 0.0

    def claim(self, method: str, rate: Rate, now: float) -> None:
        """Use the bucket for a method. Several share it under the tightest of their numbers.

        Tokens stay when the numbers change: what was used stays used, and who has
        more than now fit has as many as fit.

        Raises:
            PolicyError: Its methods do not agree on who is a holder.
        """
        differs = (name for name, one in self._claims.items() if one.per is not rate.per and name != method)
        if other := next(differs, ""):
            raise PolicyError(
                f"{method} and {other} share the bucket {self.name} and do not say the same rate.per; "
                "write the same, or name another bucket"
            )
        self.per = rate.per
        self._claims[method] = rate
        self._settle(now)

    def release(self, method: str, now: float) -> None:
        """Use it no more for a method."""
        if self._claims.pop(method, None) is not None and self._claims:
            self._settle(now)

    def _settle(self, now: float) -> None:
        """Count all tokens at the numbers so far, then go on with those of the claims."""
        claims = self._claims.values()
        per_second = min(one.per_second for one in claims)
        # What one call takes must fit, however small the others' bursts are.
        burst = float(max(min(one.burst for one in claims), *_costs(claims)))
        if (per_second, burst) == (self.per_second, self.burst):
            return
        for holder, level in list(self._levels.items()):
            tokens = level[0] + (now - level[1]) * self.per_second
            if tokens >= self.burst:
                del self._levels[holder]
            else:
                level[:] = min(tokens, burst), now
        self.per_second, self.burst = per_second, burst

    def _make_room(self, now: float) -> None:
        """Forget holders whose bucket is full; at the bound also one who is nearest to it."""
        levels = self._levels
        fullest: Hashable = None
        most = -1.0
        for _ in range(min(LOOKS, len(levels))):
            holder, level = next(iter(levels.items()))
            tokens = level[0] + (now - level[1]) * self.per_second
            if tokens >= self.burst:
                del levels[holder]
                continue
            levels.move_to_end(holder)
            if tokens > most:
                fullest, most = holder, tokens
        if len(levels) >= HOLDERS_MAX:
            del levels[fullest]


def told_s(wait_s: float) -> float:
    """A wait as callers are told it: whole milliseconds, never too few."""
    return math.ceil(min(wait_s, TOLD_MAX_S) * 1000 - 1e-6) / 1000


def _costs(claims: Iterable[Rate]) -> list[int]:
    return [one.cost for one in claims]

"""What one address may try without showing who it is.

Failed attempts to authenticate, and calls of methods that anyone may call, take
tokens of the address they come from. Whoever has none left is refused before
anything is looked at, until some have come back.
"""

import time
from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv6Address
from urllib.parse import unquote

from bedplate.contract.promises import Rate, RateScope
from bedplate.quota.bucket import Bucket

# What an attempt takes, in calls of a method that anyone may call.
FAILURE_COST = 5
CALL_COST = 1

# Addresses that are refused at once; how often those are looked for whose time
# is over, seconds.
BLOCKED_MAX = 50_000
PURGE_S = 1.0

# Who waits as long as it was told is not refused for what floats round off. Seconds.
TOLERANCE_S = 1e-6

# Those who have a /64 have all of its addresses.
_IPV6_BITS = 64


class AddressBudget:
    """The budget of every address.

    Attributes:
        on: Whether there is one.
        blocked: Addresses that have too little for a failed attempt, and until when. While it
            is empty nobody's address needs to be known.
        refused: Calls that were refused so far.
    """

    def __init__(
        self, per_second: float = 100.0, burst: int = 5_000, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Prepare a budget.

        Args:
            per_second: Tokens that come back in a second; 0: there is no budget.
            burst: The most that an address has; at least FAILURE_COST.
            clock: Seconds that never go back.
        """
        self.on = per_second > 0
        self.blocked: dict[str, float] = {}
        self.refused = 0
        self._clock = clock
        self._purge_at = 0.0
        self._bucket = Bucket(
            "address", Rate(CALL_COST, "address", per_second, max(burst, FAILURE_COST), RateScope.ADDRESS)
        )

    def wait_s(self, peer: str) -> float:
        """How long a caller has to wait before it may try to authenticate, seconds; 0: not at all."""
        now = self._clock()
        if now >= self._purge_at:
            self._purge(now)
        wait_s = self.blocked.get(source(peer), 0.0) - now
        if wait_s <= TOLERANCE_S:
            return 0.0
        self.refused += 1
        return wait_s

    def fail(self, peer: str) -> None:
        """Count an attempt to authenticate that failed."""
        address = source(peer)
        if not self.on or not address:
            return
        now = self._clock()
        left = self._bucket.take(address, FAILURE_COST, now)
        missing = FAILURE_COST - left if left >= 0 else -left
        if missing > 0:
            self._block(address, now + missing / self._bucket.per_second, now)

    def call_wait_s(self, peer: str) -> float:
        """Count a call that anyone may make; above 0: it is one too many, and how long to wait, seconds."""
        address = source(peer)
        if not address:
            return 0.0
        left = self._bucket.take(address, CALL_COST, self._clock())
        if left >= 0:
            return 0.0
        self.refused += 1
        return -left / self._bucket.per_second

    def _block(self, address: str, until: float, now: float) -> None:
        if len(self.blocked) >= BLOCKED_MAX and address not in self.blocked:
            self._purge(now)
            if len(self.blocked) >= BLOCKED_MAX:
                del self.blocked[next(iter(self.blocked))]
        self.blocked[address] = until

    def _purge(self, now: float) -> None:
        self._purge_at = now + PURGE_S
        for address in [address for address, until in self.blocked.items() if until <= now]:
            del self.blocked[address]


def source(peer: str) -> str:
    """The address of a peer, whatever its port; of an IPv6 address its /64. Empty: it has none.

    Args:
        peer: As doors tell it: `ipv4:127.0.0.1:4711`, `ipv6:[::1]:4711` (also with
            escapes), `unix:` or `local:`.
    """
    kind, _, rest = peer.partition(":")
    if kind == "ipv4":
        return rest.rpartition(":")[0]
    return _ipv6_source(rest.rpartition(":")[0]) if kind == "ipv6" else ""


@lru_cache(maxsize=4096)
def _ipv6_source(host: str) -> str:
    try:
        address = IPv6Address(unquote(host).strip("[]").partition("%")[0])
    except ValueError:
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return f"{IPv6Address(int(address) >> _IPV6_BITS << _IPV6_BITS)}/{_IPV6_BITS}"

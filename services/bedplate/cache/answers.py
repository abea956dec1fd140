"""The cache of a process: what is kept, what is on its way, and what is no longer true."""

import logging
import random
import time
from collections.abc import Awaitable, Callable
from functools import partial

from google.protobuf.message import Message

from bedplate.cache.entry import Entry, Header, Key, digest, refusal_body
from bedplate.cache.flight import Flight, Flights, Outcome
from bedplate.cache.level import Level, LocalLevel
from bedplate.cache.metrics import CacheMetrics
from bedplate.errors import Kind, Refusal

BYTES_MAX = 64 * 1024 * 1024

# Answers live up to this share shorter than the contract allows, at random, so
# that those that were made together do not end together.
JITTER_SHARE = 0.1

# Stale answers that are made anew at the same time, in a process.
REFRESHES_MAX = 32

# After a refresh was tried, the next one for the same answer waits this long, seconds.
REFRESH_AGAIN_S = 1.0

# Refusals that say nothing of what was asked for: the next attempt may do better.
_PASSING = frozenset(
    {
        Kind.CANCELLED,
        Kind.CONFLICT,
        Kind.EXHAUSTED,
        Kind.INTERNAL,
        Kind.LATE,
        Kind.UNAVAILABLE,
    }
)

# Makes an entry by asking the handler.
Work = Callable[[], Awaitable[Entry]]

_log = logging.getLogger("bedplate.cache")


class Answers:
    """Keeps the answers of the methods of a process.

    Attributes:
        local: What is kept here.
        metrics: What is counted; a collector for a registry.
    """

    def __init__(
        self,
        bytes_max: int = BYTES_MAX,
        *,
        shared: Level | None = None,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """Make an empty cache.

        Args:
            bytes_max: What kept answers may take; 0: nothing is kept, and those
                who ask for the same at once still share one answer.
            shared: A second level, which other processes use too; None: there is none.
            clock: Seconds; entries are told in it.
            chance: From 0 to 1, for the jitter.
        """
        self.local = LocalLevel(bytes_max, clock=clock)
        self.metrics = CacheMetrics(self.local)
        self.clock = clock
        self._shared = shared
        self._chance = chance
        self._flights = Flights(self._landed)

    def find(self, key: Key) -> Entry | None:
        """What is kept here, fresh or stale."""
        return self.local.find(key)

    def entry(self, body: bytes, headers: list[Header], *, ttl_s: float, stale_s: float) -> Entry:
        """An entry of a response's bytes."""
        return self._entry(body, True, headers, ttl_s, stale_s)

    def missing(self, refusal: Refusal, headers: list[Header], *, ttl_s: float) -> Entry:
        """An entry of a refusal."""
        return self._entry(refusal_body(refusal), False, headers, ttl_s, 0.0)

    def _entry(self, body: bytes, found: bool, headers: list[Header], ttl_s: float, stale_s: float) -> Entry:
        now = self.clock()
        fresh_until = now + ttl_s * (1 - JITTER_SHARE * self._chance())
        return Entry(body, found, tuple(headers), now, fresh_until, fresh_until + stale_s)

    async def load(self, key: Key, work: Work, *, limit_s: float) -> tuple[Outcome, bool]:
        """The outcome of work for a key, of which at most one piece runs, and whether it is one's own.

        Whoever waited for the work of another that failed in a way that may
        pass tries once again, together with the others who waited.
        """
        flights = self._flights
        for last in (False, True):
            flight = flights.find(key)
            own = flight is None
            if flight is None:
                flight = flights.start(key, partial(self._make, work=work), limit_s=limit_s)
            outcome = await flights.wait(flight)
            if own or last or not _may_pass(outcome.error):
                return outcome, own
        raise AssertionError("the last round returns")

    def refresh(self, key: Key, entry: Entry, work: Work, *, limit_s: float) -> None:
        """Make a stale answer anew, in its own time, unless it is being done or was just tried."""
        now = self.clock()
        if entry.refresh_at > now or self._flights.find(key) is not None:
            return
        if self._flights.refreshes >= REFRESHES_MAX:
            return
        entry.refresh_at = now + REFRESH_AGAIN_S
        self._flights.start(key, partial(self._make, work=work), limit_s=limit_s, refresh=True)

    async def _make(self, flight: Flight, work: Work) -> Entry:
        """The entry of a flight: from the shared level, or made and told to it."""
        shared = self._shared
        if shared is None:
            return await work()
        found = None if flight.refresh else await shared.get(flight.key)
        if found is not None:
            return found
        entry = await work()
        if not flight.outdated and entry.stale_until > self.clock():
            await shared.put(flight.key, entry)
        return entry

    def _landed(self, flight: Flight, outcome: Outcome) -> None:
        entry, error = outcome.entry, outcome.error
        if flight.refresh:
            failed = _may_pass(error)
            self.metrics.refreshed["failed" if failed else "ok"] += 1
            if failed:
                _log.warning("%s: a refresh failed with %s", flight.key.method, type(error).__name__)
        if flight.outdated:
            return
        if entry is not None:
            self.local.keep(flight.key, entry)
        elif not _may_pass(error):
            self.local.drop(flight.key)  # what was stale is now refused

    async def invalidate(
        self, method: str, request: Message | None = None, *, tenant: str | None = None
    ) -> None:
        """Drop the answers of a method, here and in the shared level, once what they say has changed.

        To be called after the change was committed. Work that is on its way is
        finished for those who wait for it, and is not kept.

        Args:
            method: Full name, `package.Service/Method`.
            request: Only the answers to this request; None: to all.
            tenant: Only this tenant's; None: all tenants'.
        """
        only = None if request is None else digest(request)
        self._flights.outdate(method, tenant, only)
        self.local.forget(method, tenant, only)
        if self._shared is not None:
            await self._shared.invalidate(method, tenant, only)

    async def close(self) -> None:
        """End what is on its way."""
        await self._flights.close()


def _may_pass(error: BaseException | None) -> bool:
    """Whether the next attempt may do better; a refusal of what was asked for will not."""
    if error is None:
        return False
    return not isinstance(error, Refusal) or error.kind in _PASSING

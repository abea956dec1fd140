"""One piece of work for all who ask for the same at once.

The work is nobody's: it runs in a task of its own with a limit of its own, so
that no caller's end is the end of the others' answer. Each caller waits in its
own time. Work that nobody waits for any more is cancelled, unless it is a
refresh.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from bedplate.cache.entry import Entry, Key
from bedplate.errors import Kind, Refusal


@dataclass(frozen=True, slots=True)
class Outcome:
    """How work ended: with an entry, or with what it raised and where.

    Each of those who wait raises the error from that traceback; without it the
    one would grow by the frames of all before.
    """

    entry: Entry | None = None
    error: BaseException | None = None
    traceback: TracebackType | None = None


class Flight:
    """Work on its way.

    Attributes:
        key: What it is about.
        refresh: Nobody waits for it; it runs on when a caller that does goes away.
        outdated: What it found must not be kept: it was invalidated meanwhile.
        waiters: Callers that wait for it.
        ended: How it ended, once it did; never an exception.
    """

    __slots__ = ("ended", "expired", "key", "outdated", "refresh", "task", "waiters")

    def __init__(self, key: Key, *, refresh: bool) -> None:
        self.key = key
        self.refresh = refresh
        self.outdated = False
        self.expired = False
        self.waiters = 0
        self.ended: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.task: asyncio.Task[Entry] | None = None

    def expire(self) -> None:
        """End it: it took too long."""
        self.expired = True
        if self.task is not None:
            self.task.cancel()


# Makes the entry of a flight.
Make = Callable[[Flight], Coroutine[Any, Any, Entry]]
# Told of each flight that ended, before those who wait for it.
Landed = Callable[[Flight, Outcome], None]


class Flights:
    """The work that runs, at most one piece for a key."""

    def __init__(self, landed: Landed) -> None:
        self._landed = landed
        self._running: dict[Key, Flight] = {}
        self._all: set[Flight] = set()

    @property
    def refreshes(self) -> int:
        """How many refreshes run now."""
        return sum(flight.refresh for flight in self._all)

    def find(self, key: Key) -> Flight | None:
        """What runs for a key."""
        return self._running.get(key)

    def start(self, key: Key, make: Make, *, limit_s: float, refresh: bool = False) -> Flight:
        """Start work for a key for which none runs; it is ended after `limit_s` seconds."""
        flight = Flight(key, refresh=refresh)
        self._running[key] = flight
        self._all.add(flight)
        loop = asyncio.get_running_loop()
        flight.task = loop.create_task(make(flight))
        timer = loop.call_later(limit_s, flight.expire)

        # A callback of the task: one that is cancelled before its first step runs no code of its own.
        def end(task: "asyncio.Task[Entry]") -> None:
            timer.cancel()
            self._leave(flight)
            self._all.discard(flight)
            outcome = _outcome(flight, task)
            self._landed(flight, outcome)
            flight.ended.set_result(outcome)

        flight.task.add_done_callback(end)
        return flight

    async def wait(self, flight: Flight) -> Outcome:
        """How a flight ends. Whoever waits may be cancelled without harm to the others."""
        flight.waiters += 1
        try:
            return await asyncio.shield(flight.ended)
        finally:
            flight.waiters -= 1
            if not flight.waiters and not flight.refresh and not flight.ended.done():
                self._leave(flight)  # at once, so that nobody joins what is about to end
                assert flight.task is not None
                flight.task.cancel()

    def _leave(self, flight: Flight) -> None:
        if self._running.get(flight.key) is flight:
            del self._running[flight.key]

    def outdate(self, method: str, tenant: str | None, digest: bytes | None) -> None:
        """Let nobody join what runs for these, and keep nothing of it; None stands for all."""
        for flight in list(self._all):
            key = flight.key
            if (
                key.method == method
                and (tenant is None or key.tenant == tenant)
                and (digest is None or key.digest == digest)
            ):
                flight.outdated = True
                self._leave(flight)

    async def close(self) -> None:
        """Cancel all that runs, and wait for its end."""
        tasks = [flight.task for flight in self._all if flight.task is not None]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


def _outcome(flight: Flight, task: "asyncio.Task[Entry]") -> Outcome:
    if flight.expired:
        late = Refusal(Kind.LATE, "DEADLINE_EXCEEDED", "The call did not finish before its deadline.")
        return Outcome(error=late)
    if task.cancelled():
        return Outcome(error=asyncio.CancelledError())
    error = task.exception()
    if error is None:
        return Outcome(task.result())
    return Outcome(error=error, traceback=error.__traceback__)

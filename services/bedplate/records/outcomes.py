"""The outcomes of a process's calls: where attempts are found, and what has expired is removed."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import TypeVar

import sqlalchemy as sa
from prometheus_client import CollectorRegistry, Counter

from bedplate import clock
from bedplate.clock import Clock
from bedplate.errors import Refusal
from bedplate.records import outcome
from bedplate.records.apart import Store, transact_apart
from bedplate.records.outcome import Key, Outcome

T = TypeVar("T")
Work = Callable[[sa.Connection], T]

_log = logging.getLogger("bedplate.records")

SWEEP_EVERY_S = 60.0
# One sweep deletes so much, in transactions of so much: it is in nobody's way,
# and keeps up with 500 outcomes a second.
BATCH_MAX = 500
BATCHES_MAX = 60


class Outcomes:
    """Knows which calls run in this process, and the outcomes of those that ran.

    Attributes:
        running: What is asked by the attempts of this process, by key.
        repeats: Counts what became of repeated calls.
        clock: Tells the time.
    """

    def __init__(
        self, database: Store, *, clock: Clock = clock.now_us, registry: CollectorRegistry | None = None
    ) -> None:
        self._database = database
        self._sweeping: asyncio.Task[None] | None = None
        self.clock = clock
        self.running: dict[Key, bytes] = {}
        self.repeats = Counter(
            "bedplate_repeats",
            "Calls whose request_id was used before, by what became of them.",
            ["method", "result"],
            registry=registry,
        )

    async def find(self, key: Key) -> Outcome | None:
        """The outcome of a call; None: there is none yet."""
        now_us = self.clock()
        return await self._database.read(lambda connection: outcome.find(connection, key, now_us))

    async def transact(self, work: Work[T]) -> T:
        """Run a unit of work in the current call: with its records, and through its attempt."""
        return await self._database.transact(work)

    async def transact_apart(self, work: Work[T], *, deadline: float) -> T:
        """Run a unit of work without the call's records, which belong to what was not done.

        Raises:
            Refusal: As `Database.transact` says.
        """
        return await transact_apart(self._database, work, timeout_s=deadline - time.monotonic())

    async def sweep(self) -> int:
        """Delete what has expired, at most BATCHES_MAX batches of it; how many."""
        count = 0
        for _ in range(BATCHES_MAX):
            now_us = self.clock()

            def work(connection: sa.Connection, now_us: int = now_us) -> int:
                return outcome.delete_expired(connection, now_us, BATCH_MAX)

            deleted = await self._database.transact(work)
            count += deleted
            if deleted < BATCH_MAX:
                break
        return count

    def start(self) -> None:
        """Delete what has expired, now and then, until `stop`."""
        self._sweeping = asyncio.get_running_loop().create_task(self._sweep_always())

    async def stop(self) -> None:
        """Delete no more."""
        task, self._sweeping = self._sweeping, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _sweep_always(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_EVERY_S)
            try:
                await self.sweep()
            except Refusal as refusal:
                _log.warning("expired outcomes are not deleted: %s", refusal.sentence)
            except Exception:
                # What has expired does no harm; the next sweep tries again.
                _log.exception("expired outcomes are not deleted")

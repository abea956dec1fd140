"""The database of a process: `read` and `transact`, on PostgreSQL or SQLite."""

import asyncio
import time
from typing import Any, TypeVar

import sqlalchemy as sa

from bedplate.contract.scope import CURRENT
from bedplate.data import fault, sqlite
from bedplate.data.cancel import Canceller
from bedplate.data.cores import cores
from bedplate.data.lane import Lane
from bedplate.data.lock import FileLock
from bedplate.data.postgresql import PostgresqlDriver, is_postgresql
from bedplate.data.sqlite import SqliteDriver
from bedplate.data.transact import LATE_TOLERANCE_S
from bedplate.data.unit import Unit, Work

T = TypeVar("T")

QUEUE_MAX = 256
TIMEOUT_S = 30.0  # of a unit outside a call, unless it says otherwise
# A call with more time than this has no deadline of which a unit would know
# (PostgreSQL's own timer ends at 24 days).
FOREVER_S = 24 * 3600.0
# How long a commit that is on its way at the deadline may still take before its
# caller is told that the outcome is unknown; the deadline stage leaves 10 ms.
COMMIT_GRACE_S = 0.008
CLOSE_GRACE_S = 10.0
SLOTS_PER_CORE = 2
SQLITE_READERS = 2


class Database:
    """Runs units of work: plain functions of a connection, on a bounded number of threads.

    A unit of work is re-runnable: it is run again when another transaction was
    in its way, so ids and times come from outside. It neither commits nor rolls
    back; it returns, and everything it wrote is committed, or it raises, and
    nothing is.

        balance = await database.read(lambda connection: store.balance(connection, account_id))

    Make it with `Database.open`.

    Attributes:
        url: Where it is, without a password.
        dialect: `postgresql` or `sqlite`.
    """

    def __init__(
        self, url: sa.URL, *, writers: Lane, readers: Lane, lock: FileLock | None, serializable: bool
    ) -> None:
        self._url = url
        self._writers = writers
        self._readers = readers
        self._lanes = [writers] if writers is readers else [writers, readers]
        self._lock = lock
        self._serializable = serializable
        self._canceller = Canceller()
        self.url = url.render_as_string(hide_password=True)
        self.dialect = url.get_backend_name()

    def __repr__(self) -> str:
        return f"Database({self.url!r})"

    @classmethod
    def open(
        cls, url: str, *, pool: int = 0, queue: int = QUEUE_MAX, serializable: bool = False
    ) -> "Database":
        """Open a database. Connections are made when the first units need them.

        Args:
            url: `postgresql://user@host/name` or `sqlite:///path`.
            pool: Connections, which is also threads. 0: 2 for each core on
                PostgreSQL; on SQLite 2 that read. SQLite has 1 that writes.
            queue: Units that may wait for a connection, 1 or more.
            serializable: Isolation of transactions on PostgreSQL, which is READ
                COMMITTED otherwise. SQLite's are always serial.

        Raises:
            InUseError: Another process has the SQLite file open.
            ValueError: The URL names neither of the two.
        """
        made = sa.make_url(url)
        if is_postgresql(made):
            size = pool or SLOTS_PER_CORE * cores()
            lane = Lane(PostgresqlDriver(made), name="database", size=size, queue_max=queue)
            return cls(made, writers=lane, readers=lane, lock=None, serializable=serializable)
        if made.get_backend_name() != "sqlite":
            raise ValueError(f"{made.drivername} is neither postgresql nor sqlite")
        path = sqlite.path_of(made)
        lock = FileLock(path)
        try:
            sqlite.prepare(path)
        except BaseException:
            lock.release()
            raise
        writer, reader = SqliteDriver(path, write=True), SqliteDriver(path, write=False)
        return cls(
            made,
            writers=Lane(writer, name="writer", size=1, queue_max=queue),
            readers=Lane(reader, name="reader", size=pool or SQLITE_READERS, queue_max=queue),
            lock=lock,
            serializable=serializable,
        )

    @property
    def connect_url(self) -> sa.URL:
        """Where it is, password included; for migrations."""
        return self._url

    @property
    def waiting(self) -> int:
        """Units that wait for a connection."""
        return sum(lane.waiting for lane in self._lanes)

    @property
    def running(self) -> int:
        """Units that have a connection."""
        return sum(lane.running for lane in self._lanes)

    async def read(self, work: Work[T], *, timeout_s: float | None = None) -> T:
        """Run a unit of work that only reads; all its statements see one snapshot.

        Args:
            work: A plain function of a connection.
            timeout_s: Seconds it may take, waiting included, 30 unless given.
                Within a call that has a deadline that one holds, if it is
                sooner than what is given.

        Raises:
            Refusal: DEADLINE_EXCEEDED, OVERLOADED or DEPENDENCY_UNAVAILABLE.
        """
        return await self._run(self._readers, work, write=False, serializable=False, timeout_s=timeout_s)

    async def transact(
        self, work: Work[T], *, serializable: bool | None = None, timeout_s: float | None = None
    ) -> T:
        """Run a unit of work and commit what it wrote, with the call's pending records and its outcome.

        Rows that are changed are locked in the order of their ids, and are
        locked before they are read (`with_for_update`). On SQLite transactions
        run one by one.

        Args:
            work: A plain function of a connection, which may run several times.
            serializable: Overrides what the database was opened with.
            timeout_s: As for `read`.

        Raises:
            Refusal: DEADLINE_EXCEEDED (nothing was committed), OVERLOADED,
                DEPENDENCY_UNAVAILABLE, or OUTCOME_UNKNOWN when the connection
                was lost during the commit.
        """
        if serializable is None:
            serializable = self._serializable

        async def run(work: Work[T]) -> T:
            return await self._run(
                self._writers, work, write=True, serializable=serializable, timeout_s=timeout_s
            )

        scope = CURRENT.get()
        if scope is None or scope.outcome is None:
            return await run(work)
        return await scope.outcome.transact(work, run)

    async def close(self, *, grace_s: float = CLOSE_GRACE_S) -> None:
        """Refuse new units, wait for those that run, cancel what is left after the grace."""
        for lane in self._lanes:
            for unit in lane.close():
                unit.end()
                unit.loop.call_soon_threadsafe(unit.refuse, fault.stopping())
        joined = [await asyncio.to_thread(lane.join, grace_s) for lane in self._lanes]
        if not all(joined):
            for lane in self._lanes:
                for unit in lane.remaining():
                    self._stop(unit)
                    unit.loop.call_soon_threadsafe(unit.refuse, fault.stopping())
            for lane in self._lanes:
                await asyncio.to_thread(lane.join, CLOSE_GRACE_S)
        self._canceller.close()
        if self._lock is not None:
            self._lock.release()

    async def _run(
        self, lane: Lane, work: Work[T], *, write: bool, serializable: bool, timeout_s: float | None
    ) -> T:
        scope = CURRENT.get()
        now = time.monotonic()
        deadline = now + (TIMEOUT_S if timeout_s is None else timeout_s)
        pending: list[Any] = []
        if scope is not None:
            ends = timeout_s is None and scope.deadline - now < FOREVER_S
            deadline = scope.deadline if ends else min(deadline, scope.deadline)
            if write:
                pending = scope.pending
        if deadline <= now:
            raise fault.late()
        unit = Unit(work, write=write, serializable=serializable, deadline=deadline, pending=pending)
        lane.submit(unit)
        unit.timer = unit.loop.call_later(deadline - now, self._expire, lane, unit)
        try:
            return await asyncio.shield(unit.future)
        except asyncio.CancelledError:
            ended = unit.end()
            if lane.forget(unit):
                unit.disarm()
            elif ended:
                self._canceller.watch(unit)
            elif unit.left_s() <= LATE_TOLERANCE_S:
                return await self._outcome(unit)
            raise

    async def _outcome(self, unit: Unit[T]) -> T:
        """What becomes of a commit that was on its way when the call's time was over.

        To tell such a caller that it was late could be wrong: the commit may
        still come about.

        Raises:
            Refusal: DEADLINE_EXCEEDED (nothing was committed), or
                OUTCOME_UNKNOWN when the database has not answered by then.
        """
        done, _ = await asyncio.wait([unit.future], timeout=COMMIT_GRACE_S)
        if not done:
            raise fault.commit_unanswered()
        return unit.future.result()

    def _expire(self, lane: Lane, unit: Unit[Any]) -> None:
        """At the deadline: answer at once, unless the commit is on its way; then it has a little longer."""
        unit.timer = None
        ended = unit.end()
        if not lane.forget(unit):
            self._canceller.watch(unit)
        if ended:
            unit.refuse(fault.late())

    def _stop(self, unit: Unit[Any]) -> None:
        unit.end()
        self._canceller.watch(unit)

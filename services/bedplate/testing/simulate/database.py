"""A database for scenarios, with the interface of `bedplate.data.Database`."""

import asyncio
import random
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import sqlalchemy as sa

from bedplate.contract.scope import CURRENT
from bedplate.data import fault
from bedplate.data.engine import FOREVER_S, TIMEOUT_S
from bedplate.data.transact import BACKOFF_MAX_S, BACKOFF_MIN_S, CONTENDED_MAX
from bedplate.errors import Kind, Refusal
from bedplate.testing.simulate.attempt import Attempt, Suspended
from bedplate.testing.simulate.conditions import Faults, Sabotage
from bedplate.testing.simulate.connection import Connections
from bedplate.testing.simulate.life import LIFE, Life
from bedplate.testing.simulate.lock import Key, closes_circle
from bedplate.testing.simulate.statement import NO_KEY_UPDATE, SHARE
from bedplate.testing.simulate.template import Template
from bedplate.testing.simulate.versions import (
    SAVEPOINTS,
    Blocked,
    Outcome,
    Parameters,
    Transaction,
    Versions,
)
from bedplate.testing.simulate.world import World

T = TypeVar("T")
Work = Callable[[sa.Connection], T]

# Locked for each transaction that writes: shared by all, or by one alone.
_TURN: Key = ("", "turn", ())
# A connection whose process crashed is noticed at once or up to so much later.
NOTICED_MAX_S = 1.0
STATEMENT_MAX = 100  # characters of one in a trace


_CONNECTIONS = Connections()


class _Contended(Exception):  # noqa: N818 - never seen outside this module
    """Another transaction was in the way."""


class SimulatedDatabase:
    """Runs units of work as `bedplate.data.Database` does, in virtual time and an order the seed chooses.

    Every statement of a unit that writes is a scheduling point: others may run
    between two of them. Transactions are READ COMMITTED, as on PostgreSQL, with
    its row locks: `SELECT ... FOR UPDATE` (and its weaker forms, NOWAIT and SKIP
    LOCKED) waits for whoever holds the row, rows that are written are locked,
    inserts wait for an open insert of the same unique key, and a circle of those
    who wait is a deadlock, whose last one runs again. Statements are SQLite's,
    or SQLAlchemy's; FOR UPDATE may stand in a comment.

    When the process crashes in whose task a unit runs, what is not committed is
    undone. The database itself does not crash.

    Attributes:
        dialect: `sqlite`, whose SQL it takes.
        deadlocks: How many there were.
        commits: How many transactions wrote something and committed.
    """

    dialect = "sqlite"
    url = "sqlite:///simulated"

    def __init__(
        self,
        world: World,
        template: Template,
        *,
        serial: bool = False,
        faults: Faults | None = None,
        sabotage: Sabotage | None = None,
    ) -> None:
        """Open it, with what the template holds.

        Args:
            world: The run.
            template: Its tables and rows.
            serial: Transactions that write run one after the other, as on SQLite.
            faults: What goes wrong by itself; by default a little of everything.
            sabotage: Mistakes built in on purpose.
        """
        self._world = world
        self._serial = serial
        self._faults = faults or Faults()
        self._sabotage = sabotage or Sabotage()
        self._versions = Versions(
            template, aborts=not serial, without_locks_of=self._sabotage.without_locks_of
        )
        self._connections = _CONNECTIONS
        self._random = random.Random(f"database/{world.seed}").random  # noqa: S311 - repeatable
        self._open: dict[Transaction, Life | None] = {}
        self._watched: set[Life] = set()
        self._checks: list[Callable[[sa.Connection], None]] = []
        self._looker: sa.Connection | None = None
        self._count = 0
        self.deadlocks = 0
        self.commits = 0
        world.at_end(self._close)

    def always(self, check: Callable[[sa.Connection], None]) -> None:
        """Check what must hold at every instant: after each commit, on what is committed.

        Args:
            check: A function of a connection that only reads; what it raises ends the run.
        """
        self._checks.append(check)

    def look(self, work: Work[T]) -> T:
        """Read what is committed, at once; for audits, which are no part of what is simulated."""
        if self._looker is None:
            self._looker = self._connections.connect(self._versions.look)
        try:
            return work(self._looker)
        finally:
            self._looker.rollback()

    async def read(self, work: Work[T], *, timeout_s: float | None = None) -> T:
        """See `Database.read`. All of it happens in one instant, which is what one snapshot means."""
        deadline = self._deadline(timeout_s)
        async with _until(deadline):
            await self._point()
        result = self.look(work)
        self._world.note("reads")
        await self._world.point()
        return result

    async def transact(
        self, work: Work[T], *, serializable: bool | None = None, timeout_s: float | None = None
    ) -> T:
        """See `Database.transact`. One that is serializable has the database to itself."""

        async def run(work: Work[T]) -> T:
            return await self._transact(work, serializable=serializable, timeout_s=timeout_s)

        scope = CURRENT.get()
        if scope is None or scope.outcome is None:
            return await run(work)
        return await scope.outcome.transact(work, run)

    async def _transact(self, work: Work[T], *, serializable: bool | None, timeout_s: float | None) -> T:
        deadline = self._deadline(timeout_s)
        scope = CURRENT.get()
        pending: list[Any] = [] if scope is None else scope.pending
        for contended in range(1, CONTENDED_MAX):
            records = tuple(pending)
            transaction = self._begin()
            try:
                async with _until(deadline):
                    await self._take_turn(transaction, alone=self._serial or bool(serializable))
                    result = await self._work(transaction, _with_records(work, records))
                if self._sabotage.answer_early:
                    self._commit_later(transaction, deadline)
                else:
                    await self._commit(transaction, deadline)
            except _Contended:
                self._rollback(transaction)
            except BaseException:
                self._rollback(transaction)
                raise
            else:
                del pending[: len(records)]
                await self._world.point()
                return result
            wait_s = min(BACKOFF_MIN_S * 2**contended, BACKOFF_MAX_S) * self._random()
            async with _until(deadline):
                await asyncio.sleep(wait_s)
        raise fault.overloaded(BACKOFF_MAX_S)

    async def close(self, *, grace_s: float = 0.0) -> None:
        """Nothing to do: it is closed with the run."""

    def _begin(self) -> Transaction:
        life = LIFE.get()
        self._refuse_the_dead(life)
        if life is not None and life not in self._watched:
            self._watched.add(life)
            life.at_end.append(lambda: self._lose(life))
        self._count += 1
        transaction = Transaction(self._count)
        self._open[transaction] = life
        return transaction

    async def _take_turn(self, transaction: Transaction, *, alone: bool) -> None:
        await self._point()
        strength = NO_KEY_UPDATE if alone else SHARE
        while others := self._versions.locks.take(transaction, _TURN, strength):
            await self._wait(transaction, Blocked(others))

    async def _work(self, transaction: Transaction, work: Work[T]) -> T:
        """Run the work, one statement at a time."""
        slow_s = 0.0
        blocked: Blocked | None = None

        def ask(text: str, parameters: Parameters) -> Outcome | None:
            nonlocal slow_s, blocked
            slow_s, blocked = 0.0, None
            if not text.startswith(SAVEPOINTS):
                slow_s = self._slowness()
                if slow_s or not self._world.loop.may_continue():
                    return None
            answer = self._versions.run(transaction, text, parameters)
            if isinstance(answer, Blocked):
                blocked = answer
                return None
            self._note(text, answer)
            return answer

        attempt = Attempt(self._connections, ask)
        try:
            while True:
                try:
                    return attempt.run(work)
                except Suspended:
                    if blocked is None:
                        await asyncio.sleep(slow_s)
                    else:
                        await self._wait(transaction, blocked)
                    attempt.answer(await self._answer(transaction, attempt.text, attempt.parameters))
        finally:
            attempt.close()

    async def _answer(self, transaction: Transaction, text: str, parameters: Parameters) -> Outcome:
        while True:
            self._refuse_the_dead(self._open.get(transaction))
            answer = self._versions.run(transaction, text, parameters)
            if isinstance(answer, Outcome):
                self._note(text, answer)
                return answer
            await self._wait(transaction, answer)

    async def _wait(self, transaction: Transaction, blocked: Blocked) -> None:
        """Wait until one of those who are in the way lets go of its locks."""
        if closes_circle(transaction, blocked.by):
            self.deadlocks += 1
            self._world.note(f"{transaction.name}: deadlock with {_names(blocked)}")
            raise _Contended
        self._world.note(f"{transaction.name} waits for {_names(blocked)}")
        await transaction.wait_for(blocked.by, self._world.loop)

    async def _commit(self, transaction: Transaction, deadline: float) -> None:
        async with _until(deadline):
            await self._point()
        self._refuse_the_dead(self._open.get(transaction))
        if self._world.loop.time() >= deadline:
            raise fault.late()
        if transaction.failed:
            raise RuntimeError(fault.SWALLOWED)
        if self._random() < self._faults.contended:
            self._world.note(f"{transaction.name} was contended")
            raise _Contended
        unknown = self._random() < self._faults.unknown
        if unknown and self._random() < 0.5:
            raise self._outcome_unknown(transaction, "did not happen")
        wrote = bool(transaction.changes)
        self._versions.commit(transaction)
        del self._open[transaction]
        if wrote:
            self.commits += 1
            self._world.note(f"{transaction.name} commits")
            self._check()
        if unknown:
            raise self._outcome_unknown(transaction, "happened")

    def _commit_later(self, transaction: Transaction, deadline: float) -> None:
        async def commit() -> None:
            try:
                await self._commit(transaction, deadline)
            except (_Contended, Refusal):
                self._rollback(transaction)
            except BaseException:
                self._rollback(transaction)
                raise

        self._world.loop.create_task(commit(), name=f"{transaction.name}/late-commit")

    def _check(self) -> None:
        for check in self._checks:
            try:
                self.look(check)
            except Exception as error:
                # Whatever is wrong with what is committed, the run ends here
                # and not with whoever happened to commit.
                self._world.fail(error)
                return

    def _rollback(self, transaction: Transaction) -> None:
        if self._open.pop(transaction, self) is not self:
            self._versions.rollback(transaction)

    def _lose(self, life: Life) -> None:
        """The process crashed: its transactions are undone, as soon as that is noticed."""
        lost = [transaction for transaction, whose in self._open.items() if whose is life]
        for transaction in lost:
            del self._open[transaction]
            if self._random() < 0.5:
                self._versions.rollback(transaction)
            else:
                wait_s = self._random() * NOTICED_MAX_S
                self._world.loop.call_later(wait_s, self._versions.rollback, transaction)

    def _refuse_the_dead(self, life: Life | None) -> None:
        if life is not None and life.over:
            raise asyncio.CancelledError("the process has crashed")

    def _deadline(self, timeout_s: float | None) -> float:
        now = self._world.loop.time()
        scope = CURRENT.get()
        deadline = now + (TIMEOUT_S if timeout_s is None else timeout_s)
        if scope is not None:
            ends = timeout_s is None and scope.deadline - now < FOREVER_S
            deadline = scope.deadline if ends else min(deadline, scope.deadline)
        if deadline <= now:
            raise fault.late()
        return deadline

    def _slowness(self) -> float:
        return self._random() * self._faults.slow_s if self._random() < self._faults.slow else 0.0

    async def _point(self) -> None:
        if slow_s := self._slowness():
            await asyncio.sleep(slow_s)
        else:
            await self._world.point()

    def _outcome_unknown(self, transaction: Transaction, what: str) -> Refusal:
        self._world.note(f"{transaction.name}: the answer to its commit, which {what}, is lost")
        return Refusal(Kind.UNAVAILABLE, "OUTCOME_UNKNOWN", "The change may or may not have happened.")

    def _note(self, text: str, outcome: Outcome) -> None:
        if self._world.recording:
            count = outcome.count if outcome.columns is None else len(outcome.rows)
            told = repr(outcome.error) if outcome.error else f"{count} rows"
            self._world.note(f"{_short(text)} -> {told}")

    def _close(self) -> None:
        self._versions.close()


@asynccontextmanager
async def _until(deadline: float) -> AsyncIterator[None]:
    """At the deadline: DEADLINE_EXCEEDED."""
    try:
        async with asyncio.timeout_at(deadline):
            yield
    except TimeoutError:
        raise fault.late() from None


def _with_records(work: Work[T], records: tuple[Callable[[Any], None], ...]) -> Work[T]:
    """The work, and then what the call itself wants to be written."""
    if not records:
        return work

    def both(connection: sa.Connection) -> T:
        result = work(connection)
        for record in records:
            record(connection)
        return result

    return both


def _names(blocked: Blocked) -> str:
    return ", ".join(other.name for other in blocked.by)


def _short(text: str) -> str:
    """A statement without the middle, so that table and condition fit into a line of the trace."""
    text = " ".join(text.split())
    found = re.match(r"(SELECT) .* (FROM \w+ .*)", text)
    text = f"{found[1]} ... {found[2]}" if found else text
    return text if len(text) <= STATEMENT_MAX else f"{text[:STATEMENT_MAX]}..."

"""Deadlines and cancelled callers: they are answered at once, and nothing commits behind their backs."""

import asyncio
import random
import threading
import time

import psycopg
import pytest
import sqlalchemy as sa

from bedplate.data import Database, cancel, engine
from bedplate.data.postgresql import PostgresqlDriver
from bedplate.data.slot import Slot
from bedplate.data.sqlite import SqliteDriver, path_of
from bedplate.data.transact import perform
from bedplate.data.unit import Unit
from bedplate.errors import Kind, Refusal
from tests.data.signals import FOREVER, in_call, run, scalars, until

ITEMS = scalars("SELECT id FROM item ORDER BY id")
INSERT = run("INSERT INTO item (id) VALUES (1)")


def _forever(connection: sa.Connection) -> None:
    connection.execute(sa.text(FOREVER[connection.dialect.name]))


def _slot(url: str) -> Slot:
    made = sa.make_url(url)
    return Slot(
        PostgresqlDriver(made) if made.drivername == "postgresql" else SqliteDriver(path_of(made), write=True)
    )


def _unit(work, timeout_s: float) -> Unit:
    return Unit(work, write=True, serializable=False, deadline=time.monotonic() + timeout_s, pending=[])


async def test_a_cancelled_caller_goes_at_once_and_its_slot_when_the_thread_returns(narrow: Database):
    entered, release = threading.Event(), threading.Event()

    def work(connection: sa.Connection) -> None:
        INSERT(connection)
        entered.set()
        assert release.wait(20)

    task = asyncio.ensure_future(narrow.transact(work))
    await until(entered.is_set)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    behind = asyncio.ensure_future(narrow.transact(ITEMS))
    await until(lambda: narrow.waiting == 1)

    assert narrow.running == 1
    release.set()
    assert await behind == []
    await until(lambda: narrow.running == 0)


async def test_a_cancel_stops_the_statement(items: Database):
    entered = threading.Event()

    def work(connection: sa.Connection) -> None:
        INSERT(connection)
        entered.set()
        _forever(connection)

    task = asyncio.ensure_future(items.transact(work))
    await until(entered.is_set)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    await until(lambda: items.running == 0)
    assert await items.read(ITEMS) == []


@pytest.mark.parametrize("kill_after_s", [cancel.KILL_AFTER_S, 0.0])
async def test_a_cancel_between_two_statements_stops_the_next(items: Database, monkeypatch, kill_after_s):
    monkeypatch.setattr(cancel, "KILL_AFTER_S", kill_after_s)
    entered, release = threading.Event(), threading.Event()

    def work(connection: sa.Connection) -> None:
        INSERT(connection)
        entered.set()
        assert release.wait(20)
        _forever(connection)

    task = asyncio.ensure_future(items.transact(work))
    await until(entered.is_set)
    task.cancel()
    await asyncio.wait([task])
    release.set()

    await until(lambda: items.running == 0)
    assert await items.read(ITEMS) == []


async def test_work_that_ignores_the_cancel_is_not_committed(items: Database):
    entered, release = threading.Event(), threading.Event()

    def work(connection: sa.Connection) -> None:
        INSERT(connection)
        entered.set()
        assert release.wait(20)

    with in_call() as call:
        call.pending.append(run("INSERT INTO item (id) VALUES (2)"))
        task = asyncio.ensure_future(items.transact(work))
        await until(entered.is_set)
        task.cancel()
        await asyncio.wait([task])
        release.set()
        await until(lambda: items.running == 0)

        assert len(call.pending) == 1
    assert await items.read(ITEMS) == []


async def test_a_commit_that_has_begun_is_not_taken_back_by_a_cancel(postgresql_url):
    database = Database.open(postgresql_url, pool=1)
    await database.transact(run(SLOW_COMMIT))
    await database.transact(run("CREATE TABLE item (id INTEGER PRIMARY KEY)"))
    await database.transact(run(SLOW_TRIGGER))

    with psycopg.connect(postgresql_url, autocommit=True) as holder:
        holder.execute("SELECT pg_advisory_lock(1)")
        task = asyncio.ensure_future(database.transact(INSERT))
        await until(lambda: holder.execute(WAITING_COMMITS).fetchone() == (1,))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        holder.execute("SELECT pg_advisory_unlock(1)")
    await until(lambda: database.running == 0)

    assert await database.read(ITEMS) == [1]
    await database.close()


async def test_who_runs_out_of_time_during_the_commit_is_told_what_became_of_it(postgresql_url, monkeypatch):
    """The commit is cancelled at the server, which says that it was: nothing happened, and that is told."""
    monkeypatch.setattr(engine, "COMMIT_GRACE_S", 10.0)
    database = await _slow_to_commit(postgresql_url)

    with psycopg.connect(postgresql_url, autocommit=True) as holder:
        holder.execute("SELECT pg_advisory_lock(1)")
        with pytest.raises(Refusal) as told:
            await _cancelled_at_the_deadline(database)
    await until(lambda: database.running == 0)

    assert (told.value.kind, told.value.reason) == (Kind.LATE, "DEADLINE_EXCEEDED")
    assert await database.read(ITEMS) == []
    await database.close()


async def test_who_runs_out_of_time_during_a_commit_that_nobody_answers_is_told_that_it_may_have_happened(
    postgresql_url, monkeypatch
):
    monkeypatch.setattr(engine, "COMMIT_GRACE_S", 0.0)
    database = await _slow_to_commit(postgresql_url)

    with psycopg.connect(postgresql_url, autocommit=True) as holder:
        holder.execute("SELECT pg_advisory_lock(1)")
        with pytest.raises(Refusal) as told:
            await _cancelled_at_the_deadline(database)
    await until(lambda: database.running == 0)

    assert (told.value.kind, told.value.reason) == (Kind.UNAVAILABLE, "OUTCOME_UNKNOWN")
    await database.close()


async def _slow_to_commit(url: str) -> Database:
    """A database whose commits wait for advisory lock 1."""
    database = Database.open(url, pool=1)
    await database.transact(run(SLOW_COMMIT))
    await database.transact(run("CREATE TABLE item (id INTEGER PRIMARY KEY)"))
    await database.transact(run(SLOW_TRIGGER))
    return database


async def _cancelled_at_the_deadline(database: Database) -> None:
    """Insert within a call that its deadline stage cancels when its time is over."""
    with in_call(timeout_s=0.3) as call:
        task = asyncio.ensure_future(database.transact(INSERT))
    asyncio.get_running_loop().call_at(call.deadline, task.cancel)
    await task


async def test_many_cancels_at_any_moment_leave_every_connection_clean(items: Database):
    loop, moments = asyncio.get_running_loop(), random.Random(1)
    returned = []

    async def one(number: int) -> None:
        task = asyncio.ensure_future(items.transact(run("INSERT INTO item (id) VALUES (:id)", id=number)))
        loop.call_later(moments.uniform(0, 0.004), task.cancel)
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()
            returned.append(number)

    for batch in range(60):
        await asyncio.gather(*(one(batch * 4 + each) for each in range(4)))
    await until(lambda: items.running == 0)

    # A cancel that came during COMMIT may have left its row, too.
    assert set(returned) <= set(await items.read(ITEMS))
    assert 0 < len(returned) < 240
    await asyncio.gather(*(items.transact(scalars("SELECT 1")) for _ in range(8)))
    if items.dialect == "postgresql":
        idle = "SELECT count(*) FROM pg_stat_activity WHERE state LIKE 'idle in transaction%'"
        assert await items.read(scalars(idle)) == [0]


async def test_at_the_deadline_the_caller_is_answered_and_the_statement_stopped(items: Database):
    def work(connection: sa.Connection) -> None:
        INSERT(connection)
        _forever(connection)

    started = time.monotonic()
    with in_call(timeout_s=0.1), pytest.raises(Refusal) as caught:
        await items.transact(work)

    assert time.monotonic() - started < 2
    assert (caught.value.kind, caught.value.reason) == (Kind.LATE, "DEADLINE_EXCEEDED")
    await until(lambda: items.running == 0)
    assert await items.read(ITEMS) == []


@pytest.mark.parametrize("left_s", [float("inf"), 1e9])
async def test_a_unit_of_a_call_that_nothing_ends_has_the_time_of_one_outside_a_call(
    items: Database, monkeypatch, left_s: float
):
    monkeypatch.setattr(engine, "TIMEOUT_S", 0.1)

    with in_call(timeout_s=left_s), pytest.raises(Refusal, match="deadline"):
        await items.transact(_forever)


async def test_work_that_outlasts_the_deadline_without_a_statement_is_not_committed(items: Database):
    release = threading.Event()

    def work(connection: sa.Connection) -> None:
        INSERT(connection)
        assert release.wait(20)

    with pytest.raises(Refusal, match="deadline"):
        await items.transact(work, timeout_s=0.05)
    release.set()

    await until(lambda: items.running == 0)
    assert await items.read(ITEMS) == []


async def test_the_clock_is_looked_at_before_the_commit_even_when_the_loop_is_stuck(database_url):
    slot = _slot(database_url)
    perform(_unit(run("CREATE TABLE item (id INTEGER PRIMARY KEY)"), 10), slot)

    def work(connection: sa.Connection) -> None:
        INSERT(connection)
        while time.monotonic() < unit.deadline:
            pass

    unit = _unit(work, 0.05)  # nobody arms its timer
    with pytest.raises(Refusal, match="deadline"):
        perform(unit, slot)

    assert perform(_unit(ITEMS, 10), slot) == []
    slot.discard()


async def test_postgresql_itself_stops_a_statement_at_the_deadline(postgresql_url):
    slot = _slot(postgresql_url)
    perform(_unit(scalars("SELECT 1"), 10), slot)  # connected: the clock is about the statement alone

    with pytest.raises(Refusal, match="deadline") as caught:
        perform(_unit(_forever, 1.0), slot)  # nobody arms its timer

    assert isinstance(caught.value.__cause__.orig, psycopg.errors.QueryCanceled)
    assert perform(_unit(scalars("SELECT 1"), 10), slot) == [1]
    slot.discard()


async def test_a_statement_that_an_operator_stops_is_not_called_late(postgresql_url, caplog):
    database = Database.open(postgresql_url, pool=1)
    task = asyncio.ensure_future(database.read(_forever))

    with psycopg.connect(postgresql_url, autocommit=True) as operator:
        stop = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)'"
        await until(lambda: operator.execute(stop).fetchone())
        with pytest.raises(Refusal) as caught:
            await task

    assert (caught.value.kind, caught.value.reason) == (Kind.UNAVAILABLE, "DEPENDENCY_UNAVAILABLE")
    await database.close()


# A deferred trigger runs during COMMIT; this one waits there for a lock.
SLOW_COMMIT = """
CREATE FUNCTION wait_for_lock() RETURNS trigger LANGUAGE plpgsql AS
'BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NULL; END'
"""
SLOW_TRIGGER = """
CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON item DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION wait_for_lock()
"""
WAITING_COMMITS = """
SELECT count(*) FROM pg_stat_activity
WHERE query = 'COMMIT' AND wait_event_type = 'Lock' AND datname = current_database()
"""

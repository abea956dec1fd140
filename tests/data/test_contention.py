"""Units that get in each other's way: no update is lost, and who has to repeat does so unseen."""

import asyncio
import sqlite3
import threading

import pytest
import sqlalchemy as sa

from bedplate.data import Database, transact
from bedplate.errors import Kind, Refusal
from tests.data.signals import in_call, run, scalars, until

COUNTS = scalars("SELECT count FROM item ORDER BY id")
ROUNDS = 20
THREADS = 6


async def _six_take_one(database: Database, *, lock: str) -> list[int]:
    """Six units read one row that allows one taker, check and write it; returns takers a round."""
    takers = []
    for number in range(ROUNDS):
        await database.transact(run("INSERT INTO item (id) VALUES (:id)", id=number))

        def take(connection: sa.Connection, number: int = number) -> bool:
            suffix = lock if connection.dialect.name == "postgresql" else ""
            values = {"id": number}
            query = sa.text(f"SELECT count FROM item WHERE id = :id{suffix}")
            if connection.execute(query, values).scalar_one() > 0:
                return False
            connection.execute(sa.text("UPDATE item SET count = 1 WHERE id = :id"), values)
            return True

        takers.append(sum(await asyncio.gather(*(database.transact(take) for _ in range(THREADS)))))
    return takers


@pytest.fixture
async def wide(database_url):
    opened = Database.open(database_url, pool=THREADS)
    await opened.transact(run("CREATE TABLE item (id INTEGER PRIMARY KEY, count INTEGER NOT NULL DEFAULT 0)"))
    yield opened
    await opened.close()


async def test_of_six_that_read_check_and_write_a_row_one_wins(wide: Database):
    assert await _six_take_one(wide, lock=" FOR UPDATE") == [1] * ROUNDS


async def test_serializable_transactions_need_no_lock_for_it(postgresql_url):
    database = Database.open(postgresql_url, pool=THREADS, serializable=True)
    await database.transact(
        run("CREATE TABLE item (id INTEGER PRIMARY KEY, count INTEGER NOT NULL DEFAULT 0)")
    )

    assert await _six_take_one(database, lock="") == [1] * ROUNDS

    await database.close()


async def test_a_serialization_failure_runs_the_work_and_the_records_again(postgresql_url):
    database = Database.open(postgresql_url, pool=2, serializable=True)
    await database.transact(
        run("CREATE TABLE item (id INTEGER PRIMARY KEY, count INTEGER NOT NULL DEFAULT 0)")
    )
    await database.transact(run("INSERT INTO item (id) VALUES (1), (2)"))
    both_have_read = threading.Barrier(2)
    attempts: list[int] = []

    def add_all(target: int):
        def work(connection: sa.Connection) -> None:
            attempts.append(target)
            total = connection.execute(sa.text("SELECT sum(count) FROM item")).scalar_one()
            if attempts.count(target) == 1:
                both_have_read.wait(20)
            values = {"id": target, "count": total + 1}
            connection.execute(sa.text("UPDATE item SET count = :count WHERE id = :id"), values)

        return work

    with in_call() as call:
        call.pending.append(run("INSERT INTO item (id) VALUES (3)"))
        one = asyncio.ensure_future(database.transact(add_all(1)))
        await asyncio.sleep(0)
    two = asyncio.ensure_future(database.transact(add_all(2)))
    await asyncio.gather(one, two)

    assert len(attempts) > 2
    assert sorted((await database.read(COUNTS))[:2]) == [1, 2]
    assert len(await database.read(COUNTS)) == 3
    await database.close()


async def test_a_deadlock_is_repeated_until_both_are_through(postgresql_url):
    database = Database.open(postgresql_url, pool=2)
    await database.transact(
        run("CREATE TABLE item (id INTEGER PRIMARY KEY, count INTEGER NOT NULL DEFAULT 0)")
    )
    await database.transact(run("INSERT INTO item (id) VALUES (1), (2)"))
    both_have_one = threading.Barrier(2)
    attempts: list[int] = []

    def add(first: int, second: int):
        def work(connection: sa.Connection) -> None:
            attempts.append(first)
            connection.execute(sa.text("SET LOCAL deadlock_timeout = '10ms'"))
            run("UPDATE item SET count = count + 1 WHERE id = :id", id=first)(connection)
            if attempts.count(first) == 1:
                both_have_one.wait(20)
            run("UPDATE item SET count = count + 1 WHERE id = :id", id=second)(connection)

        return work

    await asyncio.gather(database.transact(add(1, 2)), database.transact(add(2, 1)))

    assert len(attempts) > 2
    assert await database.read(COUNTS) == [2, 2]
    await database.close()


class Aside:
    """Somebody else's write lock on a SQLite file."""

    def __init__(self, database: Database) -> None:
        self.connection = sqlite3.connect(str(database.connect_url.database), isolation_level=None)
        self.connection.execute("BEGIN IMMEDIATE")

    def release(self) -> None:
        self.connection.execute("ROLLBACK")
        self.connection.close()


@pytest.fixture
async def sqlite_items(tmp_path):
    opened = Database.open(f"sqlite:///{tmp_path / 'a.db'}")
    await opened.transact(run("CREATE TABLE item (id INTEGER PRIMARY KEY, count INTEGER NOT NULL DEFAULT 0)"))
    yield opened
    await opened.close()


async def test_a_busy_file_is_waited_for(sqlite_items: Database):
    aside = Aside(sqlite_items)
    task = asyncio.ensure_future(sqlite_items.transact(run("INSERT INTO item (id) VALUES (1)")))
    await until(lambda: sqlite_items.running == 1)
    aside.release()

    await task

    assert await sqlite_items.read(COUNTS) == [0]


async def test_a_busy_file_is_not_waited_for_past_the_deadline(sqlite_items: Database):
    aside = Aside(sqlite_items)

    with pytest.raises(Refusal, match="deadline"):
        await sqlite_items.transact(run("INSERT INTO item (id) VALUES (1)"), timeout_s=0.2)

    await until(lambda: sqlite_items.running == 0)
    aside.release()
    assert await sqlite_items.read(COUNTS) == []


async def test_readers_do_not_wait_for_the_writer(sqlite_items: Database):
    aside = Aside(sqlite_items)

    assert await sqlite_items.read(COUNTS) == []

    aside.release()


class Spoiled(sqlite3.OperationalError):
    sqlite_errorcode = sqlite3.SQLITE_BUSY


@pytest.mark.parametrize("beyond", [False, True])
async def test_work_is_repeated_so_often_and_not_once_more(sqlite_items: Database, monkeypatch, beyond):
    monkeypatch.setattr(transact, "BACKOFF_MAX_S", 0.001)
    attempts = 0
    spoiled = transact.CONTENDED_MAX - 1 + beyond

    def work(connection: sa.Connection) -> int:
        nonlocal attempts
        attempts += 1
        if attempts <= spoiled:
            raise Spoiled
        return attempts

    if beyond:
        with pytest.raises(Refusal) as caught:
            await sqlite_items.transact(work)
        assert (caught.value.kind, caught.value.reason) == (Kind.EXHAUSTED, "OVERLOADED")
    else:
        await sqlite_items.transact(work)

    assert attempts == transact.CONTENDED_MAX


async def test_a_cancelled_caller_ends_the_wait_between_two_attempts(sqlite_items: Database, monkeypatch):
    monkeypatch.setattr(transact, "BACKOFF_MIN_S", 1000.0)
    monkeypatch.setattr(transact, "BACKOFF_MAX_S", 1000.0)
    entered = threading.Event()

    def work(connection: sa.Connection) -> None:
        entered.set()
        raise Spoiled

    task = asyncio.ensure_future(sqlite_items.transact(work, timeout_s=2000))
    await until(entered.is_set)
    task.cancel()
    await asyncio.wait([task])

    await until(lambda: sqlite_items.running == 0)

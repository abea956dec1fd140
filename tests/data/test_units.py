"""Units of work: what is committed, what is not, and how the two databases behave alike."""

import asyncio
import contextvars
import os

import pytest
import sqlalchemy as sa

from bedplate.data import Database
from tests.data.signals import in_call, run, scalars

COLOUR: contextvars.ContextVar[str] = contextvars.ContextVar("colour")
ITEMS = scalars("SELECT id FROM item ORDER BY id")


async def test_what_a_unit_wrote_is_there_when_it_has_returned(items: Database):
    await items.transact(run("INSERT INTO item (id) VALUES (1)"))

    assert await items.read(ITEMS) == [1]


async def test_a_unit_that_raises_leaves_nothing_and_the_caller_gets_what_it_raised(items: Database):
    def work(connection: sa.Connection) -> None:
        run("INSERT INTO item (id) VALUES (1)")(connection)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await items.transact(work)

    assert await items.read(ITEMS) == []


async def test_an_error_of_a_statement_rises_as_it_is(items: Database):
    await items.transact(run("INSERT INTO item (id) VALUES (1)"))

    with pytest.raises(sa.exc.IntegrityError):
        await items.transact(run("INSERT INTO item (id) VALUES (1)"))

    assert await items.read(ITEMS) == [1]


async def test_stop_iteration_does_not_hang_the_caller(items: Database):
    with pytest.raises(RuntimeError, match="StopIteration"):
        await items.transact(lambda connection: next(iter([])))


async def test_a_read_cannot_write(items: Database):
    with pytest.raises(sa.exc.DBAPIError):
        await items.read(run("INSERT INTO item (id) VALUES (1)"))

    assert await items.read(ITEMS) == []


async def test_all_statements_of_a_read_see_one_snapshot(items: Database):
    async def insert() -> None:
        await items.transact(run("INSERT INTO item (id) VALUES (1)"))

    loop = asyncio.get_running_loop()

    def work(connection: sa.Connection) -> tuple[list[int], list[int]]:
        before = ITEMS(connection)
        asyncio.run_coroutine_threadsafe(insert(), loop).result()
        return before, ITEMS(connection)

    assert await items.read(work) == ([], [])
    assert await items.read(ITEMS) == [1]


async def test_a_unit_that_commits_by_itself_is_a_bug(items: Database):
    def work(connection: sa.Connection) -> None:
        connection.commit()

    with pytest.raises(AssertionError, match="neither commits nor rolls back"):
        await items.transact(work)


async def test_a_unit_that_goes_on_after_a_failed_statement_is_a_bug_and_commits_nothing(postgresql_url):
    database = Database.open(postgresql_url, pool=1)
    await database.transact(run("CREATE TABLE item (id INTEGER PRIMARY KEY)"))

    def work(connection: sa.Connection) -> None:
        run("INSERT INTO item (id) VALUES (1)")(connection)
        with pytest.raises(sa.exc.DBAPIError):
            run("INSERT INTO nowhere VALUES (1)")(connection)

    # PostgreSQL would answer COMMIT with a rollback and no error.
    with pytest.raises(RuntimeError, match="savepoint"):
        await database.transact(work)

    assert await database.read(ITEMS) == []
    await database.close()


async def test_a_savepoint_undoes_its_own_part_only(items: Database):
    def work(connection: sa.Connection) -> None:
        run("INSERT INTO item (id) VALUES (1)")(connection)
        with pytest.raises(sa.exc.IntegrityError), connection.begin_nested():
            run("INSERT INTO item (id) VALUES (2), (1)")(connection)
        run("INSERT INTO item (id) VALUES (3)")(connection)

    await items.transact(work)

    assert await items.read(ITEMS) == [1, 3]


async def test_a_unit_sees_the_context_of_its_caller(items: Database):
    COLOUR.set("green")

    assert await items.read(lambda connection: COLOUR.get()) == "green"


async def test_pending_records_are_committed_with_the_work_and_then_gone(items: Database):
    with in_call() as call:
        call.pending.append(run("INSERT INTO item (id) VALUES (2)"))
        await items.transact(run("INSERT INTO item (id) VALUES (1)"))

        assert call.pending == []
    assert await items.read(ITEMS) == [1, 2]


async def test_a_pending_record_that_fails_undoes_the_work_and_stays_pending(items: Database):
    with in_call() as call:
        call.pending.append(run("INSERT INTO item (id) VALUES (1)"))
        with pytest.raises(sa.exc.IntegrityError):
            await items.transact(run("INSERT INTO item (id) VALUES (1)"))

        assert len(call.pending) == 1
    assert await items.read(ITEMS) == []


async def test_work_that_fails_writes_no_pending_records(items: Database):
    with in_call() as call:
        call.pending.append(run("INSERT INTO item (id) VALUES (2)"))
        with pytest.raises(sa.exc.DBAPIError):
            await items.transact(run("INSERT INTO nowhere VALUES (1)"))

        assert len(call.pending) == 1
    assert await items.read(ITEMS) == []


async def test_a_read_writes_no_pending_records(items: Database):
    with in_call() as call:
        call.pending.append(run("INSERT INTO item (id) VALUES (2)"))
        await items.read(ITEMS)

        assert len(call.pending) == 1


async def test_foreign_keys_hold(items: Database):
    await items.transact(run("CREATE TABLE child (id INTEGER REFERENCES item (id))"))

    with pytest.raises(sa.exc.IntegrityError):
        await items.transact(run("INSERT INTO child VALUES (7)"))


async def test_sqlite_waits_for_the_disk_and_keeps_the_file_to_its_owner(tmp_path):
    database = Database.open(f"sqlite:///{tmp_path / 'new' / 'a.db'}")

    settings = await database.transact(
        lambda connection: [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    )

    assert settings == ["wal", 2, 1]
    assert os.stat(tmp_path / "new" / "a.db").st_mode & 0o077 == 0
    await database.close()


async def test_the_isolation_on_postgresql_is_what_was_asked_for(postgresql_url):
    plain, strict = (
        Database.open(postgresql_url, pool=1),
        Database.open(postgresql_url, pool=1, serializable=True),
    )
    level = scalars("SHOW transaction_isolation")

    assert await plain.transact(level) == ["read committed"]
    assert await plain.transact(level, serializable=True) == ["serializable"]
    assert await strict.transact(level) == ["serializable"]
    assert await strict.transact(level, serializable=False) == ["read committed"]
    assert await plain.read(level) == ["repeatable read"]
    assert await plain.read(scalars("SHOW timezone")) == ["UTC"]
    await plain.close()
    await strict.close()


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://localhost/x"])
def test_a_url_of_no_use_is_refused(url):
    with pytest.raises((ValueError, sa.exc.ArgumentError)):
        Database.open(url)


def test_a_password_is_not_shown():
    database = Database.open("postgresql://user:secret@nowhere/x")

    assert "secret" not in repr(database)
    assert "secret" not in database.url

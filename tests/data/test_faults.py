"""What breaks under a unit of work, and what the caller is told."""

import asyncio
import os
import sqlite3
import tempfile
import threading
import time
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from bedplate.data import Database, cancel
from bedplate.errors import Kind, Refusal
from bedplate.testing.databases import PostgresServer
from tests.data.proxy import Proxy
from tests.data.signals import run, scalars, until
from tests.data.test_cancel import SLOW_COMMIT, SLOW_TRIGGER, WAITING_COMMITS

ITEMS = scalars("SELECT id FROM item ORDER BY id")
INSERT = run("INSERT INTO item (id) VALUES (1)")
BACKEND = scalars("SELECT pg_backend_pid()")
CREATE = run("CREATE TABLE item (id INTEGER PRIMARY KEY, text VARCHAR)")


@pytest.fixture
async def one(postgresql_url):
    opened = Database.open(postgresql_url, pool=1)
    await opened.transact(CREATE)
    yield opened
    await opened.close()


@pytest.fixture
def admin(postgresql_url):
    with psycopg.connect(postgresql_url, autocommit=True) as connection:
        yield connection


@pytest.fixture
async def proxied(postgres_server, postgresql_url):
    with tempfile.TemporaryDirectory(prefix="bedplate-", dir="/tmp") as folder:
        proxy = Proxy(Path(folder), postgres_server.folder)
        opened = Database.open(postgresql_url.replace(str(postgres_server.folder), folder), pool=1)
        await opened.transact(CREATE)
        yield proxy, opened
        await opened.close()
        proxy.close()


def _told(refusal: Refusal) -> tuple[Kind, str]:
    assert "host" not in refusal.sentence
    assert "/" not in refusal.sentence
    return refusal.kind, refusal.reason


UNAVAILABLE = (Kind.UNAVAILABLE, "DEPENDENCY_UNAVAILABLE")
UNKNOWN = (Kind.UNAVAILABLE, "OUTCOME_UNKNOWN")


async def test_a_server_that_is_not_there_is_unavailable_and_the_log_says_why(tmp_path, caplog):
    database = Database.open(f"postgresql://user:secret@/x?host={tmp_path}", pool=1)

    with pytest.raises(Refusal) as caught:
        await database.read(BACKEND)

    assert _told(caught.value) == UNAVAILABLE
    assert "connecting" in caplog.text
    assert "secret" not in caplog.text
    await database.close()


async def test_a_connection_lost_between_two_units_is_replaced_unseen(one: Database, admin):
    (before,) = await one.read(BACKEND)
    admin.execute("SELECT pg_terminate_backend(%s, 10000)", [before])

    await one.transact(INSERT)

    assert await one.read(ITEMS) == [1]


async def test_a_connection_lost_within_a_unit_runs_the_work_again(one: Database, admin):
    attempts = []

    def work(connection: sa.Connection) -> None:
        attempts.append(BACKEND(connection))
        INSERT(connection)
        if len(attempts) == 1:
            admin.execute("SELECT pg_terminate_backend(%s, 10000)", attempts[0])
        ITEMS(connection)

    await one.transact(work)

    assert len(attempts) == 2
    assert await one.read(ITEMS) == [1]


async def test_a_connection_that_is_lost_again_and_again_is_unavailable(one: Database, admin):
    def work(connection: sa.Connection) -> None:
        admin.execute("SELECT pg_terminate_backend(%s, 10000)", BACKEND(connection))
        ITEMS(connection)

    with pytest.raises(Refusal) as caught:
        await one.transact(work)

    assert _told(caught.value) == UNAVAILABLE
    assert await one.read(ITEMS) == []


async def test_a_backend_killed_during_the_commit_leaves_the_outcome_unknown(one: Database, admin):
    await one.transact(run(SLOW_COMMIT))
    await one.transact(run(SLOW_TRIGGER))
    admin.execute("SELECT pg_advisory_lock(1)")
    task = asyncio.ensure_future(one.transact(INSERT))
    await until(lambda: admin.execute(WAITING_COMMITS).fetchone() == (1,))
    admin.execute("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE query = 'COMMIT'")

    with pytest.raises(Refusal) as caught:
        await task

    assert _told(caught.value) == UNKNOWN
    assert await one.read(ITEMS) == []


async def test_a_commit_whose_answer_is_lost_is_unknown_though_it_happened(proxied):
    proxy, database = proxied
    proxy.cut_after = b"COMMIT\0"

    with pytest.raises(Refusal) as caught:
        await database.transact(INSERT)

    proxy.cut_after = b""
    assert proxy.fired.is_set()
    assert _told(caught.value) == UNKNOWN
    assert await database.read(ITEMS) == [1]


async def test_a_commit_that_is_never_answered_is_cut_after_the_deadline(proxied, monkeypatch):
    monkeypatch.setattr(cancel, "KILL_AFTER_S", 0.1)
    proxy, database = proxied
    proxy.hold = b"COMMIT\0"

    with pytest.raises(Refusal) as caught:
        await database.transact(INSERT, timeout_s=0.2)

    proxy.hold = b""
    assert _told(caught.value) == UNKNOWN
    assert await database.read(ITEMS) == []


async def test_a_statement_that_is_too_late_in_the_commit_is_rolled_back(one: Database, admin):
    await one.transact(run(SLOW_COMMIT))
    await one.transact(run(SLOW_TRIGGER))
    admin.execute("SELECT pg_advisory_lock(1)")

    with pytest.raises(Refusal, match="deadline"):
        await one.transact(INSERT, timeout_s=0.2)

    await until(lambda: one.running == 0)
    admin.execute("SELECT pg_advisory_unlock(1)")
    assert await one.read(ITEMS) == []


async def test_a_constraint_that_fails_in_the_commit_rises(one: Database):
    await one.transact(run("ALTER TABLE item ADD UNIQUE (text) DEFERRABLE INITIALLY DEFERRED"))

    with pytest.raises(sa.exc.IntegrityError):
        await one.transact(run("INSERT INTO item VALUES (1, 'a'), (2, 'a')"))

    assert await one.read(ITEMS) == []


async def test_a_statement_prepared_before_a_migration_still_runs(one: Database, admin):
    for _ in range(10):
        await one.read(scalars("SELECT * FROM item"))
    admin.execute("ALTER TABLE item ALTER COLUMN id TYPE BIGINT")

    assert await one.read(scalars("SELECT * FROM item")) == []


async def test_a_standby_is_unavailable_for_what_writes(one: Database):
    def work(connection: sa.Connection) -> None:
        connection.execute(sa.text("SET TRANSACTION READ ONLY"))
        INSERT(connection)

    with pytest.raises(Refusal) as caught:
        await one.transact(work)

    assert _told(caught.value) == UNAVAILABLE


@pytest.fixture
async def own_server():
    server = PostgresServer()
    server.start()
    yield server
    server.stop()


async def test_what_a_server_goes_through_and_what_its_callers_see(own_server: PostgresServer, monkeypatch):
    monkeypatch.setattr(cancel, "KILL_AFTER_S", 0.3)
    database = Database.open(own_server.create_database(), pool=4)
    await database.transact(CREATE)

    async def four() -> None:
        together = threading.Barrier(4)
        await asyncio.gather(*(database.read(lambda connection: together.wait(20)) for _ in range(4)))

    await four()
    own_server.restart()
    await four()  # four stale connections, no failure

    own_server.kill()
    with pytest.raises(Refusal) as caught:
        await database.read(ITEMS)
    assert _told(caught.value) == UNAVAILABLE
    own_server.start()
    await four()

    with own_server.stalled():
        started = time.monotonic()
        with pytest.raises(Refusal, match="deadline"):
            await database.read(ITEMS, timeout_s=0.2)
        assert time.monotonic() - started < 5
        # The slot comes back though the server does not.
        await until(lambda: database.running == 0)
    await four()
    await database.close()


async def test_a_full_disk_is_unavailable_and_nothing_leaks(tmp_path, caplog):
    database = Database.open(f"sqlite:///{tmp_path / 'a.db'}")
    await database.transact(CREATE)
    await database.transact(
        lambda connection: connection.exec_driver_sql("PRAGMA max_page_count=10").scalar()
    )

    with pytest.raises(Refusal) as caught:
        await database.transact(run("INSERT INTO item VALUES (1, :text)", text="x" * 100_000))

    assert _told(caught.value) == UNAVAILABLE
    assert "full" in caplog.text
    assert "xxx" not in caplog.text
    await database.transact(run("INSERT INTO item VALUES (2, 'y')"))
    assert await database.read(ITEMS) == [2]
    await database.close()


async def test_a_file_that_cannot_be_written_is_unavailable(tmp_path, caplog):
    database = Database.open(f"sqlite:///{tmp_path / 'a.db'}")
    await database.transact(CREATE)
    await database.transact(lambda connection: connection.exec_driver_sql("PRAGMA query_only=ON") and None)

    with pytest.raises(Refusal) as caught:
        await database.transact(INSERT)

    assert _told(caught.value) == UNAVAILABLE
    assert "readonly" in caplog.text
    await database.close()


async def test_a_file_that_is_no_database_is_refused_at_once(tmp_path):
    (tmp_path / "a.db").write_bytes(os.urandom(4096))

    with pytest.raises(sqlite3.DatabaseError):
        Database.open(f"sqlite:///{tmp_path / 'a.db'}")

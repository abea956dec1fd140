"""Migrations: numbered, one way, once each, on both databases."""

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa

from bedplate.data import Database
from bedplate.data.migrate import MigrationError, Standing, look_up, migrate, standing

ENV = "from bedplate.data.migrate import run\n\nrun()\n"
FIRST = """
execute('''
CREATE TABLE item (id BIGINT PRIMARY KEY, note TEXT NOT NULL DEFAULT 'a;b :c 10%');
CREATE INDEX item_note ON item (note);
''')
execute(postgresql="COMMENT ON TABLE item IS '100% :real'", sqlite="CREATE TABLE only_sqlite (a)")
"""
TRIGGER = """
execute(sqlite='''
CREATE TRIGGER keep BEFORE DELETE ON item BEGIN SELECT RAISE(ABORT, 'kept; forever'); SELECT 1; END;
CREATE TABLE after_trigger (a);
''', postgresql="CREATE TABLE after_trigger (a int)")
"""


def _revision(folder: Path, number: int, body: str) -> None:
    lines = "".join(f"    {line}\n" for line in body.strip("\n").splitlines())
    before = repr(f"{number - 1:04}") if number > 1 else "None"
    (folder / "versions").mkdir(exist_ok=True)
    (folder / "versions" / f"{number:04}_step.py").write_text(
        "from bedplate.data.migrate import execute, outside_transaction\n\n"
        f"revision = '{number:04}'\ndown_revision = {before}\n\n\ndef upgrade():\n{lines}"
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "schema"
    made.mkdir()
    (made / "env.py").write_text(ENV)
    _revision(made, 1, FIRST)
    return made


def _tables(url: str) -> set[str]:
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"), poolclass=sa.NullPool)
    return set(sa.inspect(engine).get_table_names())


def test_each_revision_is_applied_once_and_in_order(database_url, folder):
    assert standing(database_url, "shop", folder) == Standing(None, ("0001",))

    assert migrate(database_url, "shop", folder) == ["0001"]
    assert migrate(database_url, "shop", folder) == []
    _revision(folder, 2, TRIGGER)
    _revision(folder, 3, "execute('ALTER TABLE item ADD COLUMN extra TEXT')")
    assert standing(database_url, "shop", folder) == Standing("0001", ("0002", "0003"))
    assert migrate(database_url, "shop", folder) == ["0002", "0003"]

    assert standing(database_url, "shop", folder) == Standing("0003", ())
    assert {"item", "after_trigger", "shop_version"} <= _tables(database_url)


def test_two_services_have_their_own_numbers_in_one_database(database_url, folder, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / "env.py").write_text(ENV)
    _revision(other, 1, "execute('CREATE TABLE note (a int)')")

    assert migrate(database_url, "shop", folder) == ["0001"]
    assert migrate(database_url, "notes", other) == ["0001"]

    assert {"shop_version", "notes_version", "item", "note"} <= _tables(database_url)


def test_a_revision_that_fails_leaves_nothing_behind(database_url, folder):
    migrate(database_url, "shop", folder)
    _revision(folder, 2, "execute('CREATE TABLE half (a int)')\nexecute('CREATE TABLE broken (')")

    with pytest.raises(MigrationError, match="shop: "):
        migrate(database_url, "shop", folder)

    assert "half" not in _tables(database_url)
    assert standing(database_url, "shop", folder) == Standing("0001", ("0002",))


def test_older_code_leaves_newer_tables_alone(database_url, folder):
    _revision(folder, 2, "execute('CREATE TABLE more (a int)')")
    migrate(database_url, "shop", folder)
    (folder / "versions" / "0002_step.py").unlink()

    assert migrate(database_url, "shop", folder) == []

    assert standing(database_url, "shop", folder) == Standing("0002", (), ahead=True)


async def test_an_open_database_can_be_migrated_and_asked(database: Database, folder):
    migrate(database, "shop", folder)

    found = await database.read(lambda connection: look_up(connection, "shop", folder))

    assert found == Standing("0001", ())


def test_of_several_threads_one_migrates(database_url, folder):
    together = threading.Barrier(4)

    def one(_: int) -> list[str]:
        together.wait()
        return migrate(database_url, "shop", folder)

    with ThreadPoolExecutor(4) as threads:
        results = list(threads.map(one, range(4)))

    assert sorted(results) == [[], [], [], ["0001"]]


def test_of_several_processes_one_migrates(postgresql_url, folder):
    script = (
        "import sys, pathlib; from bedplate.data.migrate import migrate; sys.stdin.readline();"
        f"print(migrate({postgresql_url!r}, 'shop', pathlib.Path({str(folder)!r})))"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    results = [process.communicate()[0].strip() for process in processes]

    assert sorted(results) == ["['0001']", "[]", "[]"]


def test_a_locked_table_stops_the_migration_and_not_everybody_behind_it(postgresql_url, folder):
    migrate(postgresql_url, "shop", folder)
    _revision(folder, 2, "execute('ALTER TABLE item ADD COLUMN extra TEXT')")

    with psycopg.connect(postgresql_url) as holder:
        holder.execute("SELECT * FROM item")
        with pytest.raises(MigrationError, match="a table stayed locked"):
            migrate(postgresql_url, "shop", folder, lock_max_s=0.05)

    assert migrate(postgresql_url, "shop", folder) == ["0002"]


def test_an_index_can_be_built_outside_a_transaction(postgresql_url, folder):
    migrate(postgresql_url, "shop", folder)
    _revision(
        folder,
        2,
        "with outside_transaction():\n    execute(postgresql='CREATE INDEX CONCURRENTLY by_id ON item (id)')",
    )

    assert migrate(postgresql_url, "shop", folder) == ["0002"]


def test_sqlite_rows_that_refer_to_nothing_stop_the_migration(tmp_path, folder):
    url = f"sqlite:///{tmp_path / 'a.db'}"
    _revision(
        folder,
        2,
        "execute('CREATE TABLE child (id BIGINT REFERENCES item (id)); INSERT INTO child VALUES (7)')",
    )

    with pytest.raises(MigrationError, match="rows of child refer to rows of item"):
        migrate(url, "shop", folder)

    assert "child" not in _tables(url)

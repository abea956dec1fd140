"""What goes wrong during an import leaves nothing half-posted, and the next import mends it."""

import asyncio
import contextlib
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from bedplate.services.ledger.service import SERVICE
from bedplate.testing.databases import sqlite_url
from bedplate.testing.serve import KEY, Served, serve
from tests.faults.platform import Platform
from tests.services.ledger.journal import hledger
from tests.services.ledger.journal.importing import Importer, generate

TRANSACTIONS = 6_000
# Twenty times a share of what is left, each of more than a batch.
TRANSACTIONS_SOAK = 40_000
DISK_MB = 64

pytestmark = [pytest.mark.timeout(400), pytest.mark.usefixtures("with_hledger")]


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return generate(tmp_path_factory.mktemp("journal") / "some.journal", TRANSACTIONS, seed=3)


@pytest.fixture(scope="module")
def expected(journal: Path, with_hledger: None) -> hledger.Balances:
    return hledger.balances_of(journal)


def assert_whole(importer: Importer, expected: hledger.Balances, journal: Path, count: int) -> None:
    """A further import ends well; then every transaction is there once, and balances are hledger's."""
    said = importer.import_(journal)

    assert said.startswith(f"{count} transactions in main: ")
    assert importer.posted() == count
    hledger.assert_equal(importer.balances(), expected)


def import_with_kills(platform: Platform, journal: Path, count: int, kills: int, seed: int) -> None:
    """Kill the command, or the server under it, at random moments; start again and go on.

    Every import gets to post something, up to a random share of what is left,
    and a random number of questions is asked before the kill, within that
    share: it may meet a batch anywhere.
    """
    moments = random.Random(seed)
    posted = 0
    for kill in range(kills):
        importer = Importer.of(platform)
        process = importer.start("import", journal)
        share = (count - posted) // (kills - kill + 1)
        importer.wait_for(process, posted + moments.randint(1, max(share, 1)))
        for _ in range(moments.randrange(20)):
            if importer.posted() >= posted + share:
                break  # a quick machine would be through before the kill
        assert process.poll() is None, "the import came to its end before the kill"
        if moments.random() < 0.5:
            process.kill()
            process.communicate()
        else:
            platform.kill()
            _, errors = process.communicate()
            assert process.returncode == 13, errors
            assert "Run the command again for the rest: none is posted twice." in errors
            assert "Traceback" not in errors
            platform.start()
        before, posted = posted, Importer.of(platform).posted()
        assert before < posted < count


# The importers of rates are killed on PostgreSQL.
@pytest.mark.parametrize(
    "database_url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.soak)], indirect=True
)
def test_three_kills_during_an_import_lose_and_double_nothing(
    database_url: str, tmp_path: Path, journal: Path, expected: hledger.Balances
):
    with Platform(tmp_path / "data", database_url=database_url) as platform:
        import_with_kills(platform, journal, TRANSACTIONS, kills=3, seed=1)

        assert_whole(Importer.of(platform), expected, journal, TRANSACTIONS)


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_twenty_kills_during_an_import_lose_and_double_nothing(database_url: str, tmp_path: Path):
    journal = generate(tmp_path / "long.journal", TRANSACTIONS_SOAK, seed=4)
    with Platform(tmp_path / "data", database_url=database_url) as platform:
        import_with_kills(platform, journal, TRANSACTIONS_SOAK, kills=20, seed=2)

        assert_whole(Importer.of(platform), hledger.balances_of(journal), journal, TRANSACTIONS_SOAK)


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """A disk of its own at a folder, which can be filled."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("only root on Linux can make a small disk here (mount -t tmpfs)")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True, capture_output=True)


def fill(path: Path) -> None:
    """Write until nothing more fits."""
    with path.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(b"x" * size)


def test_a_disk_that_fills_up_during_an_import_is_told_and_nothing_is_half_posted(
    tmp_path: Path, journal: Path, expected: hledger.Balances
):
    disk = tmp_path / "disk"
    with small_disk(disk), Platform(disk / "data") as platform:
        importer = Importer.of(platform)
        process = importer.start("import", journal)
        importer.wait_for(process, TRANSACTIONS // 4)
        fill(disk / "filler")
        out, errors = process.communicate()

        assert (process.returncode, out) == (13, ""), errors
        assert errors.startswith("error: UNAVAILABLE DEPENDENCY_UNAVAILABLE: The database does not answer.")
        assert "Run the command again for the rest: none is posted twice." in errors
        assert "Traceback" not in errors
        posted = importer.posted()
        assert 0 < posted < TRANSACTIONS
        assert posted % 500 == 0, "part of a batch was posted"
        (disk / "filler").unlink()
        assert_whole(importer, expected, journal, TRANSACTIONS)


Forbid = Callable[[sa.Connection], None]


async def import_while_read_only(served: Served, forbid: Forbid, journal: Path, folder: Path) -> None:
    """Forbid writing in the middle of an import."""
    importer = importer_of(served, folder)
    process = importer.start("import", journal)
    await asyncio.to_thread(importer.wait_for, process, TRANSACTIONS // 4)
    await served.app.database.transact(forbid)
    out, errors = await asyncio.to_thread(process.communicate)

    assert (process.returncode, out) == (13, ""), errors
    assert errors.startswith("error: UNAVAILABLE DEPENDENCY_UNAVAILABLE: The database does not answer.")
    assert "Run the command again for the rest: none is posted twice." in errors
    posted = await asyncio.to_thread(importer.posted)
    assert 0 < posted < TRANSACTIONS
    assert posted % 500 == 0, "part of a batch was posted"


def importer_of(served: Served, folder: Path) -> Importer:
    return Importer(served.grpc_address, KEY, {"PATH": "/usr/bin:/bin", "HOME": str(folder)})


@pytest.mark.soak
async def test_a_read_only_sqlite_during_an_import_is_told_and_nothing_is_half_posted(
    tmp_path: Path, journal: Path, expected: hledger.Balances
):
    url = sqlite_url(tmp_path)

    def forbid(connection: sa.Connection) -> None:
        connection.exec_driver_sql("PRAGMA query_only=ON")  # of the one connection that writes

    async with serve([SERVICE], database_url=url) as served:
        await import_while_read_only(served, forbid, journal, tmp_path)
    async with serve([SERVICE], database_url=url) as served:
        await asyncio.to_thread(assert_whole, importer_of(served, tmp_path), expected, journal, TRANSACTIONS)


async def test_a_read_only_postgresql_during_an_import_is_told_and_nothing_is_half_posted(
    postgresql_url: str, tmp_path: Path, journal: Path, expected: hledger.Balances
):
    def forbid(connection: sa.Connection) -> None:
        # As a server answers that has become a standby, in the middle of a transaction.
        connection.exec_driver_sql(
            """
            CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
              RAISE EXCEPTION 'cannot execute INSERT in a read-only transaction' USING ERRCODE = '25006';
            END $$
            """
        )
        connection.exec_driver_sql(
            "CREATE TRIGGER refuse BEFORE INSERT ON ledger_entries EXECUTE FUNCTION refuse()"
        )

    def allow(connection: sa.Connection) -> None:
        connection.exec_driver_sql("DROP FUNCTION refuse CASCADE")

    async with serve([SERVICE], database_url=postgresql_url) as served:
        await import_while_read_only(served, forbid, journal, tmp_path)
        await served.app.database.transact(allow)
        await asyncio.to_thread(assert_whole, importer_of(served, tmp_path), expected, journal, TRANSACTIONS)

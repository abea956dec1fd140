"""`bedplate ledger export` and `restore`: whole files or none, and nothing twice."""

import asyncio
import gzip
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bedplate.cli.ledger_file import MAGIC, FileDamagedError, Writer, read
from bedplate.client import CallError
from bedplate.clients.ledger import LedgerClient
from bedplate.data import Database
from bedplate.ledger.v1 import ledger_pb2 as pb
from bedplate.testing.databases import sqlite_url
from tests.faults.platform import Platform
from tests.services.ledger.bookkeeping import NOW_US, Bookkeeper, account, transfer
from tests.services.ledger.conftest import migrated
from tests.services.ledger.exchange import as_bytes, export, forged, full
from tests.services.ledger.journal.importing import Importer
from tests.services.ledger.journal.test_faults import fill, small_disk

TRANSACTIONS = 4_000
TRANSACTIONS_SOAK = 40_000
ACCOUNTS = [f"account:{number}" for number in range(50)]

pytestmark = pytest.mark.timeout(400)


def records_of(folder: Path, transactions: int = 0) -> list[pb.LedgerRecord]:
    """The records of a ledger with one of everything, or with so many transactions."""

    async def make() -> list[pb.LedgerRecord]:
        database = Database.open(migrated(sqlite_url(folder)))
        keeper = await (_many(database, transactions) if transactions else full(database))
        records = await export(keeper)
        await database.close()
        return records

    return asyncio.run(make())


async def _many(database: Database, count: int) -> Bookkeeper:
    keeper = await Bookkeeper(database).open(*[account(each) for each in ACCOUNTS])
    chance = random.Random(5)
    for first in range(0, count, 500):
        batch = [transfer(f"tx-{first + n}", *chance.sample(ACCOUNTS, 2), n + 1) for n in range(500)]
        await keeper.post(*batch, now_us=NOW_US + first)
    return keeper


def written(path: Path, records: list[pb.LedgerRecord]) -> Path:
    with Writer(path) as writer:
        for record in records:
            writer.write(record)
        writer.finish()
    return path


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> list[pb.LedgerRecord]:
    return records_of(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("large")
    return written(folder / "large.ledger", records_of(folder, TRANSACTIONS))


@pytest.fixture(scope="module")
def importer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Importer]:
    with Platform(tmp_path_factory.mktemp("platform")) as platform:
        yield Importer.of(platform)


@pytest.mark.parametrize("name", ["a.ledger", "a.ledger.gz"])
def test_what_was_written_is_read_and_the_same_makes_the_same_file(tmp_path: Path, small, name: str):
    first, second = written(tmp_path / name, small), written(tmp_path / f"b-{name}", small)

    assert as_bytes(each.record for each in read(first)) == as_bytes(small)
    assert first.read_bytes() == second.read_bytes()
    packed = name.endswith(".gz")
    assert (gzip.decompress(first.read_bytes()) if packed else first.read_bytes()).startswith(MAGIC)


def test_a_flipped_bit_anywhere_in_a_file_is_found_at_its_record(tmp_path: Path, small):
    path = written(tmp_path / "a.ledger", small)
    data, ends = path.read_bytes(), _ends(small)
    for place in range(len(MAGIC), len(data)):
        damaged = bytearray(data)
        damaged[place] ^= 1 << place % 8
        path.write_bytes(damaged)
        index = next(number for number, end in enumerate(ends) if place < end)

        with pytest.raises(FileDamagedError) as found:
            list(read(path))

        assert str(found.value).startswith(f"record {index}: "), found.value


def test_a_file_that_is_cut_off_anywhere_is_no_export(tmp_path: Path, small):
    path = written(tmp_path / "a.ledger", small)
    data, ends = path.read_bytes(), _ends(small)
    for length in range(len(data)):
        path.write_bytes(data[:length])

        with pytest.raises(FileDamagedError) as found:
            list(read(path))

        index = sum(1 for end in ends if end <= length)
        expected = "it is no exported ledger" if length < len(MAGIC) else f"record {index}: the file ends"
        assert str(found.value).startswith(expected), found.value


def test_a_packed_file_that_is_damaged_or_cut_off_is_no_export(tmp_path: Path, small):
    path = written(tmp_path / "a.ledger.gz", small)
    data = path.read_bytes()
    # Bytes 3 to 9 of a gzip file are its flags, its time and who made it: none of it is content.
    for place in (2, *range(10, len(data), 7)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :])
        with pytest.raises(FileDamagedError):
            list(read(path))
    for length in range(2, len(data), 7):
        path.write_bytes(data[:length])
        with pytest.raises(FileDamagedError):
            list(read(path))


def _ends(records: list[pb.LedgerRecord]) -> list[int]:
    """Where each record ends in a file."""
    ends, end = [], len(MAGIC)
    for record in records:
        size = record.ByteSize()
        end += size + (1 if size < 128 else 2 if size < 16384 else 3)
        ends.append(end)
    return ends


def test_a_ledger_goes_out_and_in_again_by_command(importer: Importer, tmp_path: Path, small):
    path = written(tmp_path / "a.ledger", small)

    first = importer.run("restore", path, "--ledger", "copy")
    second = importer.run("restore", path, "--ledger", "copy")
    out = importer.run("export", tmp_path / "b.ledger.gz", "--ledger", "copy")
    packed = importer.run("restore", tmp_path / "b.ledger.gz", "--ledger", "copy-2")
    again = importer.run("export", tmp_path / "c.ledger", "--ledger", "copy-2")

    count = len(small)
    assert first == (0, f"{count} records in copy: {count} imported, 0 known already.\n", "")
    assert second == (0, f"{count} records in copy: 0 imported, {count} known already.\n", "")
    assert out == (0, f"{count} records of copy in {tmp_path}/b.ledger.gz.\n", "")
    assert packed == (0, f"{count} records in copy-2: {count} imported, 0 known already.\n", "")
    assert again == (0, f"{count} records of copy-2 in {tmp_path}/c.ledger.\n", "")
    assert (tmp_path / "c.ledger").read_bytes() == path.read_bytes()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.ledger", "b.ledger.gz", "c.ledger"]


def test_files_that_cannot_be_taken_say_why_and_leave_nothing(importer: Importer, tmp_path: Path, small):
    path = written(tmp_path / "a.ledger", small)
    cut = tmp_path / "cut.ledger"
    cut.write_bytes(path.read_bytes()[:-1])
    other = tmp_path / "notes.txt"
    other.write_text("no ledger")
    wrong = forged(small)
    next(each for each in wrong if each.HasField("transaction")).transaction.transaction.entries[
        0
    ].amount_minor = 1
    unbalanced = written(tmp_path / "wrong.ledger", forged(wrong))

    for file, code, words in (
        (cut, 10, f"record {len(small) - 1}: the file ends in the middle of it.\n"),
        (other, 10, "cannot be imported: it is no exported ledger: it does not begin as one.\n"),
        (tmp_path / "absent", 2, "absent cannot be read: No such file or directory.\n"),
        (tmp_path, 2, "cannot be read: Is a directory.\n"),
        (unbalanced, 10, "error: INVALID_ARGUMENT RECORD_INVALID: Record 6 is refused: Debits of 1 and"),
    ):
        found, out, errors = importer.run("restore", file, "--ledger", "refused")
        assert (found, out) == (code, ""), errors
        assert words in errors
        assert "Traceback" not in errors
    found, _, errors = importer.run("export", tmp_path / "no.ledger", "--ledger", "refused")
    assert found == 12
    assert "LEDGER_NOT_FOUND" in errors
    assert not (tmp_path / "no.ledger").exists()
    assert not (tmp_path / "no.ledger.part").exists()


def test_a_ledger_of_other_content_is_told_and_stays_as_it_is(importer: Importer, tmp_path: Path, small):
    path = written(tmp_path / "a.ledger", small)
    changed = forged(small)
    changed[1].account.account.display_name = "another"
    other = written(tmp_path / "b.ledger", forged(changed))
    with importer.client() as client:
        client.create_ledger(ledger_id="mine")
        client.import_ledger(ledger_id="begun", records=changed[:0])
        client.import_ledger(ledger_id="begun", records=small[:4])

    begun = importer.run("restore", other, "--ledger", "begun")
    mine = importer.run("restore", path, "--ledger", "mine")
    done = importer.run("restore", path, "--ledger", "begun")
    exists = importer.run("export", path, "--ledger", "begun")

    assert begun[0] == 12
    assert f"begun was made, wholly or in part, from another export than {other}." in begun[2]
    assert mine[0] == 12
    assert "LEDGER_EXISTS: There is a ledger mine that no import made; import into another one." in mine[2]
    assert done == (0, f"{len(small)} records in begun: {len(small) - 4} imported, 4 known already.\n", "")
    assert exists == (2, "", f"error: {path} exists; name another file, or remove that one.\n")


def test_a_full_disk_is_told_and_no_part_of_a_file_is_left(importer: Importer, tmp_path: Path, large: Path):
    assert importer.run("restore", large, "--ledger", "large")[0] == 0
    disk = tmp_path / "disk"
    with small_disk(disk):
        fill(disk / "filler")
        found = importer.run("export", disk / "large.ledger", "--ledger", "large")

        assert found == (
            2,
            "",
            f"error: {disk}/large.ledger cannot be written: No space left on device.\n"
            "  Nothing was left there.\n",
        )
        assert [each.name for each in disk.iterdir()] == ["filler"]


def wait_for(client: LedgerClient, process: "subprocess.Popen[str]", count: int) -> int:
    """Ask until the import is at a record, or the process has ended; where it is."""
    while True:
        ended = process.poll() is not None
        found = client.import_ledger(ledger_id="copy").next_record
        if ended or found >= count:
            return found


def restore_with_kills(platform: Platform, file: Path, count: int, kills: int) -> None:
    """Kill the command and the server under it by turns, at random moments; then go on to the end."""
    chance, known = random.Random(7), 0
    for kill in range(kills):
        importer = Importer.of(platform)
        process = importer.start("restore", file, "--ledger", "copy")
        with importer.client() as client:
            share = (count - known) // (kills - kill + 1)
            wait_for(client, process, known + chance.randint(1, max(share // 2, 1)))
        assert process.poll() is None, "the import came to its end before the kill"
        if kill % 2:
            process.kill()
            process.communicate()
        else:
            platform.kill()
            _, errors = process.communicate()
            assert process.returncode == 13, errors
            assert "Run the command again for the rest: none is imported twice." in errors
            assert "Traceback" not in errors
            platform.start()
        with Importer.of(platform).client() as client:
            before, known = known, client.import_ledger(ledger_id="copy").next_record
            assert before < known < count
            with pytest.raises(CallError) as refused:
                client.close_account(ledger_id="copy", account_id=ACCOUNTS[0])
            assert refused.value.reason == "LEDGER_IMPORTING"
    assert Importer.of(platform).run("restore", file, "--ledger", "copy")[:2] == (
        0,
        f"{count} records in copy: {count - known} imported, {known} known already.\n",
    )


def assert_same(platform: Platform, file: Path, folder: Path) -> None:
    code, _, errors = Importer.of(platform).run("export", folder / "copy.ledger", "--ledger", "copy")
    assert code == 0, errors
    assert (folder / "copy.ledger").read_bytes() == file.read_bytes()


def test_two_kills_during_an_import_lose_and_double_nothing(tmp_path: Path, large: Path):
    with Platform(tmp_path / "data") as platform:
        restore_with_kills(platform, large, TRANSACTIONS + len(ACCOUNTS) + 2, kills=2)

        assert_same(platform, large, tmp_path)


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_twenty_kills_during_an_import_lose_and_double_nothing(database_url: str, tmp_path: Path):
    file = written(tmp_path / "long.ledger", records_of(tmp_path, TRANSACTIONS_SOAK))
    with Platform(tmp_path / "data", database_url=database_url) as platform:
        restore_with_kills(platform, file, TRANSACTIONS_SOAK + len(ACCOUNTS) + 2, kills=20)

        assert_same(platform, file, tmp_path)

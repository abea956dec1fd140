"""What is imported is checked as if it were posted, and a ledger that is half there takes nothing else."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import sqlalchemy as sa
from google.protobuf.message import DecodeError

from bedplate.data import Database
from bedplate.errors import Refusal
from bedplate.ledger.v1 import ledger_pb2 as pb
from bedplate.services.ledger.chain import canonical, seal
from bedplate.services.ledger.domain import HoldState
from bedplate.services.ledger.store import holds
from tests.services.ledger.bookkeeping import NOW_US, Bookkeeper, transfer
from tests.services.ledger.exchange import Records, as_bytes, export, forged, full, restore, take

Forge = Callable[[Records], Any]


@pytest.fixture
def records(exported: tuple[str, Records]) -> Records:
    """Copies, to be spoilt."""
    return forged(exported[1])


@pytest.fixture
async def database(exported: tuple[str, Records]) -> AsyncIterator[Database]:
    """Where they come from, for what does not depend on the database."""
    opened = Database.open(exported[0])
    yield opened
    await opened.close()


def at(records: Records, name: str, number: int = 0) -> Any:
    """An event of a sort."""
    return getattr([each for each in records if each.WhichOneof("event") == name][number], name)


def index_of(records: Records, name: str, number: int = 0) -> int:
    return [each.index for each in records if each.WhichOneof("event") == name][number]


async def refused(database: Database, records: Records) -> Refusal:
    """How records are refused; nothing of their batch is kept."""
    keeper = Bookkeeper(database, ledger_id="copy")
    with pytest.raises(Refusal) as found:
        await take(keeper, 0, records)
    with pytest.raises(Refusal) as gone:
        await export(keeper)
    assert gone.value.reason == "LEDGER_NOT_FOUND"
    return found.value


async def test_lg_17_one_of_everything_is_the_same_in_another_tenant(ledger_database: Database):
    source = await full(ledger_database)
    records = await export(source)

    copy = await restore(source.database, records)

    assert [each.WhichOneof("event") for each in records] == [
        "opened", *["account"] * 5, *["transaction"] * 3, "hold", "hold", "hold", "transaction", "failure",
        "failure", "hold_released", "hold", "hold_expired", "account_closed", "trailer",
    ]  # fmt: skip
    assert as_bytes(await export(copy)) == as_bytes(records)
    for name in ("bank", "cash", "old", "purse", "yen"):
        assert await copy.balance(name) == await source.balance(name)
    for keeper in (source, copy):
        with pytest.raises(Refusal) as again:
            await keeper.post(transfer("tx-5", "purse", "cash", 90), now_us=NOW_US + 99)
        assert again.value.reason == "LIMIT_EXCEEDED"
        outcome, _ = await keeper.capture("hold-1", "tx-4", 25, now_us=NOW_US + 99)
        assert outcome.replayed
        await keeper.expire(now_us=NOW_US + 901)
        assert (await keeper.stored_hold("hold-5")).state is HoldState.EXPIRED
    assert as_bytes(await export(copy)) == as_bytes(await export(source))


async def test_an_export_is_of_the_moment_at_which_it_began(ledger_database: Database):
    source = await full(ledger_database)
    records = await export(source)
    await source.post(transfer("tx-9", "bank", "cash", 1), now_us=NOW_US + 60)

    later = await export(source)

    assert as_bytes(later)[:-1][: len(records) - 1] == as_bytes(records)[:-1]
    assert later[-1].trailer.transaction_count == records[-1].trailer.transaction_count + 1


@pytest.mark.parametrize("seed", range(4))
async def test_one_flipped_bit_anywhere_is_refused_with_the_record_that_it_is_in(
    database: Database, records: Records, seed: int
):
    chance = random.Random(seed)
    for index, record in enumerate(records):
        data = bytearray(canonical(record))
        place = chance.randrange(len(data))
        data[place] ^= 1 << chance.randrange(8)
        try:
            flipped = pb.LedgerRecord.FromString(bytes(data))
        except DecodeError:
            continue  # no message any more: a file of it is refused before, and a call too
        if flipped == record:
            continue  # another way to write the same, which only a file keeps

        refusal = await refused(database, [*records[:index], flipped, *records[index + 1 :]])

        assert refusal.reason == "RECORD_INVALID"
        assert refusal.facts["record"] == str(index), refusal.sentence
        assert refusal.sentence.startswith(f"Record {index} is refused: ")
        assert refusal.sentence.endswith("Export the ledger again where it came from.")


async def test_records_that_are_left_out_doubled_or_moved_are_refused_where_it_shows(
    database: Database, records: Records
):
    for index in range(1, len(records) - 1):
        for changed in (
            [*records[:index], *records[index + 1 :]],
            [*records[: index + 1], *records[index:]],
            [*records[:index], records[index + 1], records[index], *records[index + 2 :]],
        ):
            refusal = await refused(database, changed)

            assert refusal.reason == "RECORD_INVALID"
            assert refusal.facts["record"] in (str(index), str(index + 1))


def change(name: str, number: int = 0, **values: Any) -> Forge:
    """Sets fields of an event, or of what it tells of; `entries__0__x` is a field of its first entry."""

    def forge(records: Records) -> None:
        for path, value in values.items():
            event = at(records, name, number)
            *parts, last = path.split("__")
            if [*parts, last][0] not in event.DESCRIPTOR.fields_by_name:
                event = getattr(event, name)  # of the account, transaction or hold that it tells of
            for part in parts:
                event = event[int(part)] if part.isdigit() else getattr(event, part)
            if hasattr(value, "FromMicroseconds"):
                getattr(event, last).CopyFrom(value)
            else:
                setattr(event, last, value)

    return forge


def without(name: str, number: int = 0) -> Forge:
    def forge(records: Records) -> None:
        del records[index_of(records, name, number)]

    return forge


def doubled(name: str, number: int = 0, **values: Any) -> Forge:
    """The same event a second time, with other values, after the first one."""

    def forge(records: Records) -> None:
        index = index_of(records, name, number)
        copy = pb.LedgerRecord()
        copy.CopyFrom(records[index])
        records.insert(index + 1, copy)
        change(name, number + 1, **values)(records)

    return forge


def time(offset_us: int) -> Any:
    stamp = pb.Account().create_time
    stamp.FromMicroseconds(NOW_US + offset_us)
    return stamp


def swapped(name: str, first: int) -> Forge:
    def forge(records: Records) -> None:
        index = index_of(records, name, first)
        records[index], records[index + 1] = records[index + 1], records[index]

    return forge


# What somebody forges who seals it all again; the record, what it breaks, and the words.
FORGED: dict[str, tuple[Forge, str, int, str, str]] = {
    "debits that are not credits": (
        change("transaction", 0, entries__0__amount_minor=99),
        "transaction", 0, "UNBALANCED_TRANSACTION", "must be equal",
    ),
    "more than a limit allows": (
        change("transaction", 0, entries__0__amount_minor=10, entries__1__amount_minor=10),
        "hold", 0, "LIMIT_EXCEEDED", "purse may be debited 10 more",
    ),
    "an account that there is not": (
        change("transaction", 1, entries__0__account_id="bonk"),
        "transaction", 1, "ACCOUNT_NOT_FOUND", "no account bonk",
    ),
    "an account on both sides": (
        change("transaction", 1, entries__0__account_id="cash"),
        "transaction", 1, "ACCOUNT_ON_BOTH_SIDES", "post the difference",
    ),
    "a sum beyond int64": (
        change("transaction", 1, entries__0__amount_minor=2**63 - 1, entries__1__amount_minor=2**63 - 1),
        "transaction", 1, "BALANCE_OVERFLOW", "use a fresh account",
    ),
    "a place that is left out": (
        change("transaction", 1, sequence=3), "transaction", 1, "", "next place in the ledger is 2",
    ),
    "a time that goes back": (
        change("transaction", 2, time=time(-1)), "transaction", 2, "", "before the record before it",
    ),
    "a hold at a time that is taken": (
        change("hold", 0, time=time(2)), "hold", 0, "", "before the record before it",
    ),
    "an id that was posted": (
        change("transaction", 1, transaction_id="tx-1"), "transaction", 1, "", "The id tx-1 was used before",
    ),
    "an id that was refused": (
        change("failure", 0, transaction__transaction_id="tx-1"), "failure", 0, "", "used before",
    ),
    "a reversal that is no mirror": (
        change("transaction", 2, entries__0__amount_minor=4, entries__1__amount_minor=4),
        "transaction", 2, "", "no exact mirror of tx-2",
    ),
    "a reversal of nothing": (
        change("transaction", 2, reverses_id="tx-9"),
        "transaction", 2, "TRANSACTION_NOT_FOUND", "no transaction tx-9",
    ),
    "a second reversal": (
        doubled("transaction", 2, transaction_id="tx-x", sequence=4),
        "transaction", 3, "ALREADY_REVERSED", "was reversed by tx-3",
    ),
    "a capture of nothing": (
        change("transaction", 3, captures_id="hold-9"),
        "transaction", 3, "HOLD_NOT_FOUND", "no hold hold-9",
    ),
    "a capture of more than is held": (
        change("transaction", 3, entries__0__amount_minor=31, entries__1__amount_minor=31),
        "transaction", 3, "CAPTURE_EXCEEDS_HOLD", "capture no more",
    ),
    "a capture from another account": (
        change("transaction", 3, entries__0__account_id="cash"),
        "transaction", 3, "", "debits and credits what its hold does",
    ),
    "a second capture of a hold": (
        doubled("transaction", 3, transaction_id="tx-x", sequence=5, time=time(31)),
        "transaction", 4, "HOLD_RESOLVED", "is captured",
    ),
    "a hold that is released twice": (
        doubled("hold_released", 0, time=time(38)),
        "hold_released", 1, "HOLD_RESOLVED", "is released",
    ),
    "a hold that expires at another time": (
        change("hold_expired", 0, time=time(41)), "hold_expired", 0, "", "",
    ),
    "a hold that expired before it was made": (
        change("hold", 1, expire_time=time(20)), "hold", 1, "", "expires after it was created",
    ),
    "an expiry that is left out": (
        without("hold_expired"), "account_closed", 0, "", "hold-2 has expired before this",
    ),
    "an account that is there twice": (
        doubled("account", 0), "account", 1, "", "in the order of their ids",
    ),
    "an account after what happened": (
        swapped("account", 4), "account", 4, "", "",
    ),
    "a second scale of a currency": (
        change("account", 1, currency__scale=3), "account", 1, "", "counts EUR with scale 2",
    ),
    "an account that is closed twice": (
        doubled("account_closed", 0, time=time(52)), "account_closed", 1, "", "closed once",
    ),
    "an account that closes with a hold on it": (
        change("account_closed", 0, account_id="purse"), "account_closed", 0, "", "pending hold",
    ),
    "an account that is closed in its first record": (
        change("account", 0, close_time=time(9)), "account", 0, "", "hold something else",
    ),
    "a ledger that is opened twice": (doubled("opened"), "opened", 1, "", "opened once"),
    "a format of later": (change("opened", 0, format=2), "opened", 0, "", "reads exports of format 1"),
    "no beginning": (without("opened"), "account", 0, "", "how the ledger was opened"),
    "no event": (
        lambda records: records[3].ClearField("account"), "", 3, "", "nothing that this server knows",
    ),
    "a refusal that is not for good": (
        change("failure", 0, reason="ACCOUNT_NOT_FOUND"), "failure", 0, "", "Only these are refused for good",
    ),
    "a refusal that knows its place": (
        change("failure", 0, transaction__sequence=9), "failure", 0, "", "hold something else",
    ),
    "a refusal about an account that there is not": (
        change("failure", 0, transaction__entries__0__account_id="bonk"),
        "failure", 0, "ACCOUNT_NOT_FOUND", "no account bonk",
    ),
    "a time finer than is kept": (
        change("transaction", 0, effective_time__nanos=1), "transaction", 0, "", "hold something else",
    ),
    "a ledger that ends before its records": (
        change("trailer", 0, time=time(49)), "trailer", 0, "", "of its last record or later",
    ),
    "something after the trailer": (
        doubled("trailer"), "trailer", 1, "", "Nothing comes after the trailer",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGED)
async def test_a_forged_record_that_breaks_a_rule_is_refused_and_named(
    database: Database, records: Records, name: str
):
    forge, event, number, breaks, words = FORGED[name]

    forge(records)
    records = forged(records)
    refusal = await refused(database, records)

    wanted = index_of(records, event, number) if event else number
    assert refusal.reason == "RECORD_INVALID"
    assert words in refusal.sentence
    assert refusal.facts.get("breaks", "") == breaks, refusal.sentence
    assert refusal.facts["record"] == str(wanted), refusal.sentence
    assert refusal.violations[0].field.startswith(f"records[{wanted}]") or breaks.endswith("NOT_FOUND")


async def test_a_trailer_that_counts_otherwise_is_refused(database: Database, records: Records):
    trailer = records[-1]
    trailer.trailer.hold_count += 1
    trailer.check = b""
    seal(trailer, trailer.trailer.digest)

    refusal = await refused(database, records)

    assert "Before it there were 5 accounts, 4 transactions, 4 holds, 2 failures." in refusal.sentence


async def test_a_trailer_of_other_records_is_refused(database: Database, records: Records):
    trailer = records[-1]
    before, trailer.trailer.digest, trailer.check = trailer.trailer.digest, bytes(32), b""
    seal(trailer, before)

    refusal = await refused(database, records)

    assert "not the digest of the records before it" in refusal.sentence


async def test_a_batch_again_has_no_second_effect_and_another_one_is_refused(ledger_database: Database):
    records = await export(await full(ledger_database))
    copy = await restore(ledger_database, records, sizes=[3, 5, 4])
    others = forged([*records[:2], *records[3:]])

    for first, end in ((0, 3), (3, 8), (0, 8), (8, 12), (12, len(records)), (0, len(records))):
        found = await take(copy, first, records[first:end])
        assert (found.next_record, found.progress.complete) == (len(records), True)
    for first, end, reason in (
        (0, 8, "IMPORT_DIFFERS"),
        (3, 8, "IMPORT_DIFFERS"),
        (0, 3, "IMPORT_DIFFERS"),
        (0, 4, "IMPORT_OUT_OF_PLACE"),
        (1, 3, "IMPORT_OUT_OF_PLACE"),
    ):
        with pytest.raises(Refusal) as refusal:
            await take(copy, first, others[first:end])
        assert refusal.value.reason == reason
    with pytest.raises(Refusal) as ahead:
        await take(copy, len(records) + 1, records[:1])
    assert ahead.value.reason == "IMPORT_OUT_OF_PLACE"
    assert ahead.value.facts["next_record"] == str(len(records))
    assert as_bytes(await export(copy)) == as_bytes(records)


async def test_two_who_import_at_once_make_one_ledger(ledger_database: Database):
    records = await export(await full(ledger_database))
    copy = Bookkeeper(ledger_database, ledger_id="copy")

    found = await asyncio.gather(*(take(copy, 0, records) for _ in range(6)))

    assert {each.next_record for each in found} == {len(records)}
    assert as_bytes(await export(copy)) == as_bytes(records)


async def test_a_ledger_of_another_origin_is_not_imported_into(ledger_database: Database):
    source = await full(ledger_database)
    records = await export(source)

    with pytest.raises(Refusal) as refusal:
        await take(source, 0, records)

    assert refusal.value.reason == "LEDGER_EXISTS"
    assert as_bytes(await export(source)) == as_bytes(records)


async def test_nobody_writes_to_a_ledger_that_is_half_there(ledger_database: Database):
    """Whoever tries is told to wait; nothing expires in it; and the import goes on as if nobody had."""
    records = await export(await full(ledger_database))
    copy = Bookkeeper(ledger_database, ledger_id="copy")
    await take(copy, 0, records[:-1])

    for attempt in (
        copy.post(transfer("tx-9", "bank", "cash", 1)),
        copy.reverse("tx-1", "tx-9"),
        copy.hold("hold-9", "bank", "cash", 1),
        copy.capture("hold-5", "tx-9"),
        copy.release("hold-5"),
        copy.close("bank"),
        copy.expire(now_us=NOW_US + 10_000),
        export(copy),
    ):
        with pytest.raises(Refusal) as refusal:
            await attempt
        assert refusal.value.reason == "LEDGER_IMPORTING"
        assert refusal.value.violations[0].field == "ledger_id"

    def due(connection: sa.Connection) -> list[tuple[str, str]]:
        return holds.ledgers_due(connection, now_us=NOW_US + 10_000, limit=10_000)

    assert (copy.tenant_id, "copy") not in await ledger_database.read(due)
    await take(copy, len(records) - 1, records[-1:])
    assert as_bytes(await export(copy)) == as_bytes(records)
    assert (copy.tenant_id, "copy") in await ledger_database.read(due)

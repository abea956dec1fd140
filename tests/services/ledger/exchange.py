"""Whole ledgers for tests: exported, imported, and looked at from every side."""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa

from bedplate.data import Database
from bedplate.errors import Refusal
from bedplate.ledger.v1 import ledger_pb2 as pb
from bedplate.services.ledger import exporting, importing
from bedplate.services.ledger.chain import START, canonical, seal
from bedplate.services.ledger.domain import AccountType, AsOf, Axis, HoldState
from bedplate.services.ledger.store import books, failures, history, holds, journal
from bedplate.services.ledger.store.imports import Import
from tests.services.ledger.bookkeeping import JPY, NOW_US, Bookkeeper, account, transfer

EVERYTHING = 1_000_000

Records = list[pb.LedgerRecord]


async def full(database: Database) -> Bookkeeper:
    """A ledger with one of everything."""
    keeper = await Bookkeeper(database).open(
        account("bank"),
        account("cash"),
        account("old"),
        account("purse", limit="debits"),
        account("yen", JPY),
    )
    await keeper.post(transfer("tx-1", "bank", "purse", 100), now_us=NOW_US + 1)
    await keeper.post(transfer("tx-2", "bank", "cash", 5), now_us=NOW_US + 1)
    await keeper.reverse("tx-2", "tx-3", now_us=NOW_US + 2)
    await keeper.hold("hold-1", "purse", "bank", 30, now_us=NOW_US + 10)
    await keeper.hold("hold-2", "purse", "bank", 20, expire_us=NOW_US + 40, now_us=NOW_US + 20)
    await keeper.hold("hold-3", "purse", "bank", 10, now_us=NOW_US + 25)
    await keeper.capture("hold-1", "tx-4", 25, now_us=NOW_US + 30)
    with pytest.raises(Refusal):
        await keeper.post(transfer("tx-5", "purse", "cash", 90), now_us=NOW_US + 35)
    with pytest.raises(Refusal):
        await keeper.hold("hold-4", "purse", "cash", 90, now_us=NOW_US + 36)
    await keeper.release("hold-3", now_us=NOW_US + 37)
    await keeper.hold("hold-5", "purse", "bank", 1, expire_us=NOW_US + 900, now_us=NOW_US + 38)
    await keeper.close("old", now_us=NOW_US + 50)
    return keeper


async def export(keeper: Bookkeeper) -> list[pb.LedgerRecord]:
    """All records of a ledger."""
    found = exporting.export(keeper.database, keeper.tenant_id, keeper.ledger_id)
    return [record async for record in found]


async def take(keeper: Bookkeeper, first: int, records: Sequence[pb.LedgerRecord]) -> Import:
    """Import a batch in a transaction of its own."""

    def work(connection: sa.Connection) -> Import:
        return importing.take(connection, keeper.tenant_id, keeper.ledger_id, first, records)

    return await keeper.database.transact(work)


async def restore(
    database: Database,
    records: Sequence[pb.LedgerRecord],
    *,
    ledger_id: str = "copy",
    sizes: Iterable[int] = (),
) -> Bookkeeper:
    """A ledger of a new tenant, imported in batches of these sizes, and of all that is left."""
    keeper = Bookkeeper(database, ledger_id=ledger_id)
    first = 0
    for size in [*sizes, len(records)]:
        if batch := records[first : first + size]:
            found = await take(keeper, first, batch)
            first += len(batch)
            assert found.next_record == first
            assert found.progress.complete is (first == len(records))
    return keeper


def sizes_of(chance: random.Random, count: int) -> list[int]:
    """Random sizes of batches that come to a number at least."""
    sizes: list[int] = []
    while sum(sizes) < count:
        sizes.append(chance.choice((1, 2, 3, 7, 40)))
    return sizes


def as_bytes(records: Iterable[pb.LedgerRecord]) -> list[bytes]:
    return [canonical(record) for record in records]


def forged(records: Iterable[pb.LedgerRecord]) -> list[pb.LedgerRecord]:
    """Records as somebody would send them who knows how exports are sealed: numbered, counted, sealed."""
    made: list[pb.LedgerRecord] = []
    digest = START
    counts = dict.fromkeys(("account", "transaction", "hold", "failure"), 0)
    for record in records:
        copy = pb.LedgerRecord()
        copy.CopyFrom(record)
        copy.index, copy.check = len(made), b""
        name = copy.WhichOneof("event") or ""
        if name in counts:
            counts[name] += 1
        if name == "trailer":
            copy.trailer.digest = digest
            for each, count in counts.items():
                setattr(copy.trailer, f"{each}_count", count)
        digest = seal(copy, digest)
        made.append(copy)
    return made


@dataclass(frozen=True)
class View:
    """All that can be read of a ledger: two with the same view are the same."""

    head: Any
    accounts: Any
    transactions: Any
    holds: Any
    failures: Any
    balances: Any
    then: Any
    totals: Any


async def view(keeper: Bookkeeper, now_us: int, failed: Mapping[str, Sequence[str]]) -> View:
    """What can be read of a ledger at a time, of every time at which something happened, on both axes.

    Args:
        keeper: Of the ledger.
        now_us: The time.
        failed: Ids that may be refused for good, of transactions and of holds.
    """

    def work(connection: sa.Connection) -> View:
        of = (connection, keeper.tenant_id, keeper.ledger_id)
        head = books.find_head(*of)
        ledger = books.find_ledger(*of)
        assert head is not None
        assert ledger is not None
        accounts = books.list_accounts(*of, types=AccountType, after="", limit=EVERYTHING)
        transactions = journal.list_transactions(*of, after=0, limit=EVERYTHING, entries_max=EVERYTHING)
        held = holds.list_holds(
            *of,
            account_id="",
            states=set(HoldState),
            now_us=max(now_us, head.time_us),
            after="",
            limit=EVERYTHING,
        )
        balances = books.find_balances(*of, [each.account_id for each in accounts])
        times = {each.create_time_us for each in transactions} | {each.create_time_us for each in held}
        times |= {each.effective_us for each in transactions}
        times |= {each.resolve_time_us for each in held if each.resolve_time_us}
        moments = [AsOf(time, axis) for time in sorted(times) for axis in Axis]
        return View(
            (ledger.display_name, ledger.create_time_us, head.sequence, head.time_us, head.has_failures),
            accounts,
            transactions,
            held,
            [
                failures.find_failed_transactions(*of, failed["transactions"]),
                failures.find_failed_holds(*of, failed["holds"]),
            ],
            balances,
            [
                history.balance_at(*of, head, balance, moment)
                for moment in moments
                for balance in balances.values()
            ],
            [history.totals_at(*of, head, moment) for moment in moments],
        )

    return await keeper.database.read(work)

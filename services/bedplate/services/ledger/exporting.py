"""Reads a whole ledger as the records from which it can be made again exactly.

What is read is the ledger as it is when the export begins. No transaction is
open between two pages, however slowly the caller reads: what happened up to a
time is told from what happens meanwhile by its time alone.
"""

import heapq
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

import sqlalchemy as sa

from bedplate.data import Database
from bedplate.ledger.v1 import ledger_pb2 as pb
from bedplate.services.ledger import domain
from bedplate.services.ledger.chain import START, seal
from bedplate.services.ledger.domain import (
    Account,
    AccountType,
    Counts,
    Event,
    Failure,
    Head,
    Hold,
    Ledger,
    Opened,
    Place,
    Trailer,
    Transaction,
    place,
)
from bedplate.services.ledger.record_messages import to_record
from bedplate.services.ledger.store import books, journal, log

# Rows that one unit of work reads.
PAGE_SIZE = 500
PAGE_ENTRIES_MAX = 5000

T = TypeVar("T")


async def export(database: Database, tenant_id: str, ledger_id: str) -> AsyncIterator[pb.LedgerRecord]:
    """The records of a ledger, from how it was opened to the trailer.

    Raises:
        Refusal: LEDGER_NOT_FOUND or LEDGER_IMPORTING.
    """

    def begin(connection: sa.Connection) -> tuple[Ledger, Head]:
        head = books.find_head(connection, tenant_id, ledger_id)
        ledger = books.find_ledger(connection, tenant_id, ledger_id)
        if head is None or ledger is None:
            raise domain.ledger_not_found(ledger_id)
        domain.check_open(head, ledger_id)
        return ledger, head

    ledger, head = await database.read(begin)
    digest, index = START, 0
    counts = {Account: 0, Transaction: 0, Hold: 0, Failure: 0}
    async for event in _events(database, tenant_id, ledger, head):
        if type(event) in counts:
            counts[type(event)] += 1
        record = to_record(event)
        record.index = index
        digest = seal(record, digest)
        yield record
        index += 1
    trailer = to_record(Trailer(Counts(*counts.values()), head.time_us, digest))
    trailer.index = index
    seal(trailer, digest)
    yield trailer


async def _events(database: Database, tenant_id: str, ledger: Ledger, head: Head) -> AsyncIterator[Event]:
    ledger_id = ledger.ledger_id
    yield Opened(ledger.display_name, ledger.create_time_us)

    def accounts(connection: sa.Connection, after: Account | None) -> list[Account]:
        after_id = "" if after is None else after.account_id
        return books.list_accounts(
            connection, tenant_id, ledger_id, types=AccountType, after=after_id, limit=PAGE_SIZE
        )

    source: _Source[Any] = _Source(database, accounts)
    while await source.fill():
        yield source.take()

    def transactions(connection: sa.Connection, after: Transaction | None) -> list[Transaction]:
        found = journal.list_transactions(
            connection,
            tenant_id,
            ledger_id,
            after=0 if after is None else after.sequence,
            limit=PAGE_SIZE,
            entries_max=PAGE_ENTRIES_MAX,
        )
        return [each for each in found if each.sequence <= head.sequence]

    def timed(read: Callable[..., Sequence[Any]]) -> "_Source[Any]":
        page = partial(read, tenant_id=tenant_id, ledger_id=ledger_id, until_us=head.time_us, limit=PAGE_SIZE)
        return _Source(database, lambda connection, after: page(connection, after=after))

    reads = (log.holds_expired, log.holds_created, log.holds_released, log.accounts_closed, log.failed)
    sources: list[_Source[Any]] = [_Source(database, transactions)]
    sources += [timed(read) for read in reads]
    heads: list[tuple[Place, int]] = [
        (place(each.next), number) for number, each in enumerate(sources) if await each.fill()
    ]
    heapq.heapify(heads)
    while heads:
        number = heads[0][1]
        yield sources[number].take()
        if await sources[number].fill():
            heapq.heapreplace(heads, (place(sources[number].next), number))
        else:
            heapq.heappop(heads)


class _Source(Generic[T]):
    """Something that is read page by page, in its order."""

    def __init__(self, database: Database, read: Callable[[sa.Connection, T | None], Sequence[T]]) -> None:
        self._database = database
        self._read = read
        self._page: Sequence[T] = ()
        self._taken = 0
        self._last: T | None = None

    @property
    def next(self) -> T:
        """What comes next, after `fill` has said that there is something."""
        return self._page[self._taken]

    def take(self) -> T:
        """The same, and go on."""
        self._last = self._page[self._taken]
        self._taken += 1
        return self._last

    async def fill(self) -> bool:
        """Read another page when that is needed; False: there is nothing left."""
        if self._taken < len(self._page):
            return True
        if self._page or self._last is None:
            last = self._last
            self._page = await self._database.read(lambda connection: self._read(connection, last))
            self._taken = 0
        return bool(self._page)

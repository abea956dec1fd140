"""Transactions and their entries: added, read, never changed."""

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from bedplate.services.ledger.domain import Entry, PlacedEntry, Side, Transaction
from bedplate.services.ledger.store import metadata
from bedplate.services.ledger.store.statement import Statement, indexed, insert, lookup

_INSERT_TRANSACTIONS = insert(
    "ledger_transactions",
    {
        "sequence": "bigint",
        "transaction_id": "text",
        "entry_count": "integer",
        "effective_us": "bigint",
        "description": "text",
        "create_time_us": "bigint",
        "metadata": "text",
        "reverses_id": "text",
        "captures_id": "text",
    },
)
_INSERT_ENTRIES = insert(
    "ledger_entries",
    {
        "sequence": "bigint",
        "entry_index": "integer",
        "account_id": "text",
        "side": "smallint",
        "amount_minor": "bigint",
        "currency_code": "text",
        "effective_us": "bigint",
    },
)
_HEADERS = """
    SELECT sequence, transaction_id, entry_count, effective_us, description, create_time_us,
        metadata, reverses_id, captures_id
    FROM ledger_transactions WHERE tenant_id = :tenant_id
"""
# `|| ''` keeps PostgreSQL without statistics from the primary key, by which it
# would read the whole ledger: it holds two equal columns for as good as three.
_FIND_TRANSACTIONS = lookup(f"{_HEADERS} AND ledger_id || '' = :ledger_id", "transaction_id", "text")
_FIND_REVERSALS = lookup(
    "SELECT reverses_id, transaction_id FROM ledger_transactions"
    " WHERE tenant_id = :tenant_id AND ledger_id || '' = :ledger_id",
    "reverses_id",
    "text",
)
_LIST_TRANSACTIONS = Statement(
    f"{_HEADERS} AND ledger_id = :ledger_id AND sequence > :after ORDER BY sequence LIMIT :limit"
)
_ENTRIES = """
    SELECT sequence, entry_index, account_id, side, amount_minor, currency_code FROM ledger_entries
    WHERE tenant_id = :tenant_id AND ledger_id = :ledger_id
"""
_ENTRIES_OF = lookup(_ENTRIES, "sequence", "bigint", order="sequence, entry_index")
_RANGE = "AND (sequence, entry_index) > (:sequence, :entry_index) AND sequence <= :until"
_ORDER = "ORDER BY sequence, entry_index LIMIT :limit"
_LIST_ENTRIES = Statement(f"{_ENTRIES} {_RANGE} {_ORDER}")
_OF_ACCOUNT = f"{_ENTRIES} AND account_id = :account_id {_RANGE} {_ORDER}"
_LIST_ACCOUNT_ENTRIES = Statement(
    _OF_ACCOUNT, sqlite=indexed(_OF_ACCOUNT, "ledger_entries", "ledger_entries_sums")
)
_HEADERS_OF = lookup(f"{_HEADERS} AND ledger_id = :ledger_id", "sequence", "bigint")


def insert_transactions(
    connection: sa.Connection, tenant_id: str, ledger_id: str, transactions: Sequence[Transaction]
) -> None:
    """Add transactions with their entries; the ledger's head is locked."""
    headers = [
        (
            each.sequence,
            each.transaction_id,
            len(each.entries),
            each.effective_us,
            each.description,
            each.create_time_us,
            metadata.to_text(each.metadata),
            each.reverses_id or None,
            each.captures_id or None,
        )
        for each in transactions
    ]
    entries = [
        (
            each.sequence,
            index,
            entry.account_id,
            entry.side.value,
            entry.amount_minor,
            entry.currency_code,
            each.effective_us,
        )
        for each in transactions
        for index, entry in enumerate(each.entries)
    ]
    _INSERT_TRANSACTIONS.write(connection, (tenant_id, ledger_id), headers)
    _INSERT_ENTRIES.write(connection, (tenant_id, ledger_id), entries)


def find_transactions(
    connection: sa.Connection, tenant_id: str, ledger_id: str, transaction_ids: Iterable[str]
) -> dict[str, Transaction]:
    """Read the transactions that exist under these ids, by id."""
    headers = _FIND_TRANSACTIONS.rows(
        connection, tenant_id=tenant_id, ledger_id=ledger_id, values=list(transaction_ids)
    )
    found = _with_entries(connection, tenant_id, ledger_id, headers)
    return {transaction.transaction_id: transaction for transaction in found}


def find_reversals(
    connection: sa.Connection, tenant_id: str, ledger_id: str, transaction_ids: Iterable[str]
) -> dict[str, str]:
    """The ids of the reversals of these transactions, as far as they were reversed."""
    rows = _FIND_REVERSALS.rows(
        connection, tenant_id=tenant_id, ledger_id=ledger_id, values=list(transaction_ids)
    )
    return {row.reverses_id: row.transaction_id for row in rows}


def list_transactions(
    connection: sa.Connection, tenant_id: str, ledger_id: str, *, after: int, limit: int, entries_max: int
) -> list[Transaction]:
    """Transactions by place, after a place.

    Args:
        connection: An open transaction.
        tenant_id: Whose.
        ledger_id: Which ledger's.
        after: Place after which to begin; 0: at the first.
        limit: At most so many transactions.
        entries_max: At most so many entries together, and at least one transaction.
    """
    headers = _LIST_TRANSACTIONS.rows(
        connection, tenant_id=tenant_id, ledger_id=ledger_id, after=after, limit=limit
    )
    taken: list[Any] = []
    for header in headers:
        entries_max -= header.entry_count
        if taken and entries_max < 0:
            break
        taken.append(header)
    return _with_entries(connection, tenant_id, ledger_id, taken)


def list_entries(
    connection: sa.Connection,
    tenant_id: str,
    ledger_id: str,
    *,
    account_id: str,
    after: tuple[int, int],
    until: int,
    limit: int,
) -> list[PlacedEntry]:
    """Entries by place.

    Args:
        connection: An open transaction.
        tenant_id: Whose.
        ledger_id: Which ledger's.
        account_id: Only this account's; empty: all.
        after: The sequence and index after which to begin.
        until: The last sequence.
        limit: At most so many.
    """
    values = {
        "tenant_id": tenant_id,
        "ledger_id": ledger_id,
        "sequence": after[0],
        "entry_index": after[1],
        "until": until,
        "limit": limit,
    }
    if account_id:
        rows = _LIST_ACCOUNT_ENTRIES.rows(connection, **values, account_id=account_id)
    else:
        rows = _LIST_ENTRIES.rows(connection, **values)
    sequences = list(dict.fromkeys(row.sequence for row in rows))
    headers = _HEADERS_OF.rows(connection, tenant_id=tenant_id, ledger_id=ledger_id, values=sequences)
    places = {header.sequence: header for header in headers}
    return [_placed(row, places[row.sequence]) for row in rows]


def _placed(row: Any, place: Any) -> PlacedEntry:
    entry = Entry(row.account_id, Side(row.side), row.amount_minor, row.currency_code)
    return PlacedEntry(
        place.transaction_id, row.sequence, row.entry_index, entry, place.effective_us, place.create_time_us
    )


def _with_entries(
    connection: sa.Connection, tenant_id: str, ledger_id: str, headers: Sequence[Any]
) -> list[Transaction]:
    if not headers:
        return []
    entries: dict[int, list[Entry]] = {header.sequence: [] for header in headers}
    rows = _ENTRIES_OF.rows(connection, tenant_id=tenant_id, ledger_id=ledger_id, values=list(entries))
    for sequence, _, account_id, side, amount_minor, currency_code in rows:
        entries[sequence].append(Entry(account_id, Side(side), amount_minor, currency_code))
    return [
        Transaction(
            header.transaction_id,
            tuple(entries[header.sequence]),
            header.effective_us,
            header.description,
            header.create_time_us,
            header.sequence,
            metadata.from_text(header.metadata),
            header.reverses_id or "",
            header.captures_id or "",
        )
        for header in headers
    ]

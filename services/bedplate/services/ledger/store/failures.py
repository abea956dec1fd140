"""Refusals that are remembered: added and read, never changed."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from bedplate.services.ledger.domain import Entry, Failure, NewHold, Side, Transaction
from bedplate.services.ledger.store.statement import Statement, insert, lookup

# What an id is of.
_TRANSACTION, _HOLD = 1, 2

_INSERT = insert(
    "ledger_failures",
    {
        "kind": "smallint",
        "failed_id": "text",
        "content": "text",
        "reason": "text",
        "sentence": "text",
        "field": "text",
        "facts": "text",
        "create_time_us": "bigint",
    },
)
COLUMNS = """
    SELECT kind, failed_id, content, reason, sentence, field, facts, create_time_us FROM ledger_failures
"""
_FIND = lookup(
    f"{COLUMNS} WHERE tenant_id = :tenant_id AND ledger_id = :ledger_id AND kind = :kind",
    "failed_id",
    "text",
)
_NOTE = Statement("""
    UPDATE ledger_ledgers SET has_failures = TRUE
    WHERE tenant_id = :tenant_id AND ledger_id = :ledger_id
""")


def insert_failures(
    connection: sa.Connection, tenant_id: str, ledger_id: str, failures: Sequence[Failure]
) -> None:
    """Remember refusals; the ledger's head is locked."""
    if not failures:
        return
    rows = [
        (
            kind_of(failure),
            failure.failed_id,
            _to_text(failure.attempt),
            failure.reason,
            failure.sentence,
            failure.field,
            json.dumps(failure.facts),
            failure.create_time_us,
        )
        for failure in failures
    ]
    _INSERT.write(connection, (tenant_id, ledger_id), rows)
    _NOTE.count(connection, tenant_id=tenant_id, ledger_id=ledger_id)


def find_failed_transactions(
    connection: sa.Connection, tenant_id: str, ledger_id: str, transaction_ids: Iterable[str]
) -> dict[str, Failure]:
    """The failures that are remembered under these ids of transactions, by id."""
    return _find(connection, tenant_id, ledger_id, _TRANSACTION, transaction_ids)


def find_failed_holds(
    connection: sa.Connection, tenant_id: str, ledger_id: str, hold_ids: Iterable[str]
) -> dict[str, Failure]:
    """The failures that are remembered under these ids of holds, by id."""
    return _find(connection, tenant_id, ledger_id, _HOLD, hold_ids)


def kind_of(failure: Failure) -> int:
    """What its id is of, as the table says it."""
    return _HOLD if isinstance(failure.attempt, NewHold) else _TRANSACTION


def from_row(row: Any) -> Failure:
    """A failure as `COLUMNS` has it."""
    attempt = _hold(row) if row.kind == _HOLD else _transaction(row)
    facts = tuple((name, value) for name, value in json.loads(row.facts))
    return Failure(attempt, row.reason, row.sentence, row.field, facts, row.create_time_us)


def _find(
    connection: sa.Connection, tenant_id: str, ledger_id: str, kind: int, ids: Iterable[str]
) -> dict[str, Failure]:
    rows = _FIND.rows(connection, tenant_id=tenant_id, ledger_id=ledger_id, kind=kind, values=list(ids))
    return {row.failed_id: from_row(row) for row in rows}


def _to_text(attempt: Transaction | NewHold) -> str:
    if isinstance(attempt, NewHold):
        content = [
            attempt.debit_account_id,
            attempt.credit_account_id,
            attempt.amount_minor,
            attempt.expire_us,
            attempt.description,
            attempt.metadata,
        ]
    else:
        content = [
            [[each.account_id, each.side.value, each.amount_minor] for each in attempt.entries],
            attempt.effective_us,
            attempt.description,
            attempt.metadata,
            attempt.reverses_id,
            attempt.captures_id,
        ]
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def _transaction(row: Any) -> Transaction:
    entries, effective_us, description, metadata, reverses_id, captures_id = json.loads(row.content)
    return Transaction(
        row.failed_id,
        tuple(Entry(account_id, Side(side), amount_minor) for account_id, side, amount_minor in entries),
        effective_us,
        description,
        row.create_time_us,
        0,
        _pairs(metadata),
        reverses_id,
        captures_id,
    )


def _hold(row: Any) -> NewHold:
    debit, credit, amount_minor, expire_us, description, metadata = json.loads(row.content)
    return NewHold(row.failed_id, debit, credit, amount_minor, expire_us, description, _pairs(metadata))


def _pairs(metadata: list[list[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((key, value) for key, value in metadata)

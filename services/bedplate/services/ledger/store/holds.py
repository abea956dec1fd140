"""Holds: added, resolved once, read."""

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from bedplate.services.ledger.domain import Hold, HoldState, NewHold
from bedplate.services.ledger.store import metadata
from bedplate.services.ledger.store.statement import Bulk, Statement, indexed, lookup

_INSERT = Statement("""
    INSERT INTO ledger_holds
        (tenant_id, ledger_id, hold_id, debit_account_id, credit_account_id, amount_minor, currency_code,
         description, metadata, create_time_us, expire_us, state, resolve_us, captured_minor, capture_id)
    VALUES
        (:tenant_id, :ledger_id, :hold_id, :debit_account_id, :credit_account_id, :amount_minor,
         :currency_code, :description, :metadata, :create_time_us, :expire_us, :state, :resolve_us,
         :captured_minor, :capture_id)
""")
COLUMNS = """
    SELECT hold_id, debit_account_id, credit_account_id, amount_minor, currency_code, description, metadata,
        create_time_us, expire_us, state, resolve_us, captured_minor, capture_id
    FROM ledger_holds
"""
_HOLDS = f"{COLUMNS} WHERE tenant_id = :tenant_id"
_FIND = lookup(f"{_HOLDS} AND ledger_id = :ledger_id", "hold_id", "text")
# What a hold is at :now_us, whether or not somebody has noted that it expired.
_IN_STATE = "AND (CASE WHEN state = 1 AND expire_us <= :now_us THEN 4 ELSE state END) = ANY(:states)"
_AFTER = f"AND hold_id > :after {_IN_STATE} ORDER BY hold_id LIMIT :limit"
_LIST = Statement(f"{_HOLDS} AND ledger_id = :ledger_id {_AFTER}")
_DEBITED = f"{_HOLDS} AND debit_account_id = :account_id AND ledger_id = :ledger_id {_AFTER}"
_CREDITED = f"{_HOLDS} AND credit_account_id = :account_id AND ledger_id = :ledger_id {_AFTER}"


def _of_account(debited: str, credited: str) -> str:
    return f"""
        SELECT * FROM (
            SELECT * FROM ({debited}) AS debited UNION ALL SELECT * FROM ({credited}) AS credited
        ) AS both_sides ORDER BY hold_id LIMIT :limit
    """


_LIST_OF_ACCOUNT = Statement(
    _of_account(_DEBITED, _CREDITED),
    sqlite=_of_account(
        indexed(_DEBITED, "ledger_holds", "ledger_holds_debit"),
        indexed(_CREDITED, "ledger_holds", "ledger_holds_credit"),
    ),
)
_DUE = "AND ledger_id = :ledger_id AND state = 1 AND expire_us IS NOT NULL"
_LIST_DUE = Statement(f"{_HOLDS} {_DUE} AND expire_us <= :now_us ORDER BY expire_us LIMIT :limit")
_NEXT_DUE = Statement(
    f"SELECT expire_us FROM ledger_holds WHERE tenant_id = :tenant_id {_DUE} ORDER BY expire_us LIMIT 1"
)
# An account's pending sums fit int64, so those of two accounts do.
_DUE_SUMS = Statement(f"""
    SELECT debit_account_id, credit_account_id, SUM(amount_minor) AS amount_minor FROM ledger_holds
    WHERE tenant_id = :tenant_id {_DUE} AND expire_us <= :now_us
    GROUP BY debit_account_id, credit_account_id
""")
_RESOLVE = Bulk(
    sqlite="""
        UPDATE ledger_holds SET state = ?4, resolve_us = ?5, captured_minor = ?6, capture_id = ?7
        WHERE tenant_id = ?1 AND ledger_id = ?2 AND hold_id = ?3
    """,
    postgresql="""
        UPDATE ledger_holds h SET state = new.state, resolve_us = new.resolve_us,
            captured_minor = new.captured_minor, capture_id = new.capture_id
        FROM unnest(%s::text[], %s::text[], %s::text[],
                %s::smallint[], %s::bigint[], %s::bigint[], %s::text[])
            AS new (tenant_id, ledger_id, hold_id, state, resolve_us, captured_minor, capture_id)
        WHERE h.tenant_id = new.tenant_id AND h.ledger_id = new.ledger_id AND h.hold_id = new.hold_id
    """,
)
_LEDGERS_DUE = Statement("""
    SELECT tenant_id, ledger_id FROM ledger_ledgers
    WHERE holds_due_us IS NOT NULL AND holds_due_us <= :now_us ORDER BY holds_due_us LIMIT :limit
""")


def insert_hold(connection: sa.Connection, tenant_id: str, ledger_id: str, hold: Hold) -> None:
    """Add a hold; the ledger's head is locked."""
    asked = hold.asked
    _INSERT.count(
        connection,
        tenant_id=tenant_id,
        ledger_id=ledger_id,
        hold_id=asked.hold_id,
        debit_account_id=asked.debit_account_id,
        credit_account_id=asked.credit_account_id,
        amount_minor=asked.amount_minor,
        currency_code=hold.currency_code,
        description=asked.description,
        metadata=metadata.to_text(asked.metadata),
        create_time_us=hold.create_time_us,
        expire_us=asked.expire_us,
        state=hold.state.value,
        resolve_us=hold.resolve_time_us,
        captured_minor=hold.captured_minor,
        capture_id=hold.capture_id or None,
    )


def find_holds(
    connection: sa.Connection, tenant_id: str, ledger_id: str, hold_ids: Iterable[str]
) -> dict[str, Hold]:
    """Read the holds that exist under these ids, by id, as they are noted."""
    rows = _FIND.rows(connection, tenant_id=tenant_id, ledger_id=ledger_id, values=list(hold_ids))
    return {row.hold_id: from_row(row) for row in rows}


def list_holds(
    connection: sa.Connection,
    tenant_id: str,
    ledger_id: str,
    *,
    account_id: str,
    states: Iterable[HoldState],
    now_us: int,
    after: str,
    limit: int,
) -> list[Hold]:
    """Holds by id, after an id, as they stand at a time; `account_id`: only its own, unless empty."""
    values: dict[str, Any] = {
        "tenant_id": tenant_id,
        "ledger_id": ledger_id,
        "states": [state.value for state in states],
        "now_us": now_us,
        "after": after,
        "limit": limit,
    }
    if account_id:
        rows = _LIST_OF_ACCOUNT.rows(connection, **values, account_id=account_id)
    else:
        rows = _LIST.rows(connection, **values)
    return [from_row(row).at(now_us) for row in rows]


def list_due(
    connection: sa.Connection, tenant_id: str, ledger_id: str, *, now_us: int, limit: int
) -> list[Hold]:
    """Pending holds whose time has come, the oldest first."""
    rows = _LIST_DUE.rows(connection, tenant_id=tenant_id, ledger_id=ledger_id, now_us=now_us, limit=limit)
    return [from_row(row) for row in rows]


def next_due(connection: sa.Connection, tenant_id: str, ledger_id: str) -> int | None:
    """When the next pending hold expires; None: none ever does."""
    row = _NEXT_DUE.row(connection, tenant_id=tenant_id, ledger_id=ledger_id)
    return None if row is None else int(row.expire_us)


def due_sums(
    connection: sa.Connection, tenant_id: str, ledger_id: str, *, now_us: int
) -> list[tuple[str, str, int]]:
    """What holds have set aside whose time has come: debited account, credited account, amount."""
    rows = _DUE_SUMS.rows(connection, tenant_id=tenant_id, ledger_id=ledger_id, now_us=now_us)
    return [(row.debit_account_id, row.credit_account_id, int(row.amount_minor)) for row in rows]


def save_resolved(connection: sa.Connection, tenant_id: str, ledger_id: str, holds: Sequence[Hold]) -> None:
    """Note how holds were resolved."""
    rows = [
        (
            tenant_id,
            ledger_id,
            hold.asked.hold_id,
            hold.state.value,
            hold.resolve_time_us,
            hold.captured_minor,
            hold.capture_id or None,
        )
        for hold in holds
    ]
    _RESOLVE.write(connection, (), rows)


def ledgers_due(connection: sa.Connection, *, now_us: int, limit: int) -> list[tuple[str, str]]:
    """Ledgers, of all tenants, in which a hold may be due: tenant and ledger."""
    rows = _LEDGERS_DUE.rows(connection, now_us=now_us, limit=limit)
    return [(row.tenant_id, row.ledger_id) for row in rows]


def from_row(row: Any) -> Hold:
    """A hold as `COLUMNS` has it."""
    asked = NewHold(
        row.hold_id,
        row.debit_account_id,
        row.credit_account_id,
        row.amount_minor,
        row.expire_us,
        row.description,
        metadata.from_text(row.metadata),
    )
    return Hold(
        asked,
        row.currency_code,
        row.create_time_us,
        HoldState(row.state),
        row.resolve_us,
        row.captured_minor,
        row.capture_id or "",
    )

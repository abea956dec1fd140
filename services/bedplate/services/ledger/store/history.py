"""Sums as of a time, added up from what was posted and set aside."""

from bisect import bisect_right
from typing import Any

import sqlalchemy as sa

from bedplate.services.ledger.domain import AsOf, Axis, Balance, CurrencyTotal, Head
from bedplate.services.ledger.store import books
from bedplate.services.ledger.store.statement import Statement, indexed

_TIME = Statement("""
    SELECT create_time_us FROM ledger_transactions
    WHERE tenant_id = :tenant_id AND ledger_id = :ledger_id AND sequence = :sequence
""")
# Halves, for the reason that `books` gives.
_SUMS = """
    SUM(CASE WHEN e.side = 1 THEN e.amount_minor >> 32 ELSE 0 END) AS debits_high,
    SUM(CASE WHEN e.side = 1 THEN e.amount_minor & 4294967295 ELSE 0 END) AS debits_low,
    SUM(CASE WHEN e.side = 2 THEN e.amount_minor >> 32 ELSE 0 END) AS credits_high,
    SUM(CASE WHEN e.side = 2 THEN e.amount_minor & 4294967295 ELSE 0 END) AS credits_low
"""
_ENTRIES = "FROM ledger_entries e"
_WITH_TIMES = """
    FROM ledger_entries e JOIN ledger_transactions t
    ON t.tenant_id = e.tenant_id AND t.ledger_id = e.ledger_id AND t.sequence = e.sequence
        AND t.effective_us <= :effective_us
"""
_WHERE = "WHERE e.tenant_id = :tenant_id AND e.ledger_id = :ledger_id AND e.sequence <= :until"
_ACCOUNT = {
    Axis.CREATED: Statement(f"SELECT {_SUMS} {_ENTRIES} {_WHERE} AND e.account_id = :account_id"),
    Axis.EFFECTIVE: Statement(f"SELECT {_SUMS} {_WITH_TIMES} {_WHERE} AND e.account_id = :account_id"),
}
_LEDGER = {
    Axis.CREATED: Statement(f"SELECT e.currency_code, {_SUMS} {_ENTRIES} {_WHERE} GROUP BY e.currency_code"),
    Axis.EFFECTIVE: Statement(
        f"SELECT e.currency_code, {_SUMS} {_WITH_TIMES} {_WHERE} GROUP BY e.currency_code"
    ),
}
# Of a hold: whether it was pending at :time_us.
PENDING_THEN = """
    create_time_us <= :time_us AND (resolve_us IS NULL OR resolve_us > :time_us)
    AND (expire_us IS NULL OR expire_us > :time_us)
"""
_PENDING_DEBITS = f"""
    SELECT SUM(amount_minor) FROM ledger_holds WHERE tenant_id = :tenant_id
        AND debit_account_id = :account_id AND ledger_id = :ledger_id AND {PENDING_THEN}
"""
_PENDING_CREDITS = _PENDING_DEBITS.replace("debit_account_id", "credit_account_id")
_DEBITS_SQLITE = indexed(_PENDING_DEBITS, "ledger_holds", "ledger_holds_debit")
_CREDITS_SQLITE = indexed(_PENDING_CREDITS, "ledger_holds", "ledger_holds_credit")
_PENDING = Statement(
    f"SELECT ({_PENDING_DEBITS}) AS debits, ({_PENDING_CREDITS}) AS credits",
    sqlite=f"SELECT ({_DEBITS_SQLITE}) AS debits, ({_CREDITS_SQLITE}) AS credits",
)


def last_looked_at(connection: sa.Connection, tenant_id: str, ledger_id: str, head: Head, as_of: AsOf) -> int:
    """The place of the last transaction that may count: of all, on the axis of effective times."""
    if as_of.axis is Axis.EFFECTIVE or as_of.time_us >= head.time_us:
        return head.sequence

    # Times grow with places, so that some twenty look-ups by the whole key find
    # the place among a million, and no index of its own is needed.
    def time_of(sequence: int) -> int:
        row = _TIME.row(connection, tenant_id=tenant_id, ledger_id=ledger_id, sequence=sequence)
        assert row is not None, f"place {sequence} of {ledger_id} is empty"
        return int(row.create_time_us)

    return bisect_right(range(1, head.sequence + 1), as_of.time_us, key=time_of)


def balance_at(
    connection: sa.Connection, tenant_id: str, ledger_id: str, head: Head, balance: Balance, as_of: AsOf
) -> Balance:
    """An account's sums as of a time, instead of those now."""
    account_id = balance.account.account_id
    values: dict[str, Any] = {"tenant_id": tenant_id, "ledger_id": ledger_id, "account_id": account_id}
    until = last_looked_at(connection, tenant_id, ledger_id, head, as_of)
    row = _run(_ACCOUNT, connection, as_of, values | {"until": until})[0]
    debits_minor, credits_minor = _sums(row)
    pending = _PENDING.row(connection, **values, time_us=as_of.time_us)
    return Balance(
        balance.account, debits_minor, credits_minor, int(pending.debits or 0), int(pending.credits or 0)
    )


def totals_at(
    connection: sa.Connection, tenant_id: str, ledger_id: str, head: Head, as_of: AsOf
) -> tuple[list[CurrencyTotal], int]:
    """The sums of all accounts as of a time, for each currency, by code; the last place looked at."""
    until = last_looked_at(connection, tenant_id, ledger_id, head, as_of)
    values = {"tenant_id": tenant_id, "ledger_id": ledger_id, "until": until}
    sums = {row.currency_code: _sums(row) for row in _run(_LEDGER, connection, as_of, values)}
    now = books.totals(connection, tenant_id, ledger_id)
    then = [
        CurrencyTotal(total.currency, *sums.get(total.currency.code, (0, 0)), total.account_count)
        for total in now
    ]
    return then, until


def _run(
    statements: dict[Axis, Statement], connection: sa.Connection, as_of: AsOf, values: dict[str, Any]
) -> Any:
    if as_of.axis is Axis.EFFECTIVE:
        values = values | {"effective_us": as_of.time_us}
    return statements[as_of.axis].rows(connection, **values)


def _sums(row: Any) -> tuple[int, int]:
    return (
        (int(row.debits_high or 0) << 32) + int(row.debits_low or 0),
        (int(row.credits_high or 0) << 32) + int(row.credits_low or 0),
    )

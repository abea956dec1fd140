"""Ledgers, currencies and accounts."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from bedplate.services.ledger.domain import (
    ALL_ACCOUNTS,
    Account,
    AccountPath,
    AccountType,
    Balance,
    Currency,
    CurrencyTotal,
    Head,
    Ledger,
    Side,
)
from bedplate.services.ledger.store import metadata
from bedplate.services.ledger.store import path as paths
from bedplate.services.ledger.store.statement import Bulk, Statement, lookup

_INSERT_LEDGER = Statement("""
    INSERT INTO ledger_ledgers
        (tenant_id, ledger_id, display_name, create_time_us, head_sequence, head_time_us)
    VALUES (:tenant_id, :ledger_id, :display_name, :create_time_us, 0, :create_time_us)
    ON CONFLICT (tenant_id, ledger_id) DO NOTHING
""")
_FIND_LEDGER = Statement("""
    SELECT ledger_id, display_name, create_time_us FROM ledger_ledgers
    WHERE tenant_id = :tenant_id AND ledger_id = :ledger_id
""")
_LIST_LEDGERS = Statement("""
    SELECT ledger_id, display_name, create_time_us FROM ledger_ledgers
    WHERE tenant_id = :tenant_id AND ledger_id > :after
    ORDER BY ledger_id LIMIT :limit
""")
_HEAD = """
    SELECT head_sequence, head_time_us, holds_due_us, has_failures, importing FROM ledger_ledgers
    WHERE tenant_id = :tenant_id AND ledger_id = :ledger_id
"""
_FIND_HEAD = Statement(_HEAD)
_LOCK_HEAD = Statement(f"{_HEAD} FOR NO KEY UPDATE", sqlite=_HEAD)
_SAVE_HEAD = Statement("""
    UPDATE ledger_ledgers SET head_sequence = :sequence, head_time_us = :time_us, holds_due_us = :due_us
    WHERE tenant_id = :tenant_id AND ledger_id = :ledger_id
""")
_INSERT_CURRENCY = Statement("""
    INSERT INTO ledger_currencies (tenant_id, ledger_id, code, scale)
    VALUES (:tenant_id, :ledger_id, :code, :scale)
    ON CONFLICT (tenant_id, ledger_id, code) DO NOTHING
""")
_FIND_SCALE = Statement("""
    SELECT scale FROM ledger_currencies
    WHERE tenant_id = :tenant_id AND ledger_id = :ledger_id AND code = :code
""")
_INSERT_ACCOUNT = Statement("""
    INSERT INTO ledger_accounts
        (tenant_id, ledger_id, account_id, type, normal_side, currency_code, currency_scale,
         debits_must_not_exceed_credits, credits_must_not_exceed_debits, display_name, create_time_us,
         debits_minor, credits_minor, metadata)
    VALUES
        (:tenant_id, :ledger_id, :account_id, :type, :normal_side, :currency_code, :currency_scale,
         :debits_must_not_exceed_credits, :credits_must_not_exceed_debits, :display_name, :create_time_us,
         0, 0, :metadata)
    ON CONFLICT (tenant_id, ledger_id, account_id) DO NOTHING
""")
_ACCOUNTS = """
    SELECT account_id, type, normal_side, currency_code, currency_scale,
        debits_must_not_exceed_credits, credits_must_not_exceed_debits, display_name, create_time_us,
        debits_minor, credits_minor, debits_pending_minor, credits_pending_minor, metadata, closed_us
    FROM ledger_accounts WHERE tenant_id = :tenant_id AND ledger_id = :ledger_id
"""
_FIND_ACCOUNT = Statement(f"{_ACCOUNTS} AND account_id = :account_id")
_CLOSE_ACCOUNT = Statement("""
    UPDATE ledger_accounts SET closed_us = :closed_us
    WHERE tenant_id = :tenant_id AND ledger_id = :ledger_id AND account_id = :account_id
""")
_FIND_BALANCES = lookup(_ACCOUNTS, "account_id", "text")
_LOCK_BALANCES = lookup(_ACCOUNTS, "account_id", "text", lock=True)
# The whole key of each row comes out of one array: see `lookup`.
_SAVE_BALANCES = Bulk(
    sqlite="""
        UPDATE ledger_accounts SET debits_minor = ?4, credits_minor = ?5,
            debits_pending_minor = ?6, credits_pending_minor = ?7
        WHERE tenant_id = ?1 AND ledger_id = ?2 AND account_id = ?3
    """,
    postgresql="""
        UPDATE ledger_accounts a SET debits_minor = new.debits_minor, credits_minor = new.credits_minor,
            debits_pending_minor = new.debits_pending, credits_pending_minor = new.credits_pending
        FROM unnest(%s::text[], %s::text[], %s::text[],
                %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[])
            AS new (tenant_id, ledger_id, account_id,
                debits_minor, credits_minor, debits_pending, credits_pending)
        WHERE a.tenant_id = new.tenant_id AND a.ledger_id = new.ledger_id AND a.account_id = new.account_id
    """,
)
# Sums of halves: SQLite refuses a sum outside int64, and neither half of 2**31
# accounts comes near it.
_TOTALS = Statement("""
    SELECT currency_code, currency_scale, COUNT(*),
        SUM(debits_minor >> 32), SUM(debits_minor & 4294967295),
        SUM(credits_minor >> 32), SUM(credits_minor & 4294967295)
    FROM ledger_accounts WHERE tenant_id = :tenant_id AND ledger_id = :ledger_id
    GROUP BY currency_code, currency_scale ORDER BY currency_code
""")


def insert_ledger(connection: sa.Connection, tenant_id: str, ledger: Ledger) -> bool:
    """Add a ledger; False, and no change, when its id is taken."""
    return bool(
        _INSERT_LEDGER.count(
            connection,
            tenant_id=tenant_id,
            ledger_id=ledger.ledger_id,
            display_name=ledger.display_name,
            create_time_us=ledger.create_time_us,
        )
    )


def find_ledger(connection: sa.Connection, tenant_id: str, ledger_id: str) -> Ledger | None:
    """Read a ledger; None when there is none."""
    row = _FIND_LEDGER.row(connection, tenant_id=tenant_id, ledger_id=ledger_id)
    return None if row is None else Ledger(*row)


def list_ledgers(connection: sa.Connection, tenant_id: str, *, after: str, limit: int) -> list[Ledger]:
    """Ledgers by id, after an id."""
    rows = _LIST_LEDGERS.rows(connection, tenant_id=tenant_id, after=after, limit=limit)
    return [Ledger(*row) for row in rows]


def find_head(connection: sa.Connection, tenant_id: str, ledger_id: str) -> Head | None:
    """Read where a ledger ends; None when there is no such ledger.

    All that was posted up to there can be seen by whoever sees this.
    """
    row = _FIND_HEAD.row(connection, tenant_id=tenant_id, ledger_id=ledger_id)
    return None if row is None else _head(row)


def lock_head(connection: sa.Connection, tenant_id: str, ledger_id: str) -> Head | None:
    """As `find_head`, and keep others from posting to the ledger until the transaction ends."""
    row = _LOCK_HEAD.row(connection, tenant_id=tenant_id, ledger_id=ledger_id)
    return None if row is None else _head(row)


def save_head(connection: sa.Connection, tenant_id: str, ledger_id: str, head: Head) -> None:
    """Write where a ledger ends."""
    _SAVE_HEAD.count(
        connection,
        tenant_id=tenant_id,
        ledger_id=ledger_id,
        sequence=head.sequence,
        time_us=head.time_us,
        due_us=head.due_us,
    )


def ensure_currency(connection: sa.Connection, tenant_id: str, ledger_id: str, currency: Currency) -> int:
    """Add a currency to a ledger unless it has it; the scale with which it has it."""
    values = {"tenant_id": tenant_id, "ledger_id": ledger_id, "code": currency.code}
    if _INSERT_CURRENCY.count(connection, **values, scale=currency.scale):
        return currency.scale
    scale: int = _FIND_SCALE.row(connection, **values)[0]
    return scale


def insert_account(connection: sa.Connection, tenant_id: str, ledger_id: str, account: Account) -> bool:
    """Add an account whose currency the ledger has; False, and no change, when its id is taken."""
    return bool(
        _INSERT_ACCOUNT.count(
            connection,
            tenant_id=tenant_id,
            ledger_id=ledger_id,
            account_id=account.account_id,
            type=account.type.value,
            normal_side=account.normal_side.value,
            currency_code=account.currency.code,
            currency_scale=account.currency.scale,
            debits_must_not_exceed_credits=account.debits_must_not_exceed_credits,
            credits_must_not_exceed_debits=account.credits_must_not_exceed_debits,
            display_name=account.display_name,
            create_time_us=account.create_time_us,
            metadata=metadata.to_text(account.metadata),
        )
    )


def close_account(
    connection: sa.Connection, tenant_id: str, ledger_id: str, account_id: str, *, close_time_us: int
) -> None:
    """Note when an account was closed; the ledger's head is locked."""
    _CLOSE_ACCOUNT.count(
        connection,
        tenant_id=tenant_id,
        ledger_id=ledger_id,
        account_id=account_id,
        closed_us=close_time_us,
    )


def find_balance(
    connection: sa.Connection, tenant_id: str, ledger_id: str, account_id: str
) -> Balance | None:
    """Read an account and its sums; None when there is none."""
    row = _FIND_ACCOUNT.row(connection, tenant_id=tenant_id, ledger_id=ledger_id, account_id=account_id)
    return None if row is None else _balance(row)


def list_accounts(
    connection: sa.Connection,
    tenant_id: str,
    ledger_id: str,
    *,
    types: Iterable[AccountType],
    after: str,
    limit: int,
    path: AccountPath = ALL_ACCOUNTS,
) -> list[Account]:
    """Accounts of these types that a path names, by id, after an id."""
    rows = _list_accounts(paths.shape(path)).rows(
        connection,
        tenant_id=tenant_id,
        ledger_id=ledger_id,
        types=[each.value for each in types],
        after=after,
        limit=limit,
        **paths.values(path),
    )
    return [_balance(row).account for row in rows]


def find_balances(
    connection: sa.Connection, tenant_id: str, ledger_id: str, account_ids: Iterable[str]
) -> dict[str, Balance]:
    """Read accounts and their sums, by id."""
    rows = _FIND_BALANCES.rows(
        connection, tenant_id=tenant_id, ledger_id=ledger_id, values=sorted(account_ids)
    )
    return {row.account_id: _balance(row) for row in rows}


def lock_balances(
    connection: sa.Connection, tenant_id: str, ledger_id: str, account_ids: Iterable[str]
) -> dict[str, Balance]:
    """Read accounts and their sums, by id, and lock their rows, in the order of their ids."""
    rows = _LOCK_BALANCES.rows(
        connection, tenant_id=tenant_id, ledger_id=ledger_id, values=sorted(account_ids)
    )
    return {row.account_id: _balance(row) for row in rows}


def save_balances(
    connection: sa.Connection, tenant_id: str, ledger_id: str, balances: Sequence[Balance]
) -> None:
    """Write the sums of accounts."""
    rows = [
        (
            tenant_id,
            ledger_id,
            each.account.account_id,
            each.debits_minor,
            each.credits_minor,
            each.debits_pending_minor,
            each.credits_pending_minor,
        )
        for each in balances
    ]
    _SAVE_BALANCES.write(connection, (), rows)


def totals(connection: sa.Connection, tenant_id: str, ledger_id: str) -> list[CurrencyTotal]:
    """The sums of all accounts, for each currency, by code."""
    rows = _TOTALS.rows(connection, tenant_id=tenant_id, ledger_id=ledger_id)
    return [
        CurrencyTotal(
            Currency(code, scale),
            (int(debits_high) << 32) + int(debits_low),
            (int(credits_high) << 32) + int(credits_low),
            count,
        )
        for code, scale, count, debits_high, debits_low, credits_high, credits_low in rows
    ]


@lru_cache(maxsize=paths.SHAPES_MAX)
def _list_accounts(shape: paths.Shape) -> Statement:
    within = paths.within("account_id", shape)
    page = "account_id > :after AND type = ANY(:types) ORDER BY account_id LIMIT :limit"
    return Statement(
        f"{_ACCOUNTS} AND {within.postgresql} AND {page}",
        sqlite=f"{_ACCOUNTS} AND {within.sqlite} AND {page}",
    )


def _head(row: Any) -> Head:
    return Head(
        row.head_sequence, row.head_time_us, row.holds_due_us, bool(row.has_failures), bool(row.importing)
    )


def _balance(row: Any) -> Balance:
    account = Account(
        row.account_id,
        AccountType(row.type),
        Side(row.normal_side),
        Currency(row.currency_code, row.currency_scale),
        bool(row.debits_must_not_exceed_credits),
        bool(row.credits_must_not_exceed_debits),
        row.display_name,
        row.create_time_us,
        metadata.from_text(row.metadata),
        row.closed_us,
    )
    return Balance(
        account,
        row.debits_minor,
        row.credits_minor,
        row.debits_pending_minor,
        row.credits_pending_minor,
    )

"""Sums of the accounts that a path names, in groups and per currency."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from bedplate.services.ledger.domain import AccountPath, AsOf, Axis, Currency, GroupTotal, Side
from bedplate.services.ledger.store import path as paths
from bedplate.services.ledger.store.history import PENDING_THEN
from bedplate.services.ledger.store.statement import Statement, indexed

# A group and a currency in it; and its debits and credits.
Key = tuple[str, str]
Sums = dict[Key, tuple[int, int]]

_MINE = "tenant_id = :tenant_id AND ledger_id = :ledger_id"
_PAGE = "path BETWEEN :first_path AND :last_path"


@dataclass(frozen=True, slots=True)
class Scope:
    """Which accounts are added up, and how.

    Attributes:
        tenant_id: Whose.
        ledger_id: Which ledger's.
        path: Which of its accounts.
        depth: Accounts whose first so many segments are the same make a group.
    """

    tenant_id: str
    ledger_id: str
    path: AccountPath
    depth: int

    @property
    def values(self) -> dict[str, Any]:
        """The values that every statement takes."""
        own = {"tenant_id": self.tenant_id, "ledger_id": self.ledger_id, "depth": self.depth}
        return own | paths.values(self.path)


def groups_now(connection: sa.Connection, scope: Scope, *, after: Key, limit: int) -> list[GroupTotal]:
    """The sums of the accounts, by group and currency code, after a group and code."""
    values = scope.values | {"after_path": after[0], "after_code": after[1], "limit": limit}
    # An id is not less than the group that it is in.
    values["low"] = max(values["low"], after[0])
    rows = _statements(paths.shape(scope.path)).now.rows(connection, **values)
    return [
        GroupTotal(
            row.path,
            Currency(row.currency_code, row.currency_scale),
            _whole(row.debits_high, row.debits_low),
            _whole(row.credits_high, row.credits_low),
            _whole(row.debits_pending_high, row.debits_pending_low),
            _whole(row.credits_pending_high, row.credits_pending_low),
            row.account_count,
        )
        for row in rows
    ]


def posted_between(
    connection: sa.Connection, scope: Scope, first: GroupTotal, last: GroupTotal, *, after: int, until: int
) -> Sums:
    """What was posted behind one place and up to another, for the groups from `first` to `last`."""
    values = _page(scope, first, last) | {"after": after, "until": until}
    return _sums(_statements(paths.shape(scope.path)).posted[Axis.CREATED].rows(connection, **values))


def effective_until(
    connection: sa.Connection, scope: Scope, first: GroupTotal, last: GroupTotal, *, effective_us: int
) -> Sums:
    """What had taken place by a time, for the groups from `first` to `last`."""
    values = _page(scope, first, last) | {"effective_us": effective_us}
    return _sums(_statements(paths.shape(scope.path)).posted[Axis.EFFECTIVE].rows(connection, **values))


def due(connection: sa.Connection, scope: Scope, first: GroupTotal, last: GroupTotal, *, now_us: int) -> Sums:
    """What holds have set aside whose time has come, for the groups from `first` to `last`."""
    values = _page(scope, first, last) | {"time_us": now_us}
    return _sides(_statements(paths.shape(scope.path)).due.rows(connection, **values))


def pending_then(
    connection: sa.Connection, scope: Scope, first: GroupTotal, last: GroupTotal, as_of: AsOf
) -> Sums:
    """What holds had set aside at a time, for the groups from `first` to `last`."""
    values = _page(scope, first, last) | {"time_us": as_of.time_us}
    return _sides(_statements(paths.shape(scope.path)).pending_then.rows(connection, **values))


def _page(scope: Scope, first: GroupTotal, last: GroupTotal) -> dict[str, Any]:
    values = scope.values | {"first_path": first.account_path, "last_path": last.account_path}
    values["low"] = max(values["low"], first.account_path)
    return values


def _sums(rows: Any) -> Sums:
    return {
        (row.path, row.currency_code): (
            _whole(row.debits_high, row.debits_low),
            _whole(row.credits_high, row.credits_low),
        )
        for row in rows
    }


def _sides(rows: Any) -> Sums:
    """Rows of one side each."""
    found: Sums = {}
    for row in rows:
        debits, credits = found.get((row.path, row.currency_code), (0, 0))
        amount_minor = _whole(row.amount_high, row.amount_low)
        both = (amount_minor, credits) if row.side == Side.DEBIT else (debits, amount_minor)
        found[row.path, row.currency_code] = both
    return found


def _whole(high: Any, low: Any) -> int:
    return (int(high or 0) << 32) + int(low or 0)


@dataclass(frozen=True, slots=True)
class _Statements:
    """What is asked about paths of one shape."""

    now: Statement
    posted: dict[Axis, Statement]
    due: Statement
    pending_then: Statement


@lru_cache(maxsize=paths.SHAPES_MAX)
def _statements(shape: paths.Shape) -> _Statements:
    due = "state = 1 AND expire_us IS NOT NULL AND expire_us <= :time_us"
    return _Statements(
        now=_now(shape),
        posted={
            Axis.CREATED: _posted(shape, "e.sequence > :after AND e.sequence <= :until"),
            Axis.EFFECTIVE: _posted(shape, f"{_EFFECTIVE} <= :effective_us"),
        },
        due=_holds(shape, due),
        pending_then=_holds(shape, PENDING_THEN, by_account=True),
    )


# Entries of before 0005, or written by a process of that time, do not know it.
_EFFECTIVE = """
    COALESCE(e.effective_us, (
        SELECT t.effective_us FROM ledger_transactions t
        WHERE t.tenant_id = e.tenant_id AND t.ledger_id = e.ledger_id AND t.sequence = e.sequence
    ))
"""


# `MATERIALIZED` keeps both databases from making the group of an account anew
# wherever it is named: 40 ms instead of 15 for 3,000 holds.


def _now(shape: paths.Shape) -> Statement:
    names = ("debits", "credits", "debits_pending", "credits_pending")
    sums = ", ".join(_halves(f"{name}_minor", name) for name in names)

    def text(group: str, within: str) -> str:
        return f"""
            WITH named AS MATERIALIZED (
                SELECT {group} AS path, currency_code, currency_scale,
                    debits_minor, credits_minor, debits_pending_minor, credits_pending_minor
                FROM ledger_accounts WHERE {_MINE} AND {within}
            )
            SELECT path, currency_code, currency_scale, COUNT(*) AS account_count, {sums} FROM named
            WHERE (path, currency_code) > (:after_path, :after_code)
            GROUP BY path, currency_code, currency_scale ORDER BY path, currency_code LIMIT :limit
        """

    group, within = paths.group("account_id"), paths.within("account_id", shape)
    return Statement(text(group.postgresql, within.postgresql), sqlite=text(group.sqlite, within.sqlite))


def _posted(shape: paths.Shape, condition: str) -> Statement:
    """Adds up entries account by account, each of which an index holds together."""
    group, within = paths.group("account_id"), paths.within("account_id", shape)
    own = (
        "e.tenant_id = named.tenant_id AND e.account_id = named.account_id AND e.ledger_id = named.ledger_id"
    )

    def named(group: str, within: str) -> str:
        return f"""
            WITH named AS MATERIALIZED (
                SELECT {group} AS path, tenant_id, ledger_id, account_id, currency_code
                FROM ledger_accounts WHERE {_MINE} AND {within}
            )
        """

    # `OFFSET 0` keeps PostgreSQL's planner from another way: see `lookup`.
    postgresql = f"""
        {named(group.postgresql, within.postgresql)}
        SELECT path, currency_code, 0 AS debits_high, SUM(debits) AS debits_low,
            0 AS credits_high, SUM(credits) AS credits_low
        FROM named CROSS JOIN LATERAL (
            SELECT SUM(e.amount_minor) FILTER (WHERE e.side = 1) AS debits,
                SUM(e.amount_minor) FILTER (WHERE e.side = 2) AS credits
            FROM ledger_entries e WHERE {own} AND {condition} OFFSET 0
        ) AS added
        WHERE {_PAGE} GROUP BY path, currency_code
    """
    debits = _halves("e.amount_minor", "debits", "e.side = 1")
    credits = _halves("e.amount_minor", "credits", "e.side = 2")
    sqlite = f"""
        {named(group.sqlite, within.sqlite)}
        SELECT path, named.currency_code AS currency_code, {debits}, {credits}
        FROM named CROSS JOIN ledger_entries e WHERE {_PAGE} AND {own} AND {condition}
        GROUP BY path, named.currency_code
    """
    return Statement(postgresql, sqlite=sqlite)


def _holds(shape: paths.Shape, condition: str, *, by_account: bool = False) -> Statement:
    """Adds up holds; `by_account`: SQLite reads those of the accounts, not of a time."""

    def side(side: Side, dialect: str) -> str:
        name = side.name.lower()
        column = f"{name}_account_id"
        text = f"""
            SELECT {getattr(paths.group(column), dialect)} AS path, currency_code, {side.value} AS side,
                amount_minor
            FROM ledger_holds
            WHERE {_MINE} AND {condition} AND {getattr(paths.within(column, shape), dialect)}
        """
        if by_account and dialect == "sqlite":
            return indexed(text, "ledger_holds", f"ledger_holds_{name}")
        return text

    def both(dialect: str) -> str:
        return f"""
            WITH held AS MATERIALIZED (
                {side(Side.DEBIT, dialect)} UNION ALL {side(Side.CREDIT, dialect)}
            )
            SELECT path, currency_code, side, {_halves("amount_minor", "amount")} FROM held
            WHERE {_PAGE} GROUP BY path, currency_code, side
        """

    return Statement(both("postgresql"), sqlite=both("sqlite"))


def _halves(column: str, name: str, condition: str = "") -> str:
    """A sum in two halves, for the reason that `books` gives."""
    high, low = f"{column} >> 32", f"{column} & 4294967295"
    if condition:
        high, low = (f"CASE WHEN {condition} THEN {half} ELSE 0 END" for half in (high, low))
    return f"SUM({high}) AS {name}_high, SUM({low}) AS {name}_low"

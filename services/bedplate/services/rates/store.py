"""SQL of the rates tables. One function, one statement, on the caller's connection."""

import json
from collections.abc import Sequence
from datetime import date
from typing import Any

import sqlalchemy as sa

from bedplate.services.rates.domain import Leg, Published

_METADATA = sa.MetaData()

_SOURCES = sa.Table(
    "rates_sources",
    _METADATA,
    sa.Column("tenant_id", sa.Text, primary_key=True),
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("base", sa.Text),
)
_RATES = sa.Table(
    "rates_rates",
    _METADATA,
    sa.Column("tenant_id", sa.Text, primary_key=True),
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("quote", sa.Text, primary_key=True),
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("value", sa.Text),
)


def _of_source(table: sa.FromClause) -> sa.ColumnElement[bool]:
    return (table.c.tenant_id == sa.bindparam("tenant_id")) & (table.c.source == sa.bindparam("source"))


_LEG = sa.select(_RATES.c.value, _RATES.c.day).where(
    _of_source(_RATES), _RATES.c.quote == sa.bindparam("quote")
)
_LATEST = _LEG.order_by(_RATES.c.day.desc()).limit(1)

_SELECT_BASE = sa.select(_SOURCES.c.base).where(_of_source(_SOURCES))
_SELECT_ON = _LEG.where(_RATES.c.day == sa.bindparam("day"))
_SELECT_LATEST_BY = _LATEST.where(_RATES.c.day <= sa.bindparam("day"))
_SELECT_LAST_DAY = sa.select(sa.func.max(_RATES.c.day)).where(_of_source(_RATES))
# Goes down the days of both currencies in turn, each time to the latest day of
# the other one, until they meet. A join would do, but until PostgreSQL has
# analysed the table, as right after an import, it takes a plan of 0.5 s for it.
_SELECT_COMMON = sa.text(
    "WITH RECURSIVE leap (day, before, wanted, other) AS ("
    " SELECT (SELECT max(day) FROM rates_rates"
    "   WHERE tenant_id = :tenant_id AND source = :source AND quote = :base),"
    "  CAST(NULL AS date), CAST(:quote AS text), CAST(:base AS text)"
    " UNION ALL"
    " SELECT (SELECT max(day) FROM rates_rates AS known"
    "   WHERE known.tenant_id = :tenant_id AND known.source = :source"
    "   AND known.quote = leap.wanted AND known.day <= leap.day),"
    "  leap.day, leap.other, leap.wanted"
    " FROM leap WHERE leap.day IS NOT NULL AND (leap.before IS NULL OR leap.before <> leap.day))"
    " SELECT leap.day, in_base.value AS base_value, in_quote.value AS quote_value FROM leap"
    " JOIN rates_rates AS in_base ON in_base.day = leap.day AND in_base.tenant_id = :tenant_id"
    "  AND in_base.source = :source AND in_base.quote = :base"
    " JOIN rates_rates AS in_quote ON in_quote.day = leap.day AND in_quote.tenant_id = :tenant_id"
    "  AND in_quote.source = :source AND in_quote.quote = :quote"
    " WHERE leap.before = leap.day"
).columns(day=sa.Date)
_SELECT_PAGE = (
    sa.select(_RATES.c.quote, _RATES.c.day, _RATES.c.value)
    .where(_of_source(_RATES))
    .order_by(_RATES.c.day, _RATES.c.quote)
    .limit(sa.bindparam("limit"))
)

_INSERT_SOURCE = sa.text(
    "INSERT INTO rates_sources (tenant_id, source, base) VALUES (:tenant_id, :source, :base)"
    " ON CONFLICT DO NOTHING"
)

# A batch is one statement. PostgreSQL takes it as arrays, in the order of the
# key, so that two imports of the same rates wait for each other and do not
# deadlock; SQLite has one writer and takes it as JSON.
_INSERT_RATES = {
    "postgresql": sa.text(
        "INSERT INTO rates_rates (tenant_id, source, quote, day, value)"
        " SELECT :tenant_id, :source, quote, day, value"
        " FROM unnest(CAST(:quotes AS text[]), CAST(:days AS date[]), CAST(:values AS text[]))"
        " AS given (quote, day, value)"
        " ORDER BY quote, day ON CONFLICT DO NOTHING"
    ),
    "sqlite": sa.text(
        "INSERT INTO rates_rates (tenant_id, source, quote, day, value)"
        " SELECT :tenant_id, :source,"
        " json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]')"
        " FROM json_each(:rates) WHERE true ON CONFLICT DO NOTHING"
    ),
}
_SELECT_DIFFERING = {
    "postgresql": sa.text(
        "SELECT place - 1 AS place, known.value"
        " FROM unnest(CAST(:quotes AS text[]), CAST(:days AS date[]), CAST(:values AS text[]))"
        " WITH ORDINALITY AS given (quote, day, value, place)"
        " JOIN rates_rates AS known ON known.quote = given.quote AND known.day = given.day"
        " WHERE known.tenant_id = :tenant_id AND known.source = :source AND known.value <> given.value"
        " ORDER BY place LIMIT :limit"
    ),
    "sqlite": sa.text(
        "SELECT given.key AS place, known.value"
        " FROM json_each(:rates) AS given"
        " CROSS JOIN rates_rates AS known ON known.quote = json_extract(given.value, '$[0]')"
        " AND known.day = json_extract(given.value, '$[1]')"
        " WHERE known.tenant_id = :tenant_id AND known.source = :source"
        " AND known.value <> json_extract(given.value, '$[2]')"
        " ORDER BY given.key LIMIT :limit"
    ),
}


def add_source(connection: sa.Connection, tenant_id: str, source: str, *, base: str) -> None:
    """Add a source with its base currency; nothing happens when it is known."""
    connection.execute(_INSERT_SOURCE, {"tenant_id": tenant_id, "source": source, "base": base})


def base_of(connection: sa.Connection, tenant_id: str, source: str) -> str | None:
    """The base currency of a source; None: the source has no rates."""
    found: str | None = connection.scalar(_SELECT_BASE, {"tenant_id": tenant_id, "source": source})
    return found


def add_rates(connection: sa.Connection, tenant_id: str, source: str, rates: Sequence[Published]) -> int:
    """Add rates of a known source, at most 5,000; those of a currency and day that are known stay.

    Returns:
        How many were new.
    """
    values = {"tenant_id": tenant_id, "source": source, **_batch(connection, rates)}
    return connection.execute(_INSERT_RATES[connection.dialect.name], values).rowcount


def differing(
    connection: sa.Connection, tenant_id: str, source: str, rates: Sequence[Published]
) -> list[tuple[int, str]]:
    """Which of these rates are known with another text: index in `rates` and the known value.

    The texts of equal numbers may differ, too.
    """
    values = {"tenant_id": tenant_id, "source": source, "limit": len(rates), **_batch(connection, rates)}
    rows = connection.execute(_SELECT_DIFFERING[connection.dialect.name], values)
    return [(row.place, row.value) for row in rows]


def rate_on(connection: sa.Connection, tenant_id: str, source: str, *, quote: str, day: date) -> Leg | None:
    """The rate of a currency on a day."""
    values = {"tenant_id": tenant_id, "source": source, "quote": quote, "day": day}
    return _leg(connection.execute(_SELECT_ON, values).one_or_none())


def latest_rate(
    connection: sa.Connection, tenant_id: str, source: str, *, quote: str, day: date | None
) -> Leg | None:
    """The latest rate of a currency, on or before a day when there is one."""
    values = {"tenant_id": tenant_id, "source": source, "quote": quote}
    if day is None:
        return _leg(connection.execute(_LATEST, values).one_or_none())
    return _leg(connection.execute(_SELECT_LATEST_BY, {**values, "day": day}).one_or_none())


def latest_common(
    connection: sa.Connection, tenant_id: str, source: str, *, base: str, quote: str
) -> tuple[Leg, Leg] | None:
    """The rates of two currencies on the latest day on which both have one."""
    values = {"tenant_id": tenant_id, "source": source, "base": base, "quote": quote}
    row = connection.execute(_SELECT_COMMON, values).one_or_none()
    if row is None:
        return None
    return Leg(row.base_value, row.day), Leg(row.quote_value, row.day)


def last_day(connection: sa.Connection, tenant_id: str, source: str) -> date | None:
    """The latest day on which a source has any rate; None: it has none."""
    found: date | None = connection.scalar(_SELECT_LAST_DAY, {"tenant_id": tenant_id, "source": source})
    return found


def list_rates(
    connection: sa.Connection,
    tenant_id: str,
    source: str,
    *,
    quote: str = "",
    first: date | None = None,
    last: date | None = None,
    after: tuple[date, str] | None = None,
    limit: int,
) -> list[Published]:
    """Rates by day and currency.

    Args:
        connection: The caller's.
        tenant_id: Whose.
        source: Which source.
        quote: Only of this currency; empty: all.
        first: From this day on.
        last: Up to and with this day.
        after: Only after this day and currency.
        limit: At most this many.
    """
    query = _SELECT_PAGE
    if quote:
        query = query.where(_RATES.c.quote == quote)
    if first is not None:
        query = query.where(_RATES.c.day >= first)
    if last is not None:
        query = query.where(_RATES.c.day <= last)
    if after is not None:
        day, currency = after
        query = query.where(
            sa.tuple_(_RATES.c.day, _RATES.c.quote)
            > sa.tuple_(sa.literal(day, sa.Date), sa.literal(currency, sa.Text))
        )
    rows = connection.execute(query, {"tenant_id": tenant_id, "source": source, "limit": limit})
    return [Published(row.quote, row.day, row.value) for row in rows]


def _batch(connection: sa.Connection, rates: Sequence[Published]) -> dict[str, Any]:
    if connection.dialect.name == "sqlite":
        return {"rates": json.dumps([(rate.quote, rate.day.isoformat(), rate.value) for rate in rates])}
    return {
        "quotes": [rate.quote for rate in rates],
        "days": [rate.day for rate in rates],
        "values": [rate.value for rate in rates],
    }


def _leg(row: sa.Row[Any, Any] | None) -> Leg | None:
    return None if row is None else Leg(row.value, row.day)

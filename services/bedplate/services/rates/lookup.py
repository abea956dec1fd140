"""Finds the rates that a pair is made from, by the rules of days."""

from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa

from bedplate.errors import Kind, Refusal, Violation
from bedplate.services.rates import store
from bedplate.services.rates.domain import BASE_LEG, Leg


@dataclass(frozen=True, slots=True)
class Asked:
    """Which rate somebody wants.

    Attributes:
        source: Who published it.
        base: The currency of which there is one unit.
        quote: The currency it is counted in.
        day: Of this day; None: of the latest day on which both have a rate.
        last_known: Whether a currency without a rate on the day has its latest one before.
    """

    source: str
    base: str
    quote: str
    day: date | None
    last_known: bool


def find_legs(connection: sa.Connection, tenant_id: str, asked: Asked) -> tuple[Leg, Leg, date]:
    """What the source's base is worth in each currency of the pair.

    Returns:
        The legs of `base` and `quote`, and the day for a pair that is of no
        day: the day asked for, or the latest that the source has any rate of.

    Raises:
        Refusal: CURRENCY_UNKNOWN or RATE_NOT_FOUND, in that order.
    """
    source_base = store.base_of(connection, tenant_id, asked.source)
    if source_base is None:
        raise _unknown(asked, "base", asked.base)
    if asked.day is None:
        return _latest(connection, tenant_id, asked, source_base)
    legs: list[Leg | None] = [
        BASE_LEG if currency == source_base else _leg(connection, tenant_id, asked, currency, asked.day)
        for currency in (asked.base, asked.quote)
    ]
    base, quote = legs
    if base is None or quote is None:
        missing = [name for name, leg in zip(("base", "quote"), legs, strict=True) if leg is None]
        raise _missing(connection, tenant_id, asked, missing)
    return base, quote, asked.day


def _leg(connection: sa.Connection, tenant_id: str, asked: Asked, currency: str, day: date) -> Leg | None:
    find = store.latest_rate if asked.last_known else store.rate_on
    return find(connection, tenant_id, asked.source, quote=currency, day=day)


def _latest(
    connection: sa.Connection, tenant_id: str, asked: Asked, source_base: str
) -> tuple[Leg, Leg, date]:
    """The pair's legs of one day, the latest there is."""
    in_base, in_quote = asked.base == source_base, asked.quote == source_base
    found: tuple[Leg | None, Leg | None] | None
    if in_base and in_quote:
        day = store.last_day(connection, tenant_id, asked.source)
        assert day is not None, f"source {asked.source} has a base and no rates"
        return BASE_LEG, BASE_LEG, day
    if in_base or in_quote:
        currency = asked.quote if in_base else asked.base
        leg = store.latest_rate(connection, tenant_id, asked.source, quote=currency, day=None)
        found = (BASE_LEG, leg) if in_base else (leg, BASE_LEG)
    else:
        found = store.latest_common(connection, tenant_id, asked.source, base=asked.base, quote=asked.quote)
    base, quote = found or (None, None)
    if base is None or quote is None:
        missing = [
            name for name, is_source_base in (("base", in_base), ("quote", in_quote)) if not is_source_base
        ]
        raise _missing(connection, tenant_id, asked, missing)
    day = base.day or quote.day
    assert day is not None, "two legs without a day"
    return base, quote, day


def _missing(connection: sa.Connection, tenant_id: str, asked: Asked, missing: list[str]) -> Refusal:
    """Why there is no rate; `missing` are the fields whose currency is the reason."""
    for field in missing:
        currency: str = getattr(asked, field)
        if store.latest_rate(connection, tenant_id, asked.source, quote=currency, day=None) is None:
            return _unknown(asked, field, currency)
    if asked.day is None:
        sentence = (
            f"There is no day on which {asked.source} has a rate for both {asked.base} and {asked.quote}; "
            "name a day and set last_known."
        )
        return Refusal(Kind.NOT_FOUND, "RATE_NOT_FOUND", sentence, source=asked.source)
    currency = getattr(asked, missing[0])
    before = store.latest_rate(connection, tenant_id, asked.source, quote=currency, day=asked.day)
    sentence = f"{asked.source} has no rate for {currency} on {asked.day}"
    facts = {"source": asked.source, "currency": currency, "date": asked.day.isoformat()}
    if before is None:
        sentence += " and none before it; ask for a later day."
    else:
        sentence += f"; ask for the last one before it, of {before.day}, or set last_known."
        facts["last_known_date"] = str(before.day)
    return Refusal(
        Kind.NOT_FOUND,
        "RATE_NOT_FOUND",
        sentence,
        violations=[Violation("date", sentence)],
        retry_after_s=None,
        **facts,
    )


def _unknown(asked: Asked, field: str, currency: str) -> Refusal:
    sentence = f"{asked.source} never had a rate for {currency}; check the currency code and the source."
    return Refusal(
        Kind.NOT_FOUND,
        "CURRENCY_UNKNOWN",
        sentence,
        violations=[Violation(field, sentence)],
        source=asked.source,
        currency=currency,
    )

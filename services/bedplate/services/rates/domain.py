"""What a rate is, and how pairs and amounts are made from rates: exact decimal arithmetic, no I/O."""

import decimal
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from bedplate.errors import Kind, Refusal, Violation

RATE_DIGITS_MAX = 24
AMOUNT_DIGITS_MAX = 28
PRECISION_DIGITS = 28  # of what is computed; so an amount converted by the rate 1 is itself
VIOLATIONS_MAX = 50  # that one refusal lists

DEFAULT_SOURCE = "ecb"

_TRAPS = [decimal.InvalidOperation, decimal.DivisionByZero, decimal.Overflow]
_ROUNDED = decimal.Context(prec=PRECISION_DIGITS, rounding=decimal.ROUND_HALF_EVEN, traps=_TRAPS)
# Wide enough that amount x rate needs no rounding, so that an answer is rounded once.
_EXACT = decimal.Context(prec=AMOUNT_DIGITS_MAX + RATE_DIGITS_MAX, traps=[*_TRAPS, decimal.Inexact])

_UNSIGNED = re.compile(r"(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Published(NamedTuple):
    """A rate against the source's base, as it was published.

    A tuple and not a dataclass: an import makes 5,000 of them for a call.

    Attributes:
        quote: What one unit of the base is counted in.
        day: The day it was published for.
        value: A plain decimal number above 0, as text.
    """

    quote: str
    day: date
    value: str


class Offered(NamedTuple):
    """A rate that somebody wants to add, not looked at yet; all text."""

    base: str
    quote: str
    day: str
    value: str


@dataclass(frozen=True, slots=True)
class Leg:
    """What one unit of the source's base was worth in a currency.

    Attributes:
        value: Units of the currency, above 0, as text.
        day: The day it was published for; None: the currency is the base, worth 1 on every day.
    """

    value: str
    day: date | None

    @property
    def number(self) -> Decimal:
        """The value as a number."""
        return Decimal(self.value)


BASE_LEG = Leg("1", None)


@dataclass(frozen=True, slots=True)
class PairRate:
    """What one unit of a currency is worth in another.

    Attributes:
        value: Above 0, as text: as published, or rounded to 28 significant digits.
        day: The day it is of; the earlier one when it was made from two.
    """

    value: str
    day: date


def parse_day(text: str, field: str) -> date:
    """The day that `YYYY-MM-DD` names.

    Raises:
        Refusal: DATE_INVALID, naming `field`.
    """
    day = day_or_none(text)
    if day is None:
        sentence = f"{text!r} is not a day of the calendar; write it as YYYY-MM-DD."
        raise refuse_fields(Kind.INVALID, "DATE_INVALID", [Violation(field, sentence)])
    return day


def check_range(first: date | None, last: date | None) -> None:
    """See that a range of days does not end before it begins.

    Raises:
        Refusal: DATE_INVALID.
    """
    if first is not None and last is not None and last < first:
        sentence = f"{last} is before from_date, {first}; send a later day, or leave one out."
        raise refuse_fields(Kind.INVALID, "DATE_INVALID", [Violation("to_date", sentence)])


def day_or_none(text: str) -> date | None:
    """The day that `YYYY-MM-DD` names, or None."""
    if _DAY.fullmatch(text) is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def is_rate(text: str) -> bool:
    """Whether the text is a plain decimal number above 0 of at most 24 digits."""
    return (
        _UNSIGNED.fullmatch(text) is not None
        and len(text) - text.count(".") <= RATE_DIGITS_MAX
        and text.strip("0.") != ""
    )


def is_same_rate(one: str, other: str) -> bool:
    """Whether two rates are equal numbers; `1.10` and `1.1` are."""
    return one == other or Decimal(one) == Decimal(other)


def parse_amount(text: str) -> Decimal:
    """The amount that a plain decimal number of at most 28 digits names; may be negative or 0.

    Raises:
        Refusal: AMOUNT_INVALID.
    """
    digits = text.removeprefix("-")
    if _UNSIGNED.fullmatch(digits) is None or len(digits) - digits.count(".") > AMOUNT_DIGITS_MAX:
        sentence = (
            f"{text!r} is not a plain decimal number of at most {AMOUNT_DIGITS_MAX} digits, such as -12.50."
        )
        raise refuse_fields(Kind.INVALID, "AMOUNT_INVALID", [Violation("amount", sentence)])
    return Decimal(text)


def check_offered(offered: Sequence[Offered]) -> list[Published]:
    """The rates of an import, each one checked by itself, in the order given.

    Raises:
        Refusal: RATE_INVALID for any of them, otherwise DATE_INVALID, with a
            violation for each field (at most 50).
    """
    published: list[Published] = []
    rates: list[Violation] = []
    days: list[Violation] = []
    known_days: dict[str, date | None] = {}
    for index, (base, quote, day_text, value) in enumerate(offered):
        if not is_rate(value):
            sentence = (
                f"{value!r} is not a plain decimal number above 0 of at most {RATE_DIGITS_MAX} digits, "
                "such as 1.0842."
            )
            rates.append(Violation(f"rates[{index}].value", sentence))
        if base == quote:
            rates.append(
                Violation(
                    f"rates[{index}].quote", f"{quote} cannot be quoted in itself; name another currency."
                )
            )
        if day_text in known_days:
            day = known_days[day_text]
        else:
            day = known_days[day_text] = day_or_none(day_text)
        if day is None:
            sentence = f"{day_text!r} is not a day of the calendar; write it as YYYY-MM-DD."
            days.append(Violation(f"rates[{index}].date", sentence))
        else:
            published.append(Published(quote, day, value))
    for reason, violations in (("RATE_INVALID", rates), ("DATE_INVALID", days)):
        if violations:
            raise refuse_fields(Kind.INVALID, reason, violations)
    return published


def check_base(base: str, offered: Sequence[Offered]) -> None:
    """See that all rates of an import have the source's base.

    Raises:
        Refusal: SOURCE_BASE_DIFFERS (fact: base).
    """
    violations = [
        Violation(
            f"rates[{index}].base",
            f"The base of this source is {base}; import rates in {rate.base} under another source.",
        )
        for index, rate in enumerate(offered)
        if rate.base != base
    ]
    if violations:
        raise refuse_fields(Kind.STATE, "SOURCE_BASE_DIFFERS", violations, base=base)


def refuse_fields(kind: Kind, reason: str, violations: Sequence[Violation], **facts: object) -> Refusal:
    """A refusal that is about fields of the request; its sentence is that of the first one."""
    first = violations[0]
    more = f" (and {len(violations) - 1} more)" if len(violations) > 1 else ""
    return Refusal(
        kind,
        reason,
        f"{first.field}: {first.sentence}{more}",
        violations=violations[:VIOLATIONS_MAX],
        retry_after_s=None,
        **facts,
    )


def pair_rate(base: Leg, quote: Leg, *, day: date) -> PairRate:
    """The rate of a pair, from what the source's base is worth in each of the two.

    Args:
        base: The leg of the currency of which there is one unit.
        quote: The leg of the currency it is counted in.
        day: The day for a pair that is of no day: the base against itself.

    Returns:
        The published rate as it is, when `base` is the source's base; otherwise
        quote / base, rounded half to even to 28 significant digits.
    """
    days = [leg.day for leg in (base, quote) if leg.day is not None]
    value = quote.value if base.day is None else _plain(_ROUNDED.divide(quote.number, base.number))
    return PairRate(value, min(days, default=day))


def convert(amount: Decimal, base: Leg, quote: Leg) -> str:
    """Amount x quote / base, rounded once, half to even, to 28 significant digits, as plain text.

    Args:
        amount: In the currency of `base`, at most 28 digits.
        base: The leg of the amount's currency.
        quote: The leg of the result's currency.
    """
    return _plain(_ROUNDED.divide(_EXACT.multiply(amount, quote.number), base.number))


def _plain(number: Decimal) -> str:
    """The number without exponent and without trailing zeros; 0 has no sign."""
    text = format(number, "f")
    if "." in text:
        text = text.rstrip("0").removesuffix(".")
    return "0" if text in ("-0", "0") else text

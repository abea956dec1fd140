"""Exact arithmetic of amounts: smallest units as whole numbers, rates as decimals. Never floats."""

from decimal import Decimal
from fractions import Fraction

INT64_MAX = 2**63 - 1
INT64_MIN = -(2**63)


def fits_int64(amount_minor: int) -> bool:
    """Whether an amount can be stored and sent."""
    return INT64_MIN <= amount_minor <= INT64_MAX


def convert_minor(amount_minor: int, scale: int, *, rate: Decimal, to_scale: int) -> int:
    """Convert an amount by a rate.

    Args:
        amount_minor: Smallest units of the amount's currency; may be negative.
        scale: Digits after the decimal point of one whole unit of it.
        rate: Whole units of the other currency for one whole unit of it.
        to_scale: Digits after the decimal point of the other currency.

    Returns:
        Smallest units of the other currency, rounded once, half to even; may
        lie outside int64.
    """
    # `round` of a Fraction is exact and half to even; a Decimal's context would
    # round before that.
    return round(amount_minor * Fraction(rate) * Fraction(10) ** (to_scale - scale))

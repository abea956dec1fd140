"""Exact arithmetic of amounts: smallest units as whole numbers, everything else decimal. Never floats."""

from decimal import Decimal
from fractions import Fraction

INT64_MAX = 2**63 - 1
INT64_MIN = -(2**63)


def fits_int64(amount_minor: int) -> bool:
    """Whether an amount can be stored and sent."""
    return INT64_MIN <= amount_minor <= INT64_MAX


def to_text(amount_minor: int, scale: int) -> str:
    """Smallest units as a decimal number of whole ones, such as `-12.50` for -1250 of scale 2."""
    digits = f"{abs(amount_minor):0{scale + 1}d}"
    sign = "-" if amount_minor < 0 else ""
    return f"{sign}{digits[:-scale]}.{digits[-scale:]}" if scale else f"{sign}{digits}"


def from_text(text: str, scale: int) -> int:
    """A decimal number of whole units in smallest ones, rounded half to even; may lie outside int64.

    Raises:
        decimal.InvalidOperation: The text is no number.
    """
    # `round` of a Fraction is exact and half to even; a Decimal's context would
    # round before that.
    minor: int = round(Fraction(Decimal(text)) * 10**scale)
    return minor

"""Amounts: numbers with their marks, commodities on either side, prices, assertions."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from bedplate.services.ledger.journal.model import Amount, Assertion, Price

# More than any amount that fits the ledger needs; keeps exact arithmetic cheap.
DIGITS_MAX = 40
EXPONENT_MAX = 30

_SPACES = "\u00a0\u2000-\u200a\u202f\u205f"
_NUMBER = rf"[.,]\d+|\d+(?:[., {_SPACES}]\d+)*[.,]?"
_SYMBOL = r'"[^"\n;]*"|(?!\(@|\[[\d=])[^\s\d\-+.,@*;"{}=][^\s\d\-+.@*;"{}=]*'
_AMOUNT = re.compile(
    rf"""
    (?P<sign>[-+]?)[ \t]*
    (?:
        (?P<left>{_SYMBOL})[ \t]*(?P<sign2>[-+]?)[ \t]*(?P<number>{_NUMBER})(?P<exponent>[eE][-+]?\d+)?
      | (?P<number2>{_NUMBER})(?P<exponent2>[eE][-+]?\d+)?(?:[ \t]*(?P<right>{_SYMBOL}))?
    )
    """,
    re.VERBOSE,
)
_PRICE = re.compile(r"\(?(?P<mark>@@?)\)?[ \t]*")
_ASSERTION = re.compile(r"(?P<mark>==?)(?P<inclusive>\*?)[ \t]*")
_LOT = re.compile(r"\{\{?=?[^}]*\}\}?|\[=?[\d/.=-]+\]|\((?!@)[^)]*\)")
_BLANK = re.compile(r"[ \t]*")
_SEPARATOR = re.compile(r"\D")


class AmountError(Exception):
    """What is written is no amount; the text says why."""


@dataclass(frozen=True, slots=True)
class Style:
    """How a commodity's numbers are written, as a directive shows it.

    Attributes:
        mark: The decimal mark, `.` or `,`; empty: not shown.
        group: What stands between groups of digits; empty: nothing.
    """

    mark: str = ""
    group: str = ""

    def takes_as_mark(self, separator: str) -> bool:
        """Whether the only separator of a number is its decimal mark."""
        return separator == self.mark if self.mark else separator != self.group


@dataclass(frozen=True, slots=True)
class Styles:
    """How numbers are to be read here.

    Attributes:
        by_commodity: What `commodity` directives have shown.
        default: What `D` has shown, for commodities that have none of their own.
        file: What `decimal-mark` has said; goes before the others.
        commodity: The commodity of numbers that have none.
    """

    by_commodity: Mapping[str, Style]
    default: Style | None = None
    file: Style | None = None
    commodity: str = ""

    def of(self, commodity: str) -> Style | None:
        """The style of a commodity's numbers, None when nothing was said."""
        return self.file or self.by_commodity.get(commodity) or self.default


@dataclass(frozen=True, slots=True)
class Written:
    """What follows the account on a posting's line."""

    amount: Amount | None = None
    price: Price | None = None
    assertion: Assertion | None = None
    lot: bool = False


def read_posting(text: str, styles: Styles) -> Written:
    """Read what follows a posting's account, without its comment.

    Raises:
        AmountError: It is no amount, or something else follows it.
    """
    amount: Amount | None = None
    price: Price | None = None
    assertion: Assertion | None = None
    lot = False
    at = 0
    if text[:1] != "=":
        amount, at = read_amount(text, 0, styles)
    while at < len(text):
        if found := _PRICE.match(text, at):
            value, at = read_amount(text, found.end(), styles)
            if price is not None or amount is None:
                raise AmountError("an amount has one price")
            price = Price(value, total=found["mark"] == "@@")
        elif found := _ASSERTION.match(text, at):
            value, at = read_amount(text, found.end(), styles)
            if assertion is not None:
                raise AmountError("a posting has one balance assertion")
            assertion = Assertion(value, found["mark"] == "==", bool(found["inclusive"]))
            if found := _PRICE.match(text, at):
                # Means something only where the assertion says what the amount is.
                value, at = read_amount(text, found.end(), styles)
                price = price if amount is not None else Price(value, total=found["mark"] == "@@")
        elif found := _LOT.match(text, at):
            lot, at = True, _blank(text, found.end())
        else:
            raise AmountError(f"{text[at:]!r} does not belong here")
    return Written(amount, price, assertion, lot)


def read_amount(text: str, at: int, styles: Styles) -> tuple[Amount, int]:
    """Read one amount from a position on; returns it, and where the next thing begins.

    Raises:
        AmountError: There is none.
    """
    found = _AMOUNT.match(text, at)
    if found is None:
        raise AmountError(f"{text[at:]!r} is no amount")
    symbol = found["left"] or found["right"]
    commodity = styles.commodity if symbol is None else symbol.strip('"')
    digits = found["number"] or found["number2"]
    # A number without a symbol is written as the default commodity's are.
    quantity, decimals = read_number(
        digits, found["exponent"] or found["exponent2"] or "", styles.of(commodity)
    )
    if (found["sign"] == "-") is not (found["sign2"] == "-"):
        quantity = quantity.copy_negate()
    end = found.end()
    if end < len(text) and text[end].isdigit():
        raise AmountError(f"{text[at:]!r} is no amount")
    return Amount(quantity, commodity, decimals), _blank(text, end)


@lru_cache(maxsize=65536)
def read_number(text: str, exponent: str, style: Style | None) -> tuple[Decimal, int]:
    """The value of a number and its digits after the mark.

    `1.000` and `1,000` alone mean one, unless the style says otherwise.

    Raises:
        AmountError: Its marks contradict each other, or it has too many digits.
    """
    separators = _SEPARATOR.findall(text)
    mark = _decimal_mark(text, separators, style)
    whole, _, fraction = text.rpartition(mark) if mark else (text, "", "")
    if any(separator in fraction for separator in separators):
        raise AmountError(f"{text!r} is no number: a mark stands after the decimal mark")
    shift = int(exponent[1:]) if exponent else 0
    if exponent and len(separators) > bool(mark):
        raise AmountError(f"{text}{exponent!s} is no number: write it without marks between digits")
    digits = _SEPARATOR.sub("", whole) + fraction
    if len(digits) > DIGITS_MAX or abs(shift) > EXPONENT_MAX:
        raise AmountError(f"{text}{exponent} has too many digits: {DIGITS_MAX} at most")
    decimals = max(0, len(fraction) - shift)
    return Decimal(f"{digits or 0}E{shift - len(fraction)}"), decimals


def style_of(text: str) -> tuple[Style, int]:
    """The style that a directive's sample number shows, and its digits after the mark."""
    separators = _SEPARATOR.findall(text)
    mark = _decimal_mark(text, separators, None)
    group = next((each for each in separators if each != mark), "")
    return Style(mark, group), len(text.rpartition(mark)[2]) if mark else 0


def read_sample(text: str, styles: Styles) -> tuple[str, str]:
    """The number and the commodity of a directive's sample amount.

    Raises:
        AmountError: It is no amount, or its number has no decimal mark.
    """
    found = _AMOUNT.fullmatch(text.strip())
    if found is None:
        raise AmountError(f"{text.strip()!r} is no amount")
    number = found["number"] or found["number2"]
    if "." not in number and "," not in number:
        raise AmountError(f"{text.strip()!r} must show the decimal mark, such as 1000. or 1,000.00")
    symbol = found["left"] or found["right"]
    return number, styles.commodity if symbol is None else symbol.strip('"')


def _decimal_mark(text: str, separators: list[str], style: Style | None) -> str:
    """The decimal mark of a number; empty when it has none."""
    if not separators:
        return ""
    first, last = separators[0], separators[-1]
    if text[0] in ".,":
        return first
    if any(each != first for each in separators[:-1]):
        raise AmountError(f"{text!r} is no number: its marks contradict each other")
    if last != first:
        if last not in ".,":
            raise AmountError(f"{text!r} is no number: its marks contradict each other")
        return last
    if len(separators) > 1 or first not in ".,":
        if not text[-1].isdigit():
            raise AmountError(f"{text!r} is no number: its marks contradict each other")
        return ""
    if text[-1] == first:
        return first
    return first if style is None or style.takes_as_mark(first) else ""


def _blank(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return found.end() if found else at

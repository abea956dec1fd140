"""How protobuf writes values as text: numbers, bytes, times, masks.

Shared by the JSON codec and by path and query parameters. Reading is strict:
one value has few spellings, and what does not fit raises `Unfit` with a
sentence that says what to send instead.
"""

import binascii
import math
import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches
from functools import lru_cache
from os.path import commonprefix

from bedplate.errors import Kind, Refusal, Violation

# Violations that one answer lists; nobody mends more at once.
VIOLATIONS_MAX = 20

KEY_SHOWN_MAX = 40  # characters of a caller's key that an answer repeats
MASK_PATHS_MAX = 1_000
ENUM_SHOWN_MAX = 40  # characters of a caller's value that are compared with the names
ENUM_LISTED_MAX = 8  # names that an answer lists

INT32 = (-(2**31), 2**31 - 1)
INT64 = (-(2**63), 2**63 - 1)
UINT32 = (0, 2**32 - 1)
UINT64 = (0, 2**64 - 1)
FLOAT_LIMIT = float.fromhex("0x1.ffffffp+127")  # rounds to infinity as float32; what is smaller does not
EXACT_MAX = 2**53 - 1  # up to here a whole float64 is the number that was written

TIMESTAMP_SECONDS = (-62135596800, 253402300799)  # 0001-01-01 to 9999-12-31
_DURATION_SECONDS_MAX = 315576000000  # 10,000 years
_EPOCH = datetime(1970, 1, 1)
_INTEGER_TEXT_MAX = 64  # characters; longer text is no number of 64 bits

_MILLISECONDS = tuple(f".{number:03}" for number in range(1000))
_NANOS = {"Z": 0} | {f"{text}Z": number * 1_000_000 for number, text in enumerate(_MILLISECONDS)}
_INTEGER = re.compile(r"0|-?[1-9][0-9]*")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]*|[A-Za-z0-9_-]*)={0,2}")
_URL_SAFE = str.maketrans("-_", "+/")
_SECONDS = {f":{number:02}": number for number in range(60)}
_MINUTE_PATTERN = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]"
_MINUTE = re.compile(_MINUTE_PATTERN)
_TIMESTAMP = re.compile(
    rf"({_MINUTE_PATTERN}):([0-5][0-9])(?:\.([0-9]{{1,9}}))?"
    r"(?:Z|([+-])([01][0-9]|2[0-3]):([0-5][0-9]))"
)
_DURATION = re.compile(r"(-?)(0|[1-9][0-9]{0,11})(?:\.([0-9]{1,9}))?s")
_MASK_PATH = re.compile(r"\*|[a-z][A-Za-z0-9]*(?:\.[a-z][A-Za-z0-9]*)*")
# Each step by either name: a name in JSON has no underscore, so that there is one way to read each.
_EITHER = r"(?:[a-z][A-Za-z0-9]*|[a-z0-9]*_[a-z0-9_]*)"
_EITHER_PATH = re.compile(rf"\*|{_EITHER}(?:\.{_EITHER})*")
_SPECIAL = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


class Unfit(Exception):  # noqa: N818 - it becomes a Refusal
    """A value that does not fit its field.

    Attributes:
        violations: What is wrong, with paths below the value.
    """

    def __init__(self, sentence: str = "", rule: str = "json.type", *, below: list[Violation] | None = None):
        super().__init__(sentence)
        self.violations = below if below is not None else [Violation("", sentence, rule)]

    def under(self, step: str) -> list[Violation]:
        """The violations, seen from the field or element that holds the value."""
        return [Violation(join(step, v.field), v.sentence, v.rule) for v in self.violations]


class EncodeError(ValueError):
    """A message that has no JSON form, such as a Timestamp in the year 10000.

    It is a fault: no caller can mend what the server answers.
    """


def join(step: str, path: str) -> str:
    """A path below a field or element: `a` and `b` make `a.b`, `a` and `[0]` make `a[0]`."""
    if not path or not step:
        return step or path
    return step + path if path[0] == "[" else f"{step}.{path}"


def refusal(violations: Iterable[Violation]) -> Refusal:
    """The refusal of a request some of whose fields do not fit."""
    listed = tuple(violations)
    first = listed[0]
    more = f" (and {len(listed) - 1} more)" if len(listed) > 1 else ""
    return Refusal(
        Kind.INVALID,
        "INVALID_REQUEST",
        f"{first.field or 'The request'}: {first.sentence}{more}",
        violations=listed[:VIOLATIONS_MAX],
    )


def plain_integer(text: str, low: int, high: int) -> int:
    """A whole number in decimal digits: no plus sign, leading zero, point or exponent."""
    if _INTEGER.fullmatch(text) is None:
        raise Unfit("Send a whole number in decimal digits, such as 42.")
    if len(text) > _INTEGER_TEXT_MAX or not low <= (number := int(text)) <= high:
        raise Unfit(f"Send a whole number from {low} to {high}.", "json.range")
    return number


def integer(text: str, low: int, high: int) -> int:
    """A whole number as a JSON number is written; `1e2` and `1.0` are whole."""
    if len(text) > _INTEGER_TEXT_MAX:
        raise Unfit(f"Send a whole number from {low} to {high}.", "json.range")
    if _INTEGER.fullmatch(text) is not None:
        plain = int(text)
        if low <= plain <= high:
            return plain
        raise Unfit(f"Send a whole number from {low} to {high}.", "json.range")
    if _NUMBER.fullmatch(text) is None:
        raise Unfit(f"Send a whole number from {low} to {high}.")
    try:
        number = Decimal(text)
    except InvalidOperation:  # an exponent of twenty digits
        raise Unfit(f"Send a whole number from {low} to {high}.", "json.range") from None
    # The size is looked at first: int(Decimal("1e999999")) would take seconds.
    if number.adjusted() > 19 and number:
        raise Unfit(f"Send a whole number from {low} to {high}.", "json.range")
    if number != number.to_integral_value():
        raise Unfit("Send a whole number, without a fraction.")
    if not low <= number <= high:
        raise Unfit(f"Send a whole number from {low} to {high}.", "json.range")
    return int(number)


def boolean(text: str) -> bool:
    """`true` or `false`."""
    if text == "true":
        return True
    if text == "false":
        return False
    raise Unfit("Send true or false.")


def unknown_enum(value: object, numbers: Mapping[str, int], *, secret: bool) -> Unfit:
    """What to raise for an enum value that the contract does not know."""
    names = [name for name in numbers if not name.endswith("_UNSPECIFIED")]
    shown = str(value)[:ENUM_SHOWN_MAX]
    # Names begin with their type's, which callers leave out, and typing errors are few beside it.
    prefix = commonprefix(names).rpartition("_")[0] + "_"  # noqa: RUF071 - these are no paths
    whole = {name.removeprefix(prefix): name for name in names} | {name: name for name in names}
    near = [] if secret else get_close_matches(shown.upper(), whole, n=1)
    if near:
        return Unfit(f"There is no such value; did you mean {whole[near[0]]}?", "json.enum")
    some = ", ".join(names[:ENUM_LISTED_MAX]) + (", ..." if len(names) > ENUM_LISTED_MAX else "")
    return Unfit(f"There is no such value; send one of {some}.", "json.enum")


def floating(text: str, *, single: bool) -> float:
    """A number, or NaN, Infinity, -Infinity, spelled so."""
    if (special := _SPECIAL.get(text)) is not None:
        return special
    if _NUMBER.fullmatch(text) is None:
        raise Unfit('Send a number such as 1.5, or "NaN", "Infinity" or "-Infinity".')
    return finite(float(text), single=single)


def finite(number: float, *, single: bool) -> float:
    """The number when the field can hold it without becoming infinite."""
    if abs(number) >= (FLOAT_LIMIT if single else math.inf):
        raise Unfit(f"Send a number that {'32' if single else '64'} bits can hold.", "json.range")
    return number


def read_bytes(text: str, *, stray_bits: bool = False) -> bytes:
    """Bytes in base64, of either alphabet, padded or not; `stray_bits`: unused bits need not be zero."""
    try:
        value = binascii.a2b_base64(text)
        if write_bytes(value) == text:  # as most write it: nothing else is to be looked at
            return value
    except ValueError:
        pass
    body = text.rstrip("=")
    padding = len(text) - len(body)
    if _BASE64.fullmatch(text) is not None and len(body) % 4 != 1 and not (padding and len(text) % 4):
        body = body.translate(_URL_SAFE)
        value = binascii.a2b_base64(body + "=" * (-len(body) % 4))
        if stray_bits or write_bytes(value).rstrip("=") == body:
            return value
    raise Unfit("Send the bytes in base64 (RFC 4648).", "json.bytes")


def write_bytes(value: bytes) -> str:
    """Bytes in base64, the standard alphabet, padded."""
    return binascii.b2a_base64(value, newline=False).decode("ascii")


def read_timestamp(text: str) -> tuple[int, int]:
    """Seconds since 1970 and nanoseconds of an RFC 3339 time with Z or an offset."""
    # As most write it, at a fifth of the cost of the pattern for all.
    rest = text[19:]
    nanos = _NANOS.get(rest)
    if nanos is None and rest[:1] == "." and rest[-1] == "Z":
        digits = rest[1:-1]
        if 0 < len(digits) <= 9 and digits.isascii() and digits.isdecimal():
            nanos = int(digits.ljust(9, "0"))
    if nanos is not None and (seconds := _read_second(text[:19])) is not None:
        return seconds, nanos
    return _read_any_timestamp(text)


def _read_any_timestamp(text: str) -> tuple[int, int]:
    found = _TIMESTAMP.fullmatch(text)
    if found is None:
        hint = ""
        if " " in text and "+" not in text:
            hint = " In a URL write the plus sign of an offset as %2B."
        raise Unfit(
            f"Send a time as RFC 3339 writes it, such as 2026-11-22T16:30:00.5Z.{hint}", "json.timestamp"
        )
    minute, second, fraction, sign, off_hour, off_minute = found.groups()
    try:
        seconds = _read_minute(minute) + int(second)
    except ValueError:
        raise Unfit("There is no such day; send a day of the calendar.", "json.timestamp") from None
    if sign is not None:
        offset = int(off_hour) * 3600 + int(off_minute) * 60
        seconds += offset if sign == "-" else -offset
    if not TIMESTAMP_SECONDS[0] <= seconds <= TIMESTAMP_SECONDS[1]:
        raise Unfit("Send a time from the year 0001 to the year 9999 in UTC.", "json.range")
    return seconds, int(fraction.ljust(9, "0")) if fraction else 0


def write_timestamp(seconds: int, nanos: int) -> str:
    """An RFC 3339 time in UTC with 0, 3, 6 or 9 digits after the second.

    Raises:
        EncodeError: It is not a time of the years 0001 to 9999.
    """
    whole = _write_second(seconds)
    if not nanos:
        return f"{whole}Z"
    if not 0 < nanos < 10**9:
        raise EncodeError("the timestamp's nanoseconds are out of range")
    return f"{whole}{_fraction(nanos)}Z"


# Times of one request or page lie close together; the calendar is the dear part of them.
@lru_cache(maxsize=4096)
def _write_second(seconds: int) -> str:
    if not TIMESTAMP_SECONDS[0] <= seconds <= TIMESTAMP_SECONDS[1]:
        raise EncodeError("the timestamp is out of range")
    minute, second = divmod(seconds, 60)
    return f"{_write_minute(minute)}{second:02}"


@lru_cache(maxsize=4096)
def _write_minute(minutes: int) -> str:
    return (_EPOCH + timedelta(minutes=minutes)).isoformat()[:-2]


@lru_cache(maxsize=4096)
def _read_second(text: str) -> int | None:
    """None: it is not spelled so, or there is no such day."""
    try:
        return _read_minute(text[:16]) + _SECONDS[text[16:]]
    except (KeyError, ValueError):
        return None


@lru_cache(maxsize=4096)
def _read_minute(text: str) -> int:
    if _MINUTE.fullmatch(text) is None:
        raise ValueError("not a minute")  # fromisoformat takes other spellings too
    since = datetime.fromisoformat(text) - _EPOCH
    return since.days * 86400 + since.seconds


def read_duration(text: str) -> tuple[int, int]:
    """Seconds and nanoseconds, of one sign, of a text such as `1.5s`."""
    found = _DURATION.fullmatch(text)
    if found is None:
        raise Unfit("Send a duration in seconds, such as 1.5s.", "json.duration")
    sign, whole, fraction = found.groups()
    seconds, nanos = int(whole), int(fraction.ljust(9, "0")) if fraction else 0
    if seconds > _DURATION_SECONDS_MAX:
        raise Unfit(f"Send a duration of at most {_DURATION_SECONDS_MAX}s.", "json.range")
    return (-seconds, -nanos) if sign else (seconds, nanos)


def write_duration(seconds: int, nanos: int) -> str:
    """A duration such as `1.500s`, with 0, 3, 6 or 9 digits after the point.

    Raises:
        EncodeError: It is out of range, or its parts differ in sign.
    """
    if abs(seconds) > _DURATION_SECONDS_MAX or abs(nanos) >= 10**9 or seconds * nanos < 0:
        raise EncodeError("the duration is out of range, or its parts differ in sign")
    sign = "-" if seconds < 0 or nanos < 0 else ""
    return f"{sign}{abs(seconds)}{_fraction(abs(nanos))}s"


def _fraction(nanos: int) -> str:
    if nanos == 0:
        return ""
    if nanos % 1_000_000 == 0:
        return _MILLISECONDS[nanos // 1_000_000]
    if nanos % 1_000 == 0:
        return f".{nanos // 1_000:06}"
    return f".{nanos:09}"


def read_mask(text: str, *, proto_names: bool = False) -> list[str]:
    """The proto paths of a field mask such as `displayName,owner.id`.

    Args:
        text: The mask.
        proto_names: Whether names of the contract, `display_name`, are taken too.
    """
    if not text:
        return []
    if text.count(",") >= MASK_PATHS_MAX:
        raise Unfit(f"Send at most {MASK_PATHS_MAX} field names.", "json.field_mask")
    paths = text.split(",")
    fits = (_EITHER_PATH if proto_names else _MASK_PATH).fullmatch
    if not all(map(fits, paths)):
        raise Unfit(
            "Send field names in lowerCamelCase, separated by commas, such as displayName,owner.id.",
            "json.field_mask",
        )
    return ["".join(f"_{c.lower()}" if c.isupper() else c for c in path) for path in paths]

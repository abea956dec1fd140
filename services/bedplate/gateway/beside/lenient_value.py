"""Path and query parameters as grpc-gateway 2.33 reads them, which is as Go reads texts.

More spellings than `text_value` takes: `1` and `T` are booleans, `+7` and `010`
are 7 and 10, a duration may be `1h30m`, a mask is not converted from JSON names.
"""

import binascii
import re
from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass

from bedplate.contract.messages import is_map
from bedplate.gateway.codec import text as json_text
from bedplate.gateway.codec.kind import is_wrapper
from bedplate.gateway.codec.leaf import INTEGERS
from bedplate.gateway.codec.text import Unfit
from bedplate.gateway.text_value import Reader, named_reader, strict_reader
from bedplate.telemetry.redact import is_sensitive

_Read = Callable[[str], Any]

_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})
# Nothing in these is tried twice (`++`), so that none takes longer than its text is long.
_SIGNED = re.compile(r"([+-]?)(?=[0-9])0*+([0-9]*+)")
_UNSIGNED = re.compile(r"()(?=[0-9])0*+([0-9]*+)")
_FLOAT = re.compile(r"[+-]?(?:[0-9]++\.?[0-9]*+|\.[0-9]++)(?:[eE][+-]?[0-9]++)?")
_DIGITS_MAX = 20  # of a number of 64 bits

_TIMESTAMP = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T)([0-9]{1,2})(:[0-9]{2}:[0-9]{2})(?:[.,]([0-9]+))?(Z|[+-][0-9]{2}:[0-9]{2})"
)
_FRACTION_MAX = 256  # digits; Go has no limit
_DURATION_CHARS_MAX = 256  # the same
_UNIT = r"(ns|us|µs|μs|ms|s|m|h)"
# Each text has one reading, so that none takes longer than it is long.
_DURATION_PART = re.compile(rf"([0-9]+)?(?:\.([0-9]*))?{_UNIT}")
_DURATION = re.compile(rf"([+-]?)(?:0|(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+){_UNIT})+)")
_UNIT_NS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}

_STANDARD = re.compile(r"[A-Za-z0-9+/]*={0,2}")
_URL_SAFE = re.compile(r"[A-Za-z0-9_-]*={0,2}")
_TO_STANDARD = str.maketrans("-_", "+/")


def lenient_reader(field: FieldDescriptor) -> Reader | None:
    """What reads a text as one value of the field, given its path; None: no text can be its value.

    What it returns raises `Refusal` INVALID_REQUEST with the path.
    """
    read = None if is_map(field) else _reader(field)
    return None if read is None else named_reader(read)


def _reader(field: FieldDescriptor) -> _Read | None:
    kind = field.cpp_type
    if field.message_type is not None:
        return _message(field, field.message_type)
    if field.enum_type is not None:
        return _enum(field.enum_type, is_sensitive(field))
    if kind in INTEGERS:
        low, high = INTEGERS[kind]
        form = _SIGNED if low else _UNSIGNED
        return lambda text: _integer(form, text, low, high)
    if kind == FieldDescriptor.CPPTYPE_STRING:
        return go_bytes if field.type == FieldDescriptor.TYPE_BYTES else strict_reader(field)
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return _boolean
    single = kind == FieldDescriptor.CPPTYPE_FLOAT
    return lambda text: _float(text, single=single)


def _message(field: FieldDescriptor, descriptor: Descriptor) -> _Read | None:
    message_class = GetMessageClass(descriptor)
    if is_wrapper(descriptor):
        inner = _reader(descriptor.fields_by_name["value"])
        assert inner is not None, "wrappers hold scalars"
        read: _Read = inner
        return lambda text: message_class(value=read(text))
    match descriptor.full_name:
        case "google.protobuf.FieldMask":
            return lambda text: message_class(paths=text.split(",") if text else [])
        case "google.protobuf.Timestamp":
            return lambda text: _parts(message_class, _timestamp(text))
        case "google.protobuf.Duration":
            return lambda text: _parts(message_class, _split(_duration(text)))
        case "google.protobuf.Empty":
            return lambda text: _empty(message_class, text)
        case "google.protobuf.Struct" | "google.protobuf.Value":
            return strict_reader(field)
    return None


def _parts(message_class: Any, parts: tuple[int, int]) -> Any:
    return message_class(seconds=parts[0], nanos=parts[1])


def _empty(message_class: Any, text: str) -> Any:
    if text not in ("", "{}"):
        raise Unfit("Send nothing, or {}.")
    return message_class()


def _boolean(text: str) -> bool:
    if text not in _TRUE and text not in _FALSE:
        raise Unfit("Send true or false.")
    return text in _TRUE


def _integer(form: re.Pattern[str], text: str, low: int, high: int) -> int:
    found = form.fullmatch(text)
    if found is None:
        raise Unfit("Send a whole number in decimal digits, such as 42.")
    sign, digits = found.groups()
    number = int(f"{sign}0{digits}") if len(digits) <= _DIGITS_MAX else high + 1
    if not low <= number <= high:
        raise Unfit(f"Send a whole number from {low} to {high}.", "json.range")
    return number


def _float(text: str, *, single: bool) -> float:
    if _FLOAT.fullmatch(text):
        return json_text.finite(float(text), single=single)
    return json_text.floating(text, single=single)


def _enum(enum: EnumDescriptor, secret: bool) -> _Read:
    numbers = {name: value.number for name, value in enum.values_by_name.items()}
    known = frozenset(numbers.values())

    def read(text: str) -> int:
        number = numbers.get(text)
        if number is not None:
            return number
        if _SIGNED.fullmatch(text):
            number = _integer(_SIGNED, text, *json_text.INT32)
            if number in known:
                return number
        raise json_text.unknown_enum(text, numbers, secret=secret)

    return read


def go_bytes(text: str) -> bytes:
    """Bytes in base64, of one alphabet, with any line breaks and stray bits; raises `Unfit`."""
    plain = text.replace("\r", "").replace("\n", "")
    form = _URL_SAFE if "-" in text or "_" in text else _STANDARD
    padded = len(text) % 4 == 0
    body = plain.rstrip("=")
    whole = len(plain) % 4 == 0 if padded else len(plain) == len(body)
    if not form.fullmatch(plain) or not whole or len(body) % 4 == 1:
        raise Unfit("Send the bytes in base64 (RFC 4648).", "json.bytes")
    return binascii.a2b_base64(body.translate(_TO_STANDARD) + "=" * (-len(body) % 4))


def _timestamp(text: str) -> tuple[int, int]:
    found = _TIMESTAMP.fullmatch(text)
    if found is None or len(found[4] or "") > _FRACTION_MAX:
        return json_text.read_timestamp(text)  # refuses, and says why
    day, hour, rest, fraction, zone = found.groups()
    point = f".{fraction[:9]}" if fraction else ""
    return json_text.read_timestamp(f"{day}{hour:0>2}{rest}{point}{zone}")


def _duration(text: str) -> int:
    """Nanoseconds of Go's `1h2m3.5s`."""
    found = _DURATION.fullmatch(text) if len(text) <= _DURATION_CHARS_MAX else None
    total = 0
    for whole, fraction, unit in _DURATION_PART.findall(text) if found else ():
        total += int(whole[-_DIGITS_MAX:] or "0") * _UNIT_NS[unit]
        total += int(
            float(int((fraction or "0")[:18])) * (_UNIT_NS[unit] / 10.0 ** len((fraction or "0")[:18]))
        )
        if len(whole.lstrip("0")) >= _DIGITS_MAX:
            total = json_text.INT64[1] + 1
    if found is None:
        raise Unfit("Send a duration with its unit, such as 1.5s or 1h30m.", "json.duration")
    low, high = json_text.INT64
    signed = -total if found[1] == "-" else total
    if not low <= signed <= high:
        raise Unfit("Send a duration of at most 2562047h.", "json.range")
    return signed


def _split(nanos: int) -> tuple[int, int]:
    """Seconds and nanoseconds of one sign."""
    seconds, rest = divmod(abs(nanos), 10**9)
    return (-seconds, -rest) if nanos < 0 else (seconds, rest)

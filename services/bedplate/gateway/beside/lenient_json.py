"""JSON as grpc-gateway takes it: what that does not know is dropped.

`parse` and `reader` are as codec/parse.py and codec/decode.py have them.
Besides what those take: one value with anything behind it; unknown fields, at
any depth; unknown names of enum values, which leave a field unset and a list
shorter; unknown numbers of enums, which are kept; and spellings of bytes,
times, durations, masks and keys of maps that Go reads. One field twice is
refused there too.
"""

import json
import re
from typing import Any as Anything

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from bedplate.contract.messages import is_map
from bedplate.errors import Refusal, Violation
from bedplate.gateway.codec import decode
from bedplate.gateway.codec import leaf as json_leaf
from bedplate.gateway.codec import parse as strictly
from bedplate.gateway.codec import plan as json_plan
from bedplate.gateway.codec import text as json_text
from bedplate.gateway.codec.decode import Read
from bedplate.gateway.codec.leaf import INTEGERS, Convert
from bedplate.gateway.codec.parse import DEPTH_MAX, Huge, Twice
from bedplate.gateway.codec.text import Unfit

_DROPPED = object()  # what an unknown name of an enum becomes

_INTEGER_DIGITS_MAX = 30  # more is no number of 64 bits
_PAIR = re.compile(r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}")
_HALF = re.compile(r"\\u[dD][89a-fA-F]")
_TIMESTAMP = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T)([0-9]{1,2})(:[0-9]{2}:[0-9]{2})(?:[.,]([0-9]{1,9}))?"
    r"(?:Z|([+-])([01][0-9]|2[0-4]):([0-5][0-9]|60))"
)
_DURATION = re.compile(r"([+-]?)(0|[1-9][0-9]{0,11})?(?:\.([0-9]{0,9}))?s")
_KEY = re.compile(r"[+-]?[0-9]{1,64}")


def parse(data: bytes, descriptor: Descriptor | None = None) -> Anything:
    """The value of the JSON document that the bytes begin with; objects may have keys twice, see `Twice`.

    Raises as `parse.parse`.
    """
    try:
        return strictly.parse(data, descriptor)
    except Refusal as error:
        refused = error
    text = data.decode("utf-8", "surrogateescape")
    try:
        value, end = _JSON.raw_decode(text, len(text) - len(text.lstrip(" \t\r\n")))
        text[:end].encode()
    except (ValueError, RecursionError):
        raise refused from None
    if _HALF.search(_PAIR.sub("", text[:end].replace("\\\\", ""))):
        raise refused
    if strictly.depth(value) > DEPTH_MAX:
        raise strictly.too_deep()
    return value


def reader(descriptor: Descriptor) -> Read:
    """As `decode.reader`."""
    return decode.reader(descriptor, _Builder)


def _no_number(_: str) -> Anything:
    raise ValueError("JSON has no such number")


def _number(text: str) -> Anything:
    number = float(text)
    return Huge() if number - number != 0 else number


def _integer(text: str) -> Anything:
    return int(text) if len(text) <= _INTEGER_DIGITS_MAX else _number(text)


_JSON = json.JSONDecoder(
    object_pairs_hook=strictly.to_object, parse_float=_number, parse_int=_integer, parse_constant=_no_number
)


class _Plan(json_plan.Plan):
    """Takes of an object what it knows."""

    def convert(self, value: Anything) -> dict[str, Anything]:
        if type(value) is Twice:
            for key in value.keys_twice:
                if key in self.fields:
                    sentence = "The key stands twice in one object; send it once."
                    raise Unfit(below=[Violation(self.fields[key][0], sentence, "json.twice")])
            value = value.members
        if type(value) is dict:
            value = {key: item for key, item in value.items() if key in self.fields}
        out = super().convert(value)
        return {name: None if made is _DROPPED else made for name, made in out.items()}


class _Builder(json_plan.Builder):
    plan = _Plan
    strict = False

    def message(self, descriptor: Descriptor, secret: bool) -> Convert:
        convert = super().message(descriptor, secret)
        again = _WELL_KNOWN.get(descriptor.full_name)
        return convert if again is None else _either(convert, again)

    def scalar(self, field: FieldDescriptor, secret: bool) -> Convert:
        convert = super().scalar(field, secret)
        if field.enum_type is not None:
            return _enum(field.enum_type, convert)
        return _either(convert, _bytes) if field.type == FieldDescriptor.TYPE_BYTES else convert

    def field(self, field: FieldDescriptor, secret: bool) -> json_plan.FieldPlan:
        name, exact, convert, null = super().field(field, secret)
        if is_map(field):
            assert field.message_type is not None
            key, value = (field.message_type.fields_by_name[name] for name in ("key", "value"))
            read_key = _either(json_leaf.map_key(key), _map_key(key))
            return (
                name,
                exact,
                _known_entries(json_plan.map_plan(read_key, self.single(value, secret), secret)),
                null,
            )
        if field.is_repeated and field.enum_type is not None:
            return name, exact, lambda value: [item for item in convert(value) if item is not _DROPPED], null
        return name, exact, convert, null


def _either(convert: Convert, again: Convert) -> Convert:
    """What the strict reader takes, or what the other does; it says None where it takes nothing."""

    def either(value: Anything) -> Anything:
        try:
            return convert(value)
        except Unfit:
            made = again(value) if type(value) is str else None
            if made is None:
                raise
            return made

    return either


def _known_entries(entries: Convert) -> Convert:
    def convert(value: Anything) -> dict[Anything, Anything]:
        made = entries(value)
        if len(made) != len(value):
            raise Unfit("Two keys are one; send it once.", "json.twice")
        return {key: item for key, item in made.items() if item is not _DROPPED}

    return convert


def _enum(enum: EnumDescriptor, convert: Convert) -> Convert:
    low, high = json_text.INT32

    def read(value: Anything) -> Anything:
        try:
            return convert(value)
        except Unfit:
            if type(value) is str:
                return _DROPPED
            number = not enum.is_closed and type(value) in (int, float)  # a closed enum cannot hold it
            if number and value == int(value) and low <= value <= high:
                return int(value)
            raise

    return read


def _bytes(text: str) -> bytes:
    return json_text.read_bytes(text, stray_bits=True)


def _map_key(field: FieldDescriptor) -> Convert:
    low, high = INTEGERS.get(field.cpp_type, (0, -1))

    def read(text: str) -> int | None:
        if _KEY.fullmatch(text) is None or (low == 0 and not text[0].isdecimal()):
            return None
        return number if low <= (number := int(text)) <= high else None

    return read


def _timestamp(text: str) -> dict[str, int] | None:
    found = _TIMESTAMP.fullmatch(text)
    if found is None:
        return None
    day, hour, rest, fraction, sign, hours, minutes = found.groups()
    seconds, nanos = json_text.read_timestamp(f"{day}{hour:0>2}{rest}{f'.{fraction}' if fraction else ''}Z")
    if sign is not None:
        offset = int(hours) * 3600 + int(minutes) * 60
        seconds += offset if sign == "-" else -offset
    low, high = json_text.TIMESTAMP_SECONDS
    return {"seconds": seconds, "nanos": nanos} if low <= seconds <= high else None


def _duration(text: str) -> dict[str, int] | None:
    found = _DURATION.fullmatch(text)
    if found is None or (found[2] is None and found[3] is None):
        return None
    seconds, nanos = json_text.read_duration(f"{found[2] or 0}.{found[3] or 0}s")
    sign = -1 if found[1] == "-" else 1
    return {"seconds": sign * seconds, "nanos": sign * nanos}


def _field_mask(text: str) -> dict[str, list[str]] | None:
    """Paths may begin with a capital letter, and space may be around all of it."""
    # A letter before it makes it one that the strict reader takes; what it becomes is taken away again.
    paths = json_text.read_mask(re.sub(r"(^|[,.])(?=[A-Z])", r"\1a", text.strip()))
    return {"paths": [re.sub(r"(^|\.)a(?=_[a-z])", r"\1", path) for path in paths]}


_WELL_KNOWN: dict[str, Convert] = {
    "google.protobuf.Duration": _duration,
    "google.protobuf.FieldMask": _field_mask,
    "google.protobuf.Timestamp": _timestamp,
}

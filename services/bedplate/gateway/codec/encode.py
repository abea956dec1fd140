"""Messages as JSON, exactly by protobuf's mapping.

Field names are lowerCamelCase, 64-bit integers are strings, enums are names,
bytes are base64, and a field that is not set is left out; `Options` says
otherwise. For each type the source of one function is written, at first use,
that reads each field by its name: two thirds of the cost of a loop over plans.
"""

import binascii
import keyword
import math
import struct
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any as Anything

import orjson
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from bedplate.contract.messages import is_map
from bedplate.gateway.codec import text as json_text
from bedplate.gateway.codec.kind import ANY, NULL_VALUE, find_type, is_special, is_wrapper
from bedplate.gateway.codec.text import EncodeError

# What a message or a value becomes: what orjson writes.
Encode = Callable[[Anything], Anything]

# What is wanted of a message: its fields by proto name; of a map: its entries
# by key, or all as `*`; None: all of it.
Mask = dict[str, "Mask"] | None

TYPES_KEPT_MAX = 4_096  # functions that are kept; a descriptor set that was reloaded leaves its old ones

_FLOAT32 = struct.Struct("<f")
_INT64_TYPES = {FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64}
_PRETTY = orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE
_FLOATS = {FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT}


@dataclass(frozen=True, slots=True)
class Options:
    """How messages are written.

    Attributes:
        unset: Fields that have no presence (numbers, strings, lists, maps) are
            written with their default value when they are not set.
        enum_numbers: Enum values are numbers, not names.
        proto_names: Fields are named as the contract names them.
        nulls: Fields that have presence and are not set are null, unless they
            are in a oneof; what Go's protojson calls unpopulated.
    """

    unset: bool = False
    enum_numbers: bool = False
    proto_names: bool = False
    nulls: bool = False


PLAIN = Options()


def encode_message(message: Message, options: Options = PLAIN) -> bytes:
    """The message as UTF-8 JSON.

    Raises:
        EncodeError: It has no JSON form.
    """
    descriptor: Anything = message.DESCRIPTOR  # upb's own type in the stubs
    return orjson.dumps(encoder(descriptor, options)(message))


def writer(
    descriptor: Descriptor,
    name: str = "",
    options: Options = PLAIN,
    mask: Mask = None,
    *,
    pretty: bool = False,
) -> Callable[[Message], bytes]:
    """What writes messages of a type as UTF-8 JSON; `name`: of each this field alone, null where it is unset.

    A mask begins at what is written. What it returns raises `EncodeError`.
    """
    dumps = partial(orjson.dumps, option=_PRETTY) if pretty else orjson.dumps
    if not name:
        whole = encoder(descriptor, options, mask)
        return lambda message: dumps(whole(message))
    field = descriptor.fields_by_name[name]
    part = field_encoder(field, options, mask)

    def write(message: Message) -> bytes:
        unset = field.has_presence and not message.HasField(name)
        return dumps(None if unset else part(getattr(message, name)))

    return write


def encoder(descriptor: Descriptor, options: Options = PLAIN, mask: Mask = None) -> Encode:
    """What turns messages of a type into plain values for orjson: a dict, for most types.

    Without a mask it is made once for each type and kept. The values may be
    written or changed by the caller; nothing of them is shared.

    Args:
        descriptor: The type, of any pool.
        options: How messages are written.
        mask: Which fields are written.
    """
    return _encoder(descriptor, options) if mask is None else _Source(options).message(descriptor, mask)


def field_encoder(field: FieldDescriptor, options: Options = PLAIN, mask: Mask = None) -> Encode:
    """What turns one field of a message, as `getattr` gives it, into plain values; a mask begins below it."""
    source = _Source(options)
    return source.function(source.field(field, mask))


@lru_cache(TYPES_KEPT_MAX)
def _encoder(descriptor: Descriptor, options: Options) -> Encode:
    return _Source(options).message(descriptor, None)


@lru_cache(TYPES_KEPT_MAX)
def _extension_encoder(field: FieldDescriptor, options: Options) -> Encode:
    return field_encoder(field, options)


class _Source:
    """The source of one function, and what it names.

    What it puts into the source are names of its own, checked names of fields
    and string literals, nothing that was sent.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self._scope: dict[str, Anything] = {
            "base64": binascii.b2a_base64,
            "copysign": math.copysign,
            "double": _double,
        }

    def function(self, expression: str) -> Encode:
        """A function of the value that an expression names as `{0}`."""
        made: Encode = eval(f"lambda value: {expression.format('value')}", self._scope)  # noqa: S307
        return made

    def message(self, descriptor: Descriptor, mask: Mask) -> Encode:
        """What writes messages of a type."""
        if is_special(descriptor):
            return self.function(self._message(descriptor, mask))
        self._scope["has"] = GetMessageClass(descriptor).HasField
        lines = ["def encode(message):", " out = {}"]
        for field in descriptor.fields:
            if mask is None or field.name in mask:
                lines += self._statement(field, None if mask is None else mask[field.name])
        if descriptor.is_extendable and mask is None:
            self._scope["add_extensions"] = partial(_add_extensions, self._options)
            lines.append(" add_extensions(message, out)")
        exec("\n".join([*lines, " return out"]), self._scope)  # noqa: S102
        made: Encode = self._scope["encode"]
        return made

    def _statement(self, field: FieldDescriptor, mask: Mask) -> list[str]:
        name = field.name
        read = f"message.{name}"
        if not name.isidentifier() or keyword.iskeyword(name):
            read = f"getattr(message, {name!r})"
        key = name if self._options.proto_names else field.json_name
        write = f"out[{key!r}] = {self.field(field, mask).format('value')}"
        if field.has_presence:
            lines = [f" if has(message, {name!r}):", f"  value = {read}", f"  {write}"]
            if self._options.nulls and field.containing_oneof is None:
                lines += [" else:", f"  out[{key!r}] = None"]
            return lines
        if self._options.unset:
            return [f" value = {read}", f" {write}"]
        zero = field.cpp_type in _FLOATS and not field.is_repeated
        test = "value or copysign(1, value) < 0" if zero else "value"  # -0.0 is no default
        return [f" value = {read}", f" if {test}: {write}"]

    def field(self, field: FieldDescriptor, mask: Mask) -> str:
        """An expression that makes plain values of a field's value, which it names as `{0}`."""
        if is_map(field):
            return self._map(field, mask)
        each = self._single(field, mask)
        if not field.is_repeated:
            return each
        # A slice is made in C at once; an iterator asks for one index after another.
        return "{0}[:]" if each == "{0}" else f"[{each.format('each')} for each in {{0}}[:]]"

    def _map(self, field: FieldDescriptor, mask: Mask) -> str:
        entry = field.message_type
        assert entry is not None
        kind = entry.fields_by_name["key"].cpp_type
        value = entry.fields_by_name["value"]
        key = "str(key)"
        if kind == FieldDescriptor.CPPTYPE_BOOL:
            key = "('true' if key else 'false')"
        elif kind == FieldDescriptor.CPPTYPE_STRING:
            key = "key"
        if mask is None:
            each = self._single(value, None).format("each")
            return f"{{{{{key}: {each} for key in {{0}} for each in ({{0}}[key],)}}}}"  # items() is Python
        every = mask.get("*", {})
        chosen = {
            text: self.function(self._single(value, _union(below, every)))
            for text, below in mask.items()
            if text != "*"
        }
        rest = self.function(self._single(value, every)) if "*" in mask else None
        return f"{self._name(partial(_chosen, chosen, rest))}([({key}, each) for key, each in {{0}}.items()])"

    def _single(self, field: FieldDescriptor, mask: Mask) -> str:
        kind = field.cpp_type
        if field.message_type is not None:
            return self._message(field.message_type, mask)
        if field.enum_type is not None:
            return self._enum(field.enum_type)
        if kind in _INT64_TYPES:
            return "str({0})"
        if kind == FieldDescriptor.CPPTYPE_DOUBLE:
            return "({0} if {0} - {0} == 0 else double({0}))"  # of NaN and the infinities it is NaN
        if kind == FieldDescriptor.CPPTYPE_FLOAT:
            return f"{self._name(_float)}({{0}})"
        return "base64({0}, newline=False).decode()" if field.type == FieldDescriptor.TYPE_BYTES else "{0}"

    def _enum(self, enum: EnumDescriptor) -> str:
        if enum.full_name == NULL_VALUE:
            return "None"
        if self._options.enum_numbers:
            return "{0}"
        names: dict[int, str] = {}
        for value in enum.values:
            names.setdefault(value.number, value.name)  # of aliases the first one is written
        return f"{self._name(names.get)}({{0}}, {{0}})"  # a number that the contract does not know stays one

    def _message(self, descriptor: Descriptor, mask: Mask) -> str:
        if descriptor.full_name == ANY:
            return f"{self._name(partial(_any, self._options))}({{0}})"
        special = _WELL_KNOWN.get(descriptor.full_name)
        if special is not None:
            return f"{self._name(special)}({{0}})"
        if is_wrapper(descriptor):
            return self._single(descriptor.fields_by_name["value"], None).format("{0}.value")
        name = self._name(None)

        def first(message: Message) -> Anything:
            """A type may hold itself; so its function is made when its first message comes."""
            self._scope[name] = made = encoder(descriptor, self._options, mask)
            return made(message)

        self._scope[name] = first
        return f"{name}({{0}})"

    def _name(self, value: Anything) -> str:
        name = f"f{len(self._scope)}"
        self._scope[name] = value
        return name


def _add_extensions(options: Options, message: Message, out: dict[str, Anything]) -> None:
    for field, value in message.ListFields():
        if field.is_extension:
            out[f"[{field.full_name}]"] = _extension_encoder(field, options)(value)


def _union(one: Mask, other: Mask) -> Mask:
    """What either mask wants."""
    if one is None or other is None:
        return None
    return {**one, **{name: _union(below, one.get(name, {})) for name, below in other.items()}}


def _chosen(
    chosen: dict[str, Encode], rest: Encode | None, entries: list[tuple[str, Anything]]
) -> dict[str, Anything]:
    """Those entries of a map that a mask wants."""
    picked = [(key, value, chosen.get(key, rest)) for key, value in entries]
    return {key: convert(value) for key, value, convert in picked if convert is not None}


def _double(value: float) -> str:
    return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"


def _float(value: float) -> float | str:
    """The shortest decimal number that is this float32, not all digits of its float64."""
    if not math.isfinite(value):
        return _double(value)
    for digits in (6, 7, 8):
        short = float(f"{value:.{digits}g}")
        if _FLOAT32.unpack(_FLOAT32.pack(short))[0] == value:
            return short
    return float(f"{value:.9g}")


def _timestamp(message: Anything) -> str:
    return json_text.write_timestamp(message.seconds, message.nanos)


def _duration(message: Anything) -> str:
    return json_text.write_duration(message.seconds, message.nanos)


def _field_mask(message: Anything) -> str:
    try:
        text: str = message.ToJsonString()
    except ValueError:
        raise EncodeError("a path of the field mask has no JSON form") from None
    return text


def _value(message: Anything) -> Anything:
    kind = message.WhichOneof("kind")
    if kind == "string_value":
        return message.string_value
    if kind == "number_value":
        return _free_number(message.number_value)
    if kind == "bool_value":
        return message.bool_value
    if kind == "struct_value":
        return _struct(message.struct_value)
    return _list(message.list_value) if kind == "list_value" else None


def _free_number(value: float) -> float:
    """A whole number has no point: what was sent as 1 is no 1.0 to readers of whole numbers."""
    if not math.isfinite(value):
        raise EncodeError("google.protobuf.Value holds NaN or an infinity, which has no JSON form")
    if not value.is_integer() or abs(value) > json_text.EXACT_MAX:
        return value
    return int(value) if value or math.copysign(1, value) > 0 else value  # no int is a zero below zero


def _struct(message: Anything) -> dict[str, Anything]:
    return {key: _value(value) for key, value in message.fields.items()}


def _list(message: Anything) -> list[Anything]:
    return [_value(value) for value in message.values]


def _any(options: Options, message: Anything) -> dict[str, Anything]:
    """The packed message with its type."""
    if not message.type_url and not message.value:
        return {}
    name = message.type_url.rpartition("/")[2]
    try:
        descriptor = find_type(message.DESCRIPTOR, name)
        packed = GetMessageClass(descriptor).FromString(message.value)
    except KeyError:
        raise EncodeError("google.protobuf.Any holds a type that this process does not know") from None
    except DecodeError:
        raise EncodeError("google.protobuf.Any holds bytes that are not of its type") from None
    value = _encoder(descriptor, options)(packed)
    if is_special(descriptor):
        return {"@type": message.type_url, "value": value}
    return {"@type": message.type_url, **value}


_WELL_KNOWN: dict[str, Encode] = {
    "google.protobuf.Duration": _duration,
    "google.protobuf.FieldMask": _field_mask,
    "google.protobuf.ListValue": _list,
    "google.protobuf.Struct": _struct,
    "google.protobuf.Timestamp": _timestamp,
    "google.protobuf.Value": _value,
}

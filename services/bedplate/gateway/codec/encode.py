"""Messages as JSON, exactly by protobuf's mapping, through plans made from the descriptors.

Field names are lowerCamelCase, 64-bit integers are strings, enums are names,
bytes are base64. A field that is not set is left out; `unset=True` writes
those that have no presence (numbers, strings, lists and maps) with their
default value.
"""

import math
import struct
from collections.abc import Callable
from functools import cache, partial
from typing import Any as Anything

import orjson
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from bedplate.gateway.codec import text as json_text

# What a message or a value becomes: what orjson writes.
Encode = Callable[[Anything], Anything]

_ANY = "google.protobuf.Any"
_FLOAT32 = struct.Struct("<f")
_INT64_TYPES = {
    FieldDescriptor.CPPTYPE_INT64,
    FieldDescriptor.CPPTYPE_UINT64,
}


class EncodeError(ValueError):
    """A message that has no JSON form, such as a Timestamp in the year 10000.

    It is a fault: no caller can mend what the server answers.
    """


def encode_message(message: Message) -> bytes:
    """The message as UTF-8 JSON.

    Raises:
        EncodeError: It has no JSON form.
    """
    descriptor: Anything = message.DESCRIPTOR  # upb's own type in the stubs
    return orjson.dumps(_encoder(descriptor, False)(message))


def encoder(descriptor: Descriptor, *, unset: bool = False) -> Encode:
    """What turns messages of a type into plain values for orjson: a dict, for most types.

    The plan is made once for each type and kept. The values may be written
    or changed by the caller; nothing of them is shared.
    """
    return _encoder(descriptor, unset)


def field_encoder(field: FieldDescriptor, *, unset: bool = False) -> Encode:
    """What turns one field of a message, as `getattr` gives it, into plain values."""
    convert = _field(field, unset)
    return convert if convert is not None else _same


def _same(value: Anything) -> Anything:
    return value


@cache
def _encoder(descriptor: Descriptor, unset: bool) -> Encode:
    if descriptor.full_name == _ANY:
        return partial(_any, unset)
    special = _WELL_KNOWN.get(descriptor.full_name)
    if special is not None:
        return special
    if descriptor.file.name == "google/protobuf/wrappers.proto":
        return _wrapper(descriptor)
    return _Plan(descriptor, unset).encode


class _Plan:
    """How messages of one type are written; the fields' plans are made at first use.

    A type may hold itself, so its fields cannot be looked at while it is made.
    """

    def __init__(self, descriptor: Descriptor, unset: bool) -> None:
        self._unset = unset
        self._fields: dict[FieldDescriptor, tuple[str, Encode | None]] = {}
        self._implicit = (
            [field for field in descriptor.fields if field.is_repeated or not field.has_presence]
            if unset
            else []
        )

    def encode(self, message: Message) -> dict[str, Anything]:
        out: dict[str, Anything] = {}
        fields = self._fields
        for field, value in message.ListFields():
            try:
                name, convert = fields[field]
            except KeyError:
                name, convert = self._add(field)
            out[name] = value if convert is None else convert(value)
        for field in self._implicit:
            if field.json_name not in out:
                out[field.json_name] = field_encoder(field, unset=True)(getattr(message, field.name))
        return out

    def _add(self, field: FieldDescriptor) -> tuple[str, Encode | None]:
        name = f"[{field.full_name}]" if field.is_extension else field.json_name
        plan = (name, _field(field, self._unset))
        self._fields[field] = plan
        return plan


def _field(field: FieldDescriptor, unset: bool) -> Encode | None:
    """How a field's value is written; None: as it is."""
    entry = field.message_type
    if entry is not None and entry.GetOptions().map_entry:
        return _map(
            _single(entry.fields_by_name["value"], unset),
            boolean=entry.fields_by_name["key"].cpp_type == FieldDescriptor.CPPTYPE_BOOL,
        )
    single = _single(field, unset)
    if not field.is_repeated:
        return single
    if single is None:
        return list
    convert = single  # a name of its own, so that the closure holds no None
    return lambda values: [convert(value) for value in values]


def _map(convert: Encode | None, *, boolean: bool) -> Encode:
    def key_text(key: Anything) -> str:
        return ("true" if key else "false") if boolean else str(key)

    def encode(values: Anything) -> dict[str, Anything]:
        if convert is None:
            return {key_text(key): value for key, value in values.items()}
        return {key_text(key): convert(value) for key, value in values.items()}

    return encode


def _single(field: FieldDescriptor, unset: bool) -> Encode | None:
    kind = field.cpp_type
    if field.message_type is not None:
        return _encoder(field.message_type, unset)
    if field.enum_type is not None:
        return _enum(field.enum_type)
    if kind in _INT64_TYPES:
        return str
    if kind == FieldDescriptor.CPPTYPE_DOUBLE:
        return _double
    if kind == FieldDescriptor.CPPTYPE_FLOAT:
        return _float
    if field.type == FieldDescriptor.TYPE_BYTES:
        return json_text.write_bytes
    return None


def _enum(enum: EnumDescriptor) -> Encode:
    if enum.full_name == "google.protobuf.NullValue":
        return lambda _: None
    names = _Names()
    for value in enum.values:
        names.setdefault(value.number, value.name)  # of aliases the first one is written
    return names.__getitem__


class _Names(dict[int, str]):
    """Names of an enum's values; a number that the contract does not know stays one."""

    def __missing__(self, number: int) -> Anything:
        return number


def _double(value: float) -> float | str:
    if math.isfinite(value):
        return value
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


def _wrapper(descriptor: Descriptor) -> Encode:
    convert = _single(descriptor.fields_by_name["value"], False)
    if convert is None:
        return lambda message: message.value
    return lambda message: convert(message.value)


def _timestamp(message: Anything) -> str:
    try:
        return json_text.write_timestamp(message.seconds, message.nanos)
    except ValueError as error:
        raise EncodeError(str(error)) from None


def _duration(message: Anything) -> str:
    try:
        return json_text.write_duration(message.seconds, message.nanos)
    except ValueError as error:
        raise EncodeError(str(error)) from None


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
        if not math.isfinite(message.number_value):
            raise EncodeError("google.protobuf.Value holds NaN or an infinity, which has no JSON form")
        return message.number_value
    if kind == "bool_value":
        return message.bool_value
    if kind == "struct_value":
        return _struct(message.struct_value)
    return _list(message.list_value) if kind == "list_value" else None


def _struct(message: Anything) -> dict[str, Anything]:
    return {key: _value(value) for key, value in message.fields.items()}


def _list(message: Anything) -> list[Anything]:
    return [_value(value) for value in message.values]


def _any(unset: bool, message: Anything) -> dict[str, Anything]:
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
    value = _encoder(descriptor, unset)(packed)
    if is_special(descriptor):
        return {"@type": message.type_url, "value": value}
    return {"@type": message.type_url, **value}


def find_type(any_type: Descriptor, name: str) -> Descriptor:
    """The type that an Any names: of the contract's own pool, or one that is loaded here.

    Raises:
        KeyError: There is none.
    """
    try:
        found: Descriptor = any_type.file.pool.FindMessageTypeByName(name)
    except KeyError:
        found = descriptor_pool.Default().FindMessageTypeByName(name)
    return found


def is_special(descriptor: Descriptor) -> bool:
    """Whether the type has a JSON form of its own and so stands under `value` in an Any."""
    name = descriptor.full_name
    return name == _ANY or name in _WELL_KNOWN or descriptor.file.name == "google/protobuf/wrappers.proto"


_WELL_KNOWN: dict[str, Encode] = {
    "google.protobuf.Duration": _duration,
    "google.protobuf.FieldMask": _field_mask,
    "google.protobuf.ListValue": _list,
    "google.protobuf.Struct": _struct,
    "google.protobuf.Timestamp": _timestamp,
    "google.protobuf.Value": _value,
}

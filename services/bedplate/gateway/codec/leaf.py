"""How single JSON values become values of fields: scalars, enums and the types that JSON writes as text.

Each function takes a value as the parser gives it, raises `Unfit` when it does
not fit, and returns what a message's constructor takes.
"""

from collections.abc import Callable
from typing import Any as Anything

from google.protobuf import struct_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass

from bedplate.gateway.codec import text as json_text
from bedplate.gateway.codec.kind import is_free
from bedplate.gateway.codec.parse import Huge, Twice
from bedplate.gateway.codec.text import EXACT_MAX, Unfit

# A JSON value to what a message's constructor takes. Raises Unfit.
Convert = Callable[[Anything], Anything]

# Objects and lists inside each other in a google.protobuf.Value. Each takes up
# to three messages; see parse.DEPTH_MAX.
VALUE_DEPTH_MAX = 16

INTEGERS = {
    FieldDescriptor.CPPTYPE_INT32: json_text.INT32,
    FieldDescriptor.CPPTYPE_INT64: json_text.INT64,
    FieldDescriptor.CPPTYPE_UINT32: json_text.UINT32,
    FieldDescriptor.CPPTYPE_UINT64: json_text.UINT64,
}
_KINDS = {
    dict: "an object",
    list: "a list",
    str: "a string",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    type(None): "null",
    Huge: "a number beyond all bounds",
    Twice: "an object with a key twice",
}


class Never:
    """The type of no value: a field whose values all need converting."""


def wrong_type(wanted: str, value: Anything) -> Unfit:
    """What to raise for a JSON value of another type."""
    return Unfit(f"Send {wanted}, not {_KINDS[type(value)]}.")


def scalar(field: FieldDescriptor, *, secret: bool) -> Convert:
    """How one value of a field that holds no message is converted; `secret`: no answer repeats it."""
    kind = field.cpp_type
    if field.enum_type is not None:
        return _enum(field.enum_type, secret)
    if kind in INTEGERS:
        return _integer(*INTEGERS[kind])
    if kind == FieldDescriptor.CPPTYPE_STRING:
        return _bytes if field.type == FieldDescriptor.TYPE_BYTES else _string
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return _bool
    return _float if kind == FieldDescriptor.CPPTYPE_FLOAT else _double


def exact_type(field: FieldDescriptor) -> type:
    """The Python type whose values a field takes as they are; Never: there is none."""
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING and field.type != FieldDescriptor.TYPE_BYTES:
        return str
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return bool
    # The parser refuses numbers that are infinite as float64.
    return float if field.cpp_type == FieldDescriptor.CPPTYPE_DOUBLE else Never


def null_value(field: FieldDescriptor) -> Anything:
    """What null means for a field; None: unset."""
    if field.message_type is not None and field.message_type.full_name == "google.protobuf.Value":
        return GetMessageClass(field.message_type)(null_value=struct_pb2.NULL_VALUE)
    if field.enum_type is not None and field.enum_type.full_name == "google.protobuf.NullValue":
        return 0
    return None


def map_key(field: FieldDescriptor) -> Convert:
    """Keys of maps: strings in JSON whatever their type, in one spelling each."""
    if field.cpp_type in INTEGERS:
        low, high = INTEGERS[field.cpp_type]
        return lambda text: json_text.plain_integer(text, low, high)
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return json_text.boolean
    return _string


def _integer(low: int, high: int) -> Convert:
    def convert(value: Anything) -> int:
        kind = type(value)
        if kind is int:
            number: int = value
        elif kind is str:
            if not value.isdecimal() or value[0] == "0" or len(value) > 20 or not value.isascii():
                return json_text.integer(value, low, high)
            number = int(value)
        elif kind is float:
            number = _whole(value, low, high)
        else:
            raise wrong_type("a whole number", value)
        if low <= number <= high:
            return number
        raise Unfit(f"Send a whole number from {low} to {high}.", "json.range")

    return convert


def _whole(value: float, low: int, high: int) -> int:
    """A JSON number with a point or an exponent, or too large for the parser's integers."""
    if not value.is_integer():
        raise Unfit("Send a whole number, without a fraction.")
    if abs(value) > EXACT_MAX:
        # Digits were lost already, so that -9223372036854775809 looks as if it fitted.
        raise Unfit(f"Send a whole number from {low} to {high}, in plain digits.", "json.range")
    return int(value)


def _float(value: Anything) -> float:
    if type(value) is str:
        return json_text.floating(value, single=True)
    if type(value) is float or type(value) is int:
        return json_text.finite(float(value), single=True)
    raise wrong_type("a number", value)


def _double(value: Anything) -> float:
    if type(value) is float or type(value) is int:
        return float(value)
    if type(value) is str:
        return json_text.floating(value, single=False)
    raise wrong_type("a number", value)


def _bool(value: Anything) -> bool:
    if type(value) is bool:
        return value
    raise wrong_type("true or false", value)


def _string(value: Anything) -> str:
    if type(value) is str:
        return value
    raise wrong_type("a string", value)


def _bytes(value: Anything) -> bytes:
    if type(value) is str:
        return json_text.read_bytes(value)
    raise wrong_type("a string of base64", value)


def _enum(enum: EnumDescriptor, secret: bool) -> Convert:
    numbers = {name: value.number for name, value in enum.values_by_name.items()}
    known = frozenset(numbers.values())
    takes_null = enum.full_name == "google.protobuf.NullValue"

    def convert(value: Anything) -> int:
        if type(value) is str:
            number = numbers.get(value)
            if number is not None:
                return number
        elif type(value) is int and value in known:
            return value
        elif type(value) is float and value in known:
            return int(value)
        elif value is None and takes_null:
            return 0
        elif type(value) is not int and type(value) is not float:
            raise wrong_type("the name of an enum value", value)
        raise json_text.unknown_enum(value, numbers, secret=secret)

    return convert


def _timestamp(value: Anything) -> dict[str, int]:
    if type(value) is not str:
        raise wrong_type("a time as a string", value)
    seconds, nanos = json_text.read_timestamp(value)
    return {"seconds": seconds, "nanos": nanos}


def _duration(value: Anything) -> dict[str, int]:
    if type(value) is not str:
        raise wrong_type("a duration as a string", value)
    seconds, nanos = json_text.read_duration(value)
    return {"seconds": seconds, "nanos": nanos}


def _field_mask(value: Anything) -> dict[str, list[str]]:
    if type(value) is not str:
        raise wrong_type("field names as a string", value)
    return {"paths": json_text.read_mask(value)}


def values(descriptor: Descriptor) -> Convert:
    """Lists of free values. Made as one ListValue: each alone would cost a memory pool of its own."""
    many = free(descriptor.file.message_types_by_name["ListValue"])
    return lambda value: many(value).values


def free(descriptor: Descriptor) -> Convert:
    """How values become a Value, a Struct or a ListValue of the contract's own pool: no other fits."""
    make = GetMessageClass(descriptor.file.message_types_by_name["Value"])

    def of_any(value: Anything) -> Anything:
        made = make()
        _fill(made, value, VALUE_DEPTH_MAX)
        return made

    def of_object(value: Anything) -> Anything:
        if type(value) is not dict:
            raise wrong_type("an object", value)
        return of_any(value).struct_value

    def of_list(value: Anything) -> Anything:
        if type(value) is not list:
            raise wrong_type("a list", value)
        return of_any(value).list_value

    return {"Value": of_any, "Struct": of_object, "ListValue": of_list}[descriptor.name]


def well_known(descriptor: Descriptor) -> Convert | None:
    """How values of a type with a JSON form of its own are converted; None: it has none."""
    if is_free(descriptor):
        return free(descriptor)
    return _WELL_KNOWN.get(descriptor.full_name)


def _fill(made: Anything, value: Anything, deeper: int) -> None:
    """Set a Value in place: made by parts it would be copied once for each level."""
    kind = type(value)
    if kind is str:
        made.string_value = value
    elif kind is bool:
        made.bool_value = value
    elif kind is int or kind is float:
        made.number_value = value
    elif value is None:
        made.null_value = struct_pb2.NULL_VALUE
    elif deeper == 0:
        sentence = f"Send objects and lists at most {VALUE_DEPTH_MAX} deep inside each other."
        raise Unfit(sentence, "json.depth")
    elif kind is dict:
        made.struct_value.SetInParent()
        fields = made.struct_value.fields
        for key, item in value.items():
            _fill(fields[key], item, deeper - 1)
    elif kind is not list:
        raise wrong_type("a number of 64 bits or an object with each key once", value)
    else:
        made.list_value.SetInParent()
        items = made.list_value.values
        for item in value:
            _fill(items.add(), item, deeper - 1)


_WELL_KNOWN: dict[str, Convert] = {
    "google.protobuf.Duration": _duration,
    "google.protobuf.FieldMask": _field_mask,
    "google.protobuf.Timestamp": _timestamp,
}

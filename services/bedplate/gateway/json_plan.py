"""Plans that turn plain JSON values into what a message's constructor takes.

One plan for each message type, made from its descriptor at first use and
kept. A plan carries no path, which is what makes it fast: a value that does
not fit raises `Unfit`, and each object and list on the way up adds its step.
"""

import threading
from collections.abc import Callable
from difflib import get_close_matches
from typing import Any as Anything
from typing import TypeVar

from google.protobuf import descriptor_pool, struct_pb2
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass

from bedplate.errors import Violation
from bedplate.gateway import json_text
from bedplate.gateway.json_encode import is_special
from bedplate.gateway.json_parse import KEY_SHOWN_MAX
from bedplate.gateway.json_text import EXACT_MAX, VIOLATIONS_MAX, Unfit
from bedplate.telemetry.redact import is_sensitive

# A JSON value to what a message's constructor takes. Raises Unfit.
Convert = Callable[[Anything], Anything]

T = TypeVar("T")

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
}
SUGGEST_MAX = 5  # unknown names of one object that get a suggestion; each costs about 0.1 ms


class _Never:
    """The type of no value: a field whose values all need converting."""


def wrong_type(wanted: str, value: Anything) -> Unfit:
    """What to raise for a JSON value of another type."""
    return Unfit(f"Send {wanted}, not {_KINDS[type(value)]}.")


def is_map(field: FieldDescriptor) -> bool:
    """Whether the field is a map."""
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)


def message(descriptor: Descriptor) -> Convert:
    """The plan of a message type: a JSON value to a dict of arguments, or to a message."""
    return _Builder.whole(lambda builder: builder.message(descriptor, False))


def nullable_field(descriptor: FieldDescriptor) -> Convert:
    """The plan of a field's whole value, with null as None or as what null means there."""
    _, exact, convert, null = _Builder.whole(
        lambda builder: builder.field(descriptor, is_sensitive(descriptor))
    )

    def nullable(value: Anything) -> Anything:
        if value is None or type(value) is exact:
            return null if value is None else value
        return convert(value)

    return nullable


# What a field's plan holds: its name, the type whose values need no
# converting, how others are converted, and what null means (None: unset).
_Field = tuple[str, type, Convert, Anything]


class _Plan:
    """How objects become messages of one type."""

    __slots__ = ("fields", "names", "oneofs", "secret")

    def __init__(self, descriptor: Descriptor, secret: bool) -> None:
        self.secret = secret
        self.fields: dict[str, _Field] = {}
        self.names = [field.json_name for field in descriptor.fields]
        # A proto3 optional field is alone in a oneof, which nothing can break.
        self.oneofs = tuple(
            frozenset(field.name for field in oneof.fields)
            for oneof in descriptor.oneofs
            if len(oneof.fields) > 1
        )

    def convert(self, value: Anything) -> dict[str, Anything]:
        """The constructor's arguments; a field that is null is there as None, which sets nothing."""
        if type(value) is not dict:
            raise wrong_type("an object", value)
        return self.members(value)

    def members(self, value: dict[str, Anything]) -> dict[str, Anything]:
        fields = self.fields
        out: dict[str, Anything] = {}
        faults: list[Violation] = []
        for key, item in value.items():
            plan = fields.get(key)
            if plan is None:
                faults.append(self._unknown(key, len(faults)))
            else:
                name, exact, convert, null = plan
                if type(item) is exact:
                    out[name] = item
                elif item is None:
                    out[name] = null
                else:
                    try:
                        out[name] = convert(item)
                    except Unfit as unfit:
                        faults += unfit.under(name)
                        out[name] = None
            if len(faults) >= VIOLATIONS_MAX:
                break
        if not faults:
            if len(out) != len(value):
                faults = self._both_names(value)
            for members in self.oneofs:
                if len(members & out.keys()) > 1:
                    faults += _one_of([name for name in out if name in members and out[name] is not None])
        if faults:
            raise Unfit(below=faults)
        return out

    def _unknown(self, key: str, before: int) -> Violation:
        shown = key[:KEY_SHOWN_MAX]
        sentence = "There is no such field"
        near = get_close_matches(shown, self.names, n=1) if before < SUGGEST_MAX else []
        sentence += f"; did you mean {near[0]}?" if near else "; leave it out."
        return Violation("" if self.secret else shown, sentence, "json.unknown_field")

    def _both_names(self, value: dict[str, Anything]) -> list[Violation]:
        seen: dict[str, str] = {}
        faults = []
        for key in value:
            name = self.fields[key][0]
            if name in seen:
                sentence = f"The field stands twice, as {seen[name]} and as {key}; send it once."
                faults.append(Violation(name, sentence, "json.twice"))
            seen[name] = key
        return faults


def _one_of(names: list[str]) -> list[Violation]:
    if len(names) < 2:
        return []
    return [
        Violation(names[-1], f"Only one of {', '.join(sorted(names))} may be set; send one.", "json.oneof")
    ]


class _Builder:
    """Makes plans; those of types that hold each other are kept together when all are whole."""

    _kept: dict[tuple[Descriptor, bool], Convert] = {}
    _lock = threading.RLock()

    def __init__(self) -> None:
        self._made: dict[tuple[Descriptor, bool], Convert] = {}

    @classmethod
    def whole(cls, make: "Callable[[_Builder], T]") -> T:
        with cls._lock:
            builder = cls()
            made = make(builder)
            cls._kept.update(builder._made)
        return made

    def message(self, descriptor: Descriptor, secret: bool) -> Convert:
        """How a type's values are converted; `secret`: no answer repeats anything of them."""
        special = _WELL_KNOWN.get(descriptor.full_name)
        if special is not None:
            return special
        if descriptor.file.name == "google/protobuf/wrappers.proto":
            return _wrapper(self.single(descriptor.fields_by_name["value"], secret))
        made = self._kept.get((descriptor, secret)) or self._made.get((descriptor, secret))
        if made is not None:
            return made
        plan = _Plan(descriptor, secret)
        self._made[descriptor, secret] = plan.convert
        for below in descriptor.fields:
            entry = self.field(below, secret or is_sensitive(below))
            plan.fields.setdefault(below.name, entry)
        for below in descriptor.fields:
            plan.fields[below.json_name] = plan.fields[below.name]
        return plan.convert

    def field(self, field: FieldDescriptor, secret: bool) -> _Field:
        """A field's entry in its message's plan."""
        if is_map(field):
            assert field.message_type is not None
            key = field.message_type.fields_by_name["key"]
            value = field.message_type.fields_by_name["value"]
            return field.name, _Never, _map(_key(key), self.single(value, secret), secret), None
        single = self.single(field, secret)
        if field.is_repeated:
            return field.name, _Never, _repeated(single), None
        return field.name, _exact(field), single, _null(field)

    def single(self, field: FieldDescriptor, secret: bool) -> Convert:
        """How one value of a field is converted."""
        kind = field.cpp_type
        if field.message_type is not None:
            return self.message(field.message_type, secret)
        if field.enum_type is not None:
            return _enum(field.enum_type, secret)
        if kind in INTEGERS:
            return _integer(*INTEGERS[kind])
        if kind == FieldDescriptor.CPPTYPE_STRING:
            return _bytes if field.type == FieldDescriptor.TYPE_BYTES else _string
        if kind == FieldDescriptor.CPPTYPE_BOOL:
            return _bool
        return _float if kind == FieldDescriptor.CPPTYPE_FLOAT else _double


def _exact(field: FieldDescriptor) -> type:
    if field.cpp_type == FieldDescriptor.CPPTYPE_STRING and field.type != FieldDescriptor.TYPE_BYTES:
        return str
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return bool
    # The parser refuses numbers that are infinite as float64.
    return float if field.cpp_type == FieldDescriptor.CPPTYPE_DOUBLE else _Never


def _null(field: FieldDescriptor) -> Anything:
    if field.message_type is not None and field.message_type.full_name == "google.protobuf.Value":
        return struct_pb2.Value(null_value=struct_pb2.NULL_VALUE)
    if field.enum_type is not None and field.enum_type.full_name == "google.protobuf.NullValue":
        return 0
    return None


def _repeated(convert: Convert) -> Convert:
    def many(value: Anything) -> list[Anything]:
        if type(value) is not list:
            raise wrong_type("a list", value)
        out: list[Anything] = []
        faults: list[Violation] = []
        for item in value:
            try:
                out.append(convert(item))
            except Unfit as unfit:
                faults += unfit.under(f"[{len(out)}]")
                out.append(None)
                if len(faults) >= VIOLATIONS_MAX:
                    break
        if faults:
            raise Unfit(below=faults)
        return out

    return many


def _map(read_key: Convert, convert: Convert, secret: bool) -> Convert:
    def entries(value: Anything) -> dict[Anything, Anything]:
        if type(value) is not dict:
            raise wrong_type("an object", value)
        out: dict[Anything, Anything] = {}
        faults: list[Violation] = []
        for text, item in value.items():
            try:
                out[read_key(text)] = convert(item)
            except Unfit as unfit:
                faults += unfit.under("[*]" if secret else f'["{text[:KEY_SHOWN_MAX]}"]')
                if len(faults) >= VIOLATIONS_MAX:
                    break
        if faults:
            raise Unfit(below=faults)
        return out

    return entries


def _key(field: FieldDescriptor) -> Convert:
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
            return json_text.integer(value, low, high)
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


def _wrapper(convert: Convert) -> Convert:
    return lambda value: {"value": convert(value)}


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


def _value(value: Anything) -> struct_pb2.Value:
    made = struct_pb2.Value()
    _fill(made, value)
    return made


def _struct(value: Anything) -> struct_pb2.Struct:
    if type(value) is not dict:
        raise wrong_type("an object", value)
    return _value(value).struct_value


def _list(value: Anything) -> struct_pb2.ListValue:
    if type(value) is not list:
        raise wrong_type("a list", value)
    return _value(value).list_value


def _fill(made: struct_pb2.Value, value: Anything) -> None:
    """Set a Value in place: made by parts it would be copied once for each level."""
    kind = type(value)
    if kind is str:
        made.string_value = value
    elif kind is bool:
        made.bool_value = value
    elif kind is int or kind is float:
        made.number_value = value
    elif kind is dict:
        made.struct_value.SetInParent()
        fields = made.struct_value.fields
        for key, item in value.items():
            _fill(fields[key], item)
    elif kind is list:
        made.list_value.SetInParent()
        values = made.list_value.values
        for item in value:
            _fill(values.add(), item)
    else:
        made.null_value = struct_pb2.NULL_VALUE


def _any(value: Anything) -> dict[str, Anything]:
    """The arguments of an Any; types come from the default pool."""
    if type(value) is not dict:
        raise wrong_type("an object with @type", value)
    if not value:
        return {}
    url = value.get("@type")
    if type(url) is not str:
        raise _at("@type", "Name the type, such as type.googleapis.com/google.protobuf.Duration.")
    prefix, slash, name = url.rpartition("/")
    try:
        descriptor = descriptor_pool.Default().FindMessageTypeByName(name)
    except KeyError:
        raise _at("@type", "There is no such type here; send one that the contract names.") from None
    if not prefix or not slash:
        raise _at("@type", "Write a slash before the type's name, such as type.googleapis.com/some.Type.")
    rest = {key: item for key, item in value.items() if key != "@type"}
    convert = message(descriptor)
    if is_special(descriptor):
        if rest.keys() != {"value"}:
            raise _at("value", "Send the value of this type as value, and nothing beside it.")
        try:
            made = convert(rest["value"])
        except Unfit as unfit:
            raise Unfit(below=unfit.under("value")) from None
    else:
        made = convert(rest)
    packed = GetMessageClass(descriptor)(**made) if type(made) is dict else made
    return {"type_url": url, "value": packed.SerializePartialToString(deterministic=True)}


def _at(step: str, sentence: str) -> Unfit:
    return Unfit(below=[Violation(step, sentence, "json.any")])


_WELL_KNOWN: dict[str, Convert] = {
    "google.protobuf.Any": _any,
    "google.protobuf.Duration": _duration,
    "google.protobuf.FieldMask": _field_mask,
    "google.protobuf.ListValue": _list,
    "google.protobuf.Struct": _struct,
    "google.protobuf.Timestamp": _timestamp,
    "google.protobuf.Value": _value,
}

"""A message with a field of every kind, and random messages of any type."""

import math
from functools import cache
from typing import Any

from google.protobuf import (
    any_pb2,
    descriptor_pb2,
    descriptor_pool,
    duration_pb2,
    empty_pb2,
    field_mask_pb2,
    struct_pb2,
    timestamp_pb2,
    wrappers_pb2,
)
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st

from bedplate.v1 import policy_pb2

PACKAGE = "bedplate.tests.gateway"
_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = {
    name: getattr(_Field, f"TYPE_{name.upper()}")
    for name in (
        *("double", "float", "int32", "int64", "uint32", "uint64", "sint32", "sint64"),
        *("fixed32", "fixed64", "sfixed32", "sfixed64", "bool", "string", "bytes"),
    )
}
_KEYS = [name for name in _SCALARS if name not in ("double", "float", "bytes")]
_WELL_KNOWN = ["Timestamp", "Duration", "FieldMask", "Struct", "Value", "ListValue", "Any", "Empty"]
_WRAPPERS = sorted(wrappers_pb2.DESCRIPTOR.message_types_by_name)


class _Builder:
    def __init__(self, name: str) -> None:
        self.proto = descriptor_pb2.DescriptorProto(name=name)

    def add(self, name: str, kind: str, *, repeated: bool = False, **options: Any) -> _Field:
        field = self.proto.field.add(name=name, number=len(self.proto.field) + 1)
        field.label = _Field.LABEL_REPEATED if repeated else _Field.LABEL_OPTIONAL
        if kind in _SCALARS:
            field.type = _SCALARS[kind]
        else:
            field.type = _Field.TYPE_ENUM if kind.endswith(("Color", "NullValue")) else _Field.TYPE_MESSAGE
            field.type_name = kind if kind.startswith(".") else f".google.protobuf.{kind}"
        for option, value in options.items():
            setattr(field, option, value)
        return field

    def add_map(self, name: str, key: str, kind: str) -> None:
        entry = self.proto.nested_type.add(name=_camel(name) + "Entry")
        entry.options.map_entry = True
        inner = _Builder("")
        inner.add("key", key)
        inner.add("value", kind)
        entry.field.extend(inner.proto.field)
        self.add(name, f".{PACKAGE}.{self.proto.name}.{entry.name}", repeated=True)


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("_"))


def _everything() -> descriptor_pb2.DescriptorProto:
    made = _Builder("Everything")
    color, own = f".{PACKAGE}.Color", f".{PACKAGE}.Everything"
    for kind in _SCALARS:
        made.add(f"one_{kind}", kind)
        made.add(f"many_{kind}", kind, repeated=True)
        made.add_map(f"map_string_{kind}", "string", kind)
    for key in _KEYS:
        made.add_map(f"by_{key}", key, "string")
    for kind in [*_WELL_KNOWN, *_WRAPPERS]:
        name = "".join(f"_{c.lower()}" if c.isupper() else c for c in kind)
        made.add(f"one{name}", kind)
        made.add(f"many{name}", kind, repeated=True)
        made.add_map(f"map{name}", "int32", kind)
    made.add("color", color)
    made.add("colors", color, repeated=True)
    made.add_map("map_color", "bool", color)
    made.add("child", own)
    made.add("children", own, repeated=True)
    made.add_map("map_child", "string", own)
    made.add("named_otherwise", "string", json_name="another_NAME")
    made.add("nothing", "NullValue")
    made.proto.oneof_decl.add(name="choice")
    for kind in ("int64", "string", "bytes", "bool"):
        made.add(f"choose_{kind}", kind, oneof_index=0)
    made.add("choose_child", own, oneof_index=0)
    made.add("choose_value", "Value", oneof_index=0)
    made.add("choose_null", "NullValue", oneof_index=0)
    for kind in (*_SCALARS, color):
        name = f"maybe_{kind.rpartition('.')[2].lower()}"
        index = len(made.proto.oneof_decl)
        made.proto.oneof_decl.add(name=f"_{name}")
        made.add(name, kind, oneof_index=index, proto3_optional=True)
    _sensitive(made, color, own)
    return made.proto


def _sensitive(made: _Builder, color: str, own: str) -> None:
    made.add("secret", "string")
    made.add("secret_color", color)
    made.add("secret_child", own)
    made.add_map("secret_map", "string", "int32")
    for field in made.proto.field[-4:]:
        field.options.Extensions[policy_pb2.field].sensitive = policy_pb2.SENSITIVE_SECRET


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(
        name="bedplate/tests/gateway/everything.proto", package=PACKAGE, syntax="proto3"
    )
    for name in ["timestamp", "duration", "field_mask", "struct", "any", "empty", "wrappers"]:
        file.dependency.append(f"google/protobuf/{name}.proto")
    file.dependency.append("bedplate/v1/policy.proto")
    color = file.enum_type.add(name="Color")
    color.options.allow_alias = True
    for number, name in (0, "COLOR_UNSPECIFIED"), (1, "COLOR_RED"), (1, "COLOR_ROSY"), (-7, "COLOR_DARK"):
        color.value.add(name=name, number=number)
    file.message_type.append(_everything())
    file.message_type.add(name="Plain").field.add(
        name="text", number=1, type=_Field.TYPE_STRING, label=_Field.LABEL_OPTIONAL
    )
    return file


_POOL = descriptor_pool.Default()
try:
    _POOL.FindFileByName("bedplate/tests/gateway/everything.proto")
except KeyError:
    _POOL.AddSerializedFile(_file().SerializeToString())

EVERYTHING: Descriptor = _POOL.FindMessageTypeByName(f"{PACKAGE}.Everything")
Everything: Any = GetMessageClass(EVERYTHING)
Plain: Any = GetMessageClass(_POOL.FindMessageTypeByName(f"{PACKAGE}.Plain"))

_TEXT = st.text(max_size=8)
_BITS32 = st.integers(0, 2**32 - 1)
_BITS64 = st.integers(0, 2**64 - 1)
# json_format cannot read the largest float32 that it writes, 3.4028235e+38.
_FLOATS = st.floats(width=32, allow_nan=False).filter(lambda x: math.isinf(x) or abs(x) < 3.4028e38)
_VALUES: dict[int, st.SearchStrategy[Any]] = {
    FieldDescriptor.CPPTYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: _BITS32,
    FieldDescriptor.CPPTYPE_UINT64: _BITS64,
    FieldDescriptor.CPPTYPE_DOUBLE: st.floats(allow_nan=False) | st.just(math.nan),
    FieldDescriptor.CPPTYPE_FLOAT: _FLOATS | st.just(math.nan),
    FieldDescriptor.CPPTYPE_BOOL: st.booleans(),
}
_STEP = st.from_regex(r"[a-z][a-z0-9]{0,3}(_[a-z][a-z0-9]{0,3}){0,2}", fullmatch=True)
_PATH = st.lists(_STEP, min_size=1, max_size=3).map(".".join)


def _duration(seconds: int, nanos: int) -> Message:
    return duration_pb2.Duration(seconds=seconds, nanos=-nanos if seconds < 0 else nanos)


@st.composite
def _json_value(draw: st.DrawFn, depth: int = 0) -> Any:
    kinds = ["null", "number", "text", "flag"] + ([] if depth > 1 else ["list", "struct"])
    match draw(st.sampled_from(kinds)):
        case "number":
            return struct_pb2.Value(number_value=draw(st.floats(allow_nan=False, allow_infinity=False)))
        case "text":
            return struct_pb2.Value(string_value=draw(_TEXT))
        case "flag":
            return struct_pb2.Value(bool_value=draw(st.booleans()))
        case "list":
            values = draw(st.lists(_json_value(depth + 1), max_size=3))
            return struct_pb2.Value(list_value=struct_pb2.ListValue(values=values))
        case "struct":
            fields = draw(st.dictionaries(_TEXT, _json_value(depth + 1), max_size=3))
            return struct_pb2.Value(struct_value=struct_pb2.Struct(fields=fields))
    return struct_pb2.Value(null_value=struct_pb2.NULL_VALUE)


@st.composite
def _packed(draw: st.DrawFn) -> Message:
    inner = draw(
        st.one_of(
            st.builds(Plain, text=_TEXT),
            st.builds(wrappers_pb2.Int64Value, value=_VALUES[FieldDescriptor.CPPTYPE_INT64]),
            _json_value(2),  # no map: the bytes of an Any keep its order
            _SPECIAL["google.protobuf.Duration"],
            st.just(empty_pb2.Empty()),
        )
    )
    made = any_pb2.Any()
    made.Pack(inner)
    return made


_SPECIAL: dict[str, st.SearchStrategy[Any]] = {
    "google.protobuf.Timestamp": st.builds(
        timestamp_pb2.Timestamp,
        seconds=st.integers(-62135596800, 253402300799),
        nanos=st.integers(0, 10**9 - 1) | st.integers(0, 999).map(lambda n: n * 10**6),
    ),
    "google.protobuf.Duration": st.builds(
        _duration, st.integers(-315575999999, 315575999999), st.integers(0, 10**9 - 1)
    ),
    "google.protobuf.FieldMask": st.builds(field_mask_pb2.FieldMask, paths=st.lists(_PATH, max_size=3)),
    "google.protobuf.Value": _json_value(),
    "google.protobuf.Struct": st.builds(
        struct_pb2.Struct, fields=st.dictionaries(_TEXT, _json_value(), max_size=3)
    ),
    "google.protobuf.ListValue": st.builds(struct_pb2.ListValue, values=st.lists(_json_value(), max_size=3)),
    "google.protobuf.Any": _packed(),
}


@cache
def values(field: FieldDescriptor, depth: int) -> st.SearchStrategy[Any]:
    """Values of one field; of a repeated one, of all of it."""
    below = field.message_type
    if below is not None and below.GetOptions().map_entry:
        key, item = below.fields_by_name["key"], below.fields_by_name["value"]
        return st.dictionaries(values(key, depth), values(item, depth), max_size=2)
    single = _single(field, depth)
    return st.lists(single, max_size=3) if field.is_repeated else single


def _single(field: FieldDescriptor, depth: int) -> st.SearchStrategy[Any]:
    if field.message_type is not None:
        name = field.message_type.full_name
        return _SPECIAL[name] if name in _SPECIAL else messages(field.message_type, depth + 1)
    if field.enum_type is not None:
        return st.sampled_from(sorted(field.enum_type.values_by_number))
    if field.type == FieldDescriptor.TYPE_BYTES:
        return st.binary(max_size=7)
    return _VALUES.get(field.cpp_type, _TEXT)


@cache
def _choices(descriptor: Descriptor, depth: int) -> st.SearchStrategy[list[FieldDescriptor]]:
    fields = tuple(descriptor.fields) if depth < 3 else ()
    return st.lists(st.sampled_from(fields), max_size=2 if depth else 6) if fields else st.just([])


@st.composite
def messages(draw: st.DrawFn, descriptor: Descriptor, depth: int = 0) -> Any:
    """Messages of a type with a few of its fields set."""
    chosen = draw(_choices(descriptor, depth))
    made = {field.name: draw(values(field, depth)) for field in chosen}
    return GetMessageClass(descriptor)(**made)

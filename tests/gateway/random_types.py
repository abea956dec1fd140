"""Random message types, in a pool of their own, and random messages of them, from a seed."""

import math
from random import Random
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
from google.protobuf.message_factory import GetMessageClass

PACKAGE = "bedplate.tests.random"
TYPES = 5
FIELDS_MAX = 12
_Field = descriptor_pb2.FieldDescriptorProto
_SCALARS = [kind for kind in _Field.Type.values() if kind not in (_Field.TYPE_GROUP, _Field.TYPE_MESSAGE)]
_KEYS = [
    kind
    for kind in _SCALARS
    if kind not in (_Field.TYPE_DOUBLE, _Field.TYPE_FLOAT, _Field.TYPE_BYTES, _Field.TYPE_ENUM)
]
_FILES = [
    module.DESCRIPTOR
    for module in (any_pb2, duration_pb2, empty_pb2, field_mask_pb2, struct_pb2, timestamp_pb2, wrappers_pb2)
]
_WELL_KNOWN = sorted(
    f".{descriptor.full_name}" for file in _FILES for descriptor in file.message_types_by_name.values()
)
# Some are words of Python, some are names in functions that the codec writes.
_WORDS = [
    *("id", "from", "class", "None", "value", "out", "get", "document", "message", "has", "key", "each"),
    *("encode", "convert", "f1", "Unfit", "text_2", "a_b_c", "camelCase", "UPPER", "_x", "trailing_"),
    *("x__y", "number_9", "self", "lambda", "print"),
]
_RANGES = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2**64 - 1),
}
_CHARACTERS = "ab \"\\/\n\0\x1f\x7f<>&'é€😀\u2028\ufeff:{}[],"


def random_types(random: Random) -> list[Descriptor]:
    """Some types that may hold each other, themselves, and all that protobuf brings along."""
    pool = descriptor_pool.DescriptorPool()
    for known in _FILES:
        pool.AddSerializedFile(known.serialized_pb)
    file = descriptor_pb2.FileDescriptorProto(name="random.proto", package=PACKAGE, syntax="proto3")
    file.dependency.extend(known.name for known in _FILES)
    kind = file.enum_type.add(name="Kind")
    kind.options.allow_alias = True
    for name, number in [("KIND_NONE", 0), ("KIND_A", 1), ("KIND_B", 1), ("KIND_MINUS", -5)]:
        kind.value.add(name=name, number=number)
    for number in range(TYPES):
        _fill_type(random, file.message_type.add(name=f"Type{number}"))
    pool.AddSerializedFile(file.SerializeToString())
    return [pool.FindMessageTypeByName(f"{PACKAGE}.Type{number}") for number in range(TYPES)]


def _fill_type(random: Random, made: descriptor_pb2.DescriptorProto) -> None:
    words = random.sample(_WORDS, random.randint(1, FIELDS_MAX))
    choice = made.oneof_decl.add(name="choice") if random.random() < 0.4 else None
    optional = []
    for number, word in enumerate(words, random.choice([1, 1000])):
        field = made.field.add(name=word, number=number, label=_Field.LABEL_OPTIONAL)
        if random.random() < 0.1:
            field.json_name = random.choice(["@", "a.b", 'quo"te', "{0}", "ü", "\\"]) + str(number)
        form = random.choice(["one", "one", "many", "map", "oneof", "optional"])
        if form == "map":
            _fill_map(random, made, field)
            continue
        _fill_field(random, field, single=form != "many")
        if form == "many":
            field.label = _Field.LABEL_REPEATED
        elif form == "oneof" and choice is not None:
            field.oneof_index = 0
        elif form == "optional" and field.type != _Field.TYPE_MESSAGE:
            optional.append(field)
    if choice is not None and not any(field.HasField("oneof_index") for field in made.field):
        del made.oneof_decl[:]
    for field in optional:
        field.proto3_optional, field.oneof_index = True, len(made.oneof_decl)
        made.oneof_decl.add(name=f"_only_{field.number}")


def _fill_field(random: Random, field: _Field, *, single: bool) -> None:
    field.type = random.choice([*_SCALARS, *[_Field.TYPE_MESSAGE] * 8])
    if field.type == _Field.TYPE_ENUM:
        # json_format cannot read null in lists and maps.
        null = single and random.random() < 0.3
        field.type_name = ".google.protobuf.NullValue" if null else f".{PACKAGE}.Kind"
    elif field.type == _Field.TYPE_MESSAGE:
        own = f".{PACKAGE}.Type{random.randrange(TYPES)}"
        field.type_name = random.choice([own, random.choice(_WELL_KNOWN)])


def _fill_map(random: Random, made: descriptor_pb2.DescriptorProto, field: _Field) -> None:
    entry = made.nested_type.add(name=f"Entry{field.number}")
    entry.options.map_entry = True
    entry.field.add(name="key", number=1, label=_Field.LABEL_OPTIONAL, type=random.choice(_KEYS))
    value = entry.field.add(name="value", number=2, label=_Field.LABEL_OPTIONAL)
    _fill_field(random, value, single=False)
    field.label, field.type = _Field.LABEL_REPEATED, _Field.TYPE_MESSAGE
    field.type_name = f".{PACKAGE}.{made.name}.{entry.name}"


def random_message(random: Random, descriptor: Descriptor, depth: int = 0) -> Any:
    """A message of a type with some of its fields set, all of them valid."""
    known = _known(random, descriptor, depth)
    made = GetMessageClass(descriptor)(**(known or {}))
    if known is not None:
        return made
    for field in descriptor.fields:
        if random.random() < (0.6 if depth == 0 else 0.5 / depth):
            setter = {field.name: _value(random, field, depth)}
            made.MergeFrom(GetMessageClass(descriptor)(**setter))
    return made


def _value(random: Random, field: FieldDescriptor, depth: int) -> Any:
    below = field.message_type
    count = random.choice([0, 1, 1, 2, 3])
    if below is not None and below.GetOptions().map_entry:
        key, value = below.fields_by_name["key"], below.fields_by_name["value"]
        return {_single(random, key, depth): _single(random, value, depth) for _ in range(count)}
    if field.is_repeated:
        return [_single(random, field, depth) for _ in range(count)]
    return _single(random, field, depth)


def _single(random: Random, field: FieldDescriptor, depth: int) -> Any:
    kind = field.cpp_type
    if field.message_type is not None:
        return random_message(random, field.message_type, depth + 1)
    if field.enum_type is not None:
        return random.choice(list(field.enum_type.values_by_number))
    if kind in _RANGES:
        low, high = _RANGES[kind]
        return random.choice([low, high, 0, 1, random.randint(low, high), random.randint(0, 999)])
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return random.random() < 0.5
    if kind == FieldDescriptor.CPPTYPE_STRING:
        text = "".join(random.choices(_CHARACTERS, k=random.randint(0, 8)))
        return text.encode()[:7] if field.type == FieldDescriptor.TYPE_BYTES else text
    return _number(random, largest=1e38 if kind == FieldDescriptor.CPPTYPE_FLOAT else 8e307)


def _number(random: Random, *, largest: float, finite: bool = False) -> float:
    special = [] if finite else [math.nan, math.inf, -math.inf]
    return random.choice([*special, 0.0, -0.0, 1.5, 1e15, random.uniform(-largest, largest), random.random()])


def _known(random: Random, descriptor: Descriptor, depth: int) -> dict[str, Any] | None:
    """The fields of a message with a JSON form of its own; None: it has none."""
    match descriptor.full_name:
        case "google.protobuf.Timestamp":
            seconds = random.choice([-62135596800, 253402300799, random.randint(-(10**9), 10**10)])
            return {"seconds": seconds, "nanos": _nanos(random)}
        case "google.protobuf.Duration":
            sign = random.choice([-1, 1])
            return {"seconds": sign * random.randint(0, 10**9), "nanos": sign * _nanos(random)}
        case "google.protobuf.FieldMask":
            return {"paths": random.sample(["a", "b_c", "d.e_f", "g1"], random.randint(0, 3))}
        case "google.protobuf.Value":
            return _free(random, descriptor, depth)
        case "google.protobuf.Any":
            return _packed(random, descriptor, depth)
    return None


def _nanos(random: Random) -> int:
    return random.choice(
        [0, 1, 999_999_999, 500_000_000, random.randrange(10**9), random.randrange(10**3) * 10**6]
    )


def _free(random: Random, descriptor: Descriptor, depth: int) -> dict[str, Any]:
    types = descriptor.file.message_types_by_name
    match random.choice(["null", "number", "text", "flag"] + ["list", "struct"] * (depth < 4)):
        case "number":
            return {"number_value": _number(random, largest=8e307, finite=True)}
        case "text":
            return {"string_value": "".join(random.choices(_CHARACTERS, k=3))}
        case "flag":
            return {"bool_value": random.random() < 0.5}
        case "list":
            return {"list_value": random_message(random, types["ListValue"], depth + 1)}
        case "struct":
            return {"struct_value": random_message(random, types["Struct"], depth + 1)}
    return {"null_value": 0}


def _packed(random: Random, descriptor: Descriptor, depth: int) -> dict[str, Any]:
    name = random.choice([f"{PACKAGE}.Type0", "google.protobuf.Duration", "google.protobuf.Int64Value"])
    if depth > 3:
        return {}
    inner = random_message(random, descriptor.file.pool.FindMessageTypeByName(name), depth + 2)
    packed = inner.SerializeToString(deterministic=True)
    return {"type_url": f"type.googleapis.com/{name}", "value": packed}

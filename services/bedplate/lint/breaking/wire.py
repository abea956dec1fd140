"""BB1xx: programs made from the old contract misread messages, or find nothing."""

from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FieldDescriptorProto

from bedplate.lint.breaking.change import Change, Pair
from bedplate.v1 import policy_pb2

F = FieldDescriptor
# What the bytes of one type mean as the other; JSON writes them otherwise.
WIDER = frozenset(
    {
        (F.TYPE_INT32, F.TYPE_INT64),
        (F.TYPE_UINT32, F.TYPE_UINT64),
        (F.TYPE_SINT32, F.TYPE_SINT64),
        (F.TYPE_ENUM, F.TYPE_INT32),
        (F.TYPE_ENUM, F.TYPE_INT64),
        (F.TYPE_STRING, F.TYPE_BYTES),
    }
)


def changes(pair: Pair) -> Iterator[Change]:
    """All of them."""
    yield from _removed(pair)
    yield from _methods(pair)
    for old, new in pair.messages:
        yield from _fields(old, new)
        yield from _reserved(old, new)
    for before, after in pair.enums:
        if not is_reasons(before):
            yield from _values(before, after)


def type_name(field: FieldDescriptor) -> str:
    """Its type as the contract writes it."""
    if field.message_type is not None:
        return str(field.message_type.full_name)
    if field.enum_type is not None:
        return str(field.enum_type.full_name)
    return FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()  # type: ignore[arg-type]


def is_reasons(enum: EnumDescriptor) -> bool:
    """Whether it is a list of reasons, of which names travel and no numbers."""
    return bool(enum.GetOptions().HasExtension(policy_pb2.reasons))


def is_reserved(message: Descriptor | EnumDescriptor, number: int) -> bool:
    """Whether a number may not be used again."""
    return any(start <= number <= end for start, end in _ranges(message))


def _removed(pair: Pair) -> Iterator[Change]:
    kinds: tuple[tuple[str, str, Mapping[str, Any], Mapping[str, Any]], ...] = (
        ("BB101", "message", _named(pair.old.messages), _named(pair.new.messages)),
        ("BB102", "enum", _named(pair.old.enums), _named(pair.new.enums)),
        ("BB103", "service", _named(pair.old.services), _named(pair.new.services)),
    )
    for code, kind, old, new in kinds:
        for name in sorted(old.keys() - new.keys()):
            inside = old[name].full_name.removeprefix(f"{old[name].file.package}.")
            moved = [
                full
                for full, other in new.items()
                if full not in old and full.removeprefix(f"{other.file.package}.") == inside
            ]
            if moved:
                yield Change(
                    "BB105",
                    name,
                    f"The {kind} {name} moved to {moved[0]}, so callers of the old name find nothing; keep "
                    "the old package until they have moved",
                )
            elif "." not in inside or inside.rpartition(".")[0] not in {
                full.removeprefix(f"{old[name].file.package}.") for full in old.keys() - new.keys()
            }:
                yield Change(code, name, f"The {kind} {name} is gone; keep it until nobody uses it")


def _methods(pair: Pair) -> Iterator[Change]:
    services = {service.full_name: service for service in pair.new.services}
    there = {method.name for method in pair.new.methods}
    for method in pair.old.methods:
        service = method.descriptor.containing_service.full_name
        if service in services and method.name not in there:
            yield Change(
                "BB104",
                method.descriptor.full_name,
                f"The method {method.name} is gone; deprecate it with a sunset first, and keep it until then",
            )
    for before, after in pair.methods:
        old, new = before.descriptor, after.descriptor
        for what, one, other in (
            ("takes", old.input_type, new.input_type),
            ("answers", old.output_type, new.output_type),
        ):
            if one.full_name != other.full_name:
                yield Change(
                    "BB106",
                    old.full_name,
                    f"{before.name} {what} {other.full_name} in place of {one.full_name}; add a method "
                    "instead",
                )
        if (old.client_streaming, old.server_streaming) != (new.client_streaming, new.server_streaming):
            yield Change(
                "BB107",
                old.full_name,
                f"{before.name} streams otherwise than before; add a method instead",
            )


def _fields(old: Descriptor, new: Descriptor) -> Iterator[Change]:
    for field in old.fields:
        after = new.fields_by_number.get(field.number)
        named = new.fields_by_name.get(field.name)
        if named is not None and named.number != field.number:
            yield Change(
                "BB109",
                field.full_name,
                f"{old.name}.{field.name} had the number {field.number} and has {named.number}; give it back "
                "its number",
            )
        elif after is None and not is_reserved(new, field.number):
            yield Change(
                "BB108",
                field.full_name,
                f"{old.name}.{field.name} is gone and its number is free for another meaning; write "
                f'reserved {field.number}; and reserved "{field.name}";',
            )
        elif after is not None:
            yield from _field(old, field, after)


def _field(message: Descriptor, old: FieldDescriptor, new: FieldDescriptor) -> Iterator[Change]:
    name = f"{message.name}.{old.name}"
    if old.is_repeated != new.is_repeated:
        words = ("one", "many") if new.is_repeated else ("many", "one")
        yield Change(
            "BB111", new.full_name, f"{name} held {words[0]} and holds {words[1]}; add a field instead"
        )
    elif type_name(old) != type_name(new) and not _wider(old, new):
        yield Change(
            "BB110",
            new.full_name,
            f"{name} was {type_name(old)} and is {type_name(new)}, which reads the same bytes otherwise; add "
            "a field instead",
        )
    one, other = _oneof(old), _oneof(new)
    if one != other:
        how = f"joined the oneof {other}" if other else f"left the oneof {one}"
        yield Change("BB112", new.full_name, f"{name} {how}, so setting it clears other fields than before")
    elif not old.is_repeated and old.has_presence != new.has_presence:
        how = "can be told from zero" if new.has_presence else "cannot be told from zero any more"
        yield Change(
            "BB115", new.full_name, f"{name}, left out, {how}; give it back its `optional` as it was"
        )


def _values(old: EnumDescriptor, new: EnumDescriptor) -> Iterator[Change]:
    for value in old.values:
        name = f"{old.full_name}.{value.name}"
        named = new.values_by_name.get(value.name)
        if named is not None and named.number != value.number:
            yield Change(
                "BB114",
                name,
                f"{value.name} had the number {value.number} and has {named.number}; give it back its number",
            )
        elif value.number not in new.values_by_number and not is_reserved(new, value.number):
            yield Change(
                "BB113",
                name,
                f"{value.name} is gone and its number is free for another meaning; write reserved "
                f'{value.number}; and reserved "{value.name}";',
            )


def _reserved(old: Descriptor, new: Descriptor) -> Iterator[Change]:
    for start, end in _ranges(old):
        if not any(one <= start and end <= other for one, other in _ranges(new)):
            shown = str(start) if start == end else f"{start} to {end}"
            yield Change(
                "BB116",
                old.full_name,
                f"{old.name} reserves {shown} no more, which old messages may still hold; reserve it again",
            )


def _ranges(message: Descriptor | EnumDescriptor) -> Iterator[tuple[int, int]]:
    """Reserved numbers, first and last."""
    if isinstance(message, Descriptor):
        proto = DescriptorProto()
        message.CopyToProto(proto)
        yield from ((one.start, one.end - 1) for one in proto.reserved_range)
    else:
        enum = EnumDescriptorProto()
        message.CopyToProto(enum)
        yield from ((one.start, one.end) for one in enum.reserved_range)


def _wider(old: FieldDescriptor, new: FieldDescriptor) -> bool:
    return (old.type, new.type) in WIDER


def _oneof(field: FieldDescriptor) -> str:
    """The oneof that it is in, without those that `optional` makes."""
    oneof = field.containing_oneof
    return "" if oneof is None or oneof.name == f"_{field.name}" else str(oneof.name)


def _named(things: Any) -> dict[str, Any]:
    return {thing.full_name: thing for thing in things}

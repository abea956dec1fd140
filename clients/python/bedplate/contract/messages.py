"""What message types hold, themselves and below themselves."""

from collections.abc import Callable, Iterator

from google.protobuf.descriptor import Descriptor, FieldDescriptor


def reached_from(descriptor: Descriptor) -> Iterator[Descriptor]:
    """The type and every type below it, each once; a type may hold itself. Entries of maps are types too."""
    seen = {descriptor.full_name}
    waiting = [descriptor]
    while waiting:
        found = waiting.pop()
        yield found
        for field in found.fields:
            below = field.message_type
            if below is not None and below.full_name not in seen:
                seen.add(below.full_name)
                waiting.append(below)


def has_field(descriptor: Descriptor, test: Callable[[FieldDescriptor], bool]) -> bool:
    """Whether the type, or one below it, has a field that passes a test."""
    return any(test(field) for found in reached_from(descriptor) for field in found.fields)


def is_map(field: FieldDescriptor) -> bool:
    """Whether the field is a map."""
    return field.message_type is not None and bool(field.message_type.GetOptions().map_entry)


def field_at(descriptor: Descriptor, path: str) -> FieldDescriptor | None:
    """The field at a dotted path, by proto names; None: there is none, or only below a list or a map."""
    below: Descriptor | None = descriptor
    field = None
    for step in path.split("."):
        field = below.fields_by_name.get(step) if below is not None else None
        if field is None:
            return None
        below = None if field.is_repeated else field.message_type
    return field

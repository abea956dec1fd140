"""What a contract's comments say, out of a descriptor set that kept them."""

from collections.abc import Iterator
from typing import Any

# Fields of descriptor.proto's messages that hold what has comments; places in
# the source are paths of such numbers.
_FILE_MESSAGE, _FILE_ENUM, _FILE_SERVICE = 4, 5, 6
_MESSAGE_FIELD, _MESSAGE_NESTED, _MESSAGE_ENUM = 2, 3, 4
_ENUM_VALUE = _SERVICE_METHOD = 2

_Named = Iterator[tuple[tuple[int, ...], str]]


def comments(file: Any) -> dict[str, str]:
    """The comment before each message, field, enum, value, service and method, by full name; no blank ends.

    A value's name stands below its enum's.

    Args:
        file: A FileDescriptorProto.
    """
    names = dict(_names(file))
    found: dict[str, str] = {}
    for location in file.source_code_info.location:
        name = names.get(tuple(location.path))
        text = "\n".join(line.strip() for line in location.leading_comments.splitlines()).strip()
        if name and text:
            found[name] = text
    return found


def _names(file: Any) -> _Named:
    prefix = f"{file.package}." if file.package else ""
    for index, message in enumerate(file.message_type):
        yield from _of_message(message, (_FILE_MESSAGE, index), prefix)
    for index, enum in enumerate(file.enum_type):
        yield from _of_enum(enum, (_FILE_ENUM, index), prefix)
    for index, service in enumerate(file.service):
        name = prefix + service.name
        yield (_FILE_SERVICE, index), name
        for place, method in enumerate(service.method):
            yield (_FILE_SERVICE, index, _SERVICE_METHOD, place), f"{name}.{method.name}"


def _of_message(message: Any, path: tuple[int, ...], prefix: str) -> _Named:
    name = prefix + message.name
    yield path, name
    for index, field in enumerate(message.field):
        yield (*path, _MESSAGE_FIELD, index), f"{name}.{field.name}"
    for index, enum in enumerate(message.enum_type):
        yield from _of_enum(enum, (*path, _MESSAGE_ENUM, index), f"{name}.")
    for index, nested in enumerate(message.nested_type):
        yield from _of_message(nested, (*path, _MESSAGE_NESTED, index), f"{name}.")


def _of_enum(enum: Any, path: tuple[int, ...], prefix: str) -> _Named:
    name = prefix + enum.name
    yield path, name
    for index, value in enumerate(enum.value):
        yield (*path, _ENUM_VALUE, index), f"{name}.{value.name}"

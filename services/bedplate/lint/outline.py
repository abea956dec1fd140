"""All that stands in a .proto file, with its place and its comment."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FileDescriptorProto

# Fields of FileDescriptorProto, DescriptorProto, EnumDescriptorProto and
# ServiceDescriptorProto; source locations are paths of such numbers.
_FILE_PACKAGE, _FILE_MESSAGE, _FILE_ENUM, _FILE_SERVICE = 2, 4, 5, 6
_MESSAGE_FIELD, _MESSAGE_NESTED, _MESSAGE_ENUM = 2, 3, 4
_ENUM_VALUE, _SERVICE_METHOD = 2, 2

Path = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Element:
    """A named part of a contract.

    Attributes:
        name: Full name; a value's begins with its enum's.
        kind: `file`, `message`, `field`, `enum`, `value`, `service` or `method`.
        file: Name of its file.
        line: Its first line, from 1, without its comment.
        column: From 1.
        end: Its last line.
        comment: The comment before it; empty for none.
    """

    name: str
    kind: str
    file: str
    line: int
    column: int
    end: int
    comment: str


def outline(proto: FileDescriptorProto) -> Iterator[Element]:
    """The elements of a file, the file itself first."""
    places = {tuple(place.path): place for place in proto.source_code_info.location}
    for path, name, kind in _named(proto):
        place = places.get(path)
        span: Sequence[int] = place.span if place else (0, 0, 0)
        end = span[2] if len(span) == 4 else span[0]
        comment = place.leading_comments.strip() if place else ""
        yield Element(name, kind, proto.name, span[0] + 1, span[1] + 1, end + 1, comment)


def find_option(lines: Sequence[str], element: Element, word: str) -> int:
    """The line below an element on which an option is written; the element's own when it is not there.

    Args:
        lines: The file's lines.
        element: What has the option.
        word: Its first word, such as `retry` or `google.api.http`.
    """
    for number in range(element.line, min(element.end, len(lines)) + 1):
        code = lines[number - 1].partition("//")[0]
        start = code.find(word)
        while start >= 0:
            before, after = code[:start], code[start + len(word) :].lstrip()
            if not before[-1:].isidentifier() and before[-1:] != "." and after[:1] in (":", "{", ")", " ="):
                return number
            start = code.find(word, start + 1)
    return element.line


def by_name(protos: Mapping[str, FileDescriptorProto], files: Sequence[str]) -> dict[str, Element]:
    """The elements of some files, by full name."""
    return {element.name: element for name in files for element in outline(protos[name])}


def _named(proto: FileDescriptorProto) -> Iterator[tuple[Path, str, str]]:
    prefix = f"{proto.package}." if proto.package else ""
    yield (_FILE_PACKAGE,), proto.name, "file"
    for index, message in enumerate(proto.message_type):
        yield from _of_message(message, (_FILE_MESSAGE, index), prefix)
    for index, enum in enumerate(proto.enum_type):
        yield from _of_enum(enum, (_FILE_ENUM, index), prefix)
    for index, service in enumerate(proto.service):
        name = prefix + service.name
        yield (_FILE_SERVICE, index), name, "service"
        for place, method in enumerate(service.method):
            yield (_FILE_SERVICE, index, _SERVICE_METHOD, place), f"{name}.{method.name}", "method"


def _of_message(message: DescriptorProto, path: Path, prefix: str) -> Iterator[tuple[Path, str, str]]:
    if message.options.map_entry:
        return
    name = prefix + message.name
    yield path, name, "message"
    for index, field in enumerate(message.field):
        yield (*path, _MESSAGE_FIELD, index), f"{name}.{field.name}", "field"
    for index, nested in enumerate(message.nested_type):
        yield from _of_message(nested, (*path, _MESSAGE_NESTED, index), f"{name}.")
    for index, enum in enumerate(message.enum_type):
        yield from _of_enum(enum, (*path, _MESSAGE_ENUM, index), f"{name}.")


def _of_enum(enum: EnumDescriptorProto, path: Path, prefix: str) -> Iterator[tuple[Path, str, str]]:
    name = prefix + enum.name
    yield path, name, "enum"
    for index, value in enumerate(enum.value):
        yield (*path, _ENUM_VALUE, index), f"{name}.{value.name}", "value"

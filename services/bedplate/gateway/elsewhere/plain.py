"""Descriptors as plain messages, before anybody reads what their options mean.

Options are extensions, told apart by numbers only. Ours are of the range that
everybody may use within a company, so a stranger's contract may have an option
of its own under one of our numbers. It would be read as a policy, so it is taken
out; no contract can have both.
"""

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

from bedplate.v1 import policy_pb2

POLICY_FILE = policy_pb2.DESCRIPTOR.name

# Our options: the number of each, and of what it is one.
_OURS = {
    (str(extension.containing_type and extension.containing_type.name), extension.number)
    for extension in policy_pb2.DESCRIPTOR.extensions_by_name.values()
}
_EXTENDEE = ".google.protobuf."


@cache
def _pool() -> DescriptorPool:
    """Knows descriptor.proto, and our options as bytes."""
    pool = DescriptorPool()
    pool.AddSerializedFile(descriptor_pb2.DESCRIPTOR.serialized_pb)
    marks = descriptor_pb2.FileDescriptorProto(
        name="marks.proto", package="marks", dependency=[descriptor_pb2.DESCRIPTOR.name]
    )
    for options, number in sorted(_OURS):
        marks.extension.add(
            name=f"mark_{number}",
            number=number,
            extendee=f"{_EXTENDEE}{options}",
            type=FieldDescriptor.TYPE_BYTES,
            label=FieldDescriptor.LABEL_OPTIONAL,
        )
    pool.AddSerializedFile(marks.SerializeToString())
    return pool


@cache
def kind(name: str) -> Any:
    """The class of one of descriptor.proto's messages, such as `FileDescriptorSet`."""
    return GetMessageClass(_pool().FindMessageTypeByName(f"google.protobuf.{name}"))


def without_strangers(files: Iterable[Any]) -> None:
    """Take options out that have the numbers of ours and are not ours."""
    listed = list(files)
    if not any(_is_strange(extension) for file in listed for extension in _extensions(file)):
        return
    marks = [(extension.containing_type.name, extension) for extension in _marks()]
    for file in listed:
        for options in _options(file):
            for name, mark in marks:
                if options.DESCRIPTOR.name == name:
                    options.ClearExtension(mark)


def _marks() -> Iterable[Any]:
    found: Iterable[Any] = _pool().FindFileByName("marks.proto").extensions_by_name.values()
    return found


def _is_strange(extension: Any) -> bool:
    name = extension.extendee.removeprefix(_EXTENDEE)
    return (name, extension.number) in _OURS


def _extensions(file: Any) -> Iterator[Any]:
    """The extensions that a file declares, other than the one that declares ours."""
    if file.name != POLICY_FILE:
        yield from file.extension
        for message in _messages(file.message_type):
            yield from message.extension


def _messages(messages: Iterable[Any]) -> Iterator[Any]:
    for message in messages:
        yield message
        yield from _messages(message.nested_type)


def _options(file: Any) -> Iterator[Any]:
    """The options of everything in a file that ours can be of."""
    enums = list(file.enum_type)
    for service in file.service:
        yield service.options
        yield from (method.options for method in service.method)
    for message in _messages(file.message_type):
        enums.extend(message.enum_type)
        yield from (field.options for field in message.field)
    for enum in enums:
        yield enum.options
        yield from (value.options for value in enum.value)

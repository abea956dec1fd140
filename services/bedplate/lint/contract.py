"""The contracts that are looked at: files, elements with their places, methods with their policies."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from google.protobuf.descriptor import (
    Descriptor,
    EnumDescriptor,
    FieldDescriptor,
    FileDescriptor,
    MethodDescriptor,
    ServiceDescriptor,
)
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool

from bedplate.contract.bindings import Binding, bindings
from bedplate.contract.policy import MethodPolicy, PolicyError, Visibility, resolve, service_policy
from bedplate.lint.finding import Place
from bedplate.lint.outline import Element, by_name, find_option
from bedplate.v1 import policy_pb2

NOT_OWN = ("google", "buf")


@dataclass(frozen=True, slots=True)
class Method:
    """A method and what it promises.

    Attributes:
        descriptor: It, in its contract.
        own: The options that it sets itself.
        options: Those of its service and its own together.
        policy: All of it; None when it contradicts itself.
        http: Its HTTP bindings; empty when there is none, or its rule cannot be read.
        http_mistake: Why the rule cannot be read; empty otherwise.
    """

    descriptor: MethodDescriptor
    own: policy_pb2.MethodPolicy
    options: policy_pb2.MethodPolicy
    policy: MethodPolicy | None
    http: tuple[Binding, ...]
    http_mistake: str

    @property
    def name(self) -> str:
        """Full name as callers write it, `package.Service/Method`."""
        return f"{self.descriptor.containing_service.full_name}/{self.descriptor.name}"

    @property
    def visible(self) -> bool:
        """Whether others than services may see it."""
        return self.options.visibility in (Visibility.PARTNER.value, Visibility.PUBLIC.value)


class Contract:
    """Contracts of one state, such as a working tree or a commit."""

    def __init__(
        self,
        content: FileDescriptorSet,
        own: Sequence[str],
        *,
        folder: str = "",
        texts: Mapping[str, str] = {},
    ) -> None:
        """Read a descriptor set.

        Args:
            content: The files and all that they import.
            own: Names of the files that are looked at.
            folder: What files' names are relative to, as it is shown.
            texts: The files' text by name, where it is known.
        """
        pool = DescriptorPool()
        for proto in content.file:
            pool.AddSerializedFile(proto.SerializeToString())
        protos = {proto.name: proto for proto in content.file}
        self._folder = folder
        self.all_files: tuple[FileDescriptor, ...] = tuple(pool.FindFileByName(name) for name in protos)
        self.lines = {name: text.splitlines() for name, text in texts.items()}
        self.own = tuple(sorted(own))
        self.files = tuple(file for file in self.all_files if file.name in self.own)
        self.elements: dict[str, Element] = by_name(protos, self.own)

    @property
    def services(self) -> Iterator[ServiceDescriptor]:
        """The services of the files that are looked at."""
        for file in self.files:
            yield from file.services_by_name.values()

    @cached_property
    def methods(self) -> tuple[Method, ...]:
        """Their methods."""
        return tuple(read_method(method) for service in self.services for method in service.methods)

    @cached_property
    def messages(self) -> tuple[Descriptor, ...]:
        """Their messages, nested ones too, without the entries of maps."""
        found: list[Descriptor] = []
        waiting = [message for file in self.files for message in file.message_types_by_name.values()]
        while waiting:
            message = waiting.pop(0)
            if not message.GetOptions().map_entry:
                found.append(message)
                waiting += message.nested_types
        return tuple(found)

    @cached_property
    def enums(self) -> tuple[EnumDescriptor, ...]:
        """Their enums, nested ones too."""
        top = [enum for file in self.files for enum in file.enum_types_by_name.values()]
        return tuple(top + [enum for message in self.messages for enum in message.enum_types])

    @property
    def fields(self) -> Iterator[FieldDescriptor]:
        """The fields of their messages."""
        for message in self.messages:
            yield from message.fields

    def place(self, name: str, option: str = "") -> Place:
        """Where an element stands, or one of its options; where what it is in stands, if it is not there."""
        while name and name not in self.elements:
            name = name.rpartition(".")[0]
        element = self.elements.get(name)
        if element is None:
            return Place(self._folder)
        shown = f"{self._folder}/{element.file}" if self._folder else element.file
        line, column = element.line, element.column
        lines = self.lines.get(element.file, ())
        if option and lines and (found := find_option(lines, element, option)) != line:
            text = lines[found - 1]
            line, column = found, len(text) - len(text.lstrip()) + 1
        return Place(shown, line, column)


def read_method(descriptor: MethodDescriptor) -> Method:
    """A method with its policy; what cannot be read is told in the result."""
    own = policy_pb2.MethodPolicy()
    own.CopyFrom(descriptor.GetOptions().Extensions[policy_pb2.policy])
    options = policy_pb2.MethodPolicy()
    options.CopyFrom(service_policy(descriptor.containing_service).defaults)
    for field, _ in own.ListFields():
        options.ClearField(field.name)  # type: ignore[arg-type]
    options.MergeFrom(own)
    try:
        policy = resolve(descriptor)
    except PolicyError:
        policy = None  # a rule says why
    http: tuple[Binding, ...] = ()
    http_mistake = ""
    try:
        http = tuple(bindings(descriptor))
    except PolicyError as error:
        http_mistake = str(error)
    return Method(descriptor, own, options, policy, http, http_mistake)

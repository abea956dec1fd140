"""Reflection v1 and v1alpha: shows the contracts of what is served, and of nothing else."""

from collections.abc import AsyncIterator, Iterable, Iterator
from functools import cache
from typing import Any

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FileDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2
from grpc_reflection.v1alpha import reflection_pb2 as v1alpha

from bedplate.pipeline.call import Call
from bedplate.server.service import Service

_SERVICE = "ServerReflection"
_V1_FILE = "grpc/reflection/v1/reflection.proto"


def reflection_services(served: Iterable[ServiceDescriptor]) -> tuple[Service, Service]:
    """Reflection in both versions, over these services and itself."""
    old: Any = v1alpha.DESCRIPTOR
    contracts: tuple[ServiceDescriptor, ...] = tuple(
        file.services_by_name[_SERVICE] for file in (_v1_file(), old)
    )
    catalogue = Catalogue((*served, *contracts))
    v1, alpha = (Service("reflection", contract, Reflection(catalogue, contract)) for contract in contracts)
    return v1, alpha


@cache
def _v1_file() -> FileDescriptor:
    """The contract of v1, which has no package in Python: v1alpha's under its new name."""
    text = FileDescriptorProto.FromString(v1alpha.DESCRIPTOR.serialized_pb)
    old, new = f".{text.package}.", ".grpc.reflection.v1."
    text.name, text.package = _V1_FILE, "grpc.reflection.v1"
    text.options.Clear()
    for message in text.message_type:
        for field in message.field:
            if field.type_name:
                field.type_name = field.type_name.replace(old, new)
    for method in text.service[0].method:
        method.input_type = method.input_type.replace(old, new)
        method.output_type = method.output_type.replace(old, new)
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(text.SerializeToString())
    return pool.FindFileByName(_V1_FILE)


class Catalogue:
    """Files, symbols and extensions that can be reached from some services."""

    def __init__(self, services: Iterable[ServiceDescriptor]) -> None:
        listed = list(services)
        self.services = sorted({service.full_name for service in listed})
        self.files: dict[str, FileDescriptor] = {}
        for service in listed:
            self._add(service.file)
        # No contract imports them, and a client that prints a refusal asks what they are.
        self._add(error_details_pb2.DESCRIPTOR)
        self.symbols = {name: file for file in self.files.values() for name in _symbols(file)}
        self.extensions: dict[str, dict[int, FileDescriptor]] = {}
        for file in self.files.values():
            for extension in _extensions(file):
                self.extensions.setdefault(extension.containing_type.full_name, {})[extension.number] = file

    def _add(self, file: FileDescriptor) -> None:
        if file.name not in self.files:
            self.files[file.name] = file
            for dependency in file.dependencies:
                self._add(dependency)

    def with_dependencies(self, file: FileDescriptor, sent: set[str]) -> Iterator[bytes]:
        """A file and what it imports, without what was sent before on the same stream."""
        if file.name in sent:
            return
        sent.add(file.name)
        yield file.serialized_pb
        for dependency in file.dependencies:
            yield from self.with_dependencies(dependency, sent)


class Reflection:
    """The handlers of one version of reflection; the versions differ only in their names."""

    def __init__(self, catalogue: Catalogue, contract: ServiceDescriptor) -> None:
        self._catalogue = catalogue
        self._response: Any = GetMessageClass(contract.methods[0].output_type)

    async def ServerReflectionInfo(self, requests: AsyncIterator[Any], call: Call) -> AsyncIterator[Any]:
        """Answer questions as they come; what does not exist is answered NOT_FOUND within the stream."""
        sent: set[str] = set()
        async for request in requests:
            response = self._response(valid_host=request.host, original_request=request)
            self._fill(response, request, sent)
            yield response

    def _fill(self, response: Any, request: Any, sent: set[str]) -> None:
        catalogue = self._catalogue
        question = request.WhichOneof("message_request")
        if question == "list_services":
            for name in catalogue.services:
                response.list_services_response.service.add(name=name)
        elif question == "file_by_filename":
            self._file(response, catalogue.files.get(request.file_by_filename), sent)
        elif question == "file_containing_symbol":
            self._file(response, catalogue.symbols.get(request.file_containing_symbol), sent)
        elif question == "file_containing_extension":
            wanted = request.file_containing_extension
            known = catalogue.extensions.get(wanted.containing_type, {})
            self._file(response, known.get(wanted.extension_number), sent)
        elif question == "all_extension_numbers_of_type":
            self._extensions(response, request.all_extension_numbers_of_type)
        else:
            _error(response, grpc.StatusCode.INVALID_ARGUMENT, "The request asks nothing.")

    def _file(self, response: Any, file: FileDescriptor | None, sent: set[str]) -> None:
        if file is None:
            _error(response, grpc.StatusCode.NOT_FOUND, "This server serves nothing of that name.")
            return
        files = list(self._catalogue.with_dependencies(file, sent)) or [file.serialized_pb]
        response.file_descriptor_response.file_descriptor_proto.extend(files)

    def _extensions(self, response: Any, name: str) -> None:
        numbers = self._catalogue.extensions.get(name)
        if numbers is None and name not in self._catalogue.symbols:
            _error(response, grpc.StatusCode.NOT_FOUND, "This server serves nothing of that name.")
            return
        answer = response.all_extension_numbers_response
        answer.base_type_name = name
        answer.extension_number.extend(sorted(numbers or ()))


def _error(response: Any, code: grpc.StatusCode, sentence: str) -> None:
    response.error_response.error_code = code.value[0]
    response.error_response.error_message = sentence


def _symbols(file: FileDescriptor) -> Iterator[str]:
    for service in file.services_by_name.values():
        yield service.full_name
        for method in service.methods:
            yield f"{service.full_name}.{method.name}"
    for message in file.message_types_by_name.values():
        yield from _message_symbols(message)
    for enum in file.enum_types_by_name.values():
        yield from _enum_symbols(enum)
    for extension in file.extensions_by_name.values():
        yield extension.full_name


def _message_symbols(message: Descriptor) -> Iterator[str]:
    yield message.full_name
    for field in (*message.fields, *message.extensions):
        yield field.full_name
    for oneof in message.oneofs:
        yield oneof.full_name
    for nested in message.nested_types:
        yield from _message_symbols(nested)
    for enum in message.enum_types:
        yield from _enum_symbols(enum)


def _enum_symbols(enum: EnumDescriptor) -> Iterator[str]:
    yield enum.full_name
    scope = enum.full_name.rpartition(".")[0]
    for value in enum.values:
        yield f"{scope}.{value.name}" if scope else value.name


def _extensions(file: FileDescriptor) -> Iterator[Any]:
    yield from file.extensions_by_name.values()
    waiting = list(file.message_types_by_name.values())
    while waiting:
        message = waiting.pop()
        yield from message.extensions
        waiting.extend(message.nested_types)

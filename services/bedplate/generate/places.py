"""Where in the .proto files something stands, so that a person can go there."""

import re
from collections.abc import Iterable

from google.protobuf.descriptor_pb2 import FileDescriptorProto

# Fields of FileDescriptorProto, ServiceDescriptorProto and EnumDescriptorProto, of which
# source locations are paths.
_FILE_PACKAGE, _FILE_ENUM, _FILE_SERVICE, _SERVICE_METHOD, _ENUM_VALUE = 2, 5, 6, 2, 2


class Places:
    """File and line of each service, method and enum value of a descriptor set with source information."""

    def __init__(self, protos: Iterable[FileDescriptorProto], folder: str) -> None:
        """Read the set; `folder` is what its files' names are relative to, as it is to be shown."""
        self._found: dict[str, str] = {}
        self._packages: dict[str, str] = {}
        for proto in protos:
            lines = {tuple(place.path): place.span[0] + 1 for place in proto.source_code_info.location}
            shown = f"{folder}/{proto.name}"
            self._packages[proto.name] = f"{shown}:{lines.get((_FILE_PACKAGE,), 1)}"
            for index, service in enumerate(proto.service):
                name = f"{proto.package}.{service.name}"
                path = (_FILE_SERVICE, index)
                self._found[name] = f"{shown}:{lines.get(path, 1)}"
                for place, method in enumerate(service.method):
                    line = lines.get((*path, _SERVICE_METHOD, place), 1)
                    self._found[f"{name}.{method.name}"] = f"{shown}:{line}"
            for index, enum in enumerate(proto.enum_type):
                for place, value in enumerate(enum.value):
                    line = lines.get((_FILE_ENUM, index, _ENUM_VALUE, place), 1)
                    self._found[f"{proto.package}.{value.name}"] = f"{shown}:{line}"

    def package(self, file: str) -> str:
        """Where a file says its package, such as `protos/acme/greeter/v1/greeter.proto:4`."""
        return self._packages[file]

    def locate(self, sentence: str) -> str:
        """The sentence, after the place of the first of these that it names, if it names one."""
        for name in re.findall(r"[A-Za-z_][\w./]*\w", sentence):
            if found := self._found.get(name.replace("/", ".")):
                return f"{found}: {sentence}"
        return sentence

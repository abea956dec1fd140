"""A descriptor set, with what its comments say."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from google.protobuf.descriptor import FileDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool

# Fields of FileDescriptorProto, DescriptorProto and ServiceDescriptorProto that
# hold what has comments; source locations are paths of such numbers.
_FILE_MESSAGE, _FILE_SERVICE = 4, 6
_MESSAGE_FIELD, _MESSAGE_NESTED = 2, 3
_SERVICE_METHOD = 2


@dataclass(frozen=True)
class Contracts:
    """What is generated from: files, their services and comments.

    Attributes:
        files: The files whose package begins with one of the wanted ones, by name.
        protos: All files of the set, by name.
    """

    files: tuple[FileDescriptor, ...]
    protos: dict[str, FileDescriptorProto]

    @property
    def services(self) -> Iterator[ServiceDescriptor]:
        """The services of the wanted files, by full name."""
        found = (service for file in self.files for service in file.services_by_name.values())
        yield from sorted(found, key=lambda service: service.full_name)

    @cached_property
    def comments(self) -> dict[str, str]:
        """The comment before each message, field, service and method, by full name; no blank ends."""
        found: dict[str, str] = {}
        for proto in self.protos.values():
            names = dict(_names(proto))
            for location in proto.source_code_info.location:
                name = names.get(tuple(location.path))
                text = "\n".join(line.strip() for line in location.leading_comments.splitlines()).strip()
                if name and text:
                    found[name] = text
        return found


def load(path: Path, packages: tuple[str, ...]) -> Contracts:
    """Read a descriptor set that holds its imports and source information.

    Args:
        path: The file, as `protoc --descriptor_set_out` or `buf build` writes it.
        packages: What to generate for: packages, and all below them. Empty:
            every package that no other distribution generates.

    Raises:
        ValueError: The file is no descriptor set, or holds none of the packages.
    """
    try:
        content = FileDescriptorSet.FromString(path.read_bytes())
    except Exception as error:
        raise ValueError(f"{path} is no descriptor set: {error}") from error
    pool = DescriptorPool()
    for proto in content.file:
        pool.AddSerializedFile(proto.SerializeToString())
    wanted = sorted(proto.name for proto in content.file if _is_wanted(proto.package, packages))
    if not wanted:
        raise ValueError(f"{path} holds no file of {' or '.join(packages) or 'any package of yours'}")
    return Contracts(
        files=tuple(pool.FindFileByName(name) for name in wanted),
        protos={proto.name: proto for proto in content.file},
    )


def _is_wanted(package: str, packages: tuple[str, ...]) -> bool:
    if packages:
        return any(package == wanted or package.startswith(f"{wanted}.") for wanted in packages)
    return package.partition(".")[0] not in ("google", "buf")


def _names(proto: FileDescriptorProto) -> Iterator[tuple[tuple[int, ...], str]]:
    """Path and full name of all that can have a comment."""
    prefix = f"{proto.package}." if proto.package else ""
    for index, message in enumerate(proto.message_type):
        yield from _message_names(message, (_FILE_MESSAGE, index), prefix)
    for index, service in enumerate(proto.service):
        name = prefix + service.name
        yield (_FILE_SERVICE, index), name
        for place, method in enumerate(service.method):
            yield (_FILE_SERVICE, index, _SERVICE_METHOD, place), f"{name}.{method.name}"


def _message_names(
    message: DescriptorProto, path: tuple[int, ...], prefix: str
) -> Iterator[tuple[tuple[int, ...], str]]:
    name = prefix + message.name
    yield path, name
    for index, field in enumerate(message.field):
        yield (*path, _MESSAGE_FIELD, index), f"{name}.{field.name}"
    for index, nested in enumerate(message.nested_type):
        yield from _message_names(nested, (*path, _MESSAGE_NESTED, index), f"{name}.")

"""A descriptor set, with what its comments say."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from google.protobuf.descriptor import FileDescriptor, ServiceDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool

from bedplate.gateway.comments import comments


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
        """What stands before each part of the contracts, by full name; see `gateway.comments`."""
        return {name: text for proto in self.protos.values() for name, text in comments(proto).items()}


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

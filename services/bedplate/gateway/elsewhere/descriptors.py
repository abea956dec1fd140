"""Contracts that are read at run time, each reading in a descriptor pool of its own.

Options are read right there too: protobuf looks their extensions up in the
default pool, where those of google.api, buf.validate and bedplate are.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError

from bedplate.gateway.comments import comments
from bedplate.gateway.elsewhere.plain import kind, without_strangers

# A descriptor set may be so large; Google's own APIs together have about 60 MB.
SET_MAX_BYTES = 128 * 1024 * 1024

# Files that this process has itself, for sets that were made without imports.
_INSTALLED = ("google/protobuf/", "google/api/", "google/rpc/", "google/longrunning/", "google/type/")
_INSTALLED_TOO = ("buf/validate/validate.proto", "bedplate/v1/policy.proto", "bedplate/v1/reason.proto")

# What failures are told with; no contract imports them.
_ALWAYS = ("google/rpc/status.proto", "google/rpc/error_details.proto")

# Services of every server, which are for clients of gRPC. Not all of `grpc.`:
# programs of other people are in packages such as `grpc.gateway`, too.
PLUMBING = ("grpc.channelz.", "grpc.health.", "grpc.lb.", "grpc.reflection.")

_HOW_TO_MAKE = (
    "make it with `buf build -o contracts.binpb`, or with `protoc --include_imports "
    "--descriptor_set_out=contracts.binpb ...`"
)


class DescriptorError(Exception):
    """Contracts that cannot be read. The text names the file and says what to write."""


class UnreachableError(DescriptorError):
    """Nobody could be asked for the contracts; somebody may be there later."""


@dataclass(frozen=True, slots=True)
class Contracts:
    """What a server was found to offer.

    Attributes:
        services: Its services, without those that are for clients of gRPC.
        digest: The same for the same contracts.
        pool: Where all of their types are.
        comments: What they say of their parts, by full name; as far as it came along.
    """

    services: tuple[ServiceDescriptor, ...]
    digest: bytes
    pool: DescriptorPool
    comments: Mapping[str, str]


def read_files(paths: Iterable[Path]) -> Contracts:
    """The contracts in files, each a serialised FileDescriptorSet.

    Raises:
        DescriptorError: A file cannot be read or is none, two say different
            things, or something that they import is missing.
    """
    files: dict[str, Any] = {}
    places: dict[str, Path] = {}
    for path in paths:
        for file in _read(path):
            before = files.setdefault(file.name, file)
            if before is not file and _bare(before) != _bare(file):
                raise DescriptorError(
                    f"{places[file.name]} and {path} hold different versions of {file.name}; make both from "
                    "the same sources."
                )
            places.setdefault(file.name, path)
    where = ", ".join(str(path) for path in dict.fromkeys(places.values()))
    return build(files, where=where)


def _read(path: Path) -> Iterator[Any]:
    try:
        if path.stat().st_size > SET_MAX_BYTES:
            raise DescriptorError(
                f"{path} is larger than {SET_MAX_BYTES} bytes; leave out what is not served."
            )
        data = path.read_bytes()
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise DescriptorError(f"{path} cannot be read: {why}.") from error
    try:
        found: Any = kind("FileDescriptorSet").FromString(data)
    except DecodeError:
        raise DescriptorError(f"{path} is no descriptor set; {_HOW_TO_MAKE}.") from None
    if not found.file or not all(file.name for file in found.file):
        raise DescriptorError(f"{path} is no descriptor set, or an empty one; {_HOW_TO_MAKE}.")
    yield from found.file


def parse_file(data: bytes) -> Any:
    """One serialised FileDescriptorProto, with its options as they came.

    Raises:
        DescriptorError: It is none.
    """
    try:
        found: Any = kind("FileDescriptorProto").FromString(data)
    except DecodeError:
        raise DescriptorError("what should be a file's descriptor is none") from None
    return found


def _bare(file: Any) -> bytes:
    """A file without its comments: only one of two tools may have kept them."""
    bare = type(file)()
    bare.CopyFrom(file)
    bare.ClearField("source_code_info")
    data: bytes = bare.SerializeToString(deterministic=True)
    return data


def build(files: Mapping[str, Any], *, where: str, names: Iterable[str] | None = None) -> Contracts:
    """Contracts of files by name, those that this process has itself being added.

    Args:
        files: FileDescriptorProtos, as `parse_file` makes them.
        where: Where they come from, for errors.
        names: Full names of the services that are offered; None: all.

    Raises:
        DescriptorError: Something that they import is missing, or they
            contradict each other.
    """
    without_strangers(files.values())
    pool = DescriptorPool()
    added: set[str] = set()
    digest = hashlib.sha256()
    try:
        for name in (*sorted(files), *_ALWAYS):
            _add(name, files, pool, added, digest, where, importer="")
    except RecursionError:
        raise DescriptorError(
            f"{where}: its files import one another hundreds deep; leave out what is not served."
        ) from None
    found = [
        pool.FindServiceByName(f"{file.package}.{service.name}" if file.package else service.name)
        for _, file in sorted(files.items())
        for service in file.service
    ]
    wanted = None if names is None else frozenset(names)
    services = tuple(
        service
        for service in found
        if not service.full_name.startswith(PLUMBING) and (wanted is None or service.full_name in wanted)
    )
    if not services:
        raise DescriptorError(f"{where} offers no service.")
    for service in services:
        digest.update(service.full_name.encode())
    said = {name: text for file in files.values() for name, text in comments(file).items()}
    return Contracts(services, digest.digest(), pool, said)


def _add(
    name: str,
    files: Mapping[str, Any],
    pool: DescriptorPool,
    added: set[str],
    digest: Any,
    where: str,
    *,
    importer: str,
) -> None:
    """Add a file after all that it imports."""
    if name in added:
        return
    added.add(name)
    file = files.get(name) or _installed(name)
    if file is None:
        raise DescriptorError(
            f"{where}: {importer} imports {name}, which is not there; {_HOW_TO_MAKE}, or give the set that "
            "holds it with another --descriptors."
        )
    for below in file.dependency:
        _add(below, files, pool, added, digest, where, importer=name)
    data = _bare(file)
    digest.update(data)
    try:
        pool.AddSerializedFile(data)
    except (TypeError, ValueError) as error:
        raise DescriptorError(f"{where}: {name} cannot be used: {error}") from None


def _installed(name: str) -> Any:
    """A file that every contract may import and that this process has; None: it has none such."""
    if not name.startswith(_INSTALLED) and name not in _INSTALLED_TOO:
        return None
    try:
        import_module(name.removesuffix(".proto").replace("/", ".") + "_pb2")
        found = descriptor_pool.Default().FindFileByName(name)
    except (ImportError, KeyError):
        return None
    return parse_file(found.serialized_pb)

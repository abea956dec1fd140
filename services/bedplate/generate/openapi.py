"""Writes `openapi/<noun>.json`, and the comments of each contract beside its Python messages.

The comments (`<noun>.docs.json`) are how a running server knows what its
contract says: protobuf leaves them out of the messages that it generates.
"""

import json
from collections.abc import Iterator

from google.protobuf.descriptor_pb2 import DescriptorProto, EnumDescriptorProto, FileDescriptorProto

from bedplate.gateway.openapi import document
from bedplate.generate.descriptors import Contracts

_FILE_MESSAGE, _FILE_ENUM = 4, 5
_MESSAGE_NESTED, _MESSAGE_ENUM = 3, 4
_ENUM_VALUE = 2


def files(contracts: Contracts) -> Iterator[tuple[str, str]]:
    """Path below the output folder, and content, for each package with a public method."""
    docs = _docs(contracts)
    for service in contracts.services:
        made = document(service.methods, docs)
        if made["paths"]:
            noun = service.file.package.split(".")[-2 if "." in service.file.package else 0]
            made["info"]["version"] = service.file.package.rpartition(".")[2]
            yield f"openapi/{noun}.json", _text(made)


def docs_files(contracts: Contracts) -> Iterator[tuple[str, str]]:
    """Path below the Python root, and content: comments by full name, for each file with a service."""
    docs = _docs(contracts)
    for file in contracts.files:
        if not file.services_by_name:
            continue
        prefix = f"{file.package}."
        own = {name: text for name, text in sorted(docs.items()) if name.startswith(prefix)}
        yield file.name.removesuffix(".proto") + ".docs.json", _text(own)


def _text(content: object) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _docs(contracts: Contracts) -> dict[str, str]:
    found = dict(contracts.comments)
    for proto in contracts.protos.values():
        names = dict(_enum_names(proto))
        for location in proto.source_code_info.location:
            name = names.get(tuple(location.path))
            if name and location.leading_comments.strip():
                lines = location.leading_comments.strip().splitlines()
                found[name] = "\n".join(line.strip() for line in lines)
    return found


def _enum_names(proto: FileDescriptorProto) -> Iterator[tuple[tuple[int, ...], str]]:
    """Path and full name of enums and their values; a value's name stands below its enum's."""
    prefix = f"{proto.package}." if proto.package else ""
    for index, enum in enumerate(proto.enum_type):
        yield from _names(enum, (_FILE_ENUM, index), prefix)
    stack: list[tuple[tuple[int, ...], str, DescriptorProto]] = [
        ((_FILE_MESSAGE, index), prefix + message.name, message)
        for index, message in enumerate(proto.message_type)
    ]
    while stack:
        path, name, message = stack.pop()
        for index, enum in enumerate(message.enum_type):
            yield from _names(enum, (*path, _MESSAGE_ENUM, index), f"{name}.")
        for index, nested in enumerate(message.nested_type):
            stack.append(((*path, _MESSAGE_NESTED, index), f"{name}.{nested.name}", nested))


def _names(
    enum: EnumDescriptorProto, path: tuple[int, ...], prefix: str
) -> Iterator[tuple[tuple[int, ...], str]]:
    name = prefix + enum.name
    yield path, name
    for index, value in enumerate(enum.value):
        yield (*path, _ENUM_VALUE, index), f"{name}.{value.name}"

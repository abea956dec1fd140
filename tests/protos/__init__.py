"""Contracts for tests, made at run time: no file of ours that ships knows them."""

from google.api import annotations_pb2, field_behavior_pb2  # noqa: F401
from google.protobuf import descriptor_pb2, descriptor_pool, text_format
from google.protobuf.descriptor import FileDescriptor

from bedplate.v1 import policy_pb2  # noqa: F401 - so that the texts may set its options
from buf.validate import validate_pb2  # noqa: F401


def add_file(text: str) -> FileDescriptor:
    """Add a contract, written as a FileDescriptorProto in text format, to the default pool."""
    file = text_format.Parse(text, descriptor_pb2.FileDescriptorProto())
    file.syntax = file.syntax or "proto3"
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    return pool.FindFileByName(file.name)


def field(name: str, number: int, kind: str, options: str = "", *, repeated: bool = False) -> str:
    """A field; a kind that begins with a dot is a message's full name."""
    kind = f'type: TYPE_MESSAGE type_name: "{kind}"' if kind.startswith(".") else f"type: TYPE_{kind.upper()}"
    label = "LABEL_REPEATED" if repeated else "LABEL_OPTIONAL"
    return f'field {{ name: "{name}" number: {number} label: {label} {kind} options {{ {options} }} }}\n'

"""What a method's messages look like on the wire, as a short text that both sides compare.

It changes when a field, an enum value or a type of the method's request or
response does, and not with comments, options or other methods.
"""

import hashlib
from functools import cache

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor, MethodDescriptor

# Hex digits: 64 bits tell contracts apart, and are short in every call's metadata.
DIGITS = 16


@cache
def fingerprint(method: MethodDescriptor) -> str:
    """16 hex digits; the same for two contracts whose messages of the method are the same."""
    found: dict[str, str] = {}
    for message in (method.input_type, method.output_type):
        _describe(message, found)
    kinds = f"{method.full_name} {method.client_streaming:d} {method.server_streaming:d}"
    text = "\n".join([kinds, *(found[name] for name in sorted(found))])
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


def _describe(message: Descriptor, found: dict[str, str]) -> None:
    if message.full_name in found:
        return
    found[message.full_name] = ""
    fields = sorted(message.fields, key=lambda field: field.number)
    lines = [_field(field) for field in fields]
    found[message.full_name] = f"{message.full_name}{{{';'.join(lines)}}}"
    for field in fields:
        if field.message_type is not None:
            _describe(field.message_type, found)
        if field.enum_type is not None:
            found[field.enum_type.full_name] = _enum(field.enum_type)


def _field(field: FieldDescriptor) -> str:
    kind = field.message_type or field.enum_type
    name = kind.full_name if kind is not None else str(field.type)
    oneof = field.containing_oneof.name if field.containing_oneof is not None else ""
    marks = f"{field.is_repeated:d}{field.has_presence:d}"
    return f"{field.number} {field.name} {field.json_name} {name} {marks} {oneof}"


def _enum(enum: EnumDescriptor) -> str:
    values = ";".join(f"{value.number} {value.name}" for value in enum.values)
    return f"{enum.full_name}{{{values}}}"

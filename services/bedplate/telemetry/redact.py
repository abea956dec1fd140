"""Takes what is sensitive out of what people read.

A field is sensitive when its contract says so with `(bedplate.v1.field).sensitive`.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from bedplate.v1 import policy_pb2

MASK = "[redacted]"

# Shorter values are not searched for in texts: replacing every "1" would
# destroy the text and hide nothing.
SEARCH_MIN = 4


def is_sensitive(field: FieldDescriptor) -> bool:
    """Whether the contract calls the field sensitive."""
    return bool(field.GetOptions().Extensions[policy_pb2.field].sensitive)


@cache
def has_sensitive(descriptor: Descriptor) -> bool:
    """Whether a message, or one below it, has a sensitive field."""
    return _search(descriptor, set())


def _search(descriptor: Descriptor, seen: set[str]) -> bool:
    if descriptor.full_name in seen:
        return False
    seen.add(descriptor.full_name)
    return any(
        is_sensitive(field) or (field.message_type is not None and _search(field.message_type, seen))
        for field in descriptor.fields
    )


def redacted(message: Message) -> dict[str, Any]:
    """The message as plain values, sensitive fields masked, for a log line."""
    plain: dict[str, Any] = {}
    for field, value in message.ListFields():
        if is_sensitive(field):
            plain[field.name] = MASK
        elif field.message_type is None:
            plain[field.name] = [_plain(v) for v in value] if field.is_repeated else _plain(value)
        elif field.message_type.GetOptions().map_entry:
            plain[field.name] = {
                str(key): redacted(item) if isinstance(item, Message) else _plain(item)
                for key, item in value.items()
            }
        else:
            plain[field.name] = [redacted(v) for v in value] if field.is_repeated else redacted(value)
    return plain


def _plain(value: Any) -> Any:
    return f"{len(value)} bytes" if isinstance(value, bytes) else value


def scrub(text: str, request: Message | None) -> str:
    """The text without the values that sensitive fields of the request hold.

    For tracebacks and error texts, into which a library may have copied them.
    """
    if request is None or not has_sensitive(request.DESCRIPTOR):
        return text
    for secret in sorted(set(_secrets(request)), key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text


def _secrets(message: Message) -> Iterator[str]:
    for field, value in message.ListFields():
        sensitive = is_sensitive(field)
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            values: list[Any] = list(value.values())
        else:
            values = list(value) if field.is_repeated else [value]
        for item in values:
            if isinstance(item, Message):
                yield from _every_value(item) if sensitive else _secrets(item)
            elif sensitive:
                yield from _text(item)


def _every_value(message: Message) -> Iterator[str]:
    for field, value in message.ListFields():
        for item in list(value) if field.is_repeated else [value]:
            if isinstance(item, Message):
                yield from _every_value(item)
            else:
                yield from _text(item)


def _text(value: Any) -> Iterator[str]:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    if len(text) >= SEARCH_MIN:
        yield text

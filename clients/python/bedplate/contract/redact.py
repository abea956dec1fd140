"""Takes what is sensitive out of what people read.

A field is sensitive when its contract says so with `(bedplate.v1.field).sensitive`;
so is everything below it. protobuf's own `str` and `repr` of a message show all of
it and cannot be changed: write `safe_text(message)` into logs and errors.
"""

import base64
import json
import math
import re
from collections.abc import Iterator
from functools import cache
from typing import Any
from urllib.parse import quote, quote_plus

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.text_encoding import CEscape

from bedplate.contract.messages import has_field, is_map
from bedplate.v1 import policy_pb2

MASK = "[redacted]"

# Shorter values are not searched for in texts: replacing every "1" would
# destroy the text and hide nothing.
SEARCH_MIN = 4
# A value this short, such as the code on a card's back, is found as a word of its own only.
WORD_MIN = 3

# A text that would be searched for more values than this is masked whole.
SECRETS_MAX = 1000


def is_sensitive(field: FieldDescriptor) -> bool:
    """Whether the contract calls the field sensitive."""
    return bool(field.GetOptions().Extensions[policy_pb2.field].sensitive)


@cache
def has_sensitive(descriptor: Descriptor) -> bool:
    """Whether a message, or one below it, has a sensitive field."""
    return has_field(descriptor, is_sensitive)


def safe_text(message: Message) -> str:
    """The message for people, on one line, sensitive fields masked."""
    return f"{message.DESCRIPTOR.name} {redacted(message)}"


def redacted(message: Message) -> dict[str, Any]:
    """The message as plain values, sensitive fields masked, for a log line."""
    plain: dict[str, Any] = {}
    for field, value in message.ListFields():
        if is_sensitive(field):
            plain[field.name] = MASK
        elif field.message_type is None:
            plain[field.name] = [_plain(v) for v in value] if field.is_repeated else _plain(value)
        elif is_map(field):
            plain[field.name] = {
                str(key): redacted(item) if isinstance(item, Message) else _plain(item)
                for key, item in value.items()
            }
        else:
            plain[field.name] = [redacted(v) for v in value] if field.is_repeated else redacted(value)
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        # Records are JSON, which has no such numbers; protobuf writes them so.
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return f"{len(value)} bytes" if isinstance(value, bytes) else value


def scrub(text: str, message: Message | None) -> str:
    """The text without the values that sensitive fields of a message hold, however they are spelled.

    For tracebacks and error texts, into which somebody may have copied them.
    What was made of a value (a part of it, its digits apart) is not found.
    """
    if message is None or not has_sensitive(message.DESCRIPTOR):
        return text
    secrets: set[str] = set()
    for secret in _secrets(message):
        secrets.add(secret)
        if len(secrets) > SECRETS_MAX:
            return MASK
    patterns = [
        re.escape(secret) if len(secret) >= SEARCH_MIN else rf"(?<!\w){re.escape(secret)}(?!\w)"
        for secret in sorted(secrets, key=len, reverse=True)
    ]
    return re.sub("|".join(patterns), MASK, text, flags=re.IGNORECASE) if patterns else text


def _secrets(message: Message, *, all_of_it: bool = False) -> Iterator[str]:
    """The spellings of what the sensitive fields of a message hold; of what all of them do."""
    for field, value in message.ListFields():
        hidden = all_of_it or is_sensitive(field)
        if is_map(field):
            items: list[Any] = list(value.values()) + (list(value) if hidden else [])
        else:
            items = list(value) if field.is_repeated else [value]
        for item in items:
            if isinstance(item, Message):
                yield from _secrets(item, all_of_it=hidden)
            elif hidden:
                yield from (text for text in _spellings(field, item) if len(text) >= WORD_MIN)


def _spellings(field: FieldDescriptor, value: Any) -> Iterator[str]:
    """How a value stands in texts: as it is, and as Python, JSON, protobuf and URLs escape it."""
    if isinstance(value, bytes):
        yield from _texts(value.decode("utf-8", "replace"))
        yield value.decode("latin-1")
        yield repr(value)[2:-1]
        yield CEscape(value, as_utf8=False)
        yield value.hex()
        yield base64.b64encode(value).decode().rstrip("=")
        yield base64.urlsafe_b64encode(value).decode().rstrip("=")
    elif isinstance(value, str):
        yield from _texts(value)
        escape: Any = CEscape  # it takes str too, unlike its stubs
        yield escape(value, as_utf8=True)
        yield escape(value, as_utf8=False)
    elif isinstance(value, bool):
        return
    elif field.enum_type is not None and not is_map(field):
        known = field.enum_type.values_by_number.get(value)
        if known is not None:
            yield known.name
    else:
        yield str(value)


def _texts(text: str) -> Iterator[str]:
    yield text
    yield text.strip()
    yield repr(text)[1:-1]
    yield json.dumps(text)[1:-1]
    yield quote(text)
    yield quote_plus(text)

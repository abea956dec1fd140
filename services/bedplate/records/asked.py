"""What a request asks, in few bytes: a digest for each field, so that a difference has a name.

The request is cut along its own wire format: one message says the same in the
same bytes, with maps sorted. Fields that this version does not know take part,
so that servers of two versions agree on what was asked.
"""

import hashlib
from collections.abc import Iterator

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

DIGEST_BYTES = 16
_NUMBER_BYTES = 4
_ENTRY_BYTES = _NUMBER_BYTES + DIGEST_BYTES


def asked(request: Message, *, without: frozenset[int], salt: bytes) -> bytes:
    """What a request asks: field numbers and digests, in the order of the numbers.

    Args:
        request: The request.
        without: Numbers of fields that make no difference.
        salt: Makes digests of equal values differ between requests, so that
            they tell nobody what is in them.
    """
    parts: dict[int, bytes] = {}
    for number, part in _fields(request.SerializeToString(deterministic=True)):
        if number not in without:
            parts[number] = parts.get(number, b"") + part
    return b"".join(
        number.to_bytes(_NUMBER_BYTES, "big") + hashlib.sha256(salt + parts[number]).digest()[:DIGEST_BYTES]
        for number in sorted(parts)
    )


def difference(one: bytes, other: bytes, descriptor: Descriptor) -> str:
    """Name of the first field in which two requests differ; empty: they ask the same."""
    if one == other:
        return ""
    mine, theirs = _entries(one), _entries(other)
    number = min(n for n in mine.keys() | theirs.keys() if mine.get(n) != theirs.get(n))
    field = descriptor.fields_by_number.get(number)
    return f"field {number}" if field is None else field.name


def _entries(text: bytes) -> dict[int, bytes]:
    return {
        int.from_bytes(text[at : at + _NUMBER_BYTES], "big"): text[at + _NUMBER_BYTES : at + _ENTRY_BYTES]
        for at in range(0, len(text), _ENTRY_BYTES)
    }


def _fields(wire: bytes) -> Iterator[tuple[int, bytes]]:
    """The fields of a message as it stands on the wire, each with its tag."""
    at = 0
    while at < len(wire):
        start = at
        tag, at = wire[at], at + 1
        if tag >= 0x80:
            tag, at = _varint(wire, start)
        at = _end(wire, at, tag)
        yield tag >> 3, wire[start:at]


def _end(wire: bytes, at: int, tag: int) -> int:
    """Where the value of a tag ends."""
    match tag & 7:
        case 0:
            return _varint(wire, at)[1]
        case 1:
            return at + 8
        case 2:
            length = wire[at]
            if length < 0x80:
                return at + 1 + length
            length, at = _varint(wire, at)
            return at + length
        case 3:
            while True:  # a group, which only unknown fields can be in proto3
                inner, at = _varint(wire, at)
                if inner & 7 == 4:
                    return at
                at = _end(wire, at, inner)
        case 5:
            return at + 4
        case kind:
            raise AssertionError(f"protobuf wrote the wire type {kind}")


def _varint(wire: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = wire[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7

"""Bytes to plain values, stricter than any parser that is fast.

orjson refuses everything that JSON forbids, except one key twice in an
object: it keeps the last. So the members that came out are counted against
the colons that went in. In valid JSON a member's colon stands right behind a
quote or behind white space, which bounds the members from above with five
byte searches; only when a string holds such a pair are the strings taken out
and the colons counted exactly.
"""

import json
import re
from typing import Any

import orjson
from google.protobuf.descriptor import Descriptor

from bedplate.errors import Kind, Refusal, Violation
from bedplate.gateway.json_text import join, refusal

# Objects and arrays inside each other. protobuf's own limit is 100 messages.
DEPTH_MAX = 100

# Possessive: a string of millions of escapes must not keep as many ways back.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"', re.DOTALL)
_NESTED = (dict, list)
KEY_SHOWN_MAX = 40  # characters of a caller's key that an answer repeats


def parse(data: bytes, descriptor: Descriptor | None = None) -> Any:
    """The value of a JSON document in UTF-8.

    Args:
        data: The document.
        descriptor: Type of the message it is to become, for the names in an
            answer's paths.

    Raises:
        Refusal: MALFORMED_REQUEST with line and column when it is not JSON,
            or nested more than DEPTH_MAX deep; INVALID_REQUEST when an object
            has a key twice.
    """
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise _malformed(data, error) from None
    members, depth = _shape(value)
    if depth > DEPTH_MAX:
        raise _too_deep()
    if members and members != _members_at_most(data) and members != _members(data):
        raise _duplicate(data, descriptor)
    return value


def _shape(value: Any) -> tuple[int, int]:
    """How many members all objects have together, and how deep the value is nested."""
    members = depth = 0
    level = [value] if type(value) in _NESTED else []
    while level:
        depth += 1
        deeper: list[Any] = []
        for node in level:
            if type(node) is dict:
                members += len(node)
                deeper += [child for child in node.values() if type(child) in _NESTED]
            else:
                deeper += [child for child in node if type(child) in _NESTED]
        level = deeper
    return members, depth


def _members_at_most(data: bytes) -> int:
    count = data.count
    return count(b'":') + count(b" :") + count(b"\n:") + count(b"\t:") + count(b"\r:")


def _members(data: bytes) -> int:
    return _STRING.sub(b"", data).count(b":")


def _too_deep() -> Refusal:
    return Refusal(
        Kind.INVALID,
        "MALFORMED_REQUEST",
        f"The JSON is nested more than {DEPTH_MAX} deep; send flatter data.",
        depth_max=DEPTH_MAX,
    )


def _malformed(data: bytes, error: orjson.JSONDecodeError) -> Refusal:
    """The refusal of a document that is not JSON; it repeats nothing of the document."""
    if not data.strip(b" \t\r\n"):
        return Refusal(Kind.INVALID, "MALFORMED_REQUEST", "The body is empty; send a JSON object.")
    if data.startswith(b"\xef\xbb\xbf"):
        return Refusal(
            Kind.INVALID, "MALFORMED_REQUEST", "The body begins with a byte order mark; send it without."
        )
    try:
        data.decode()
    except UnicodeDecodeError as bad:
        return Refusal(
            Kind.INVALID,
            "MALFORMED_REQUEST",
            f"The body is not UTF-8 at byte {bad.start}; encode it as UTF-8.",
            byte=bad.start,
        )
    if "depth" in error.msg:
        return _too_deep()
    return Refusal(
        Kind.INVALID,
        "MALFORMED_REQUEST",
        f"The body is not JSON at line {error.lineno}, column {error.colno}; send one JSON value.",
        line=error.lineno,
        column=error.colno,
    )


class _Twice(dict[str, Any]):
    """An object that had a key twice; `key` is the first such one."""

    key: str = ""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    plain = dict(pairs)
    if len(plain) == len(pairs):
        return plain
    twice = _Twice(plain)
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            twice.key = key
            break
        seen.add(key)
    return twice


def _duplicate(data: bytes, descriptor: Descriptor | None) -> Refusal:
    value = json.loads(data, object_pairs_hook=_object, parse_int=float)
    stack: list[tuple[str, Any, Descriptor | None]] = [("", value, descriptor)]
    while stack:
        path, node, message = stack.pop()
        if isinstance(node, _Twice):
            path = join(path, _step(node.key, message)[0])
            return refusal(
                [Violation(path, "The key stands twice in one object; send it once.", "json.twice")]
            )
        if isinstance(node, dict):
            for key, child in node.items():
                step, below = _step(key, message)
                stack.append((join(path, step), child, below))
        elif isinstance(node, list):
            stack += [(f"{path}[{index}]", child, message) for index, child in enumerate(node)]
    raise AssertionError("the count of members says that a key stands twice, and none does")


def _step(key: str, message: Descriptor | None) -> tuple[str, Descriptor | None]:
    """A key as a path shows it, by proto name where the message is known, and the type below it."""
    for field in message.fields if message is not None else ():
        if key in (field.json_name, field.name):
            return field.name, field.message_type
    return key[:KEY_SHOWN_MAX], None

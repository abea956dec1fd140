"""Bytes to plain values, stricter than any parser that is fast.

orjson refuses everything that JSON forbids, except one key twice in an
object: it keeps the last. So what it read is written again, and the quotes of
both are counted. Each string has two that are not escaped, in either, and a
dropped member takes its key along: the counts are equal if and only if no key
stood twice. That takes less than half the time of a parser with a hook.
"""

import json
import re
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from functools import cache
from math import isinf
from typing import Any

import orjson
from google.protobuf.descriptor import Descriptor

from bedplate.contract.messages import is_map
from bedplate.errors import Kind, Refusal, Violation
from bedplate.gateway.codec.kind import field_named
from bedplate.gateway.codec.text import KEY_SHOWN_MAX, join, refusal
from bedplate.telemetry.redact import is_sensitive

# Objects and lists inside each other. No reader takes a message that is nested
# more than 100 deep: with up to 16 levels of free values, which take three
# messages each (leaf.VALUE_DEPTH_MAX), it comes to 97.
DEPTH_MAX = 64

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_ENDLESS = {f"google.protobuf.{name}" for name in ("Any", "ListValue", "Struct", "Value")}


def parse(data: bytes, descriptor: Descriptor | None = None) -> Any:
    """The value of a JSON document in UTF-8.

    Args:
        data: The document.
        descriptor: Type of the message it is to become: gives the names in an
            answer's paths; a type that ends by itself needs no look at the depth.

    Raises:
        Refusal: MALFORMED_REQUEST with line and column when it is not JSON,
            or nested more than DEPTH_MAX deep; INVALID_REQUEST when an object
            has a key twice.
    """
    try:
        value = orjson.loads(data)
        again = orjson.dumps(value)
    except orjson.JSONDecodeError as error:
        raise _malformed(data, error) from None
    except orjson.JSONEncodeError:
        raise too_deep() from None  # the one thing that can be wrong with what was just read
    bounded = descriptor is not None and ends(descriptor)
    if not bounded and data.count(b"{") + data.count(b"[") > DEPTH_MAX and depth(value) > DEPTH_MAX:
        raise too_deep()
    if data != again and _quotes(data) != _quotes(again):
        raise _duplicate(data, descriptor)
    return value


@cache
def ends(descriptor: Descriptor) -> bool:
    """Whether messages of a type nest to a depth that the contract bounds."""
    return _ends(descriptor, set(), set())


def _ends(descriptor: Descriptor, above: set[str], known: set[str]) -> bool:
    name = descriptor.full_name
    if name in above or name in _ENDLESS:
        return False
    if name not in known:
        above.add(name)
        for field in descriptor.fields:
            if field.message_type is not None and not _ends(field.message_type, above, known):
                return False
        above.remove(name)
        known.add(name)
    return True


def depth(value: Any) -> int:
    """How deep objects and lists are inside each other."""
    depth = 0
    level = [value] if type(value) in _NESTED else []
    while level:
        depth += 1
        deeper: list[Any] = []
        for node in level:
            node = node.members if type(node) is Twice else node
            children = node.values() if type(node) is dict else node
            deeper += [child for child in children if type(child) in _NESTED]
        level = deeper
    return depth


def _quotes(document: bytes) -> int:
    """Quotes that begin or end a string; a run of backslashes is read from its left, in pairs."""
    if b"\\" in document:
        document = document.replace(b"\\\\", b"").replace(b'\\"', b"")
    return document.count(b'"')


def too_deep() -> Refusal:
    """The refusal of a document that is nested more than DEPTH_MAX deep."""
    return _refused(f"The JSON is nested more than {DEPTH_MAX} deep; send flatter data.", depth_max=DEPTH_MAX)


def _malformed(data: bytes, error: orjson.JSONDecodeError) -> Refusal:
    """The refusal of a document that is not JSON; it repeats nothing of the document."""
    if not data.strip(b" \t\r\n"):
        return _refused("The body is empty; send a JSON object.")
    if data.startswith(b"\xef\xbb\xbf"):
        return _refused("The body begins with a byte order mark; send it without.")
    try:
        text = data.decode()
    except UnicodeDecodeError as bad:
        return _refused(f"The body is not UTF-8 at byte {bad.start}; encode it as UTF-8.", byte=bad.start)
    place = f"line {error.lineno}, column {error.colno}"
    number = _NUMBER.match(text, error.pos)
    if number is not None and isinf(float(number[0])):
        sentence = f"The number at {place} is larger than any field can hold; send a smaller one."
        return _refused(sentence, line=error.lineno, column=error.colno)
    before = data[: error.pos].count
    if before(b"[") + before(b"{") - before(b"]") - before(b"}") > DEPTH_MAX:
        return too_deep()
    sentence = f"The body is not JSON at {place}; send one JSON value."
    return _refused(sentence, line=error.lineno, column=error.colno)


def _refused(sentence: str, **facts: Any) -> Refusal:
    return Refusal(Kind.INVALID, "MALFORMED_REQUEST", sentence, **facts)


@dataclass(slots=True)
class Twice:
    """An object that had keys twice: `keys_twice`, of which the last values are held."""

    members: dict[str, Any]
    keys_twice: list[str] = dataclass_field(default_factory=list)


_NESTED = (dict, list, Twice)


class Huge:
    """A number that is no finite one of 64 bits."""


def to_object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | Twice:
    """An object of its members, for `json`'s hook: a plain dict, or a `Twice`."""
    plain = dict(pairs)
    if len(plain) == len(pairs):
        return plain
    twice = Twice(plain)
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            twice.keys_twice.append(key)
        seen.add(key)
    return twice


def _duplicate(data: bytes, descriptor: Descriptor | None) -> Refusal:
    value = json.loads(data, object_pairs_hook=to_object, parse_int=float)
    stack: list[tuple[str, Any, _Below]] = [("", value, descriptor)]
    while stack:
        path, node, below = stack.pop()
        if type(node) is Twice:
            path = _step(path, node.keys_twice[0], below)[0]
            sentence = "The key stands twice in one object; send it once."
            return refusal([Violation(path, sentence, "json.twice")])
        if type(node) is dict:
            for key, child in node.items():
                step, under = _step(path, key, below)
                stack.append((step, child, under))
        elif type(node) is list:
            stack += [(f"{path}[{index}]", child, below) for index, child in enumerate(node)]
    raise AssertionError("the count of quotes says that a key stands twice, and none does")


# What is known of the keys below a path: their message's type, nothing, or
# that no answer may repeat them.
_HIDDEN = "hidden"
_Below = Descriptor | None | str


def _step(path: str, key: str, below: _Below) -> tuple[str, _Below]:
    """The path of a key, by proto name where that is known, and what is below it."""
    if below == _HIDDEN:
        return path, _HIDDEN
    if isinstance(below, Descriptor):
        field = field_named(below, key)
        if field is not None:
            under = None if is_map(field) else field.message_type
            return join(path, field.name), _HIDDEN if is_sensitive(field) else under
    return join(path, key[:KEY_SHOWN_MAX]), None

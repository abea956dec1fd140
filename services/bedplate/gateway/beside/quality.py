"""Header values that rank what a caller takes: `accept` and `accept-encoding` (RFC 9110, 12.4.2)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

# More than this in one header helps nobody.
CHOICES_MAX = 100

# Values that are met again and again are read once; so many of them, so long at most.
CACHED_MAX = 512
CACHED_CHARS_MAX = 512

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105 - a token of RFC 9110, no secret
_NAME = re.compile(rf"{_TOKEN}(?:/{_TOKEN})?")
# A quality of RFC 9110, and those that real callers send: Java's `.2`, and more digits than three.
_QUALITY = re.compile(r"0?\.[0-9]{1,9}|0\.?|1(?:\.0{0,9})?")
_QUOTE = r'"(?:[^"\\]|\\.)*+"'
_PARAMETER = re.compile(rf"({_TOKEN})=({_TOKEN}|{_QUOTE})", re.DOTALL)
_CLOSED = re.compile(rf'(?:[^"]|{_QUOTE})*+', re.DOTALL)
_PARTS = {one: re.compile(rf'(?:[^"{one}]|{_QUOTE})++', re.DOTALL) for one in ",;"}


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing that a caller takes.

    Attributes:
        name: In lower case, such as `application/json`, `text/*` or `gzip`.
        parameters: Name and value of each in lower case, without the quality.
        quality: 0 (not at all) to 1.
    """

    name: str
    parameters: frozenset[tuple[str, str]]
    quality: float


def choices(text: str) -> tuple[Choice, ...]:
    """What a header says, in its order; empty parts are passed over.

    Raises:
        ValueError: It is malformed, or has more than CHOICES_MAX parts.
    """
    return _cached(text) if len(text) <= CACHED_CHARS_MAX else _choices(text)


def _choices(text: str) -> tuple[Choice, ...]:
    parts = [part for part in split(text, ",") if part]
    if len(parts) > CHOICES_MAX:
        raise ValueError(f"has more than {CHOICES_MAX} parts")
    return tuple(map(_choice, parts))


_cached = lru_cache(CACHED_MAX)(_choices)


def _choice(text: str) -> Choice:
    name, parameters = named(text)
    quality = 1.0
    rest: set[tuple[str, str]] = set()
    for key, value in parameters:
        if key != "q":
            rest.add((key, value))
        elif _QUALITY.fullmatch(value):
            quality = float(value)
        else:
            raise ValueError("has a quality that is not 0 to 1")
    return Choice(name, frozenset(rest), quality)


def named(text: str) -> tuple[str, list[tuple[str, str]]]:
    """A name and its parameters, all in lower case, such as `a/b; charset="x"`.

    Raises:
        ValueError: It is malformed.
    """
    name, *rest = split(text, ";")
    if not _NAME.fullmatch(name):
        raise ValueError("is malformed")
    return name.lower(), list(_parameters(rest))


def _parameters(texts: list[str]) -> Iterator[tuple[str, str]]:
    for text in texts:
        if not text:
            continue  # RFC 9110, 5.6.6, allows a semicolon with nothing behind it
        found = _PARAMETER.fullmatch(text)
        if found is None:
            raise ValueError("has a malformed parameter")
        value = found[2]
        if value[0] == '"':
            value = re.sub(r"\\(.)", r"\1", value[1:-1], flags=re.DOTALL)
        yield found[1].lower(), value.lower()


def split(text: str, separator: str) -> list[str]:
    """The parts of a text between separators (`,` or `;`) that are not quoted, without blanks around them.

    Raises:
        ValueError: A quoted part does not end.
    """
    if '"' not in text:
        return [part.strip(" \t") for part in text.split(separator)]
    if not _CLOSED.fullmatch(text):
        raise ValueError("has a quoted part that does not end")
    return [part.strip(" \t") for part in _PARTS[separator].findall(text)]

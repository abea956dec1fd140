"""Entity tags (RFC 9110, 8.8.3): how an etag of a resource is written in a header, and read back.

A tag is opaque text in quotes. An etag of a resource is any text, so what may
not stand in a tag is written as percent escapes, and so are the quotes of an
etag that has its own: what comes back in if-match is then the same text,
letter by letter. One resource has many representations, and each needs a tag of
its own: a view (`fields`, `pretty`) adds `~` and 8 hex digits, a compressed one
what compress.py says. What looks like that in the etag itself is escaped.
"""

import re
from typing import NamedTuple
from urllib.parse import quote, unquote

from bedplate.errors import Kind, Refusal

# What a tag may hold as it is: its characters but for quotes, percent sign and
# tilde, and no end that compress.py would take for its own.
_PLAIN = re.compile(r"[\x21\x23\x24\x26-\x7d]+(?<!--gzip)(?<!--br)(?<!--zstd)")
_SAFE = "!#$&'()*+,/:;<=>?@[\\]^`{|}"

_ENTRY = re.compile(r'[ \t,]*(?P<weak>W/)?"(?P<text>[\x21\x23-\x7e\x80-\xff]*)"[ \t]*(?=,|$)')
_REST = re.compile(r"[ \t,]*")
_VIEW = re.compile(r"~[0-9a-f]{8}$")


class Tag(NamedTuple):
    """One entity tag: what is between the quotes, and whether it is weak."""

    text: str
    weak: bool

    def __str__(self) -> str:
        return f'{"W/" * self.weak}"{self.text}"'

    @property
    def etag(self) -> str:
        """The etag of the resource whose representation has this tag."""
        plain = _VIEW.sub("", self.text)
        return unquote(plain) if "%" in plain else plain


def tag_of(etag: str) -> str:
    """The tag, quotes and all, of the usual representation of a resource with this etag."""
    if _PLAIN.fullmatch(etag):
        return f'"{etag}"'
    return f'"{quote(etag, safe=_SAFE).replace("~", "%7E").replace("--", "%2D-")}"'


def view_of(tag: str, digest: str) -> str:
    """The tag of a view of the resource; `digest` is 8 hex digits of it, `tag` the usual one."""
    return f'{tag[:-1]}~{digest}"'


def one(value: str) -> Tag | None:
    """The tag that an answer has; None: what a handler set is none."""
    entry = _ENTRY.fullmatch(value)
    return Tag(entry["text"], entry["weak"] is not None) if entry is not None else None


def read(name: str, value: str) -> tuple[Tag, ...] | None:
    """The tags that a header lists; None for `*`.

    Raises:
        Refusal: HTTP_MALFORMED: it is no list of tags. The text names the header.
    """
    if value.strip(" \t") == "*":
        return None
    found: list[Tag] = []
    place = 0
    while (entry := _ENTRY.match(value, place)) is not None:
        found.append(Tag(entry["text"], entry["weak"] is not None))
        place = entry.end()
    rest = _REST.match(value, place)
    if not found or rest is None or rest.end() != len(value):
        raise Refusal(
            Kind.INVALID,
            "HTTP_MALFORMED",
            f'{name} is malformed; send the etag that an answer had, quotes and all, such as "5f3a", or *.',
        )
    return tuple(found)

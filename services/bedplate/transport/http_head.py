"""What the head of a request says, once its syntax is read: target, host and headers."""

import re
from collections.abc import Iterable, Mapping

from bedplate.gateway.exchange import HEADERS_LISTED, HEADERS_READ

FRAMING = ("connection", "content-length", "expect", "host", "transfer-encoding")
KNOWN = {spelled.encode(): name for name in (*HEADERS_READ, *FRAMING) for spelled in (name, name.title())}
_LISTED = HEADERS_LISTED | {"connection", "forwarded", "x-forwarded-for"}

# What Connection usually says; other words are names of headers that were for the last hop only.
_PLAIN_CONNECTION = frozenset({"keep-alive", "close", "Keep-Alive", "Close"})

HOST = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
_AUTHORITY_END = re.compile(r"[/?]|$")


class Malformed(Exception):  # noqa: N818 - becomes a refusal
    """A head breaks the rules of HTTP; the text tells the caller how to mend it.

    Attributes:
        status: The HTTP status of the answer; 0: that of the refusal.
    """

    def __init__(self, sentence: str, status: int = 0) -> None:
        super().__init__(sentence)
        self.status = status


def path_and_query(target: str, http_method: str) -> tuple[str, str]:
    """Path and query of a target, escapes and all; a full URL names this server whatever its host.

    Raises:
        Malformed: It is none.
    """
    if target[0] != "/" and (target != "*" or http_method != "OPTIONS"):
        scheme, colon, rest = target.partition("://")
        end = _AUTHORITY_END.search(rest)
        at = end.start() if end is not None else len(rest)
        if not colon or scheme.lower() not in ("http", "https") or not HOST.fullmatch(rest, 0, at):
            raise Malformed("The target must be a path that begins with /, or a URL of this server.")
        target = rest[at:] if rest.startswith("/", at) else f"/{rest[at:]}"
    if not target.isascii() or "#" in target:
        raise Malformed("The target has characters that a URL may not have; escape them.")
    path, _, query = target.partition("?")
    return path, query


def known_headers(lines: Iterable[tuple[bytes, bytes]], known_names: Mapping[bytes, str]) -> dict[str, str]:
    """Those headers that are read, by lower-case name; lists on several lines are one.

    Args:
        lines: Names and values as they came.
        known_names: Lower-case names by their usual spellings, themselves among them.

    Raises:
        Malformed: One that is no list stands twice.
    """
    headers: dict[str, str] = {}
    for name, value in lines:
        known = known_names.get(name) or known_names.get(name.lower())
        if known is None:
            continue
        text = value.decode("latin-1").strip(" \t")
        if known in headers:
            if known not in _LISTED:
                raise Malformed(f"The header {known} stands twice; send it once.")
            text = f"{headers[known]}, {text}"
        headers[known] = text
    return headers


def check_rare(version: str, headers: dict[str, str], kept: str) -> None:
    """Look at what few requests say, and forget the headers that Connection names.

    Args:
        version: That of HTTP, such as `1.1`.
        headers: What `known_headers` made.
        kept: A header that Connection does not make forgotten; empty: there is none.

    Raises:
        Malformed: It is nothing that is understood here.
    """
    if version not in ("1.1", "1.0"):
        raise Malformed("Only HTTP/1.1 and HTTP/1.0 are spoken here.", 505)
    coding = headers.get("transfer-encoding")
    if coding is not None and (coding.lower() != "chunked" or version == "1.0"):
        raise Malformed("The only transfer-encoding is chunked, and only in HTTP/1.1.")
    connection = headers.get("connection")
    if connection is not None and connection not in _PLAIN_CONNECTION:
        _drop_named(connection, headers, kept)
    if "expect" in headers and headers["expect"].lower() != "100-continue":
        raise Malformed("The only thing to expect is 100-continue.", 417)


def _drop_named(connection: str, headers: dict[str, str], kept: str) -> None:
    """Forget the headers that Connection names: they were for whoever was called before."""
    for word in connection.lower().split(","):
        name = word.strip(" \t")
        if name in FRAMING:
            raise Malformed(f"The header connection must not name {name}.")
        # A proxy that hands its caller's `connection` on must not forget for it whom it calls for.
        if name != kept:
            headers.pop(name, None)


def check_host(version: str, host: str | None) -> None:
    """See that the host is one.

    Raises:
        Malformed: It is none, or is missing.
    """
    if host is None:
        if version == "1.1":
            raise Malformed("The header host is missing; send it.")
    elif not HOST.fullmatch(host):
        raise Malformed("The header host is malformed; send a name or an address, and a port.")

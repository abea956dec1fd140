"""Calls of Connect's by GET: the request message stands in the query, so that caches can tell calls apart."""

from collections.abc import Callable

from bedplate.errors import Kind, Refusal
from bedplate.gateway.codec.text import Unfit, read_bytes
from bedplate.gateway.exchange import Request
from bedplate.gateway.parameter import pairs
from bedplate.gateway.protocols.dialect import DIALECTS, Dialect
from bedplate.gateway.protocols.envelope import unpacked

_FORMS = {"json": DIALECTS["application/json"], "proto": DIALECTS["application/proto"]}
_KNOWN = ("message", "encoding", "base64", "compression", "connect")


def read(request: Request, limit: int, *, lenient: bool) -> tuple[Dialect, bytes]:
    """The dialect of such a call, and its message's bytes.

    Args:
        request: Its query is read.
        limit: How many bytes the message may have, unpacked.
        lenient: Whether parameters that are not known are passed over.

    Raises:
        Refusal: HTTP_MALFORMED, or as `envelope.unpacked`.
    """
    if request.body:
        raise _malformed("A call by GET has no body; send the message in the query, or call by POST.")
    found = _parameters(request.query, lenient=lenient)
    if "message" not in found:
        raise _malformed("The parameter message is missing; it is the request, in what encoding says.")
    dialect = _FORMS.get(found.get("encoding", ""))
    if dialect is None:
        raise _malformed("The parameter encoding must be json or proto.")
    _check(found, "connect", lambda value: value == "v1", "v1, or left out")
    _check(found, "base64", lambda value: value in ("0", "1"), "1, or left out")
    text = found["message"]
    if found.get("base64") == "1":
        try:
            body = read_bytes(text, stray_bits=True)
        except Unfit:
            raise _malformed("The parameter message is no base64; send it so, with base64=1.") from None
    else:
        body = text.encode()
    return dialect, unpacked(body, found.get("compression", ""), limit)


def _parameters(text: str, *, lenient: bool) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in pairs(text):
        if name not in _KNOWN:
            if lenient:
                continue
            raise _malformed(f"A call by GET has no such parameter; send only {', '.join(_KNOWN)}.")
        if name in found:
            raise _malformed(f"The parameter {name} stands twice; send it once.")
        found[name] = value
    return found


def _check(found: dict[str, str], name: str, fits: Callable[[str], bool], wanted: str) -> None:
    if name in found and not fits(found[name]):
        raise _malformed(f"The parameter {name} must be {wanted}.")


def _malformed(sentence: str) -> Refusal:
    return Refusal(Kind.INVALID, "HTTP_MALFORMED", sentence)

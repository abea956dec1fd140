"""Compressed requests: `content-encoding`, with a guard against what unpacks to more than it may.

A body is unpacked when it is decided that its caller may call, up to the
method's `limits.request_bytes` and no further.
"""

from collections.abc import Callable

from bedplate.errors import Kind, Refusal
from bedplate.gateway.beside import codings
from bedplate.gateway.beside.negotiate import noted
from bedplate.gateway.endpoint import Endpoint, Feature
from bedplate.gateway.exchange import Request

# Real bodies become up to 50 times smaller; what becomes more is made to hurt.
# Small ones may, since they cannot.
RATIO_MAX = 100
RATIO_FREE_BYTES = 1024 * 1024


def compile(endpoint: Endpoint) -> Feature | None:
    """For bindings that take a body."""
    if not endpoint.binding.body:
        return None

    def unpack(request: Request) -> None:
        coding = request.headers.get("content-encoding")
        if coding is not None and request.body:
            request.body = _unpacked(request, coding.lower(), endpoint.method.policy.request_bytes)

    return Feature("inflate", frozenset({"content-encoding"}), body=unpack)


def _unpacked(request: Request, coding: str, limit: int) -> bytes:
    if coding in ("", "identity"):
        return request.body
    read = codings.READS.get(coding)
    if read is None:
        known = ", ".join(name for name in codings.READS if not name.startswith("x-"))
        noted(request, ("accept-encoding", known))
        raise Refusal(
            Kind.INVALID,
            "CONTENT_TYPE_UNSUPPORTED",
            f"The body's content-encoding is not one of: {known}; send it in one of them, once, or as it is.",
            accept_encoding=known,
        )
    return unpack(request.body, read, limit)


def unpack(data: bytes, read: Callable[[bytes, int], bytes], limit: int) -> bytes:
    """What was compressed, in at most so many bytes.

    Raises:
        Refusal: CONTENT_ENCODING_INVALID or MESSAGE_TOO_LARGE.
    """
    bound = min(limit, max(RATIO_FREE_BYTES, RATIO_MAX * len(data)))
    try:
        return read(data, bound)
    except codings.NotCoded as error:
        raise _invalid(f"The body {error}; compress it once, whole, as content-encoding says.") from None
    except codings.TooLong:
        if bound < limit:
            sentence = f"The body unpacks to more than {RATIO_MAX} times its size; send it as it is."
            raise _invalid(sentence) from None
        raise Refusal(
            Kind.EXHAUSTED,
            "MESSAGE_TOO_LARGE",
            f"The request's body may have {limit} bytes, unpacked; send less in one call.",
            limit_bytes=limit,
        ) from None


def _invalid(sentence: str) -> Refusal:
    return Refusal(Kind.INVALID, "CONTENT_ENCODING_INVALID", sentence)

"""What headers of a request become of its call, and the header lines that tell a call."""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from bedplate.contract.headers import AUTHORIZATION, CRITICALITY, ENVIRONMENT, REQUEST_ID, TRACEPARENT
from bedplate.errors import Kind, Refusal
from bedplate.pipeline.call import Call

# Request headers that become metadata of the call; no other ever does.
METADATA = (AUTHORIZATION, TRACEPARENT, REQUEST_ID, CRITICALITY, ENVIRONMENT)
_RARE = frozenset(METADATA) - {AUTHORIZATION}

# A caller's own id is sent back and logged, so it is short and plain.
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")

_GRPC_TIMEOUT = re.compile(r"([0-9]{1,8})([HMSmun])")
_GRPC_UNIT_S = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}
_SECONDS = re.compile(r"[0-9]{1,8}(\.[0-9]{1,9})?")

# What a handler may set, and what is the gateway's own.
_RESPONSE_HEADER = re.compile(
    r"x-[a-z0-9-]+|etag|location|link|ratelimit|ratelimit-policy|age|cache-status|idempotent-replayed"
    r"|deprecation|sunset"
)
# What proxies do as they are told by, such as send the file that `x-accel-redirect` names,
# or write themselves, which tells of the inside.
_PROXYS = re.compile(r"x-(?:accel|envoy|forwarded|lighttpd|litespeed|original|real-ip|sendfile)(?:-.*)?")
_RESPONSE_VALUE_MAX = 4096
_OWN_HEADERS = frozenset(
    {"x-content-type-options", "x-frame-options", "x-request-id", "x-trace-id", "x-xss-protection"}
)


def metadata_of(headers: Mapping[str, str]) -> dict[str, str | bytes]:
    """The metadata of the call that a request becomes."""
    if AUTHORIZATION in headers and _RARE.isdisjoint(headers):
        return {AUTHORIZATION: headers[AUTHORIZATION]}
    found: dict[str, str | bytes] = {}
    for name in METADATA:
        if name in headers:
            found[name] = headers[name]
    if REQUEST_ID in found and not _REQUEST_ID.fullmatch(headers[REQUEST_ID]):
        del found[REQUEST_ID]
    return found


def call_lines(call: Call) -> str:
    """Header lines of a call: its ids, with which its caller can ask about it, what the caller may call
    yet, and what its handler set as far as that may reach callers outside.
    """
    trace_id = call.trace_id
    own = call.metadata.get(REQUEST_ID, trace_id)
    lines = f"x-request-id: {own!s}\r\nx-trace-id: {trace_id}\r\n"
    if call.quota is not None:
        write, tokens = call.quota
        lines += write(tokens)
    return lines + further_lines(call.response_headers) if call.response_headers else lines


def further_lines(headers: Iterable[tuple[str, str | bytes]]) -> str:
    """Header lines of what a handler set, as far as it may reach callers outside."""
    return "".join(
        [
            f"{name}: {value}\r\n"
            for name, value in headers
            if isinstance(value, str)
            and _may_tell(name)
            and value.isascii()
            and value.isprintable()
            and len(value) <= _RESPONSE_VALUE_MAX
        ]
    )


@lru_cache(256)
def _may_tell(name: str) -> bool:
    known = name not in _OWN_HEADERS and _RESPONSE_HEADER.fullmatch(name) is not None
    return known and _PROXYS.fullmatch(name) is None


def timeout_s(headers: Mapping[str, str]) -> float | None:
    """What the caller asks for, seconds; None: nothing.

    Raises:
        Refusal: HTTP_MALFORMED: a header is malformed, or both are there.
    """
    if "grpc-timeout" not in headers and "x-server-timeout" not in headers:
        return None
    grpc, seconds = headers.get("grpc-timeout"), headers.get("x-server-timeout")
    if grpc is not None and seconds is not None:
        raise _bad_timeout("Both grpc-timeout and x-server-timeout are there; send one.")
    if seconds is not None:
        if not _SECONDS.fullmatch(seconds):
            raise _bad_timeout("x-server-timeout is malformed; send seconds, such as 2.5.")
        return float(seconds)
    found = _GRPC_TIMEOUT.fullmatch(grpc or "")
    if found is None:
        raise _bad_timeout(
            "grpc-timeout is malformed; send at most 8 digits and one of H, M, S, m, u, n, such as 2500m."
        )
    return int(found[1]) * _GRPC_UNIT_S[found[2]]


def _bad_timeout(sentence: str) -> Refusal:
    return Refusal(Kind.INVALID, "HTTP_MALFORMED", sentence)

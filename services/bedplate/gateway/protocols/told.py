"""What an answer tells beside its message: what handlers said for the end of it, and what went wrong."""

import base64
from typing import Any
from urllib.parse import quote

import orjson

from bedplate.contract.headers import PUSHBACK, STATUS_DETAILS
from bedplate.gateway.codec.encode import encoder
from bedplate.gateway.codec.text import EncodeError
from bedplate.gateway.headers import further_lines
from bedplate.pipeline.call import Call
from bedplate.pipeline.ends import split
from bedplate.pipeline.failure import Failure

_CODES = {"CANCELLED": "canceled"}
_UNESCAPED = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")  # of a grpc-message


def trailer_lines(call: Call | None) -> str:
    """Header lines of what the handler said for the end, as far as it may reach callers outside."""
    _, last = split(call.response_headers if call is not None else ())
    return further_lines((name, _text(value)) for name, value in last)


def binary_lines(call: Call | None) -> str:
    """Header lines of binary metadata, in base64."""
    headers = call.response_headers if call is not None else ()
    return further_lines((name, _text(value)) for name, value in headers if isinstance(value, bytes))


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else _base64(value)


def _base64(value: bytes) -> str:
    """As gRPC and Connect send bytes: without padding."""
    return base64.b64encode(value).rstrip(b"=").decode("ascii")


def connect_error(failure: Failure) -> dict[str, Any]:
    """A failure as Connect tells it."""
    status = failure.status
    told: dict[str, Any] = {
        "code": _CODES.get(failure.code, failure.code.lower()),
        "message": status.message,
    }
    if status.details:
        told["details"] = [_connect_detail(packed) for packed in status.details]
    return told


def _connect_detail(packed: Any) -> dict[str, Any]:
    detail: dict[str, Any] = {
        "type": packed.type_url.rpartition("/")[2],
        "value": _base64(packed.value),
    }
    try:
        shown = encoder(packed.DESCRIPTOR)(packed)
    except EncodeError:
        return detail  # a type that this process does not know
    detail["debug"] = {name: value for name, value in shown.items() if name != "@type"}
    return detail


def connect_end(call: Call | None, failure: Failure | None) -> bytes:
    """What ends a stream of Connect's."""
    told: dict[str, Any] = {}
    if failure is not None:
        told["error"] = connect_error(failure)
    metadata: dict[str, list[str]] = {}
    for line in trailer_lines(call).splitlines():
        name, _, value = line.partition(": ")
        metadata.setdefault(name, []).append(value)
    if metadata:
        told["metadata"] = metadata
    return orjson.dumps(told)


def grpc_trailers(call: Call | None, failure: Failure | None) -> bytes:
    """What ends every answer of gRPC-Web."""
    if failure is None:
        lines = "grpc-status: 0\r\n"
    else:
        status = failure.status
        said = quote(status.message, safe=_UNESCAPED)
        lines = f"grpc-status: {status.code}\r\ngrpc-message: {said}\r\n"
        lines += f"{STATUS_DETAILS}: {_base64(status.SerializeToString())}\r\n"
        if failure.retry_after_s is not None:
            lines += f"{PUSHBACK}: {round(failure.retry_after_s * 1000)}\r\n"
    return (lines + trailer_lines(call)).encode("latin-1")

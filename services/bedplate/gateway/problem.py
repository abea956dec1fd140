"""Failures as problem details (RFC 9457), with all that google.rpc says about them."""

import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

import orjson
from google.rpc import status_pb2

from bedplate.gateway.codec.encode import encoder
from bedplate.gateway.codec.text import EncodeError
from bedplate.gateway.exchange import Response, header_lines
from bedplate.pipeline.failure import Failure

PROBLEM_TYPE = "application/problem+json"
PROBLEMS = "/problems/"

# The usual HTTP status of each code; 499 is nginx's for a caller that went away.
_STATUS_OF_CODE = {
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INVALID_ARGUMENT": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400,
    "ABORTED": 409,
    "OUT_OF_RANGE": 400,
    "UNIMPLEMENTED": 501,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DATA_LOSS": 500,
    "UNAUTHENTICATED": 401,
}

# Where HTTP has a status that says more than the code does. Platform reasons only.
_STATUS_OF_REASON = {
    "MESSAGE_TOO_LARGE": 413,
    "CONTENT_TYPE_UNSUPPORTED": 415,
    "NOT_ACCEPTABLE": 406,
    "PRECONDITION_FAILED": 412,
    "ETAG_MISMATCH": 412,
    "HTTP_METHOD_NOT_ALLOWED": 405,
    "HTTP_HEADERS_TOO_LARGE": 431,
    "HTTP_TOO_SLOW": 408,
}

# RFC 6750: a request without a credential gets no error code.
_CHALLENGE = 'Bearer realm="bedplate"'
_CHALLENGE_INVALID = 'Bearer realm="bedplate", error="invalid_token"'

# What a challenge may say of a proof: names with spaces between them, and whole seconds.
_ACR = re.compile(r"[!#-\[\]-~]+(?: [!#-\[\]-~]+)*")
_SECONDS = re.compile(r"[0-9]{1,10}")

_TYPE_URL = "type.googleapis.com/google.rpc."


def http_status(code: str, reason: str, domain: str) -> int:
    """The HTTP status of a failure."""
    if domain == "bedplate" and reason in _STATUS_OF_REASON:
        return _STATUS_OF_REASON[reason]
    # A service may have a reason of its own for it, such as BOOK_ETAG_MISMATCH.
    if code == "ABORTED" and reason.endswith("_ETAG_MISMATCH"):
        return 412
    return _STATUS_OF_CODE[code]


def title(reason: str) -> str:
    """A reason in words: `LEDGER_NOT_FOUND` is `Ledger not found`."""
    return reason.replace("_", " ").capitalize().replace("Http ", "HTTP ")


def problem(
    failure: Failure, *, trace_id: str = "", status: int = 0, fields: Iterable[tuple[str, str]] = ()
) -> Response:
    """The response that tells a failure.

    Args:
        failure: What went wrong.
        trace_id: The call's trace, 32 hex digits; empty for a request that became no call.
        status: The HTTP status, where it is not the failure's usual one.
        fields: Further headers, such as `allow`.
    """
    found = _Details(failure.status)
    status = status or http_status(failure.code, failure.reason, found.domain)
    document: dict[str, Any] = {
        "type": f"{PROBLEMS}{failure.reason}",
        "title": title(failure.reason),
        "status": status,
        "detail": failure.status.message,
        "code": failure.code,
        "reason": failure.reason,
        "domain": found.domain,
    }
    headers = [("content-type", PROBLEM_TYPE), ("cache-control", "no-store"), *fields]
    if found.metadata:
        document["metadata"] = found.metadata
    if found.violations:
        document["violations"] = found.violations
    if found.error_id:
        document["error_id"] = found.error_id
    if failure.retry_after_s is not None:
        document["retry_after"] = failure.retry_after_s
        headers.append(("retry-after", str(max(1, math.ceil(failure.retry_after_s)))))
    if trace_id:
        document["trace_id"] = trace_id
    document["details"] = found.all
    if status == 401:
        reason = failure.reason if found.domain == "bedplate" else ""
        headers.append(("www-authenticate", _challenge(reason, found.metadata)))
    return Response(status, header_lines(headers), orjson.dumps(document))


def _challenge(reason: str, facts: Mapping[str, str]) -> str:
    """What the caller has to show: RFC 6750, and RFC 9470 for a stronger proof."""
    if reason == "CREDENTIAL_MISSING":
        return _CHALLENGE
    acr, max_age_s = facts.get("acr", ""), facts.get("max_age_s", "")
    # In front of other servers these are what they said, and a quote or a line end would be a header.
    if reason != "STEP_UP_REQUIRED" or not _ACR.fullmatch(acr):
        return _CHALLENGE_INVALID
    max_age = f', max_age="{max_age_s}"' if _SECONDS.fullmatch(max_age_s) else ""
    return f'{_CHALLENGE}, error="insufficient_user_authentication", acr_values="{acr}"{max_age}'


class _Details:
    """What the details of a status say, as plain values."""

    def __init__(self, status: status_pb2.Status) -> None:
        self.all: list[dict[str, Any]] = []
        self.domain = ""
        self.error_id = ""
        self.metadata: Mapping[str, str] = {}
        self.violations: list[dict[str, str]] = []
        for packed in status.details:
            try:
                detail = encoder(packed.DESCRIPTOR)(packed)
            except EncodeError:
                continue  # a type that this process does not know; the rest still tells
            self.all.append(detail)
            self._read(detail)

    def _read(self, detail: dict[str, Any]) -> None:
        match detail["@type"].removeprefix(_TYPE_URL):
            case "ErrorInfo":
                self.domain = detail.get("domain", "")
                self.metadata = detail.get("metadata", {})
            case "RequestInfo":
                self.error_id = detail.get("requestId", "")
            case "BadRequest":
                self.violations = [
                    {
                        "field": violation.get("field", ""),
                        "description": violation.get("description", ""),
                        "rule": violation.get("reason", ""),
                    }
                    for violation in detail.get("fieldViolations", ())
                ]

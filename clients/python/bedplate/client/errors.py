"""What a call can raise: one class for each code, with the server's reason and details.

CallError
├── InvalidArgument      change the request
├── OutOfRange           ask for less
├── Unauthenticated      say who you are
├── PermissionDenied     ask for the right
├── NotFound             create it first, or check the id
├── AlreadyExists        use another id
├── FailedPrecondition   change the resource first
├── Aborted              read again, then retry
├── ResourceExhausted    send less, or later
├── DeadlineExceeded     give it more time
├── Unavailable          try again
├── Cancelled            you cancelled the stream yourself
├── Unimplemented        use what the contract offers
├── Internal             report the error id
├── Unknown              the answer says nothing
└── DataLoss             report it
"""

# The classes are named as gRPC names the codes.
# ruff: noqa: N818

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

from bedplate.contract.headers import STATUS_DETAILS


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One field that the server found wrong: its path in the request, and what to mend."""

    field: str
    sentence: str
    rule: str = ""


class CallError(Exception):
    """A call that did not succeed.

    Attributes:
        code: Name of the gRPC code.
        reason: Which refusal it is, such as `LIMIT_EXCEEDED`; empty when the
            answer came from something that is no bedplate server. Switch on this.
        domain: Who declares the reason.
        sentence: For people.
        facts: What a program may want to know, by name.
        violations: The fields it is about.
        retry_after_s: How long to wait before trying again, seconds; None: not said.
        error_id: What the operator needs to find the fault; empty: not a fault.
        request: The request as it was sent, its ids filled in: sending it again
            repeats the call, with one effect. None when there was not one request.
    """

    code = "UNKNOWN"

    def __init__(
        self,
        sentence: str,
        *,
        reason: str = "",
        domain: str = "",
        facts: Mapping[str, str] | None = None,
        violations: Sequence[FieldViolation] = (),
        retry_after_s: float | None = None,
        error_id: str = "",
    ) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.reason = reason
        self.domain = domain
        self.facts: Mapping[str, str] = dict(facts or {})
        self.violations = tuple(violations)
        self.retry_after_s = retry_after_s
        self.error_id = error_id
        self.request: Message | None = None

    def __str__(self) -> str:
        text = f"{self.code}{f' {self.reason}' if self.reason else ''}: {self.sentence}"
        return f"{text} (error id {self.error_id})" if self.error_id else text


class InvalidArgument(CallError):
    """Change the request; `violations` says where."""

    code = "INVALID_ARGUMENT"


class OutOfRange(CallError):
    """Ask for less."""

    code = "OUT_OF_RANGE"


class Unauthenticated(CallError):
    """Say who you are."""

    code = "UNAUTHENTICATED"


class PermissionDenied(CallError):
    """Ask for the right."""

    code = "PERMISSION_DENIED"


class NotFound(CallError):
    """Create it first, or check the id."""

    code = "NOT_FOUND"


class AlreadyExists(CallError):
    """Use another id."""

    code = "ALREADY_EXISTS"


class FailedPrecondition(CallError):
    """Change the resource first."""

    code = "FAILED_PRECONDITION"


class Aborted(CallError):
    """Read again, then retry."""

    code = "ABORTED"


class ResourceExhausted(CallError):
    """Send less, or later."""

    code = "RESOURCE_EXHAUSTED"


class DeadlineExceeded(CallError):
    """Give it more time. The call may have had its effect."""

    code = "DEADLINE_EXCEEDED"


class Unavailable(CallError):
    """Try again. Unless the reason says otherwise, the call may have had its effect."""

    code = "UNAVAILABLE"


class Cancelled(CallError):
    """You cancelled the stream yourself. A server that goes away is `Unavailable`."""

    code = "CANCELLED"


class Unimplemented(CallError):
    """Use what the server's contract offers."""

    code = "UNIMPLEMENTED"


class Internal(CallError):
    """A fault on the server's side; report `error_id`."""

    code = "INTERNAL"


class Unknown(CallError):
    """The answer says nothing about what went wrong."""


class DataLoss(CallError):
    """The server lost data; report it."""

    code = "DATA_LOSS"


_CLASSES = {kind.code: kind for kind in CallError.__subclasses__()}
_DETAILS = {
    kind.DESCRIPTOR.full_name: kind
    for kind in (
        error_details_pb2.ErrorInfo,
        error_details_pb2.BadRequest,
        error_details_pb2.RetryInfo,
        error_details_pb2.RequestInfo,
    )
}

# Said when a connection ended before the answer.
GONE_SENTENCE = "The server went away before it answered; the call may have had its effect."


def from_rpc_error(error: grpc.aio.AioRpcError) -> CallError:
    """The typed exception of an answer that is not OK.

    CANCELLED from afar becomes `Unavailable`: the caller did not cancel, so a
    server or a proxy between gave the call up.
    """
    code, sentence = error.code().name, error.details() or ""
    status = _status(error.trailing_metadata())
    details: dict[str, Any] = {}
    if status is not None and status.code == error.code().value[0]:
        sentence = status.message or sentence
        details = _fields(status)
    if code == "CANCELLED":
        return Unavailable(GONE_SENTENCE)
    return _CLASSES[code](sentence or f"The server answered {code} and no more.", **details)


def _status(trailers: Iterable[tuple[str, str | bytes]] | None) -> status_pb2.Status | None:
    for name, value in trailers or ():
        if name == STATUS_DETAILS and isinstance(value, bytes):
            try:
                return status_pb2.Status.FromString(value)
            except DecodeError:
                return None
    return None


def _fields(status: status_pb2.Status) -> dict[str, Any]:
    """What the details say, as arguments of `CallError`."""
    found: dict[str, Any] = {}
    for packed in status.details:
        kind = _DETAILS.get(packed.TypeName())
        if kind is None:
            continue
        try:
            detail: Any = kind.FromString(packed.value)
        except DecodeError:
            continue
        if kind is error_details_pb2.ErrorInfo:
            found.update(reason=detail.reason, domain=detail.domain, facts=dict(detail.metadata))
        elif kind is error_details_pb2.BadRequest:
            found["violations"] = [
                FieldViolation(item.field, item.description, item.reason) for item in detail.field_violations
            ]
        elif kind is error_details_pb2.RetryInfo:
            found["retry_after_s"] = detail.retry_delay.seconds + detail.retry_delay.nanos / 1e9
        else:
            found["error_id"] = detail.request_id
    return found

"""What the server behind answers when it does not answer with a message.

What it says with details is handed on as it is. What it says without any is
handed on where it is meant for callers; where it tells of its own faults
(UNKNOWN, INTERNAL) or of the way to it (UNAVAILABLE) the sentence is ours and
the log has the other one.
"""

import secrets
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2

from bedplate.contract.headers import STATUS_DETAILS
from bedplate.contract.policy import Idempotency, MethodPolicy
from bedplate.errors import Kind, Refusal
from bedplate.pipeline.call import Call
from bedplate.pipeline.failure import FAULT_SENTENCE, Failure, make_status
from bedplate.telemetry.logs import LogWriter
from bedplate.telemetry.redact import scrub

# When to call again a server that could not be reached, seconds.
RETRY_AFTER_S = 1.0

# Of what the server says of its own faults, so much is logged. Characters.
SAID_MAX = 1_000

_FAULTS = frozenset({"UNKNOWN", "INTERNAL", "DATA_LOSS"})
_STATUS = "google.rpc.Status"
_ERROR_INFO = "google.rpc.ErrorInfo"
_RETRY_INFO = "google.rpc.RetryInfo"
_DEBUG_INFO = "google.rpc.DebugInfo"  # stacks

# How gRPC core tells that a call never left this process.
_NOT_SENT = (
    "failed to connect",
    "connections to all backends failing",
    "dns ",
    "name resolution",
    "empty address",
)

# How it, and servers in other languages, tell that a message is larger than they
# take; of an answer it is core's own word, which says whose it is.
_TOO_LARGE = "received message larger than max"
_ANSWER = "client:"


class Answers:
    """Turns what calls of one method end with into what callers are told."""

    def __init__(self, policy: MethodPolicy, pool: Any, log: LogWriter) -> None:
        """Prepare them; the pool is where types of the server's own details are looked for."""
        self._policy = policy
        self._file: FileDescriptor = policy.descriptor.containing_service.file
        self._status: Any = GetMessageClass(pool.FindMessageTypeByName(_STATUS))
        self._log = log
        self._repeatable = policy.idempotency in (Idempotency.READ_ONLY, Idempotency.NATURAL)

    def of(self, error: grpc.aio.AioRpcError, call: Call, request: Message) -> Failure | Refusal:
        """What to raise for an error."""
        code, said = error.code().name, error.details() or ""
        status = self._details(error)
        reason, retry_after_s = "", None
        if status is not None:
            reason, retry_after_s = _read(status)
        if status is not None and reason:
            return Failure(status, reason=reason, retry_after_s=retry_after_s)
        if code in _FAULTS:
            return self._fault(code, said, call, request)
        if code == "UNAVAILABLE":
            return self._unavailable(said)
        if code == "CANCELLED":
            return gone(self._repeatable)
        if code == "DEADLINE_EXCEEDED":
            return Refusal(Kind.LATE, code, "The server behind did not answer before the call's deadline.")
        if code == "RESOURCE_EXHAUSTED" and _TOO_LARGE in said.lower():
            return self._too_large(answer=_ANSWER in said.lower())
        return self._plain(code, said, status, retry_after_s)

    def _too_large(self, *, answer: bool) -> Refusal:
        if not answer:
            sentence = "The server behind takes no request as large as this one; send less in one call."
            return Refusal(Kind.EXHAUSTED, "MESSAGE_TOO_LARGE", sentence)
        limit = self._policy.response_bytes
        return Refusal(
            Kind.EXHAUSTED,
            "MESSAGE_TOO_LARGE",
            f"The response is larger than the {limit} bytes that it may have; ask for less in one call.",
            limit_bytes=limit,
        )

    def _plain(self, code: str, said: str, status: Any, retry_after_s: float | None) -> Failure:
        """A failure without a reason of its own: its code is the reason."""
        info = error_details_pb2.ErrorInfo(reason=code, domain=self._file.package)
        made: Any = make_status(code, said, [info])
        if status is not None:
            made.details.extend(_repacked(detail) for detail in status.details)
        return Failure(made, reason=code, retry_after_s=retry_after_s)

    def _details(self, error: grpc.aio.AioRpcError) -> Any:
        """The google.rpc.Status that came along, without stacks; None: there is none that fits."""
        packed = next((value for name, value in error.trailing_metadata() if name == STATUS_DETAILS), None)
        if packed is None:
            return None
        try:
            status = self._status.FromString(packed)
        except DecodeError:
            return None
        if status.code != error.code().value[0]:
            return None
        kept = [detail for detail in status.details if not detail.type_url.endswith(_DEBUG_INFO)]
        if len(kept) < len(status.details):
            kept = [_repacked(detail, type(detail)) for detail in kept]
            del status.details[:]
            status.details.extend(kept)
        return status

    def _fault(self, code: str, said: str, call: Call, request: Message) -> Failure:
        call.error_id = secrets.token_hex(8)
        line = {
            "method": call.method,
            "trace_id": call.trace_id,
            "error_id": call.error_id,
            "code": code,
            "said": scrub(said, request)[:SAID_MAX],
        }
        self._log.write("error", "upstream", line)
        info = error_details_pb2.ErrorInfo(
            reason="INTERNAL", domain="bedplate", metadata={"error_id": call.error_id}
        )
        request_info = error_details_pb2.RequestInfo(request_id=call.error_id)
        return Failure(make_status("INTERNAL", FAULT_SENTENCE, [info, request_info]), reason="INTERNAL")

    def _unavailable(self, said: str) -> Refusal:
        told = said.lower()
        if any(sign in told for sign in _NOT_SENT):
            return Refusal(
                Kind.UNAVAILABLE,
                "UPSTREAM_UNAVAILABLE",
                "The server behind cannot be reached; the call was not made. Call again later.",
                retry_after_s=RETRY_AFTER_S,
                made="no",
            )
        return gone(self._repeatable)


def gone(repeatable: bool) -> Refusal:
    """What to tell when the server behind went away with the call; `repeatable`: it may be made twice."""
    if repeatable:
        return Refusal(
            Kind.UNAVAILABLE,
            "UPSTREAM_UNAVAILABLE",
            "The server behind went away while it was asked; call again.",
            retry_after_s=RETRY_AFTER_S,
            made="unknown",
        )
    return Refusal(
        Kind.UNAVAILABLE,
        "OUTCOME_UNKNOWN",
        "The server behind went away before it answered; the call's effect may or may not have happened. "
        "Repeat it with the same id.",
    )


def garbled() -> Refusal:
    """What to tell when an answer is not of the contract's type."""
    return Refusal(
        Kind.UNAVAILABLE,
        "UPSTREAM_UNAVAILABLE",
        "The server behind answered what its contract does not know; the gateway's copy of the contract may "
        "be of another version.",
        made="yes",
    )


def _read(status: Any) -> tuple[str, float | None]:
    """The reason of a status, empty for none, and when to call again, seconds."""
    reason, retry_after_s = "", None
    for detail in status.details:
        try:
            if detail.type_url.endswith(_ERROR_INFO):
                reason = error_details_pb2.ErrorInfo.FromString(detail.value).reason
            elif detail.type_url.endswith(_RETRY_INFO):
                delay = error_details_pb2.RetryInfo.FromString(detail.value).retry_delay
                retry_after_s = delay.seconds + delay.nanos / 1e9
        except DecodeError:
            continue
    return reason, retry_after_s


def _repacked(detail: Any, kind: Any = AnyMessage) -> Any:
    return kind(type_url=detail.type_url, value=detail.value)

"""Turns whatever went wrong into the answer that every door gives."""

import asyncio
import secrets
import time
from collections.abc import Mapping

from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError, Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from bedplate.client.errors import CallError
from bedplate.contract import reasons
from bedplate.contract.reasons import Reason
from bedplate.contract.redact import has_sensitive, scrub
from bedplate.errors import Kind, Refusal, Violation
from bedplate.pipeline.call import Call

# The sentence of a fault. What happened is in the log, under the error id.
FAULT_SENTENCE = "Something went wrong on our side. Report the error id."

# What a call makes of others ends a little before it does, so that it can answer:
# one that ended as late with less than this left ran into our deadline and not
# into one of its own. Seconds.
NEAR_S = 0.05

_EXPIRED = Refusal(Kind.LATE, "DEADLINE_EXCEEDED", "The call did not finish before its deadline.")
_MALFORMED = Refusal(
    Kind.INVALID,
    "MALFORMED_REQUEST",
    "The bytes are no message of the method's request type; build it from the current contract.",
)
_CANCELLED = Refusal(Kind.CANCELLED, "CANCELLED", "The caller cancelled the call.")
_STOPPED = Refusal(
    Kind.UNAVAILABLE,
    "OUTCOME_UNKNOWN",
    "The server stopped before the call ended; its effect may or may not have happened. "
    "Repeat it with the same id.",
)
_NOT_BEGUN = Refusal(Kind.UNAVAILABLE, "DRAINING", "This server is about to stop; call again.")


class Failure(Exception):  # noqa: N818 - it is an answer, not an error of ours
    """A call's answer when it is not a message.

    Attributes:
        status: The answer, with its details.
        code: Name of its code.
        reason: Its ErrorInfo reason.
        fault: True when it is ours to mend: the log holds the cause.
        retry_after_s: As in RetryInfo, seconds; None when there is none.
    """

    def __init__(
        self,
        status: status_pb2.Status,
        *,
        reason: str,
        fault: bool = False,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(f"{reason}: {status.message}")
        self.status = status
        self.code: str = code_pb2.Code.Name(status.code)
        self.reason = reason
        self.fault = fault
        self.retry_after_s = retry_after_s


class FailureMaker:
    """Makes the failures of one service: knows the reasons that its contract declares.

    With `strict` (tests, development) a refusal whose reason is undeclared, or
    goes with another code than declared, is answered as the bug it is.
    """

    def __init__(self, declared: Mapping[str, Reason], *, domain: str, strict: bool) -> None:
        self._declared = {**reasons.platform(), **declared}
        self._domain = domain
        self._strict = strict

    def from_exception(self, error: BaseException, call: Call) -> Failure:
        """The answer to a call that ended with this exception."""
        if isinstance(error, Failure):
            return error
        if isinstance(error, Refusal):
            return self._from_refusal(error, call)
        if call.expired or call.stopped:
            # Whatever the handler made of being cancelled.
            stopped = _STOPPED if call.begun else _NOT_BEGUN
            return self._from_refusal(stopped if call.stopped else _EXPIRED, call)
        if isinstance(error, DecodeError):
            return self._from_refusal(
                _MALFORMED,
                call,
            )
        if isinstance(error, asyncio.CancelledError):
            return self._from_cancel(call)
        if isinstance(error, CallError) and error.code in (
            "UNAVAILABLE",
            "DEADLINE_EXCEEDED",
            "RESOURCE_EXHAUSTED",
        ):
            return self._from_dependency(error, call)
        return self._fault(call)

    def _from_refusal(self, refusal: Refusal, call: Call) -> Failure:
        if call.request is not None and has_sensitive(call.request.DESCRIPTOR):
            refusal = _discreet(refusal, call.request)
        declared = self._declared.get(refusal.reason)
        if (declared is None or declared.code != refusal.kind.value) and self._strict:
            return self._fault(
                call,
                f"The contract declares no reason {refusal.reason} with the code {refusal.kind.value}.",
            )
        info = error_details_pb2.ErrorInfo(
            reason=refusal.reason,
            domain=declared.domain if declared else self._domain,
            metadata=refusal.facts,
        )
        details: list[Message] = [info]
        if refusal.violations:
            details.append(
                error_details_pb2.BadRequest(
                    field_violations=[
                        error_details_pb2.BadRequest.FieldViolation(
                            field=v.field, description=v.sentence, reason=v.rule
                        )
                        for v in refusal.violations
                    ]
                )
            )
        if refusal.retry_after_s is not None:
            delay = Duration()
            delay.FromMilliseconds(round(refusal.retry_after_s * 1000))
            details.append(error_details_pb2.RetryInfo(retry_delay=delay))
        return Failure(
            make_status(refusal.kind.value, refusal.sentence, details),
            reason=refusal.reason,
            fault=refusal.kind is Kind.INTERNAL,
            retry_after_s=refusal.retry_after_s,
        )

    def _from_cancel(self, call: Call) -> Failure:
        task = asyncio.current_task()
        if task is not None and not task.cancelling():
            # Nobody cancelled the call: the handler raised CancelledError itself.
            # gRPC would leave the caller hanging.
            return self._fault(call)
        return self._from_refusal(_EXPIRED if call.remaining_s() <= 0 else _CANCELLED, call)

    def _from_dependency(self, error: CallError, call: Call) -> Failure:
        left_s = min(call.deadline, call.outbound_deadline) - time.monotonic()
        if left_s <= (NEAR_S if error.code == "DEADLINE_EXCEEDED" else 0):
            return self._from_refusal(_EXPIRED, call)
        refusal = Refusal(
            Kind.UNAVAILABLE,
            "DEPENDENCY_UNAVAILABLE",
            "Something that this call needs does not answer.",
            retry_after_s=error.retry_after_s,
        )
        return self._from_refusal(refusal, call)

    def _fault(self, call: Call, sentence: str = FAULT_SENTENCE) -> Failure:
        call.error_id = secrets.token_hex(8)
        info = error_details_pb2.ErrorInfo(
            reason="INTERNAL", domain="bedplate", metadata={"error_id": call.error_id}
        )
        request_info = error_details_pb2.RequestInfo(request_id=call.error_id)
        return Failure(make_status("INTERNAL", sentence, [info, request_info]), reason="INTERNAL", fault=True)


def _discreet(refusal: Refusal, request: Message) -> Refusal:
    """The refusal without what sensitive fields of the request hold: answers are logged and shown by many."""
    return Refusal(
        refusal.kind,
        refusal.reason,
        scrub(refusal.sentence, request),
        violations=[
            Violation(scrub(v.field, request), scrub(v.sentence, request), v.rule) for v in refusal.violations
        ],
        retry_after_s=refusal.retry_after_s,
        **{name: scrub(value, request) for name, value in refusal.facts.items()},
    )


def make_status(code: str, sentence: str, details: list[Message]) -> status_pb2.Status:
    """A google.rpc.Status of a code's name, a sentence and details."""
    status = status_pb2.Status(code=code_pb2.Code.Value(code), message=sentence)
    for detail in details:
        packed = Any()
        packed.Pack(detail)
        status.details.append(packed)
    return status

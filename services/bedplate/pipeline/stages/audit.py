"""Audit: each call that came this far leaves a record of who asked for what, and what came of it.

The record of a call that changes something is written in the transaction that
changes it: there is no effect without a record. A call that changes nothing is
answered once its record is written. One that fails is answered at once.
"""

import asyncio
import json

from google.protobuf.message import Message

from bedplate.clock import now_us
from bedplate.contract.policy import MethodPolicy, PolicyError
from bedplate.errors import Refusal
from bedplate.pipeline.call import Call
from bedplate.pipeline.failure import Failure
from bedplate.pipeline.stage import Parts, Proceed, Stage
from bedplate.records.audit import Audit, AuditRecord, new_id, writing
from bedplate.telemetry.redact import redacted


def compile(policy: MethodPolicy, parts: Parts) -> Stage | None:
    """Record each call; None for a method that asks for none.

    A stream's record says that it began, and is written before its first response.
    """
    if not policy.audit:
        return None
    if parts.audit is None:
        raise PolicyError(f"{policy.method}: audit needs a database, and there is none.")
    audit = parts.audit
    if policy.descriptor.client_streaming or policy.descriptor.server_streaming:

        async def before(call: Call) -> None:
            await audit.write(_record(call, "BEGUN"), timeout_s=call.remaining_s())

        return Stage("audit", before=before)

    async def around(call: Call, request: Message, proceed: Proceed) -> Message:
        with_change = writing(_record(call, "OK"))
        call.pending.append(with_change)
        try:
            response = await proceed(call, request)
        except BaseException as error:
            _forget(call, with_change)
            audit.write_later(_record(call, *_result(call, error)))
            raise
        if _forget(call, with_change):
            await _write(audit, call)
        return response

    return Stage("audit", around=around)


async def _write(audit: Audit, call: Call) -> None:
    """Write the record of a call that changed nothing; without it there is no answer."""
    await audit.write(_record(call, "OK"), timeout_s=max(0.0, call.remaining_s()))


def _forget(call: Call, record: object) -> bool:
    """Take a record back; False: it was committed with a change."""
    for place, pending in enumerate(call.pending):
        if pending is record:
            del call.pending[place]
            return True
    return False


def _record(call: Call, code: str, reason: str = "") -> AuditRecord:
    principal = call.principal
    request = redacted(call.request) if call.request is not None else {}
    return AuditRecord(
        tenant_id=principal.tenant,
        time_us=now_us(),
        record_id=new_id(),
        principal_id=principal.id,
        method=call.method,
        door=call.door,
        peer=call.peer,
        trace_id=call.trace_id,
        code=code,
        reason=reason,
        request=json.dumps(request, default=str),
    )


def _result(call: Call, error: BaseException) -> tuple[str, str]:
    """The code and reason with which a call ends that raised this."""
    if isinstance(error, Refusal):
        return error.kind.value, error.reason
    if isinstance(error, Failure):
        return error.code, error.reason
    if call.expired or (isinstance(error, asyncio.CancelledError) and call.remaining_s() <= 0):
        return "DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"
    if isinstance(error, asyncio.CancelledError):
        return ("UNAVAILABLE", "DRAINING") if call.stopped else ("CANCELLED", "CANCELLED")
    return "INTERNAL", "INTERNAL"

"""Audit: each call that came this far leaves a record of who asked for what, and what came of it.

The record of a call that changes something is written in the transaction that
changes it: there is no effect without a record. A call that changes nothing is
answered once its record is written. One that fails is answered at once.
"""

import json
from dataclasses import replace

from google.protobuf.message import Message

from bedplate.clock import now_us
from bedplate.contract.policy import MethodPolicy, PolicyError
from bedplate.pipeline.call import Call
from bedplate.pipeline.stage import Parts, Proceed, Stage
from bedplate.records.audit import AuditRecord, new_id, writing
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

    # The record with which each call that runs began.
    begun: dict[Call, AuditRecord] = {}

    async def around(call: Call, request: Message, proceed: Proceed) -> Message:
        begun[call] = record = _record(call, "OK")
        with_change = writing(record)
        call.pending.append(with_change)
        try:
            response = await proceed(call, request)
        except BaseException:
            _forget(call, with_change)
            raise
        if _forget(call, with_change):
            await audit.write(record, timeout_s=max(0.0, call.remaining_s()))
        return response

    def leave(call: Call) -> None:
        record = begun.pop(call, None)
        if record is not None and call.code:
            ended = replace(record, record_id=new_id(), time_us=now_us(), code=call.code, reason=call.reason)
            audit.write_later(ended)

    return Stage("audit", around=around, leave=leave)


def _forget(call: Call, record: object) -> bool:
    """Take a record back; False: it was committed with a change."""
    for place, pending in enumerate(call.pending):
        if pending is record:
            del call.pending[place]
            return True
    return False


def _record(call: Call, code: str) -> AuditRecord:
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
        reason="",
        request=json.dumps(request, default=str),
    )

"""Deadline: the caller's wish, within what the contract allows; refuses the expired.

Three modes, each of which does all that the one before it does:

- OBSERVE counts the calls that ENFORCE would end. Nothing else follows from it.
- PROPAGATE also hands what is left on to the services that the handler calls.
- ENFORCE also ends the call, and with it the database's work, at that time.

What a caller asks for itself ends its call in every mode: over gRPC it is gone
by then, whatever the server thinks of it.
"""

import asyncio
import math

from prometheus_client import Counter

from bedplate.contract.policy import MethodPolicy
from bedplate.contract.promises import DeadlineMode
from bedplate.errors import Kind, Refusal
from bedplate.pipeline.call import Call
from bedplate.pipeline.expiry import Expiry
from bedplate.pipeline.metrics import metric
from bedplate.pipeline.stage import Parts, Stage

# What is left over for the way back: the work must be done this much before the
# caller gives up, or a tenth of its time when that is less. Seconds.
MARGIN_S = 0.010
MARGIN_SHARE = 0.1


def compile(policy: MethodPolicy, parts: Parts) -> Stage:
    """Set every call's deadline; once it is enforced, a call without one does not exist."""
    if policy.deadline_mode is DeadlineMode.ENFORCE:
        return _enforce(policy.deadline_default_s, policy.deadline_max_s, parts.expiry)
    return _observe(policy, parts)


def _enforce(default_s: float, max_s: float, expiry: Expiry) -> Stage:
    def enter(call: Call) -> None:
        asked_s = call.requested_timeout_s
        if asked_s is None:
            call.deadline = call.started + default_s
        elif asked_s <= 0:
            raise _passed()
        else:
            given_s = asked_s if asked_s < max_s else max_s
            call.deadline = call.started + given_s - min(MARGIN_S, given_s * MARGIN_SHARE)
            if call.door_cancels and given_s == asked_s:
                return  # the door cancels the task at the caller's own deadline
        call.watch = watch = expiry.here()
        watch.add(call, call.deadline, _expire)

    return Stage("deadline", enter=enter, leave=_leave)


def _observe(policy: MethodPolicy, parts: Parts) -> Stage:
    default_s, max_s = policy.deadline_default_s, policy.deadline_max_s
    propagates = policy.deadline_mode is DeadlineMode.PROPAGATE
    overruns = metric(
        Counter,
        parts.registry,
        "bedplate_deadline_overruns",
        "Calls that outlasted a deadline that is not enforced yet.",
        ("method",),
    ).labels(policy.method)

    def enter(call: Call) -> None:
        asked_s = call.requested_timeout_s
        if asked_s is None:
            call.deadline = math.inf
            due = call.started + default_s
        elif asked_s <= 0:
            raise _passed()
        else:
            given_s = asked_s if asked_s < max_s else max_s
            due = call.started + given_s - min(MARGIN_S, given_s * MARGIN_SHARE)
            call.deadline = call.started + asked_s
        call.outbound_deadline = due if propagates else math.inf
        if call.door_cancels and asked_s is not None and asked_s <= max_s:
            return  # the door ends it in every mode, so there is nothing to learn
        call.watch = parts.expiry.here()
        call.watch.add(call, due, overrun)

    def overrun(call: Call, task: "asyncio.Task[object]") -> None:
        overruns.inc()
        if call.watch is not None and not call.door_cancels and not math.isinf(call.deadline):
            call.watch.add(call, call.deadline, _expire, task)

    return Stage("deadline", enter=enter, leave=_leave)


def _leave(call: Call) -> None:
    if call.watch is not None:
        call.watch.discard(call)


def _expire(call: Call, task: "asyncio.Task[object]") -> None:
    call.expired = True
    task.cancel()


def _passed() -> Refusal:
    return Refusal(
        Kind.LATE,
        "DEADLINE_EXCEEDED",
        "The deadline had passed when the call arrived; give it more time.",
    )

"""Deadline: the caller's wish, within what the contract allows; refuses the expired."""

import asyncio
import time

from bedplate.contract.policy import MethodPolicy
from bedplate.errors import Kind, Refusal
from bedplate.pipeline.call import Call
from bedplate.pipeline.stage import Parts, Stage

# What is left over for the way back: the work must be done this much before the
# caller gives up, or a tenth of its time when that is less. Seconds.
MARGIN_S = 0.010
MARGIN_SHARE = 0.1


def compile(policy: MethodPolicy, parts: Parts) -> Stage:
    """Set every call's deadline; a call without one does not exist."""
    default_s, max_s = policy.deadline_default_s, policy.deadline_max_s

    def enter(call: Call) -> None:
        asked_s = call.requested_timeout_s
        if asked_s is None:
            call.deadline = call.started + default_s
        elif asked_s <= 0:
            raise Refusal(
                Kind.LATE,
                "DEADLINE_EXCEEDED",
                "The deadline had passed when the call arrived; give it more time.",
            )
        else:
            given_s = asked_s if asked_s < max_s else max_s
            call.deadline = call.started + given_s - min(MARGIN_S, given_s * MARGIN_SHARE)
            if call.door_cancels and given_s == asked_s:
                return  # the door cancels the task at the caller's own deadline
        task = asyncio.current_task()
        assert task is not None
        call.timer = asyncio.get_running_loop().call_later(
            call.deadline - time.monotonic(), _expire, call, task
        )

    def leave(call: Call) -> None:
        if call.timer is not None:
            call.timer.cancel()

    return Stage("deadline", enter=enter, leave=leave)


def _expire(call: Call, task: "asyncio.Task[object]") -> None:
    call.expired = True
    task.cancel()

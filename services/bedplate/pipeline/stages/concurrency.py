"""Concurrency: so many calls of a method at once, and so many that wait behind them.

A stream holds its slot for as long as it lasts. Waiting is part of the call: it
ends with its deadline, and at once when the caller goes away.
"""

import time
from collections.abc import Awaitable

from bedplate.contract.policy import MethodPolicy
from bedplate.pipeline.call import Call
from bedplate.pipeline.stage import Parts, Stage


def compile(policy: MethodPolicy, parts: Parts) -> Stage | None:
    """Take a slot for the call's life; None where the contract sets no limit."""
    if policy.concurrency is None:
        return None
    slots = parts.load.slots_of(policy.method, policy.concurrency.limit, policy.concurrency.queue)
    declared = policy.criticality

    def enter(call: Call) -> Awaitable[None] | None:
        waiting = slots.take(call.level or declared, call.deadline)
        if waiting is None:
            call.slot_since = time.monotonic()
            return None
        return wait(call, waiting)

    async def wait(call: Call, waiting: Awaitable[None]) -> None:
        began = time.monotonic()
        try:
            await waiting
            call.slot_since = time.monotonic()
        finally:
            call.queued_s = time.monotonic() - began

    def leave(call: Call) -> None:
        if call.slot_since:
            slots.give_back(call.ended - call.slot_since if not call.reason else None)

    return Stage("concurrency", enter=enter, leave=leave)

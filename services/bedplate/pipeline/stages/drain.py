"""Drain: a server that is about to stop sends new calls elsewhere."""

import asyncio
from collections.abc import Awaitable

from bedplate.contract.policy import MethodPolicy
from bedplate.errors import Kind, Refusal
from bedplate.pipeline.call import Call
from bedplate.pipeline.stage import Parts, Stage

# When a caller should try again: at once, since another server will answer; but
# not in a busy loop when there is only this one. Seconds.
RETRY_AFTER_S = 0.1


def compile(policy: MethodPolicy, parts: Parts) -> Stage:
    """Refuse new calls while the process drains."""
    gate = parts.gate

    def enter(call: Call) -> Awaitable[None] | None:
        # A call in process is part of one that was let in before, and must get its answer.
        if not gate.draining or call.door == "local":
            return None
        if gate.released is not None:
            return _refuse_later(gate.released)
        raise _refusal()

    return Stage("drain", enter=enter)


async def _refuse_later(released: asyncio.Event) -> None:
    await released.wait()
    raise _refusal()


def _refusal() -> Refusal:
    return Refusal(
        Kind.UNAVAILABLE,
        "DRAINING",
        "This server is about to stop; call again.",
        retry_after_s=RETRY_AFTER_S,
    )

"""Fault: what an operator injects for a test, right before the handler.

A delay takes time of the call's own deadline. A dropped call is never answered:
to its caller the answer is lost on the way, and its deadline ends it. Faults
are set through the admin service; a process in production has no such stage.
"""

import asyncio
from collections.abc import Awaitable

from google.rpc import error_details_pb2
from prometheus_client import Counter

from bedplate.contract.policy import MethodPolicy
from bedplate.errors import Kind, Refusal
from bedplate.pipeline.call import Call
from bedplate.pipeline.failure import Failure, make_status
from bedplate.pipeline.metrics import metric
from bedplate.pipeline.stage import Parts, Stage
from bedplate.policy.faults import Abort, Delay, Drop, Effect, Faults

REASON = "FAULT_INJECTED"
SENTENCE = "An operator injects this fault for a test; nothing is wrong."
# A dropped call that has no deadline ends after this, seconds.
DROP_MAX_S = 300.0


def compile(policy: MethodPolicy, parts: Parts) -> Stage | None:
    """Do to calls what the faults in force say; None in production, where there may be none."""
    if parts.settings.production:
        return None
    faults, method = parts.live.faults, policy.method
    injected = metric(
        Counter, parts.registry, "bedplate_faults_injected", "Faults that hit a call.", ("method", "effect")
    )

    def before(call: Call) -> Awaitable[None] | None:
        if not faults.armed:
            return None
        effects = faults.hit(method)
        for effect in effects:
            injected.labels(method, type(effect).__name__.lower()).inc()
        return _inject(faults, effects) if effects else None

    return Stage("fault", before=before)


async def _inject(faults: Faults, effects: tuple[Effect, ...]) -> None:
    for effect in effects:
        match effect:
            case Delay():
                await asyncio.sleep(faults.wait_s(effect))
            case Abort():
                raise _aborted(effect)
            case Drop():
                await asyncio.sleep(DROP_MAX_S)
                raise Refusal(Kind.UNAVAILABLE, REASON, SENTENCE)
            case _:
                raise Refusal(Kind.UNAVAILABLE, REASON, SENTENCE, retry_after_s=effect.retry_after_s)


def _aborted(abort: Abort) -> Failure:
    # Not a refusal: those are bound to the code that their reason is declared with.
    info = error_details_pb2.ErrorInfo(reason=REASON, domain="bedplate")
    return Failure(make_status(abort.code, SENTENCE, [info]), reason=REASON)

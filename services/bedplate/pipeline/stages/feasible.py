"""Feasible: a call with less time than the method lately takes is not begun.

What it would do is thrown away at its deadline, and the others wait for it. The
rule is in timing.py; how long a call takes counts from its arrival, as its
deadline does, so time in queues is part of it. Calls that stream are let be:
how long they take is up to the caller.
"""

from prometheus_client import Counter, Gauge

from bedplate.contract.policy import MethodPolicy
from bedplate.contract.promises import DeadlineMode
from bedplate.errors import Kind, Refusal
from bedplate.pipeline.call import Call
from bedplate.pipeline.metrics import metric
from bedplate.pipeline.stage import Parts, Stage


def compile(policy: MethodPolicy, parts: Parts) -> Stage | None:
    """Refuse what cannot finish; None where a deadline is not enforced or the method streams."""
    descriptor = policy.descriptor
    streams = descriptor.client_streaming or descriptor.server_streaming
    if policy.deadline_mode is not DeadlineMode.ENFORCE or streams:
        return None
    timing = parts.timings.of(policy.method)
    refused = metric(
        Counter,
        parts.registry,
        "bedplate_deadline_too_short",
        "Calls that were not begun because the method lately takes longer than they had.",
        ("method",),
    ).labels(policy.method)
    metric(
        Gauge,
        parts.registry,
        "bedplate_call_quickest_seconds",
        "Time in which lately one in ten calls was done; a call with less is not begun.",
        ("method",),
    ).labels(policy.method).set_function(lambda: timing.estimate_s)

    def enter(call: Call) -> None:
        given_s = call.deadline - call.started
        if given_s < timing.estimate_s and timing.doubts(given_s):
            refused.inc()
            raise _too_short(given_s, timing.estimate_s)

    def leave(call: Call) -> None:
        if not call.reason:
            timing.succeeded(call.ended - call.started, call.ended)

    return Stage("feasible", enter=enter, leave=leave)


def _too_short(given_s: float, takes_s: float) -> Refusal:
    given_ms, takes_ms = round(given_s * 1000, 1), round(takes_s * 1000, 1)
    return Refusal(
        Kind.LATE,
        "DEADLINE_TOO_SHORT",
        f"The call has {given_ms:g} ms and lately nine of ten calls took more than {takes_ms:g} ms; "
        "give it more time.",
        given_ms=given_ms,
        takes_ms=takes_ms,
    )

"""Deprecation: callers are told; after its last day the method answers no more."""

import datetime
from email.utils import format_datetime

from prometheus_client import Counter

from bedplate.clock import now_us
from bedplate.contract.policy import MethodPolicy
from bedplate.errors import Kind, Refusal
from bedplate.pipeline.call import Call
from bedplate.pipeline.metrics import metric
from bedplate.pipeline.stage import Parts, Stage


def compile(policy: MethodPolicy, parts: Parts) -> Stage | None:
    """Mark and count the calls of a deprecated method; None for one that is in use.

    The last day ends at midnight UTC. `deprecation` (RFC 9745) and `sunset`
    (RFC 8594) go with every answer, on every door.
    """
    promise = policy.deprecation
    if promise is None:
        return None
    headers: list[tuple[str, str | bytes]] = [("deprecation", f"@{_midnight(promise.since).timestamp():.0f}")]
    ends_us = None
    if promise.sunset is not None:
        end = _midnight(promise.sunset + datetime.timedelta(days=1))
        headers.append(("sunset", format_datetime(end, usegmt=True)))
        ends_us = int(end.timestamp()) * 1_000_000
    calls = metric(
        Counter, parts.registry, "bedplate_deprecated_calls", "Calls of deprecated methods.", ("method",)
    ).labels(policy.method)

    def enter(call: Call) -> None:
        calls.inc()
        if ends_us is not None and now_us() >= ends_us:
            raise Refusal(
                Kind.UNSUPPORTED,
                "METHOD_SUNSET",
                f"The last day of this method was {promise.sunset}; the contract says what takes its place.",
                sunset=promise.sunset,
            )
        call.response_headers.extend(headers)

    return Stage("deprecation", enter=enter)


def _midnight(day: datetime.date) -> datetime.datetime:
    return datetime.datetime.combine(day, datetime.time(), datetime.UTC)

"""Labels: the caller means this environment; whether its contract is ours is counted."""

from prometheus_client import Counter

from bedplate.contract.fingerprint import fingerprint
from bedplate.contract.headers import ENVIRONMENT, SCHEMA
from bedplate.contract.policy import MethodPolicy
from bedplate.errors import Kind, Refusal
from bedplate.pipeline.call import Call
from bedplate.pipeline.metrics import metric
from bedplate.pipeline.stage import Parts, Stage


def compile(policy: MethodPolicy, parts: Parts) -> Stage:
    """Refuse who means another environment, and count who has another contract.

    Another contract is no mistake: an old caller of a new server has one, and
    is answered. It is told ours, so that it can see the same.
    """
    environment = parts.settings.environment
    own = fingerprint(policy.descriptor)
    skewed = metric(
        Counter,
        parts.registry,
        "bedplate_schema_skew",
        "Calls whose sender has another contract of the method.",
        ("method",),
    ).labels(policy.method)

    def enter(call: Call) -> None:
        theirs = call.metadata.get(SCHEMA)
        if theirs is not None and theirs != own:
            skewed.inc()
            call.response_headers.append((SCHEMA, own))
        if environment:
            meant = call.metadata.get(ENVIRONMENT)
            if meant is not None and meant != environment:
                raise _refusal(environment)

    return Stage("labels", enter=enter)


def _refusal(environment: str) -> Refusal:
    return Refusal(
        Kind.STATE,
        "ENVIRONMENT_MISMATCH",
        f"This server is of the environment {environment}, and the caller means another; check the address.",
        environment=environment,
    )

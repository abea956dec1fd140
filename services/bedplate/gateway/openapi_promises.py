"""What a contract promises of a method, for programs and for people who read the reference."""

from typing import Any

from google.protobuf import json_format

from bedplate.contract.policy import MethodPolicy
from bedplate.policy.explain import explain_policy

# Options beside those that have a form of their own below; as in policy.proto.
_AS_THEY_ARE = (
    "rate",
    "concurrency",
    "cache",
    "slo",
    "audit",
    "deprecation",
    "replay",
    "rollout",
    "hedge",
    "http",
)
# What a caller cannot see, or sees elsewhere on the page.
_LEFT_OUT = ("visibility", "calls", "limits", "concurrency")


def promises(policy: MethodPolicy) -> dict[str, Any]:
    """The promises that a caller can build on; durations in seconds, or as protobuf's JSON has them."""
    found: dict[str, Any] = {
        "method": policy.method,
        "deadline_default_s": policy.deadline_default_s,
        "deadline_max_s": policy.deadline_max_s,
        "idempotency": policy.idempotency.name,
        "criticality": policy.criticality.name,
        "request_bytes_max": policy.request_bytes,
        "response_bytes_max": policy.response_bytes,
    }
    auth = policy.auth
    if auth is not None and not auth.anonymous:
        found["all_scopes"] = sorted(auth.all_scopes)
        found["any_scopes"] = sorted(auth.any_scopes)
        if auth.audiences:
            found["audiences"] = sorted(auth.audiences)
        for name in ("step_up", "relation"):
            if policy.options.auth.HasField(name):
                found[name] = _plain(getattr(policy.options.auth, name))
    if policy.retry is not None:
        found["retry"] = {"max_attempts": policy.retry.max_attempts, "codes": list(policy.retry.codes)}
    for name in _AS_THEY_ARE:
        value = getattr(policy.options, name)
        if name == "hedge" and policy.hedge is None:
            continue  # a service's default that does not reach the method
        if value.ListFields():
            found[name] = _plain(value)
    return found


def described(policy: MethodPolicy) -> str:
    """The same for people: a table in Markdown of what the contract says, value by value."""
    rows = [
        f"| `{line.option}` | {line.value} |"
        for line in explain_policy(policy)
        if line.option.partition(".")[0] not in _LEFT_OUT
        and (line.source != "default" or line.option.startswith("deadline"))
    ]
    return "\n".join(["| promise | |", "|---|---|", *rows])


def _plain(message: Any) -> dict[str, Any]:
    values: dict[str, Any] = json_format.MessageToDict(message, preserving_proto_field_name=True)
    return values

"""Says for a method which policy is in force and where each value came from."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from bedplate.contract.policy import Idempotency, MethodPolicy
from bedplate.policy.enforced import ENFORCED, not_enforced
from bedplate.policy.layers import Layer, in_force
from bedplate.policy.tighten import change

# What holds where nobody says anything, of options that a resolved policy has no field for.
_UNSAID = {
    "retry": "never",
    "hedge": "never",
    "auth": "missing: the server does not start",
    "rate": "no limit",
    "concurrency": "no limit",
    "criticality": "DEFAULT",
    "cache": "never",
    "slo": "unsaid",
    "calls": "unsaid",
    "audit": "no",
    "deprecation": "no",
    "replay": "no",
    "rollout": "100 percent",
    "http": "as usual: strict JSON, 200, no other origins",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One value of a policy.

    Attributes:
        option: Its path below `(bedplate.v1.policy)`, such as `deadline.max`.
        value: As text.
        source: `method`, `service` (its defaults) or `default` (bedplate's own).
        keeper: Who enforces it; empty when nobody does.
        enforced: Whether this version does.
        note: What else to know; may be empty.
        change: What would change it.
    """

    option: str
    value: str
    source: str
    keeper: str
    enforced: bool
    note: str = ""
    change: str = ""


def explain(method: MethodDescriptor, layers: Iterable[Layer] = ()) -> tuple[Line, ...]:
    """The method's policy in force, value by value, in the order of policy.proto.

    Args:
        method: The method.
        layers: What the deployment says.

    Raises:
        PolicyError: The options contradict each other or leave their bounds, or
            a layer would loosen them.
    """
    return explain_policy(in_force(method, layers))


def explain_policy(policy: MethodPolicy) -> tuple[Line, ...]:
    """As `explain`, of a policy that is there already."""
    missing = {path.partition(":")[0] for path in not_enforced(policy)}
    lines = [_set_line(policy, missing, path, text) for path, text in _values(policy.options, "")]
    said = {line.option for line in lines}
    for path, text in _defaults(policy).items():
        if not any(one == path or one.startswith(f"{path}.") for one in said):
            kept = keeper(path)
            lines.append(Line(path, text, "default", kept, enforced=bool(kept), change=change(path)))
    order = [field.name for field in policy.options.DESCRIPTOR.fields]
    return tuple(sorted(lines, key=lambda line: order.index(line.option.partition(".")[0])))


def keeper(path: str) -> str:
    """Who enforces an option; empty when this version does not."""
    above = path
    while above:
        if above in ENFORCED:
            return ENFORCED[above]
        above = above.rpartition(".")[0]
    return next((who for kept, who in ENFORCED.items() if kept.startswith(f"{path}.")), "")


def _defaults(policy: MethodPolicy) -> dict[str, str]:
    """What holds when neither the method nor its service says it, by option."""
    found = {
        "deadline.default": f"{policy.deadline_default_s:g} s",
        "deadline.max": f"{policy.deadline_max_s:g} s",
        "idempotency": policy.idempotency.name,
        "limits.request_bytes": str(policy.request_bytes),
        "limits.response_bytes": str(policy.response_bytes),
        "visibility": policy.visibility.name,
        **_UNSAID,
    }
    if policy.replay is not None:
        del found["replay"]
        found["replay.keep"] = f"{policy.replay.keep_s:g} s"
    if policy.retry is not None:
        found |= {
            "retry.initial_backoff": f"{policy.retry.initial_backoff_s:g} s",
            "retry.max_backoff": f"{policy.retry.max_backoff_s:g} s",
            "retry.backoff_multiplier": f"{policy.retry.backoff_multiplier:g}",
            "retry.codes": ", ".join(policy.retry.codes),
        }
    if policy.hedge is not None:
        found["hedge.codes"] = ", ".join(policy.hedge.codes)
    return found


def _set_line(policy: MethodPolicy, missing: set[str], path: str, text: str) -> Line:
    group = path.partition(".")[0]
    kept = not any(path == one or path.startswith(f"{one}.") for one in missing)
    note = ""
    if group in ("retry", "hedge") and getattr(policy, group) is None:
        note = f"not in force: {_why_not(policy, group)}"
    source = policy.sources.get(path) or policy.sources[group]
    return Line(
        path, text, source, keeper(path) if kept else "", enforced=kept, note=note, change=change(path)
    )


def _why_not(policy: MethodPolicy, group: str) -> str:
    """Why a retry or a hedge that is set does not hold."""
    if group == "retry" and policy.hedge is not None:
        return "the method is hedged"
    if group == "hedge" and policy.retry is not None:
        return "the method is retried"
    if group == "hedge" and policy.idempotency in (Idempotency.READ_ONLY, Idempotency.NATURAL):
        return "the method streams"
    return "the method's idempotency forbids a second attempt"


def _values(options: Message, prefix: str) -> Iterator[tuple[str, str]]:
    for field, value in options.ListFields():
        path = prefix + field.name
        if isinstance(value, Duration):
            yield path, f"{value.seconds + value.nanos / 1e9:g} s"
        elif field.is_repeated:
            yield path, ", ".join(_text(field, item) for item in value)
        elif isinstance(value, Message):
            yield from _values(value, f"{path}.")
        else:
            yield path, _text(field, value)


def _text(field: FieldDescriptor, value: Any) -> str:
    if field.enum_type is not None:
        name = field.enum_type.values_by_number[value].name
        prefix = field.enum_type.values_by_number[0].name.removesuffix("UNSPECIFIED")
        return name.removeprefix(prefix)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, Message):
        return str(value).replace("\n", " ").strip()
    return str(value)

"""What rules ask of messages and fields."""

from collections.abc import Iterator
from typing import Any

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from bedplate.contract.policy import Retry
from bedplate.v1 import policy_pb2
from buf.validate import validate_pb2

DEPTH_MAX = 8


def behaviours(field: FieldDescriptor) -> frozenset[int]:
    """The field's google.api.field_behavior."""
    extension: Any = field_behavior_pb2.field_behavior
    return frozenset(field.GetOptions().Extensions[extension])


def required(field: FieldDescriptor) -> bool:
    """Whether the caller must set it."""
    return field_behavior_pb2.REQUIRED in behaviours(field)


def output_only(field: FieldDescriptor) -> bool:
    """Whether only the server sets it."""
    return field_behavior_pb2.OUTPUT_ONLY in behaviours(field)


def sensitive(field: FieldDescriptor) -> int:
    """Its class of `bedplate.v1.Sensitive`; 0: none."""
    return int(field_options(field).sensitive)


def class_of(field: FieldDescriptor) -> str:
    """The name of that class, such as PII."""
    value = policy_pb2.Sensitive.DESCRIPTOR.values_by_number[sensitive(field)]
    return str(value.name).removeprefix("SENSITIVE_")


def short(field: FieldDescriptor) -> str:
    """Its name with that of its message."""
    message = field.containing_type
    return f"{message.name}.{field.name}" if message is not None else field.name


def field_options(field: FieldDescriptor) -> policy_pb2.FieldPolicy:
    """What bedplate is told of it."""
    found: policy_pb2.FieldPolicy = field.GetOptions().Extensions[policy_pb2.field]
    return found


def rules_of(field: FieldDescriptor) -> Any:
    """Its protovalidate rules, a buf.validate.FieldRules."""
    extension: Any = validate_pb2.field
    return field.GetOptions().Extensions[extension]


def below(
    message: Descriptor, prefix: str = "", around: tuple[str, ...] = ()
) -> Iterator[tuple[str, FieldDescriptor]]:
    """Dotted path and field of all that a message holds, those of messages in it too.

    What holds itself is gone into once, and so are at most DEPTH_MAX levels.
    """
    around = (*around, message.full_name)
    for field in message.fields:
        path = prefix + field.name
        yield path, field
        inner = field.message_type
        if inner is None or inner.full_name in around or inner.full_name.startswith("google."):
            continue
        if len(around) <= DEPTH_MAX:
            yield from below(inner, f"{path}.", around)


def field_at(message: Descriptor, path: str) -> FieldDescriptor | None:
    """The field at a dotted path; None when there is none."""
    at: Descriptor | None = message
    field = None
    for name in path.split("."):
        field = at.fields_by_name.get(name) if at is not None else None
        if field is None:
            return None
        at = field.message_type
    return field


def backoff_s(retry: Retry) -> float:
    """All waits between the attempts together, at their longest, seconds."""
    wait_s, total_s = retry.initial_backoff_s, 0.0
    for _ in range(retry.max_attempts - 1):
        total_s += min(wait_s, retry.max_backoff_s)
        wait_s *= retry.backoff_multiplier
    return total_s

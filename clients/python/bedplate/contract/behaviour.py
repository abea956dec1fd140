"""How fields may be used: google.api.field_behavior, as AIP-203 says it."""

from typing import Any

from google.api import field_behavior_pb2
from google.api.field_behavior_pb2 import IDENTIFIER, IMMUTABLE, INPUT_ONLY, OUTPUT_ONLY, REQUIRED
from google.protobuf.descriptor import FieldDescriptor

__all__ = ["is_fixed", "is_identifier", "is_input_only", "is_output_only", "is_required"]


def _behaves(field: FieldDescriptor, behaviour: int) -> bool:
    behaviours: Any = field_behavior_pb2.field_behavior
    return behaviour in field.GetOptions().Extensions[behaviours]


def is_required(field: FieldDescriptor) -> bool:
    """Whether a request must set it."""
    return _behaves(field, REQUIRED)


def is_output_only(field: FieldDescriptor) -> bool:
    """Whether only the server sets it: what a request says is passed over."""
    return _behaves(field, OUTPUT_ONLY)


def is_input_only(field: FieldDescriptor) -> bool:
    """Whether no response ever has it."""
    return _behaves(field, INPUT_ONLY)


def is_identifier(field: FieldDescriptor) -> bool:
    """Whether it names the resource: given by the server, or beside it when the resource is created."""
    return _behaves(field, IDENTIFIER)


def is_fixed(field: FieldDescriptor) -> bool:
    """Whether it stays as it was when the resource was created."""
    return _behaves(field, IMMUTABLE) or is_identifier(field)

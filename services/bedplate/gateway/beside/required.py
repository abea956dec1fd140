"""Fields that a contract in proto2 requires: without them a request is no message that could be sent on."""

from collections.abc import Iterator
from itertools import islice
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from bedplate.contract.messages import has_field, is_map
from bedplate.errors import Violation
from bedplate.gateway.codec.text import KEY_SHOWN_MAX, VIOLATIONS_MAX, refusal
from bedplate.gateway.endpoint import Endpoint, Feature
from bedplate.gateway.exchange import Request


def compile(endpoint: Endpoint) -> Feature | None:
    """Ask for them; None for requests that require nothing, as all of proto3 do."""
    if not has_field(endpoint.method.descriptor.input_type, lambda field: field.is_required):
        return None
    return Feature("required", fill=_check)


def _check(request: Request, message: Any) -> None:
    if not message.IsInitialized():
        paths = islice(_missing(message, ""), VIOLATIONS_MAX)
        raise refusal([Violation(path, "This field is required; set it.", "required") for path in paths])


def _missing(message: Any, prefix: str) -> Iterator[str]:
    """As `FindInitializationErrors`, which makes millions of a large request and repeats long keys."""
    for field in message.DESCRIPTOR.fields:
        if field.is_required and not message.HasField(field.name):
            yield f"{prefix}{field.name}"
    for field, value in message.ListFields():
        for step, below in _below(field, value):
            if not below.IsInitialized():
                yield from _missing(below, f"{prefix}{field.name}{step}.")


def _below(field: FieldDescriptor, value: Any) -> Iterator[tuple[str, Any]]:
    """The messages that a field holds."""
    if field.message_type is None or (is_map(field) and not _has_messages(field.message_type)):
        return
    if is_map(field):
        yield from ((f'["{str(key)[:KEY_SHOWN_MAX]}"]', value[key]) for key in value)
    elif field.is_repeated:
        yield from ((f"[{index}]", item) for index, item in enumerate(value))
    else:
        yield "", value


def _has_messages(entry: Descriptor) -> bool:
    return entry.fields_by_name["value"].message_type is not None

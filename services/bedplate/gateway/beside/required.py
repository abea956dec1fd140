"""Fields that a contract in proto2 requires: without them a request is no message that could be sent on."""

from typing import Any

from google.protobuf.descriptor import Descriptor

from bedplate.errors import Violation
from bedplate.gateway.codec.text import VIOLATIONS_MAX, refusal
from bedplate.gateway.endpoint import Endpoint, Feature
from bedplate.gateway.exchange import Request


def compile(endpoint: Endpoint) -> Feature | None:
    """Ask for them; None for requests that require nothing, as all of proto3 do."""
    if not _requires(endpoint.method.descriptor.input_type, set()):
        return None
    return Feature("required", fill=_check)


def _requires(descriptor: Descriptor, seen: set[Descriptor]) -> bool:
    """Whether a message, or one inside it, has a field that must be set."""
    if descriptor in seen:
        return False
    seen.add(descriptor)
    return any(
        field.is_required or (field.message_type is not None and _requires(field.message_type, seen))
        for field in descriptor.fields
    )


def _check(request: Request, message: Any) -> None:
    if not message.IsInitialized():
        paths = message.FindInitializationErrors()[:VIOLATIONS_MAX]
        raise refusal([Violation(path, "This field is required; set it.", "required") for path in paths])

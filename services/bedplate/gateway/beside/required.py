"""Fields that a contract in proto2 requires: without them a request is no message that could be sent on."""

from typing import Any

from bedplate.contract.messages import has_field
from bedplate.errors import Violation
from bedplate.gateway.codec.text import VIOLATIONS_MAX, refusal
from bedplate.gateway.endpoint import Endpoint, Feature
from bedplate.gateway.exchange import Request


def compile(endpoint: Endpoint) -> Feature | None:
    """Ask for them; None for requests that require nothing, as all of proto3 do."""
    if not has_field(endpoint.method.descriptor.input_type, lambda field: field.is_required):
        return None
    return Feature("required", fill=_check)


def _check(request: Request, message: Any) -> None:
    if not message.IsInitialized():
        paths = message.FindInitializationErrors()[:VIOLATIONS_MAX]
        raise refusal([Violation(path, "This field is required; set it.", "required") for path in paths])

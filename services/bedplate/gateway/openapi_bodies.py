"""What answers are written in, and how else a caller may have them, as an OpenAPI document tells them."""

from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import MethodDescriptor

from bedplate.contract.bindings import Binding
from bedplate.contract.policy import MethodPolicy
from bedplate.gateway.beside.negotiate import RAW, body_type
from bedplate.gateway.parameter import named

JSON = "application/json"

# Data of any type: OpenAPI 3.1 has no schema for it.
_RAW: dict[str, Any] = {"*/*": {}}

_VIEWS = {
    "fields": ("Which fields are answered, such as `id,owner.name`. Left out: all.", {"type": "string"}),
    "pretty": ("Whether the answer has lines and indents.", {"type": "boolean"}),
}


def answer_content(method: MethodDescriptor, binding: Binding, schema: dict[str, Any]) -> dict[str, Any]:
    """What an answer may be written in; `schema` is of one response."""
    if body_type(method.output_type, binding.response_body) == RAW:
        return _RAW
    if not method.server_streaming:
        return {JSON: {"schema": schema}}
    problem = {"$ref": "#/components/schemas/Problem"}
    end = {"type": "object", "properties": {"count": {"type": "integer"}}}
    line = {
        "type": "object",
        "description": "One of these on each line; `end`, or `error`, is the last.",
        "properties": {"result": schema, "end": end, "error": problem},
    }
    return {
        "application/x-ndjson": {"schema": line},
        "text/event-stream": {
            "schema": {
                "type": "string",
                "description": "An event for each response, and one called `end` or `error`.",
            }
        },
        JSON: {"schema": {"type": "array", "items": schema}},
    }


def request_content(
    method: MethodDescriptor, policy: MethodPolicy, binding: Binding, schema: dict[str, Any]
) -> dict[str, Any]:
    """What a request's body may be written in."""
    if body_type(method.input_type, binding.body) == RAW and not policy.http.lenient:
        return _RAW
    return {JSON: {"schema": schema}}


def parameters(method: MethodDescriptor, policy: MethodPolicy, binding: Binding) -> Iterator[dict[str, Any]]:
    """The query parameters that choose how an answer is written."""
    if body_type(method.output_type, binding.response_body) == RAW:
        return
    for name, (said, schema) in _VIEWS.items():
        taken = policy.http.lenient or named(method.input_type, name) is not None
        yield {"name": f"${name}" if taken else name, "in": "query", "schema": schema, "description": said}

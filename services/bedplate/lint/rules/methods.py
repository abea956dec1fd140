"""BP4xx: names and shapes of methods, after the API improvement proposals (aip.dev) of the same numbers."""

import re
from collections.abc import Iterator
from typing import Any

from google.longrunning import operations_proto_pb2
from google.protobuf.descriptor import Descriptor

from bedplate.contract.policy import PolicyError
from bedplate.gateway.routes import parse
from bedplate.lint.contract import Method
from bedplate.lint.finding import Severity
from bedplate.lint.rule import Found, in_method, method_rule
from bedplate.lint.schema import short
from bedplate.v1 import policy_pb2 as pb

_HTTP = "google.api.http"
_OPERATION = "google.longrunning.Operation"
_WHOLE = (_OPERATION, "google.api.HttpBody")
_MASK = "google.protobuf.FieldMask"


@method_rule("BP401", Severity.WARNING)
def own_messages(method: Method) -> Iterator[Found]:
    """A message of its own can grow without its neighbours."""
    descriptor = method.descriptor
    wanted = {descriptor.input_type: f"{descriptor.name}Request"}
    if descriptor.output_type.full_name not in _WHOLE:
        wanted[descriptor.output_type] = f"{descriptor.name}Response"
    for message, name in wanted.items():
        if message.name != name and message.full_name not in _WHOLE:
            yield in_method(
                method,
                f"takes or answers {message.name}; give it a message of its own, {name}, that can grow",
            )


@method_rule("BP431", Severity.WARNING)
def get(method: Method) -> Iterator[Found]:
    """Get reads one thing."""
    if _verb(method) == "Get" and method.options.idempotency != pb.IDEMPOTENCY_READ_ONLY:
        yield in_method(
            method,
            "is called Get and is not READ_ONLY; write idempotency: IDEMPOTENCY_READ_ONLY, or rename it",
        )


@method_rule("BP433", Severity.WARNING)
def create(method: Method) -> Iterator[Found]:
    """Create is a post with a body, on the collection."""
    if _verb(method) != "Create":
        return
    for binding in method.http:
        if binding.http_method != "POST" or not binding.body:
            yield in_method(method, 'creates, so its http rule is a post with a body: body: "*"', _HTTP)


@method_rule("BP434", Severity.WARNING)
def update(method: Method) -> Iterator[Found]:
    """Update is a patch of what a mask names."""
    if _verb(method) != "Update":
        return
    mask = method.descriptor.input_type.fields_by_name.get("update_mask")
    if mask is None or mask.message_type is None or mask.message_type.full_name != _MASK:
        yield in_method(
            method,
            f"updates, and {method.descriptor.input_type.name} has no update_mask, so a caller cannot leave "
            "the other fields alone; add google.protobuf.FieldMask update_mask",
        )
    for binding in method.http:
        if binding.http_method != "PATCH":
            yield in_method(method, f"updates, so its http rule is a patch, not {binding.http_method}", _HTTP)


@method_rule("BP435", Severity.WARNING)
def delete(method: Method) -> Iterator[Found]:
    """Delete is a delete."""
    if _verb(method) != "Delete":
        return
    for binding in method.http:
        if binding.http_method != "DELETE":
            yield in_method(
                method, f"deletes, so its http rule is a delete, not {binding.http_method}", _HTTP
            )


@method_rule("BP436", Severity.WARNING)
def custom_verbs(method: Method) -> Iterator[Found]:
    """What is none of the five says its verb after a colon."""
    descriptor = method.descriptor
    if _verb(method) in ("Get", "List", "Create", "Update", "Delete"):
        return
    verb = re.sub(r"(?<!^)[A-Z].*", "", descriptor.name).lower()
    for binding in method.http:
        try:
            said = parse(binding.path, tails=True).verb
        except PolicyError:
            continue
        if not said or not descriptor.name.lower().startswith(said.lower()):
            yield in_method(
                method,
                f"is none of Get, List, Create, Update and Delete, and {binding.path} says not what it does; "
                f"end the path with :{verb}",
                _HTTP,
            )


@method_rule("BP451", Severity.WARNING)
def operations(method: Method) -> Iterator[Found]:
    """Long work says what it ends with."""
    if method.descriptor.output_type.full_name != _OPERATION:
        return
    info = _operation_info(method)
    if info is None or not info.response_type or not info.metadata_type:
        yield in_method(
            method,
            "answers an Operation and says not what it ends with; add option (google.longrunning."
            'operation_info) = {response_type: "..." metadata_type: "..."}',
            "google.longrunning.operation_info",
        )


@method_rule("BP454", Severity.WARNING)
def updates_have_etag(method: Method) -> Iterator[Found]:
    """Without it the later of two writers undoes the first."""
    if _verb(method) != "Update":
        return
    resource = _resource(method)
    if resource is None:
        return
    places = (resource, method.descriptor.input_type)
    if not any("etag" in message.fields_by_name for message in places):
        yield in_method(
            method,
            f"updates a {resource.name}, which has no etag, so of two who read and write at once the first "
            "loses its change unseen; add: string etag = N;",
        )


@method_rule("BP455", Severity.WARNING)
def request_id_is_kept(method: Method) -> Iterator[Found]:
    """A request_id promises that a repeat has no second effect."""
    field = method.descriptor.input_type.fields_by_name.get("request_id")
    if field is None or method.options.idempotency == pb.IDEMPOTENCY_REQUEST_ID:
        return
    yield Found(
        field.full_name,
        f"{short(field)} is kept by nobody: {method.name} is not idempotent by it; "
        "write idempotency: IDEMPOTENCY_REQUEST_ID there, or remove the field",
    )


def _verb(method: Method) -> str:
    """Get, List, Create, Update or Delete, when the method's name begins with it; empty otherwise."""
    found = re.match(r"(Get|List|Create|Update|Delete)(?=[A-Z]|$)", method.descriptor.name)
    return found[0] if found else ""


def _resource(method: Method) -> Descriptor | None:
    """The message that an Update method carries."""
    wanted = method.descriptor.name.removeprefix("Update").lower()
    for field in method.descriptor.input_type.fields:
        message = field.message_type
        if message is not None and not field.is_repeated and message.name.lower() == wanted:
            return message
    return None


def _operation_info(method: Method) -> Any:
    extension: Any = operations_proto_pb2.operation_info
    options = method.descriptor.GetOptions()
    return options.Extensions[extension] if options.HasExtension(extension) else None

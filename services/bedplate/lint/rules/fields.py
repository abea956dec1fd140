"""BP403 to BP405 and BP6xx: what fields say of themselves."""

import re
from collections.abc import Iterator

from google.api import field_behavior_pb2
from google.protobuf.descriptor import FieldDescriptor

from bedplate.contract.policy import PolicyError
from bedplate.gateway.routes import parse
from bedplate.lint.contract import Contract
from bedplate.lint.finding import Severity
from bedplate.lint.rule import Found, Limits, field_rule, in_field, rule
from bedplate.lint.schema import behaviours, field_at, field_options, output_only, required, rules_of
from bedplate.v1 import policy_pb2

_EXCLUDING = (
    (field_behavior_pb2.REQUIRED, field_behavior_pb2.OUTPUT_ONLY),
    (field_behavior_pb2.REQUIRED, field_behavior_pb2.OPTIONAL),
    (field_behavior_pb2.INPUT_ONLY, field_behavior_pb2.OUTPUT_ONLY),
)
# Whole words of a field's name that tell of something that nobody else may read.
_SECRET = re.compile(
    r"(^|_)(password|passphrase|secret|api_key|private_key|access_token|refresh_token|card_number|cvv|cvc)$"
)
_STRING = FieldDescriptor.TYPE_STRING


@field_rule("BP403")
def behaviours_agree(field: FieldDescriptor) -> Iterator[Found]:
    """A field is not both of two that exclude each other."""
    found = behaviours(field)
    for one, other in _EXCLUDING:
        if one in found and other in found:
            names = [field_behavior_pb2.FieldBehavior.Name(value) for value in (one, other)]
            yield in_field(field, f"cannot be both {names[0]} and {names[1]}; remove one of them")


@rule("BP404", Severity.WARNING)
def path_fields_are_required(contract: Contract, limits: Limits) -> Iterator[Found]:
    """A path without one of its parts is another path; over gRPC the field may be empty."""
    told: set[str] = set()
    for method in contract.methods:
        if not method.http:
            continue
        try:
            variables = parse(method.http[0].path, tails=True).variables
        except PolicyError:
            continue
        for variable in variables:
            field = field_at(method.descriptor.input_type, variable.path)
            if field is None or field.full_name in told or required(field):
                continue
            told.add(field.full_name)
            yield in_field(
                field,
                f"is a part of the path {method.http[0].path}, so over gRPC it may not be empty either; add "
                "[(google.api.field_behavior) = REQUIRED]",
            )


@rule("BP405", Severity.WARNING)
def requests_have_inputs(contract: Contract, limits: Limits) -> Iterator[Found]:
    """What only the server sets is no part of a question."""
    for message in {method.descriptor.input_type.full_name: method for method in contract.methods}.values():
        for field in message.descriptor.input_type.fields:
            if output_only(field):
                yield in_field(field, "is OUTPUT_ONLY in a request, so nobody may set it; remove it there")


@field_rule("BP406", Severity.WARNING)
def required_is_said_twice(field: FieldDescriptor) -> Iterator[Found]:
    """What the server insists on is what the reference shows."""
    if rules_of(field).required and not required(field):
        yield in_field(
            field,
            "is required by its validation and not by its behaviour, so the reference says that it may be "
            "left out; add (google.api.field_behavior) = REQUIRED",
        )


@field_rule("BP602")
def secrets_are_marked(field: FieldDescriptor) -> Iterator[Found]:
    """What is not marked is written into logs."""
    if field.type not in (_STRING, FieldDescriptor.TYPE_BYTES) or field_options(field).sensitive:
        return
    if _SECRET.search(field.name):
        yield in_field(
            field,
            "is called as a secret is and not marked as one, so logs and traces would show it; add "
            "[(bedplate.v1.field).sensitive = SENSITIVE_SECRET]",
        )


@field_rule("BP603")
def searchable_is_sensitive_text(field: FieldDescriptor) -> Iterator[Found]:
    """A blind index is for what is encrypted."""
    options = field_options(field)
    if options.searchable and (
        options.sensitive == policy_pb2.SENSITIVE_UNSPECIFIED or field.type != _STRING
    ):
        yield in_field(
            field,
            "is searchable, which is for texts that are sensitive and so encrypted; add sensitive: "
            "SENSITIVE_PII, or remove searchable",
        )


@field_rule("BP604")
def client_ids_are_texts(field: FieldDescriptor) -> Iterator[Found]:
    """A client can make up a text only."""
    if field_options(field).client_id and (field.type != _STRING or field.is_repeated):
        yield in_field(
            field,
            "is filled by the client with a fresh id, which is a text; make it a string, or remove client_id",
        )

"""Validate: required fields, then the rules that the contract puts on fields (protovalidate)."""

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import protovalidate
from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from bedplate.contract.policy import MethodPolicy
from bedplate.errors import Kind, Refusal, Violation
from bedplate.pipeline.call import Call
from bedplate.pipeline.stage import Parts, Stage
from buf.validate import validate_pb2

# Violations that one answer lists; a request can break a rule in each of
# thousands of items, and nobody mends more at once.
VIOLATIONS_MAX = 50

# Adds to the list the paths of required fields that are unset.
Check = Callable[[Message, str, list[Violation]], None]

_VALIDATOR = protovalidate.Validator()


def compile(policy: MethodPolicy, parts: Parts) -> Stage:
    """Refuse a request that breaks its contract, naming every field that does.

    The checks are made at the first message of a type and kept: a method's
    request type is not part of its policy.
    """

    def message(call: Call, request: Any) -> Any:
        check, has_rules = _plan(request.DESCRIPTOR)
        violations: list[Violation] = []
        if check is not None:
            check(request, "", violations)
        if has_rules:
            try:
                _VALIDATOR.validate(request)
            except protovalidate.ValidationError as error:
                unset = {violation.field for violation in violations}
                violations.extend(v for v in _from_rules(error) if v.field not in unset)
        if violations:
            raise _refusal(violations)
        return request

    return Stage("validate", message=message)


def _refusal(violations: list[Violation]) -> Refusal:
    first = violations[0]
    more = f" (and {len(violations) - 1} more)" if len(violations) > 1 else ""
    return Refusal(
        Kind.INVALID,
        "INVALID_REQUEST",
        f"{first.field or 'The request'}: {first.sentence}{more}",
        violations=violations[:VIOLATIONS_MAX],
    )


def _from_rules(error: protovalidate.ValidationError) -> Iterator[Violation]:
    for violation in error.violations:
        rule = violation.proto
        yield Violation(_path(rule.field), _sentence(rule.message), rule.rule_id)


def _sentence(text: str) -> str:
    return (text[:1].upper() + text[1:]).rstrip(".") + "."


def _path(field: Any) -> str:
    if field is None:
        return ""
    path = ""
    for element in field.elements:
        path += f".{element.field_name}" if path else element.field_name
        subscript = element.subscript
        if subscript is not None:
            value = subscript.value
            path += f'["{value}"]' if isinstance(value, str) else f"[{value}]"
    return path


@cache
def _plan(descriptor: Descriptor) -> tuple[Check | None, bool]:
    return _required(descriptor), _has_rules(descriptor, set())


def _has_rules(descriptor: Descriptor, seen: set[str]) -> bool:
    """Whether the message, or one below it, has a protovalidate rule."""
    if descriptor.full_name in seen:
        return False
    seen.add(descriptor.full_name)
    if descriptor.GetOptions().HasExtension(validate_pb2.message):
        return True
    if any(oneof.GetOptions().HasExtension(validate_pb2.oneof) for oneof in descriptor.oneofs):
        return True
    for field in descriptor.fields:
        if field.GetOptions().HasExtension(validate_pb2.field):
            return True
        if field.message_type is not None and _has_rules(field.message_type, seen):
            return True
    return False


def _is_required(field: FieldDescriptor) -> bool:
    behaviours = field.GetOptions().Extensions[field_behavior_pb2.field_behavior]
    return field_behavior_pb2.REQUIRED in behaviours


def _needs_check(descriptor: Descriptor, seen: set[str]) -> bool:
    if descriptor.full_name in seen:
        return False
    seen.add(descriptor.full_name)
    return any(
        _is_required(field) or (field.message_type is not None and _needs_check(field.message_type, seen))
        for field in descriptor.fields
    )


@cache
def _required(descriptor: Descriptor) -> Check | None:
    """A check of a message's required fields; None when it and all below it have none."""
    if not _needs_check(descriptor, set()):
        return None
    steps = [_step(field) for field in descriptor.fields]
    checks = tuple(step for step in steps if step is not None)

    def check(message: Message, path: str, violations: list[Violation]) -> None:
        for step in checks:
            step(message, path, violations)

    return check


def _step(field: FieldDescriptor) -> Check | None:
    required = _is_required(field)
    below = field.message_type
    if below is not None and below.GetOptions().map_entry:
        below = None  # values of maps are checked by protovalidate rules only
    nested = below is not None and _needs_check(below, set())
    if not required and not nested:
        return None
    name = field.name
    set_means = "add at least one" if field.is_repeated else "set it"

    def step(message: Message, path: str, violations: list[Violation]) -> None:
        value = getattr(message, name)
        if field.is_repeated:
            present = len(value) > 0
        elif field.has_presence:
            present = message.HasField(name)
        else:
            present = value != field.default_value
        if not present:
            if required:
                violations.append(Violation(path + name, f"This field is required; {set_means}.", "required"))
            return
        if nested:
            assert below is not None
            inner = _required(below)
            assert inner is not None
            if field.is_repeated:
                for index, item in enumerate(value):
                    inner(item, f"{path}{name}[{index}].", violations)
            else:
                inner(value, f"{path}{name}.", violations)

    return step

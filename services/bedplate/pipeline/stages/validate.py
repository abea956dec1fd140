"""Validate: required fields, then the rules that the contract puts on fields (protovalidate)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any

import protovalidate
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from bedplate.contract.policy import MethodPolicy
from bedplate.errors import Kind, Refusal, Violation
from bedplate.pipeline.call import Call
from bedplate.pipeline.rules import Plain, is_required, plain_check
from bedplate.pipeline.stage import Parts, Stage
from buf.validate import validate_pb2

# Violations that one answer lists; a request can break a rule in each of
# thousands of items, and nobody mends more at once.
VIOLATIONS_MAX = 50

# protovalidate writes `2 item(s)`.
_ITEMS = re.compile(r"(\d+) item\(s\)")

_VALIDATOR = protovalidate.Validator()


def compile(policy: MethodPolicy, parts: Parts) -> Stage:
    """Refuse a request that breaks its contract, naming every field that does.

    The checks are made at the first message of a type and kept: a method's
    request type is not part of its policy.
    """

    def message(call: Call, request: Any) -> Any:
        plain, required, has_rules = _plan(request.DESCRIPTOR)
        if plain is not None and plain(request):
            return request
        violations: list[Violation] = []
        if required is not None and not required.complete(request):
            violations.extend(islice(required.missing(request), VIOLATIONS_MAX))
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
    """A rule's message as a sentence that people outside understand."""
    text = _ITEMS.sub(lambda found: f"{found[1]} item{'' if found[1] == '1' else 's'}", text)
    text = text.replace("does not match regex pattern", "send text that fits the pattern")
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
def _plan(descriptor: Descriptor) -> tuple[Plain | None, "_Required | None", bool]:
    required = _required_of(descriptor) if _needs_check(descriptor, set()) else None
    return plain_check(descriptor), required, _has_rules(descriptor, set())


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


def _needs_check(descriptor: Descriptor, seen: set[str]) -> bool:
    if descriptor.full_name in seen:
        return False
    seen.add(descriptor.full_name)
    return any(
        is_required(field) or (field.message_type is not None and _needs_check(field.message_type, seen))
        for field in descriptor.fields
    )


@dataclass(frozen=True, slots=True)
class _Required:
    """The required fields of a message, and the fields below which there are more."""

    descriptor: Descriptor
    by_truth: tuple[str, ...]
    by_presence: tuple[str, ...]
    lists: tuple[str, ...]
    messages: tuple[str, ...]

    def complete(self, message: Message) -> bool:
        """Whether all are set. Most requests are complete, so this looks and notes nothing."""
        for name in self.by_truth:
            if not getattr(message, name):
                return False
        for name in self.by_presence:
            if not message.HasField(name):
                return False
        for name in self.lists:
            items = getattr(message, name)
            if items:
                complete = _required_of(items[0].DESCRIPTOR).complete
                for item in items:
                    if not complete(item):
                        return False
        for name in self.messages:
            if message.HasField(name):
                below = getattr(message, name)
                if not _required_of(below.DESCRIPTOR).complete(below):
                    return False
        return True

    def missing(self, message: Message, path: str = "") -> Iterator[Violation]:
        """What is unset, with its path."""
        for name in self.by_truth:
            if not getattr(message, name):
                yield self._unset(path, name)
        for name in self.by_presence:
            if not message.HasField(name):
                yield self._unset(path, name)
        for name in self.lists:
            for index, item in enumerate(getattr(message, name)):
                yield from _required_of(item.DESCRIPTOR).missing(item, f"{path}{name}[{index}].")
        for name in self.messages:
            if message.HasField(name):
                below = getattr(message, name)
                yield from _required_of(below.DESCRIPTOR).missing(below, f"{path}{name}.")

    def _unset(self, path: str, name: str) -> Violation:
        mend = "add at least one" if self.descriptor.fields_by_name[name].is_repeated else "set it"
        return Violation(path + name, f"This field is required; {mend}.", "required")


@cache
def _required_of(descriptor: Descriptor) -> _Required:
    below = [field for field in descriptor.fields if _goes_below(field)]
    required = [field for field in descriptor.fields if is_required(field)]
    return _Required(
        descriptor,
        by_truth=tuple(f.name for f in required if _tells_by_truth(f)),
        by_presence=tuple(f.name for f in required if not _tells_by_truth(f)),
        lists=tuple(f.name for f in below if f.is_repeated),
        messages=tuple(f.name for f in below if not f.is_repeated),
    )


def _tells_by_truth(field: FieldDescriptor) -> bool:
    """Whether an unset value is simply a false one: lists, maps, and scalars without presence."""
    return bool(field.is_repeated or not field.has_presence)


def _goes_below(field: FieldDescriptor) -> bool:
    below = field.message_type
    # Values of maps are checked by protovalidate rules only.
    return below is not None and not below.GetOptions().map_entry and _needs_check(below, set())

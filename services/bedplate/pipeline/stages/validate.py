"""Validate: required fields, then the rules that the contract puts on fields (protovalidate)."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from bedplate.contract.behaviour import is_required
from bedplate.contract.messages import has_field, is_map
from bedplate.contract.policy import MethodPolicy
from bedplate.errors import Kind, Refusal, Violation
from bedplate.pipeline.call import Call
from bedplate.pipeline.masks import masks_of
from bedplate.pipeline.rules import Plain, plain_check
from bedplate.pipeline.stage import Parts, Stage
from bedplate.pipeline.violations import check_rules, has_rules, rule_violations

# Violations that one answer lists; a request can break a rule in each of
# thousands of items, and nobody mends more at once.
VIOLATIONS_MAX = 50


def compile(policy: MethodPolicy, parts: Parts) -> Stage:
    """Refuse a request that breaks its contract, naming every field that does.

    The checks are made at the first message of a type and kept: a method's
    request type is not part of its policy.

    Raises:
        PolicyError: The contract's rules cannot be used.
    """
    check_rules(policy.descriptor)

    def message(call: Call, request: Any) -> Any:
        plain, required, ruled = _plan(request.DESCRIPTOR)
        if plain is not None and plain(request):
            return request
        violations: list[Violation] = []
        if required is not None and not required.complete(request):
            violations.extend(islice(_touched(request, required.missing(request)), VIOLATIONS_MAX))
        if ruled:
            unset = {violation.field for violation in violations}
            broken = (v for v in rule_violations(request) if v.field not in unset)
            violations.extend(_touched(request, broken))
        if violations:
            raise _refusal(violations)
        return request

    return Stage("validate", message=message)


def _touched(request: Message, violations: Iterator[Violation]) -> Iterator[Violation]:
    """Without those of fields that the request's update mask leaves as they are."""
    masks = masks_of(request.DESCRIPTOR)
    if masks is None:
        return violations
    return (violation for violation in violations if masks.touch(request, violation.field))


def _refusal(violations: list[Violation]) -> Refusal:
    first = violations[0]
    more = f" (and {len(violations) - 1} more)" if len(violations) > 1 else ""
    return Refusal(
        Kind.INVALID,
        "INVALID_REQUEST",
        f"{first.field or 'The request'}: {first.sentence}{more}",
        violations=violations[:VIOLATIONS_MAX],
    )


@cache
def _plan(descriptor: Descriptor) -> tuple[Plain | None, "_Required | None", bool]:
    required = _required_of(descriptor) if _needs_check(descriptor) else None
    return plain_check(descriptor), required, has_rules(descriptor)


@cache
def _needs_check(descriptor: Descriptor) -> bool:
    return has_field(descriptor, is_required)


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
    return below is not None and not is_map(field) and _needs_check(below)

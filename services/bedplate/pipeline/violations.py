"""What breaks the rules of a contract (protovalidate), in words that repeat nothing sensitive."""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import protovalidate
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from bedplate.contract.messages import reached_from
from bedplate.contract.policy import PolicyError
from bedplate.contract.redact import has_sensitive, is_sensitive
from bedplate.errors import Violation
from buf.validate import validate_pb2

# protovalidate writes `2 item(s)`.
_ITEMS = re.compile(r"(\d+) item\(s\)")

# Rules whose sentence is an expression of the contract's author, which may show the value.
_FREE_RULES = frozenset({"cel", "cel_expression"})

_VALIDATOR = protovalidate.Validator()


@cache
def has_rules(descriptor: Descriptor) -> bool:
    """Whether the message, or one below it, has a protovalidate rule."""
    return any(_is_ruled(found) for found in reached_from(descriptor))


def check_rules(method: MethodDescriptor, validator: protovalidate.Validator = _VALIDATOR) -> None:
    """Find out at start that the rules of a method's messages can be used.

    Args:
        method: The method.
        validator: One that has seen no other files of the same names: it keeps the first.

    Raises:
        PolicyError: They cannot; a message that needs them would be answered INTERNAL.
    """
    found = {
        each.full_name: each
        for type_ in (method.input_type, method.output_type)
        for each in reached_from(type_)
    }
    for descriptor in filter(_is_ruled, found.values()):
        try:
            validator.collect_violations(GetMessageClass(descriptor)())
        except protovalidate.CompilationError as error:
            name = f"{method.containing_service.full_name}/{method.name}"
            raise PolicyError(
                f"{name}: the validation rules of {descriptor.full_name} cannot be used: {error}"
            ) from error
        except protovalidate.EvaluationError:
            pass  # of this message, which is empty


def _is_ruled(descriptor: Descriptor) -> bool:
    return (
        descriptor.GetOptions().HasExtension(validate_pb2.message)
        or any(oneof.GetOptions().HasExtension(validate_pb2.oneof) for oneof in descriptor.oneofs)
        or any(field.GetOptions().HasExtension(validate_pb2.field) for field in descriptor.fields)
    )


def rule_violations(message: Message) -> Iterator[Violation]:
    """The rules that a message breaks, one by one."""
    try:
        _VALIDATOR.validate(message)
    except protovalidate.ValidationError as error:
        for violation in error.violations:
            yield _violation(message, violation.proto)


def _violation(message: Any, said: Any) -> Violation:
    place = _Place(message.DESCRIPTOR, said.field)
    # A rule of a whole message, such as a oneof of its own making, has no field.
    rule = said.rule.elements[0].field_name if said.rule is not None and said.rule.elements else ""
    if place.hidden and rule in _FREE_RULES:
        return Violation(
            place.path, "This value breaks a rule of the contract; send one that keeps it.", said.rule_id
        )
    return Violation(place.path, _sentence(said.message), said.rule_id)


def _sentence(text: str) -> str:
    """A rule's message as a sentence that people understand."""
    text = _ITEMS.sub(lambda found: f"{found[1]} item{'' if found[1] == '1' else 's'}", text)
    text = text.replace("does not match regex pattern", "send text that fits the pattern")
    return (text[:1].upper() + text[1:]).rstrip(".") + "."


class _Place:
    """Where a rule is broken.

    Attributes:
        path: Dotted, by proto names; the keys of a sensitive map are left out.
        hidden: Whether what is there, or below, is sensitive.
    """

    def __init__(self, descriptor: Descriptor, said: Any) -> None:
        self.path = ""
        sensitive = False
        below: Descriptor | None = descriptor
        for element in said.elements if said is not None else ():
            field: FieldDescriptor | None = below.fields_by_name.get(element.field_name) if below else None
            sensitive = sensitive or (field is not None and is_sensitive(field))
            below = None if field is None else field.message_type
            self.path += f".{element.field_name}" if self.path else element.field_name
            if element.subscript is None:
                continue
            value = element.subscript.value
            if below is None or not below.GetOptions().map_entry:
                self.path += f'["{value}"]' if isinstance(value, str) else f"[{value}]"
                continue
            below = below.fields_by_name["value"].message_type
            shown = "*" if sensitive else f'"{value}"' if isinstance(value, str) else value
            self.path += f"[{shown}]"
        self.hidden = sensitive or (below is not None and has_sensitive(below))

"""JSON to messages, by plans made from the descriptors; one call in C makes the whole message.

Stricter than protobuf's own reader: one key twice, one field under both its
names, unknown enum numbers, whole numbers beyond 2^53 with a point or an
exponent, base64 with stray bits, and times that are not RFC 3339 are refused.
Extensions are not read.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from bedplate.errors import Refusal, Violation
from bedplate.gateway.codec import lenient as json_lenient
from bedplate.gateway.codec import plan as json_plan
from bedplate.gateway.codec.kind import is_map
from bedplate.gateway.codec.parse import parse
from bedplate.gateway.codec.text import Unfit, join, refusal

M = TypeVar("M", bound=Message)


def decode_message(data: bytes, message_class: type[M]) -> M:
    """The message that a JSON document describes; a caller with many keeps a `decoder`.

    Raises:
        Refusal: As `decoder` says.
    """
    return decoder(message_class)(data)


def decoder(message_class: type[M], *, lenient: bool = False) -> Callable[[bytes], M]:
    """What reads JSON documents as messages of a type, strictly or as lenient.py says; the plan is made now.

    What it returns raises `Refusal`: MALFORMED_REQUEST when the document is
    not JSON or nested too deep, INVALID_REQUEST with the fields that do not fit.
    """
    descriptor: Any = message_class.DESCRIPTOR  # upb's own type in the stubs
    convert = json_lenient.message(descriptor) if lenient else json_plan.message(descriptor)
    read = json_lenient.parse if lenient else parse

    def decode(data: bytes) -> M:
        value = read(data, descriptor)
        try:
            made = convert(value)
            # Struct, Value and ListValue come as messages.
            return message_class(**made) if type(made) is dict else made
        except Unfit as unfit:
            raise refusal(unfit.violations) from None

    return decode


def field_decoder(field: FieldDescriptor) -> Callable[[bytes, Message], None]:
    """What reads a JSON document as the value of one field and sets that in a message.

    For an http rule whose `body` names a field; null leaves the field unset.
    Paths in refusals begin with the field's name.
    """
    set_value = _setter(field)
    below = None if is_map(field) else field.message_type

    def decode(data: bytes, message: Message) -> None:
        try:
            value = parse(data, below)
        except Refusal as error:
            if not error.violations:
                raise
            raise refusal(_under(field.name, error.violations)) from None
        set_value(value, message, field.name)

    return decode


def decode_into(value: Any, message: Message, field: FieldDescriptor, path: str = "") -> None:
    """Set a field of a message to a parsed JSON value.

    Args:
        value: As `parse.parse` gives it; None leaves the field unset.
        message: The message that has the field, at any depth of a request.
        field: The field; lists and maps are replaced whole.
        path: The field's path in the request; empty: its name.

    Raises:
        Refusal: INVALID_REQUEST, the value does not fit.
    """
    _setter(field)(value, message, path or field.name)


def _setter(field: FieldDescriptor) -> Callable[[Any, Message, str], None]:
    convert = json_plan.nullable_field(field)
    name = field.name

    def set_value(value: Any, message: Message, path: str) -> None:
        try:
            made = convert(value)
            holder = None if made is None else type(message)(**{name: made})
        except Unfit as unfit:
            raise refusal(_under(path, unfit.violations)) from None
        message.ClearField(name)
        if holder is not None:
            message.MergeFrom(holder)

    return set_value


def _under(step: str, violations: Any) -> list[Violation]:
    return [Violation(join(step, v.field), v.sentence, v.rule) for v in violations]

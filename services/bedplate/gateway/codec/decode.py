"""JSON to messages, by plans made from the descriptors; one call in C makes the whole message.

Stricter than protobuf's own reader: one key twice, one field under both its
names, unknown enum numbers, whole numbers beyond 2^53 with a point or an
exponent, base64 with stray bits, and times that are not RFC 3339 are refused.
Extensions are not read.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from bedplate.gateway.codec.kind import is_special
from bedplate.gateway.codec.leaf import Convert
from bedplate.gateway.codec.parse import parse
from bedplate.gateway.codec.plan import Builder
from bedplate.gateway.codec.quick import MISSES, functions
from bedplate.gateway.codec.text import Unfit, refusal

M = TypeVar("M", bound=Message)

# Makes a message of a JSON value.
Read = Callable[[Any], Any]


def decode_message(data: bytes, message_class: type[M]) -> M:
    """The message that a JSON document describes; a caller with many keeps a `decoder`.

    Raises:
        Refusal: As `decoder` says.
    """
    return decoder(message_class)(data)


def reader(descriptor: Descriptor, builder: type[Builder] = Builder) -> Read:
    """What makes messages of a type of JSON values, as the parser gives them; the plan is made now.

    What it returns raises `Refusal` INVALID_REQUEST with the fields that do not fit.
    """
    make = GetMessageClass(descriptor)
    explain = builder.whole(lambda builder: builder.message(descriptor, False))
    quick: dict[tuple[str, ...], Convert] = {}
    if not is_special(descriptor):
        quick = functions(descriptor, _single)

    def read(value: Any) -> Any:
        try:
            return make(**quick[tuple(value)](value))
        except MISSES:
            pass
        try:
            made = explain(value)
        except Unfit as unfit:
            raise refusal(unfit.violations) from None
        # Struct, Value and ListValue come as messages.
        return make(**made) if type(made) is dict else made

    return read


def _single(field: FieldDescriptor) -> Convert:
    return Builder.whole(lambda builder: builder.single(field, False))


def decoder(
    message_class: type[M],
    *,
    parse: Callable[[bytes, Descriptor], Any] = parse,
    reader: Callable[[Descriptor], Read] = reader,
) -> Callable[[bytes], M]:
    """What reads JSON documents as messages of a type, strictly or by another reader; the plan is made now.

    What it returns raises `Refusal`: MALFORMED_REQUEST when the document is
    not JSON or nested too deep, INVALID_REQUEST with the fields that do not fit.
    """
    descriptor: Any = message_class.DESCRIPTOR  # upb's own type in the stubs
    read = reader(descriptor)
    return lambda data: read(parse(data, descriptor))

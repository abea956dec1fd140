"""JSON to messages, by plans made from the descriptors; one call in C makes the whole message.

Stricter than protobuf's own reader: one key twice, one field under both its
names, unknown enum numbers, whole numbers beyond 2^53 with a point or an
exponent, base64 with stray bits, and times that are not RFC 3339 are refused.
Extensions are not read.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from bedplate.gateway.codec import plan as json_plan
from bedplate.gateway.codec.leaf import Convert
from bedplate.gateway.codec.parse import parse
from bedplate.gateway.codec.text import Unfit, refusal

M = TypeVar("M", bound=Message)


def decode_message(data: bytes, message_class: type[M]) -> M:
    """The message that a JSON document describes; a caller with many keeps a `decoder`.

    Raises:
        Refusal: As `decoder` says.
    """
    return decoder(message_class)(data)


def decoder(
    message_class: type[M],
    *,
    parse: Callable[[bytes, Descriptor], Any] = parse,
    plan: Callable[[Descriptor], Convert] = json_plan.message,
) -> Callable[[bytes], M]:
    """What reads JSON documents as messages of a type, strictly or by another reader; the plan is made now.

    What it returns raises `Refusal`: MALFORMED_REQUEST when the document is
    not JSON or nested too deep, INVALID_REQUEST with the fields that do not fit.
    """
    descriptor: Any = message_class.DESCRIPTOR  # upb's own type in the stubs
    convert = plan(descriptor)

    def decode(data: bytes) -> M:
        value = parse(data, descriptor)
        try:
            made = convert(value)
            # Struct, Value and ListValue come as messages.
            return message_class(**made) if type(made) is dict else made
        except Unfit as unfit:
            raise refusal(unfit.violations) from None

    return decode

"""Path and query parameters: one text becomes one value of a field.

Spellings are the JSON mapping's without quotes, and numbers are plain: whole
numbers in decimal digits without plus sign, leading zero, point or exponent
(so that one resource has one URL), `true` or `false`, enum values by name or
number.
"""

from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from bedplate.gateway.codec import text as json_text
from bedplate.gateway.codec.leaf import INTEGERS
from bedplate.gateway.codec.plan import is_map
from bedplate.gateway.codec.text import Unfit, refusal
from bedplate.telemetry.redact import is_sensitive

Read = Callable[[str], Any]


def takes_text(field: FieldDescriptor) -> bool:
    """Whether one text can be a value of the field: scalars, and the messages that JSON writes as text."""
    return not is_map(field) and _reader(field) is not None


def text_reader(field: FieldDescriptor) -> Callable[[str, str], Any]:
    """What reads a text as one value of the field (one element of a repeated one), given its path.

    Messages come as messages. What it returns raises `Refusal` INVALID_REQUEST
    with the path.

    Raises:
        ValueError: The field takes no text; see `takes_text`.
    """
    read = None if is_map(field) else _reader(field)
    if read is None:
        raise ValueError(f"{field.full_name} cannot be a path or query parameter")
    reader: Read = read

    def read_text(text: str, path: str) -> Any:
        try:
            return reader(text)
        except Unfit as unfit:
            raise refusal(unfit.under(path)) from None

    return read_text


def parse_text(field: FieldDescriptor, text: str, path: str) -> Any:
    """One value of the field from a text; a caller with many keeps a `text_reader`.

    Raises:
        Refusal: INVALID_REQUEST, the text does not fit.
        ValueError: The field takes no text.
    """
    return text_reader(field)(text, path)


def set_text(message: Message, field: FieldDescriptor, text: str, path: str) -> None:
    """Set a field of a message from a text; append to a repeated one. Raises as `parse_text`."""
    value = parse_text(field, text, path)
    if field.is_repeated:
        getattr(message, field.name).append(value)
    elif field.message_type is not None:
        getattr(message, field.name).CopyFrom(value)
    else:
        setattr(message, field.name, value)


def _reader(field: FieldDescriptor) -> Read | None:
    kind = field.cpp_type
    if field.message_type is not None:
        return _message(field.message_type)
    if field.enum_type is not None:
        return _enum(field.enum_type, is_sensitive(field))
    if kind in INTEGERS:
        low, high = INTEGERS[kind]
        return lambda text: json_text.plain_integer(text, low, high)
    if kind == FieldDescriptor.CPPTYPE_STRING:
        return json_text.read_bytes if field.type == FieldDescriptor.TYPE_BYTES else _string
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return json_text.boolean
    single = kind == FieldDescriptor.CPPTYPE_FLOAT
    return lambda text: json_text.floating(text, single=single)


def _string(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise Unfit("Send text in UTF-8, percent-encoded.") from None
    return text


def _enum(enum: EnumDescriptor, secret: bool) -> Read:
    numbers = {name: value.number for name, value in enum.values_by_name.items()}
    by_text = {str(number): number for number in numbers.values()} | numbers

    def read(text: str) -> int:
        number = by_text.get(text)
        if number is None:
            raise json_text.unknown_enum(text, numbers, secret=secret)
        return number

    return read


def _message(descriptor: Descriptor) -> Read | None:
    message_class = GetMessageClass(descriptor)
    if descriptor.file.name == "google/protobuf/wrappers.proto":
        inner = _reader(descriptor.fields_by_name["value"])
        assert inner is not None, "wrappers hold scalars"
        read: Read = inner
        return lambda text: message_class(value=read(text))
    if descriptor.full_name == "google.protobuf.FieldMask":
        return lambda text: message_class(paths=json_text.read_mask(text))
    if descriptor.full_name == "google.protobuf.Timestamp":
        return lambda text: _parts(message_class, json_text.read_timestamp(text))
    if descriptor.full_name == "google.protobuf.Duration":
        return lambda text: _parts(message_class, json_text.read_duration(text))
    return None


def _parts(message_class: type[Message], parts: tuple[int, int]) -> Message:
    return message_class(seconds=parts[0], nanos=parts[1])

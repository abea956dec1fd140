"""Path and query parameters: one text becomes one value of a field.

Spellings are the JSON mapping's without quotes, and numbers are plain: whole
numbers in decimal digits without plus sign, leading zero, point or exponent
(so that one resource has one URL), `true` or `false`, enum values by name or
number. Struct, Value and ListValue are JSON as it stands in a body.
"""

from collections.abc import Callable
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass

from bedplate.contract.messages import is_map
from bedplate.errors import Refusal
from bedplate.gateway.codec import leaf as json_leaf
from bedplate.gateway.codec import text as json_text
from bedplate.gateway.codec.kind import is_free, is_wrapper
from bedplate.gateway.codec.leaf import INTEGERS
from bedplate.gateway.codec.parse import parse
from bedplate.gateway.codec.text import Unfit, refusal
from bedplate.telemetry.redact import is_sensitive

Read = Callable[[str], Any]

# Makes a value of a text and the field's path.
Reader = Callable[[str, str], Any]


def takes_text(field: FieldDescriptor) -> bool:
    """Whether one text can be a value of the field: scalars, and the types with a JSON of their own."""
    return text_reader(field) is not None


def text_reader(field: FieldDescriptor) -> Reader | None:
    """What reads a text as one value of the field (one element of a repeated one), given its path.

    Messages come as messages. None: no text can be its value. What it returns
    raises `Refusal` INVALID_REQUEST with the path.
    """
    read = None if is_map(field) else strict_reader(field)
    return None if read is None else named_reader(read)


def named_reader(read: Read) -> Reader:
    """A reader whose refusals name the field; `read` raises `Unfit`."""

    def read_text(text: str, path: str) -> Any:
        try:
            return read(text)
        except Unfit as unfit:
            raise refusal(unfit.under(path)) from None

    return read_text


def strict_reader(field: FieldDescriptor) -> Read | None:
    """As `text_reader`, for one value whatever the field's label; what it returns raises `Unfit`."""
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
    if is_wrapper(descriptor):
        inner = strict_reader(descriptor.fields_by_name["value"])
        assert inner is not None, "wrappers hold scalars"
        read: Read = inner
        return lambda text: message_class(value=read(text))
    if descriptor.full_name == "google.protobuf.FieldMask":
        return lambda text: message_class(paths=json_text.read_mask(text, proto_names=True))
    convert = json_leaf.well_known(descriptor)
    if convert is None:
        return None
    make: Read = convert
    if is_free(descriptor):
        return lambda text: make(_json(text))
    return lambda text: message_class(**make(text))


def _json(text: str) -> Any:
    try:
        return parse(text.encode())
    except Refusal as error:
        if error.violations:
            raise Unfit(below=list(error.violations)) from None
        raise Unfit('Send JSON, escaped for a URL, such as {"a":[1,"b"]} or "text".', "json.type") from None

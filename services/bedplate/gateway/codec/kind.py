"""What the JSON mapping asks of a descriptor."""

from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor, FieldDescriptor

ANY = "google.protobuf.Any"
VALUE = "google.protobuf.Value"
NULL_VALUE = "google.protobuf.NullValue"

_FREE = {VALUE, "google.protobuf.ListValue", "google.protobuf.Struct"}
_SPECIAL = {
    ANY,
    *_FREE,
    *(f"google.protobuf.{name}" for name in ("Duration", "FieldMask", "Timestamp")),
}


def field_named(descriptor: Descriptor, name: str) -> FieldDescriptor | None:
    """The field of a name, its own or that in JSON. No name means two: protobuf loads no such contract."""
    field = descriptor.fields_by_name.get(name)
    return field or next((field for field in descriptor.fields if field.json_name == name), None)


def is_wrapper(descriptor: Descriptor) -> bool:
    """Whether the type holds one scalar, which JSON writes alone, such as google.protobuf.Int64Value."""
    return descriptor.file.name == "google/protobuf/wrappers.proto"


def is_free(descriptor: Descriptor | None) -> bool:
    """Whether a type's values are any JSON."""
    return descriptor is not None and descriptor.full_name in _FREE


def is_special(descriptor: Descriptor) -> bool:
    """Whether the type has a JSON form of its own and so stands under `value` in an Any."""
    return descriptor.full_name in _SPECIAL or is_wrapper(descriptor)


def find_type(any_type: Descriptor, name: str) -> Descriptor:
    """The type that an Any names: of the contract's own pool, or one that is loaded here.

    Raises:
        KeyError: There is none.
    """
    try:
        found: Descriptor = any_type.file.pool.FindMessageTypeByName(name)
    except KeyError:
        found = descriptor_pool.Default().FindMessageTypeByName(name)
    return found

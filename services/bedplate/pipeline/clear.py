"""Passes over what a request says of fields that only the server sets (AIP-203)."""

from collections.abc import Callable
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from bedplate.contract.behaviour import is_identifier, is_output_only
from bedplate.contract.messages import has_field, is_map

Clear = Callable[[Any], None]


@cache
def output_only(descriptor: Descriptor) -> Clear | None:
    """What clears the output-only fields of a message and below it; None when there are none."""
    if not has_field(descriptor, is_output_only):
        return None
    names = tuple(field.name for field in descriptor.fields if is_output_only(field))
    below: list[Any] = [field for field in descriptor.fields if field.name not in names and _leads_on(field)]
    single = tuple((f.name, f.message_type) for f in below if not f.is_repeated)
    lists = tuple((f.name, f.message_type) for f in below if f.is_repeated and not is_map(f))
    maps = tuple((f.name, f.message_type.fields_by_name["value"].message_type) for f in below if is_map(f))

    def clear(message: Message) -> None:
        for name in names:
            message.ClearField(name)
        for name, kind in single:
            if message.HasField(name):
                _plan(kind)(getattr(message, name))
        for name, kind in lists:
            items = getattr(message, name)
            if items:
                inner = _plan(kind)
                for item in items:
                    inner(item)
        for name, kind in maps:
            for item in getattr(message, name).values():
                _plan(kind)(item)

    return clear


def _plan(descriptor: Descriptor) -> Clear:
    """The plan of a type below; asked for when it is needed, because a type may hold itself."""
    found = output_only(descriptor)
    assert found is not None
    return found


def _leads_on(field: FieldDescriptor) -> bool:
    return field.message_type is not None and has_field(field.message_type, is_output_only)


def identifiers(descriptor: Descriptor) -> Clear | None:
    """What clears the identifiers of the resources that a create request, or a batch of them, holds.

    Identifiers of other resources that a resource names deeper down are left as they are.
    """
    steps: list[Clear] = []
    for field in descriptor.fields:
        below = field.message_type
        if below is None or is_map(field):
            continue
        if field.is_repeated:
            inner = identifiers(below) if below.name.endswith("Request") else None
            if inner is not None:
                steps.append(_each(field.name, inner))
            continue
        names = tuple(one.name for one in below.fields if is_identifier(one))
        if names:
            steps.append(_names(field.name, names))
    if not steps:
        return None

    def clear(message: Message) -> None:
        for step in steps:
            step(message)

    return clear


def _each(name: str, inner: Clear) -> Clear:
    def clear(message: Message) -> None:
        for item in getattr(message, name):
            inner(item)

    return clear


def _names(resource: str, names: tuple[str, ...]) -> Clear:
    def clear(message: Message) -> None:
        if message.HasField(resource):
            below = getattr(message, resource)
            for name in names:
                below.ClearField(name)

    return clear

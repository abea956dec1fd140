"""Fills the ids that a contract leaves to the client.

They are fields that say so (`(bedplate.v1.field).client_id`), and `request_id`
of a method that has one effect for each.

The request that is sent is a copy: the caller's own message stays as it was.
So a caller that repeats a call *itself* must repeat what was sent, not what it
passed: `CallError.request`, or a request that `filled` made before the call.
Retries by the client repeat what was sent anyway.
"""

import secrets
import time
from collections.abc import Callable, Iterable
from functools import cache
from typing import TypeVar

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from bedplate.contract.messages import has_field
from bedplate.contract.policy import Idempotency, MethodPolicy, PolicyError
from bedplate.v1 import policy_pb2

M = TypeVar("M", bound=Message)

# The field that names a call, where a method has one effect for each.
KEY = "request_id"

# Fills a message in place when told to; answers whether an id was (or would be) missing.
_Fill = Callable[[Message, bool], bool]


def new_id() -> str:
    """A fresh id: 32 hex digits that begin with the time, so that indexes grow at one end."""
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"


def filled(request: M, policy: MethodPolicy | None = None) -> M:
    """The request with every empty client id filled; the same object when none is empty.

    Args:
        request: The request.
        policy: Of the method that is called; None: only fields that say so are filled.
    """
    fill = plan(request.DESCRIPTOR)
    empty = fill is not None and fill(request, False)
    no_key = policy is not None and has_key(policy) and not getattr(request, KEY)
    if not empty and not no_key:
        return request
    copy = type(request)()
    copy.CopyFrom(request)
    if fill is not None:
        fill(copy, True)
    if no_key and not getattr(copy, KEY):
        setattr(copy, KEY, new_id())
    return copy


def has_key(policy: MethodPolicy) -> bool:
    """Whether requests of a method have an id for which there is one effect."""
    once = policy.idempotency is Idempotency.REQUEST_ID
    return once and KEY in policy.descriptor.input_type.fields_by_name


@cache
def plan(descriptor: Descriptor) -> _Fill | None:
    """What fills messages of this type; None when there is no client id in it or below it.

    Raises:
        PolicyError: `client_id` is set on a field that is no single string.
    """
    if not has_field(descriptor, _is_id):
        return None
    steps = tuple(step for field in descriptor.fields if (step := _step(field)) is not None)

    def fill(message: Message, write: bool) -> bool:
        missing = False
        for step in steps:
            if step(message, write):
                missing = True
        return missing

    return fill


def _is_id(field: FieldDescriptor) -> bool:
    options: policy_pb2.FieldPolicy = field.GetOptions().Extensions[policy_pb2.field]
    if options.client_id and (field.type != FieldDescriptor.TYPE_STRING or field.is_repeated):
        raise PolicyError(f"{field.full_name}: client_id is for single string fields only")
    return options.client_id


def _step(field: FieldDescriptor) -> _Fill | None:
    name = field.name
    if _is_id(field):

        def fill_id(message: Message, write: bool) -> bool:
            if getattr(message, name):
                return False
            if write:
                setattr(message, name, new_id())
            return True

        return fill_id
    below = field.message_type
    if below is None or not has_field(below, _is_id):
        return None
    if below.GetOptions().map_entry:
        return _in_map(name, below)
    if field.is_repeated:

        def fill_each(message: Message, write: bool) -> bool:
            # The plan is asked for here, not above: a type may hold itself.
            inner = plan(below)
            assert inner is not None
            return _all(inner, getattr(message, name), write)

        return fill_each

    def fill_one(message: Message, write: bool) -> bool:
        inner = plan(below)
        assert inner is not None
        return message.HasField(name) and inner(getattr(message, name), write)

    return fill_one


def _in_map(name: str, entry: Descriptor) -> _Fill:
    value = entry.fields_by_name["value"].message_type

    def fill_values(message: Message, write: bool) -> bool:
        inner = plan(value)
        assert inner is not None
        return _all(inner, getattr(message, name).values(), write)

    return fill_values


def _all(fill: _Fill, messages: Iterable[Message], write: bool) -> bool:
    missing = False
    for message in messages:
        if fill(message, write):
            missing = True
    return missing

"""How most documents become messages: by a function of its own for each type, which knows no faults.

It takes objects whose keys are lowerCamelCase and whose values are spelled as
most write them; plan.py takes all that too, and makes the same of it. All else
it refuses without saying why, and plan.py looks again. So most pay two thirds
of what plan.py costs, which has to find each key and to know where it is when
something does not fit.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any as Anything

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from bedplate.contract.messages import is_map
from bedplate.gateway.codec import leaf as json_leaf
from bedplate.gateway.codec.kind import NULL_VALUE, VALUE, is_special
from bedplate.gateway.codec.leaf import INTEGERS, Convert
from bedplate.gateway.codec.text import Unfit

# What a function raises when plan.py has to look again.
MISSES = (Unfit, TypeError, ValueError, AttributeError)

TYPES_KEPT_MAX = 4_096  # functions that are kept; a descriptor set that was reloaded leaves its old ones

_TEXT = FieldDescriptor.CPPTYPE_STRING
_TYPES = {FieldDescriptor.CPPTYPE_BOOL: "is bool", FieldDescriptor.CPPTYPE_DOUBLE: "in numbers"}


@lru_cache(TYPES_KEPT_MAX)
def quick_plan(descriptor: Descriptor, single: Callable[[FieldDescriptor], Convert]) -> Convert:
    """What makes a message's constructor's arguments of an object.

    What it returns raises one of MISSES for what it does not take.

    Args:
        descriptor: The type; it has no JSON form of its own.
        single: How one value of a field is converted, of the types that are not written here.
    """
    return _Source(single).message(descriptor)


class _Source:
    """The source of one function, and what it names."""

    def __init__(self, single: Callable[[FieldDescriptor], Convert]) -> None:
        self._convert = single
        self._scope: dict[str, Anything] = {
            "Unfit": Unfit,
            "all_text": frozenset([str]).issuperset,
            "numbers": (float, int),
        }

    def message(self, descriptor: Descriptor) -> Convert:
        """The function of a type."""
        lines = ["def convert(document):", " get = document.get", " out = {}"]
        for field in descriptor.fields:
            lines += [f" value = get({field.json_name!r})", *self._take(field)]
        for oneof in descriptor.oneofs:
            if len(oneof.fields) > 1:
                members = self._name(frozenset(field.name for field in oneof.fields))
                lines.append(f" if len({members} & out.keys()) > 1: raise Unfit")
        # Short of a key: an unknown one, one by its other name, a null, or a value that was not taken.
        lines += [" if len(out) != len(document): raise Unfit", " return out"]
        exec("\n".join(lines), self._scope)  # noqa: S102
        made: Convert = self._scope["convert"]
        return made

    def _take(self, field: FieldDescriptor) -> list[str]:
        """The statements that put `value` into `out`, if it is one of those that are taken."""
        write = f"out[{field.name!r}] ="
        if is_map(field):
            return [f" if type(value) is dict{self._map(field)}"]
        if field.is_repeated:
            if self._is_text(field):
                return [f" if type(value) is list and all_text(map(type, value)): {write} value"]
            if field.message_type is not None and field.message_type.full_name == VALUE:
                many = self._name(json_leaf.values(field.message_type))
                return [f" if value is not None: {write} {many}(value)"]
            return [f" if type(value) is list: {write} [{self._single(field)}(each) for each in value]"]
        kind = field.cpp_type
        if self._is_text(field):
            return [f" if type(value) is str: {write} value"]
        if field.enum_type is not None and field.enum_type.full_name != NULL_VALUE:
            numbers = {name: value.number for name, value in field.enum_type.values_by_name.items()}
            return [f" value = {self._name(numbers.get)}(value)", f" if value is not None: {write} value"]
        if kind in _TYPES:
            return [f" if type(value) {_TYPES[kind]}: {write} value"]
        if kind in INTEGERS:
            low, high = INTEGERS[kind]
            taken = [f" if type(value) is int and {low} <= value <= {high}: {write} value"]
            if high > 2**32:  # a string, as the mapping writes it; what int() takes besides is no such text
                taken += [
                    " elif type(value) is str:",
                    "  number = int(value)",
                    f"  if str(number) == value and {low} <= number <= {high}: {write} number",
                ]
            return taken
        return [f" if value is not None: {write} {self._single(field)}(value)"]

    def _map(self, field: FieldDescriptor) -> str:
        entry = field.message_type
        assert entry is not None
        key, value = entry.fields_by_name["key"], entry.fields_by_name["value"]
        write = f"out[{field.name!r}] ="
        if self._is_text(key) and self._is_text(value):
            return f" and all_text(map(type, value.values())): {write} value"
        read = "key" if self._is_text(key) else f"{self._name(json_leaf.map_key(key))}(key)"
        return f": {write} {{{read}: {self._single(value)}(each) for key, each in value.items()}}"

    def _is_text(self, field: FieldDescriptor) -> bool:
        return field.cpp_type == _TEXT and field.type != FieldDescriptor.TYPE_BYTES

    def _single(self, field: FieldDescriptor) -> str:
        below = field.message_type
        if below is None or is_special(below):
            return self._name(self._convert(field))
        name = self._name(None)

        def first(value: Anything) -> Anything:
            """A type may hold itself; so its function is made when its first object comes."""
            self._scope[name] = made = quick_plan(below, self._convert)
            return made(value)

        self._scope[name] = first
        return name

    def _name(self, value: Anything) -> str:
        name = f"f{len(self._scope)}"
        self._scope[name] = value
        return name

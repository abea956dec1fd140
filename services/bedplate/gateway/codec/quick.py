"""How most documents become messages: by functions that are made for their keys, and know no faults.

Of each type the orders of keys that come again and again get a function of
their own, which looks for no key; the others share one. They take objects whose
keys are lowerCamelCase and whose values are spelled as most write them, and
leave it to the message's constructor to refuse what it refuses by itself.
plan.py takes all that too, and makes the same of it. All else is refused
without saying why, and plan.py looks again.
"""

from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache
from typing import Any as Anything

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.descriptor import OneofDescriptor as Oneof

from bedplate.contract.messages import is_map
from bedplate.gateway.codec import leaf as json_leaf
from bedplate.gateway.codec.kind import NULL_VALUE, VALUE, is_special
from bedplate.gateway.codec.leaf import INTEGERS, Convert
from bedplate.gateway.codec.text import Unfit

# What a function, or the constructor that takes what it made, raises when plan.py has to look again.
MISSES = (Unfit, TypeError, ValueError, AttributeError, KeyError, OverflowError)

TYPES_KEPT_MAX = 4_096  # whose functions are kept; a descriptor set that was reloaded leaves its old ones

# Orders of keys that have a function, of each type, and keys in one. Making it takes 0.1 ms a key, so it
# is made once: an order gets it that comes again among as many others, and keeps it.
ORDERS_MAX = 64
KEYS_MAX = 100

_TYPES = {FieldDescriptor.CPPTYPE_BOOL: "is bool", FieldDescriptor.CPPTYPE_DOUBLE: "in numbers"}


class Functions(dict[tuple[str, ...], Convert]):
    """What makes a message's constructor's arguments of an object, by the object's keys in their order.

    What they return may be of no use to the constructor, which says so.
    """

    def __init__(self, descriptor: Descriptor, single: Callable[[FieldDescriptor], Convert]) -> None:
        """Args: as `functions` has them."""
        super().__init__()
        self._type, self._single = descriptor, single
        self._fields = {field.json_name: field for field in descriptor.fields}
        self._known = frozenset(self._fields).issuperset
        self._once: set[tuple[str, ...]] = set()

    @cached_property
    def general(self) -> Convert:
        """The function for keys in any order."""
        return _Source(self._single).function(self._type.fields, self._type.oneofs)

    def __missing__(self, keys: tuple[str, ...]) -> Convert:
        if len(self) >= ORDERS_MAX or len(keys) > KEYS_MAX or not self._known(keys):
            return self.general
        if keys not in self._once:
            if len(self._once) >= ORDERS_MAX:
                self._once.clear()
            self._once.add(keys)
            return self.general
        fields = [self._fields[key] for key in keys]
        choices = [field.containing_oneof.name for field in fields if field.containing_oneof is not None]
        if len(choices) > len({*choices}):
            return self.general
        self[keys] = made = _Source(self._single).function(fields)
        return made


@lru_cache(TYPES_KEPT_MAX)
def functions(descriptor: Descriptor, single: Callable[[FieldDescriptor], Convert]) -> Functions:
    """The functions of a type. Each raises one of MISSES for what it does not take.

    Args:
        descriptor: The type; it has no JSON form of its own.
        single: How one value of a field is converted, of the types that are not written here.
    """
    return Functions(descriptor, single)


class _Source:
    """The source of one function, and what it names."""

    def __init__(self, single: Callable[[FieldDescriptor], Convert]) -> None:
        self._convert = single
        self._scope: dict[str, Anything] = {"Unfit": Unfit, "numbers": (float, int)}

    def function(self, fields: Sequence[FieldDescriptor], oneofs: Sequence[Oneof] | None = None) -> Convert:
        """A function for objects of just these fields in this order; with oneofs: of some, in any order."""
        names = [field.json_name for field in fields]
        lines, values = ["def convert(document):"], "document.values()"
        if oneofs is not None:
            lines.append(f" if not {self._name(frozenset(names).issuperset)}(document): raise Unfit")
            values = f"map(document.get, {self._name(names)})"
            for oneof in oneofs:
                if len(oneof.fields) > 1:
                    members = self._name(frozenset(field.json_name for field in oneof.fields))
                    lines.append(f" if len({members} & document.keys()) > 1: raise Unfit")
        taken = [(f"v{index}", field) for index, field in enumerate(fields)]
        lines.append(f" [{', '.join(value for value, _ in taken)}] = {values}")
        for value, field in taken:
            if json_leaf.null_value(field) is not None:  # so null is not as if there were no such key
                lines.append(f" if {value} is None and {field.json_name!r} in document: raise Unfit")
        items = ", ".join(f"{field.name!r}: {self._whole(value, field)}" for value, field in taken)
        exec("\n".join([*lines, f" return {{{items}}}"]), self._scope)  # noqa: S102
        made: Convert = self._scope["convert"]
        return made

    def _whole(self, value: str, field: FieldDescriptor) -> str:
        """What the constructor gets for a field's value.

        For null it is None, and for what is not taken `...`, which the constructor refuses.
        """
        below = field.message_type
        if below is not None and is_map(field):
            made = self._map(value, below.fields_by_name["key"], below.fields_by_name["value"])
        elif not field.is_repeated:
            made = self._single(value, field)
        elif below is not None and below.full_name == VALUE:
            made = f"{self._name(json_leaf.values(below))}({value})"
        else:
            each = self._single("each", field)
            items = value if each == "each" else f"[{each} for each in {value}]"
            made = f"{items} if type({value}) is list else ..."
        return value if made == value else f"None if {value} is None else {made}"

    def _map(self, value: str, key: FieldDescriptor, item: FieldDescriptor) -> str:
        text = key.cpp_type == FieldDescriptor.CPPTYPE_STRING
        read = "key" if text else f"{self._name(json_leaf.map_key(key))}(key)"
        each = self._single("each", item)
        entries = f"{{{read}: {each} for key, each in {value}.items()}}"
        return f"{value if text and each == 'each' else entries} if type({value}) is dict else ..."

    def _single(self, value: str, field: FieldDescriptor) -> str:
        kind, below = field.cpp_type, field.message_type
        if below is not None and not is_special(below):
            return f"{self._name(functions(below, self._convert))}[tuple({value})]({value})"
        if field.type == FieldDescriptor.TYPE_STRING:
            return value
        if field.enum_type is not None and field.enum_type.full_name != NULL_VALUE:
            numbers = {name: known.number for name, known in field.enum_type.values_by_name.items()}
            return f"{self._name(numbers)}[{value}]"
        if kind in _TYPES:
            return f"{value} if type({value}) {_TYPES[kind]} else ..."
        if kind in INTEGERS:
            made = f"{value} if type({value}) is int else ..."
            if INTEGERS[kind][1] < 2**32:
                return made
            # A string, as the mapping writes it; what int() takes besides is no such text.
            return f'number if f"{{(number := int({value}))}}" == {value} else {made}'
        return f"{self._name(self._convert(field))}({value})"

    def _name(self, value: Anything) -> str:
        name = f"f{len(self._scope)}"
        self._scope[name] = value
        return name

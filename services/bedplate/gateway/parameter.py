"""What a parameter's name means: the field that one text sets, at any depth, by either of its names."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from bedplate.contract.messages import is_map
from bedplate.errors import Refusal, Violation
from bedplate.gateway.codec import leaf as json_leaf
from bedplate.gateway.codec.kind import field_named, is_special, is_wrapper
from bedplate.gateway.codec.text import KEY_SHOWN_MAX, refusal
from bedplate.gateway.routes import unescape
from bedplate.gateway.text_value import Reader, named_reader, takes_text
from bedplate.telemetry.redact import is_sensitive

# Parameters of one query.
PAIRS_MAX = 1_000

# Steps of a parameter's path, such as `a.b.c`; protobuf reads messages at most
# 100 deep.
STEPS_MAX = 32


@dataclass(frozen=True, slots=True)
class Parameter:
    """A field that one text can set.

    Attributes:
        path: Its path in the request, dotted, by proto names.
        parents: The messages on the way to it.
        leaf: The field.
        read: Makes a value of a text and the path; of a map, one entry's.
        read_key: Makes a map's key of a text; None: it is no map.
    """

    path: str
    parents: tuple[FieldDescriptor, ...]
    leaf: FieldDescriptor
    read: Reader
    read_key: Reader | None = None

    def set(self, message: Message, text: str, key: str = "") -> None:
        """Set the field in a request, or append to it; `key` is a map's.

        Raises:
            Refusal: INVALID_REQUEST: the text does not fit, or the field shares
                a oneof with one that is set.
        """
        where = self.path
        if self.read_key is not None:
            where += "[*]" if is_sensitive(self.leaf) else f'["{key[:KEY_SHOWN_MAX]}"]'
        value = self.read(text, where)
        for parent in self.parents:
            self._check(message, parent)
            message = getattr(message, parent.name)
        leaf = self.leaf
        if leaf.containing_oneof is not None:
            self._check(message, leaf)
        if self.read_key is not None:
            self._add(getattr(message, leaf.name), where, key, value)
        elif leaf.is_repeated:
            getattr(message, leaf.name).append(value)
        elif leaf.message_type is not None:
            getattr(message, leaf.name).CopyFrom(value)
        else:
            setattr(message, leaf.name, value)

    def _add(self, entries: Any, where: str, key: str, value: Any) -> None:
        assert self.read_key is not None
        read = self.read_key(key, where)
        if isinstance(value, Message):
            entries[read].CopyFrom(value)
        else:
            entries[read] = value

    def _check(self, message: Message, field: FieldDescriptor) -> None:
        oneof = field.containing_oneof
        other = message.WhichOneof(oneof.name) if oneof is not None else None
        if other is not None and other != field.name:
            raise unfit(
                self.path, f"Only one of {field.name} and {other} may be set; send one.", "http.oneof"
            )


def resolve(
    descriptor: Descriptor,
    name: str,
    reader: Callable[[FieldDescriptor], Reader | None],
    *,
    json_names: bool,
    others: Iterable[str] = (),
) -> Parameter:
    """The field that a dotted path names; `others` are names that may have been meant, and are no fields.

    Raises:
        Refusal: INVALID_REQUEST: there is none, or none that a text can set.
    """
    steps = name.split(".", STEPS_MAX)
    fields: list[FieldDescriptor] = []
    prefix = ""
    for place, step in enumerate(steps):
        field = named(descriptor, step, json_names=json_names)
        if field is None:
            raise _unknown(descriptor, prefix, name, step, () if prefix else others)
        fields.append(field)
        below = field.message_type
        # What a wrapper holds is the field itself, under a second name.
        if place + 1 == len(steps) or (steps[place + 1 :] == ["value"] and _wraps(field)):
            break
        if below is None or field.is_repeated or is_special(below):
            raise unfit(prefix + field.name, "There is nothing below this field that a parameter can set.")
        prefix += f"{field.name}."
        descriptor = below
    leaf = fields.pop()
    path = prefix + leaf.name
    read_key = None
    one = leaf
    if is_map(leaf):
        assert leaf.message_type is not None
        read_key = named_reader(json_leaf.map_key(leaf.message_type.fields_by_name["key"]))
        one = leaf.message_type.fields_by_name["value"]
    read = reader(one)
    if read is None:
        raise unfit(path, _no_text(leaf, path))
    return Parameter(path, tuple(fields), leaf, read, read_key)


def _wraps(field: FieldDescriptor) -> bool:
    return field.message_type is not None and not field.is_repeated and is_wrapper(field.message_type)


def named(descriptor: Descriptor, name: str, *, json_names: bool = True) -> FieldDescriptor | None:
    """The field of a name: its own, or that in JSON too."""
    return field_named(descriptor, name) if json_names else descriptor.fields_by_name.get(name)


def unfit(path: str, sentence: str, rule: str = "http.parameter") -> Refusal:
    """The refusal of a request for one field."""
    return refusal([Violation(path, sentence, rule)])


def _unknown(descriptor: Descriptor, prefix: str, name: str, step: str, others: Iterable[str]) -> Refusal:
    names = [*(field.name for field in descriptor.fields), *others]
    near = get_close_matches(step[:KEY_SHOWN_MAX], names, n=1)
    hint = f"did you mean {prefix}{near[0]}?" if near else "leave it out."
    shown = name[: 2 * KEY_SHOWN_MAX]
    return unfit(shown, f"There is no such parameter; {hint}", "http.unknown_parameter")


def _no_text(field: FieldDescriptor, path: str) -> str:
    below = field.message_type
    if below is not None and not field.is_repeated and not is_special(below):
        example = next((f.name for f in below.fields if takes_text(f)), None)
        if example is not None:
            return f"This field is a message; send its fields, such as {path}.{example}."
    return "This field cannot be a parameter."


def map_key(field: Parameter, brackets: str) -> str:
    """The key of a parameter such as `labels[colour]`; `brackets` is `[colour]`.

    Raises:
        Refusal: INVALID_REQUEST: the field is no map, or this is no key.
    """
    key = brackets[1:-1]
    if field.read_key is None:
        raise unfit(
            field.path, "This field is no map and takes no brackets; of a list, repeat the parameter."
        )
    if not brackets.endswith("]") or "[" in key or "]" in key:
        raise unfit(field.path, f"This field is a map; send its entries, such as {field.path}[key]=value.")
    return key


def pairs(query: str) -> list[tuple[str, str]]:
    """Names and values of a query string; a plus sign is a space.

    Raises:
        Refusal: INVALID_REQUEST, too many; HTTP_MALFORMED, an escape.
    """
    if "+" in query:
        query = query.replace("+", " ")
    parts = query.split("&")
    if len(parts) > PAIRS_MAX:
        raise unfit("", f"The query has more than {PAIRS_MAX} parameters; send fewer.", "http.parameters_max")
    found = [(name, text) for name, _, text in [part.partition("=") for part in parts if part]]
    if "%" not in query:
        return found
    return [(unescape(name), unescape(text)) for name, text in found]

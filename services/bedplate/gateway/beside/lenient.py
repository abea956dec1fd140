"""Methods that take requests as grpc-gateway 2.33 does (`http.json: LENIENT`): for who comes from there.

What is unknown is passed over, the path wins over the body, the query sets only
what neither of them holds, and texts are read as Go reads them
(`lenient_value`). docs/http.md says what of grpc-gateway is not copied.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from bedplate.contract.bindings import Binding
from bedplate.contract.messages import field_at, is_map
from bedplate.errors import Kind, Refusal
from bedplate.gateway.beside import lenient_json
from bedplate.gateway.beside.lenient_value import lenient_reader
from bedplate.gateway.codec.decode import Read
from bedplate.gateway.codec.kind import VALUE
from bedplate.gateway.endpoint import Endpoint, Feature
from bedplate.gateway.exchange import Request
from bedplate.gateway.parameter import STEPS_MAX, Parameter, pairs, unfit
from bedplate.gateway.text_value import Reader
from bedplate.gateway.transcode import Plan

_SPACE = b" \t\r\n"

# Numbers of members that are passed over may be larger than any that there is.
_NUMBERS_AS_TEXTS = json.JSONDecoder(parse_int=str, parse_float=str)

# Variables of these types are read as JSON writes them, parameters as Go does.
_AS_JSON = ("google.protobuf.Duration", "google.protobuf.Timestamp")


def compile(endpoint: Endpoint) -> Feature | None:
    """Put another plan in place; None for methods that are strict, which most are."""
    if not endpoint.method.policy.http.lenient:
        return None
    endpoint.plan = LenientPlan(endpoint.method.descriptor, endpoint.binding, endpoint.template)
    return Feature("lenient")


class LenientPlan(Plan):
    """How grpc-gateway makes messages of requests."""

    text_reader = staticmethod(lenient_reader)
    parse = staticmethod(lenient_json.parse)
    may_trace = True

    def __init__(self, *args: Any) -> None:
        """As `Plan`; a variable may be a list, whose elements have commas between them."""
        self._readers: dict[str, Reader | None] = {}
        self._names: dict[str, dict[str, FieldDescriptor]] = {}
        super().__init__(*args)
        selected = field_at(self._descriptor, self._body)
        below = None if selected is None or selected.is_repeated else selected.message_type
        *self._above, self._last = self._body.split(".")
        # Whether a message is the body; a Value may be null.
        self._whole = below is not None and below.full_name != VALUE
        self._taken = ()
        steps = [(*(parent.name for parent in v.parents), v.leaf.name) for v in self._variables]
        self._places = tuple(steps)
        self._filled = (*steps, (*self._body.split("."),)) if self._body else tuple(steps)

    def _body_plan(self, binding: Binding) -> Read | None:
        field = field_at(self._descriptor, binding.body) if "." in binding.body else None
        if field is None or binding.http_method in ("GET", "HEAD"):
            return super()._body_plan(binding)
        self._below = None if is_map(field) else field.message_type
        self._under = binding.body
        read, names = self._reader(), binding.body.split(".")

        def convert(value: Any) -> Any:
            for name in reversed(names):
                value = {name: value}
            return read(value)

        return convert

    def _reader(self) -> Read:
        return lenient_json.reader(self._descriptor)

    def _variable(self, path: str) -> Parameter:
        try:
            found = self._resolve(path, json_names=False)
        except Refusal:
            return super()._variable(path)  # which says what is wrong with it
        listed = found.leaf.is_repeated and found.read_key is None
        return found if listed else super()._variable(path)

    def reserve(self, parameters: Mapping[str, Callable[[Request, str], None]]) -> None:
        """As `Plan.reserve`, and only with the dollar sign: other names are passed over."""
        self._reserved.update({f"${name}": take for name, take in parameters.items()})

    def decode(self, request: Request) -> Message:
        """As `Plan.decode`; later places win: the body is read first, then the path, then the query."""
        message = self._class()
        if self._convert is not None:
            if request.body.strip(_SPACE):
                message = self._from_body(request)
                if self._whole and not _at(message, self._above).HasField(self._last):
                    raise unfit(self._body, "Send an object, not null.", "json.type")
            elif self._whole or self._above:
                place = (*self._above, self._last) if self._whole else self._above
                _at(message, place).SetInParent()
        for place, variable, text in zip(self._places, self._variables, request.values, strict=True):
            self._set_variable(message, place, variable.leaf, text)
        if request.query and self._body != "*":
            self._add_query(message, request)
        return message

    def _set_variable(self, message: Message, place: Sequence[str], leaf: FieldDescriptor, text: str) -> None:
        if len(place) == 1 and leaf.is_repeated:
            message.ClearField(leaf.name)
            self._put(message, place, text.split(","))
        elif len(place) > 1 or leaf.message_type is None or leaf.message_type.full_name not in _AS_JSON:
            self._put(message, place, [text])
        else:
            made = self._reader()({leaf.json_name: text.strip('"')})
            self._check_oneof(message, leaf)
            getattr(message, leaf.name).CopyFrom(getattr(made, leaf.name))

    def _add_query(self, message: Message, request: Request) -> None:
        if ";" in request.query:
            raise Refusal(Kind.INVALID, "HTTP_MALFORMED", "The query has a semicolon; send it as %3B.")
        found: dict[str, list[str]] = {}
        for name, text in pairs(request.query):
            take = self._reserved.get(name)
            if take is not None:
                take(request, text)
            else:
                found.setdefault(name, []).append(text)
        seen: set[tuple[tuple[str, ...], str | None]] = set()
        for name, texts in found.items():
            base, bracket, last = name[:-1].rpartition("[") if name.endswith("]") else ("", "", "")
            key = last if bracket else None
            place = self._normal((base if bracket else name).split(".", STEPS_MAX))
            if any(place[: len(filled)] == filled[: len(place)] for filled in self._filled):
                continue
            if (place, key) in seen:
                raise unfit(".".join(place), "The parameter stands under both its names; send it once.")
            seen.add((place, key))
            self._put(message, place, texts, key)

    def _normal(self, steps: list[str]) -> tuple[str, ...]:
        """The steps by proto names; as they were sent where the contract does not know one of them."""
        descriptor: Descriptor | None = self._descriptor
        normal: list[str] = []
        for step in steps:
            field = self._named(descriptor, step) if descriptor is not None else None
            if field is None:
                return tuple(steps)
            normal.append(field.name)
            descriptor = None if field.is_repeated else field.message_type
        return tuple(normal)

    def _named(self, descriptor: Descriptor, name: str) -> FieldDescriptor | None:
        names = self._names.get(descriptor.full_name)
        if names is None:
            names = {field.json_name: field for field in descriptor.fields} | dict(descriptor.fields_by_name)
            self._names[descriptor.full_name] = names
        return names.get(name)

    def _put(self, message: Any, place: Sequence[str], texts: list[str], key: str | None = None) -> None:
        """Set a field at any depth; a step that the contract does not know ends it."""
        path = ".".join(place)
        for step in place[:-1]:
            field = self._named(message.DESCRIPTOR, step)
            if field is None:
                return
            self._check_oneof(message, field)
            if field.message_type is None or field.is_repeated:
                raise unfit(path, f"{field.name} holds no further fields.")
            message = getattr(message, field.name)
            message.SetInParent()
        field = self._named(message.DESCRIPTOR, place[-1])
        if field is None:
            return
        self._check_oneof(message, field)
        if key is not None or is_map(field):
            self._put_entry(message, field, path, texts, key)
            return
        values = [self._read(field, text, path) for text in texts]
        if field.is_repeated:
            getattr(message, field.name).extend(values)
        elif len(values) > 1:
            raise unfit(path, "The parameter stands twice; send it once.")
        elif field.message_type is not None:
            getattr(message, field.name).CopyFrom(values[0])
        else:
            setattr(message, field.name, values[0])

    def _put_entry(
        self, message: Message, field: FieldDescriptor, path: str, texts: list[str], key: str | None
    ) -> None:
        entry = field.message_type
        if key is None or len(texts) > 1 or entry is None or not is_map(field):
            raise unfit(path, f"Send the entries of a map one by one, such as {path}[key]=value.")
        value = self._read(entry.fields_by_name["value"], texts[0], path)
        entries = getattr(message, field.name)
        read = self._read(entry.fields_by_name["key"], key, path)
        if isinstance(value, Message):
            entries[read].CopyFrom(value)
        else:
            entries[read] = value

    def _read(self, field: FieldDescriptor, text: str, path: str) -> Any:
        if field.full_name not in self._readers:
            self._readers[field.full_name] = lenient_reader(field)
        read = self._readers[field.full_name]
        if read is None:
            raise unfit(path, "This field cannot be a parameter.")
        return read(text, path)

    def _check_oneof(self, message: Message, field: FieldDescriptor) -> None:
        oneof = field.containing_oneof
        other = message.WhichOneof(oneof.name) if oneof is not None else None
        if other is not None and other != field.name:
            raise unfit(field.name, f"Only one of {field.name} and {other} may be set; send one.")


def _at(message: Any, steps: Sequence[str]) -> Any:
    for step in steps:
        message = getattr(message, step)
    return message


def first(body: bytes) -> Any:
    """The first JSON value of a body that was read, which is all of it that counts; its numbers are texts."""
    text = body.strip(_SPACE).decode(errors="replace")
    return _NUMBERS_AS_TEXTS.raw_decode(text)[0] if text else None

"""Makes a method's request out of an HTTP request: path, query and body, by one binding.

What can be decided from the contract is decided at start, in `Plan`. A field
may come from exactly one place: what stands in the path may stand neither in
the query nor in the body.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from google.protobuf.descriptor import Descriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from bedplate.contract.bindings import Binding
from bedplate.contract.messages import is_map
from bedplate.contract.policy import PolicyError
from bedplate.errors import Refusal, Violation
from bedplate.gateway.codec.decode import Read, reader
from bedplate.gateway.codec.encode import writer
from bedplate.gateway.codec.kind import is_free, is_special
from bedplate.gateway.codec.parse import parse
from bedplate.gateway.codec.text import VIOLATIONS_MAX, join, refusal
from bedplate.gateway.exchange import Request
from bedplate.gateway.parameter import Parameter, map_key, named, pairs, resolve, unfit
from bedplate.gateway.routes import Template
from bedplate.gateway.text_value import text_reader

# Names of query parameters that a plan remembers; a message that holds itself
# has endlessly many.
PARAMETERS_MAX = 1_000


class Plan:
    """How requests of one binding become messages, and its responses JSON.

    Raises:
        PolicyError: The binding does not fit the method's messages. The text
            names the method, the template and the field.
    """

    # What reads a text as a value of a field; None: it takes none.
    text_reader = staticmethod(text_reader)
    # What parses a body.
    parse = staticmethod(parse)
    # Whether a rule may be for TRACE, which is about the way of a request and no call.
    may_trace = False

    def __init__(self, method: MethodDescriptor, binding: Binding, template: Template) -> None:
        self._descriptor: Descriptor = method.input_type
        self._class = GetMessageClass(self._descriptor)
        name = f"{method.containing_service.full_name}/{method.name}"
        self._place = f"{name} ({binding.http_method} {binding.path})"
        self._reserved: dict[str, Callable[[Request, str], None]] = {}
        self._variables = tuple(self._variable(variable.path) for variable in template.variables)
        self._from_path = frozenset(field.path for field in self._variables)
        self._body = binding.body
        self._under = ""
        self._below: Descriptor | None = self._descriptor
        if binding.http_method == "TRACE" and not self.may_trace:
            raise self._wrong("TRACE is for proxies, not for calls; take another.")
        self._convert = self._body_plan(binding)
        self._taken = tuple(self._taken_from_body())
        self._parameters: dict[str, Parameter] = {}
        self.encode = self._encoder(method.output_type, binding.response_body)

    def _wrong(self, why: str) -> PolicyError:
        return PolicyError(f"{self._place}: {why}")

    def _variable(self, path: str) -> Parameter:
        try:
            found = self._resolve(path, json_names=False)
        except Refusal as error:
            if error.violations[0].rule == "http.unknown_parameter":
                raise self._wrong(
                    f"the path's field {path} is no field of {self._descriptor.full_name}."
                ) from None
            found = None
        if found is None or found.leaf.is_repeated or is_free(found.leaf.message_type):
            raise self._wrong(
                f"the path's field {path} must be a single number, string, boolean, enum, time or duration."
            )
        return found

    def _resolve(self, name: str, *, json_names: bool = True) -> Parameter:
        return resolve(self._descriptor, name, self.text_reader, json_names=json_names, others=self._reserved)

    def _body_plan(self, binding: Binding) -> Read | None:
        if not binding.body:
            return None
        if binding.http_method in ("GET", "HEAD"):
            raise self._wrong("a GET has no body; leave `body` out.")
        read = self._reader()
        if binding.body == "*":
            if self._variables and is_special(self._descriptor):
                raise self._wrong(
                    f"{self._descriptor.full_name} is one JSON value, all of it the body; "
                    "take the path's fields out, or wrap it in a message."
                )
            return read
        field = self._descriptor.fields_by_name.get(binding.body)
        if field is None:
            raise self._wrong(f"the body's field {binding.body} is no field of {self._descriptor.full_name}.")
        if field.name in self._from_path:
            raise self._wrong(f"the field {field.name} cannot come from the path and from the body.")
        self._below = None if is_map(field) else field.message_type
        self._under, name = field.name, field.json_name
        return lambda value: read({name: value})

    def _reader(self) -> Read:
        return reader(self._descriptor)

    def _taken_from_body(self) -> Iterator[tuple[str, tuple[frozenset[str], ...]]]:
        """The path's fields that the body could hold too: path below the body, and the names in its JSON."""
        for variable in self._variables:
            steps = (*variable.parents, variable.leaf)
            names = tuple(frozenset((step.name, step.json_name)) for step in steps)
            if self._body == "*":
                yield variable.path, names
            elif steps[0].name == self._body:
                yield variable.path.partition(".")[2], names[1:]

    def _encoder(self, descriptor: Descriptor, name: str) -> Callable[[Message], bytes]:
        if name and name not in descriptor.fields_by_name:
            raise self._wrong(f"the response_body's field {name} is no field of {descriptor.full_name}.")
        return writer(descriptor, name)

    def reserve(self, parameters: Mapping[str, Callable[[Request, str], None]]) -> None:
        """Take query parameters out that are no fields; see `endpoint.Feature`."""
        for name, take in parameters.items():
            self._reserved[f"${name}"] = take
            if named(self._descriptor, name) is None:
                self._reserved[name] = take

    def decode(self, request: Request) -> Message:
        """The method's request message; this is the call's `decode`.

        Raises:
            Refusal: INVALID_REQUEST, MALFORMED_REQUEST or HTTP_MALFORMED.
        """
        message = self._from_body(request) if request.body else self._class()
        if self._variables:
            for variable, text in zip(self._variables, request.values, strict=True):
                variable.set(message, text)
        if request.query:
            self._add_query(message, request)
        return message

    def _from_body(self, request: Request) -> Message:
        if self._convert is None:
            raise unfit("", "This call takes no body; leave it out.", "http.no_body")
        try:
            value = self.parse(request.body, self._below)
            for path, steps in self._taken:
                if _holds(value, steps):
                    raise unfit(path, _twice("path", "body"), "http.twice")
        except Refusal as error:
            if not error.violations:
                raise
            raise refusal(
                Violation(join(self._under, v.field), v.sentence, v.rule) for v in error.violations
            ) from None
        made: Message = self._convert(value)
        return made

    def _add_query(self, message: Message, request: Request) -> None:
        seen: dict[tuple[str, str], str] = {}
        faults: list[Violation] = []
        for name, text in pairs(request.query):
            try:
                take = self._reserved.get(name)
                if take is not None:
                    take(request, text)
                    continue
                base, bracket, key = name.partition("[")
                found = self._parameters.get(base) or self._parameter(base)
                if bracket or found.read_key is not None:
                    key = map_key(found, bracket + key)
                place = (found.path, key)
                if place not in seen:
                    seen[place] = base
                elif found.read_key is not None or not found.leaf.is_repeated:
                    names = "" if seen[place] == base else f", as {seen[place]} and as {base}"
                    raise unfit(found.path, f"The parameter stands twice{names}; send it once.", "http.twice")
                found.set(message, text, key)
            except Refusal as error:
                faults.extend(error.violations)
            if len(faults) >= VIOLATIONS_MAX:
                break
        if faults:
            raise refusal(faults)

    def _parameter(self, name: str) -> Parameter:
        """The field of a parameter that comes from the query and from nowhere else."""
        fault = found = None
        try:
            found = self._resolve(name)
            path = found.path
        except Refusal as error:
            fault, path = error, error.violations[0].field
        first = named(self._descriptor, name.partition(".")[0])
        if first is not None and self._body in ("*", first.name):
            raise unfit(path, "This field comes from the body; leave it out of the query.", "http.twice")
        if path in self._from_path:
            raise unfit(path, _twice("path", "query"), "http.twice")
        if found is None:
            assert fault is not None
            raise fault
        if len(self._parameters) < PARAMETERS_MAX:
            self._parameters[name] = found
        return found


def _twice(one: str, other: str) -> str:
    return f"The field stands in the {one} and in the {other}; send it in the {one} only."


def _holds(value: Any, steps: tuple[frozenset[str], ...]) -> bool:
    """Whether a JSON value has a value at a path, under any name of each field."""
    if not steps:
        return value is not None
    if type(value) is not dict:
        return False
    first, rest = steps[0], steps[1:]
    return any(name in value and _holds(value[name], rest) for name in first)

"""The OpenAPI 3.1 document of a server's public methods, from the same descriptors that serve them."""

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from google.api import field_behavior_pb2
from google.protobuf.descriptor import Descriptor, FieldDescriptor, FileDescriptor, MethodDescriptor

from bedplate.contract.bindings import Binding, bindings
from bedplate.contract.messages import field_at, is_map
from bedplate.contract.policy import MethodPolicy, PolicyError, Visibility, resolve
from bedplate.gateway import openapi_bodies, openapi_headers
from bedplate.gateway.codec.kind import is_free, is_special
from bedplate.gateway.openapi_failure import PROBLEM, failures
from bedplate.gateway.openapi_promises import described, promises
from bedplate.gateway.openapi_schema import Schema, Schemas, behaviours
from bedplate.gateway.routes import Template, parse
from bedplate.gateway.text_value import takes_text

# Operations that a path item can hold; a rule for another HTTP method is
# served, and cannot be written down.
_HTTP_METHODS = frozenset({"GET", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE"})

_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
PARAMETER_DEPTH_MAX = 4  # steps of a query parameter's name that are listed; the server takes more

_INTRODUCTION = """\
Fields may be sent as lowerCamelCase or as the contract names them, and are \
answered in lowerCamelCase. 64-bit integers are answered as strings, and taken \
as strings or numbers. {} Every failure is a problem \
(RFC 9457) whose `reason` never changes its meaning."""
_STRICT = "A field that is not set is left out of an answer. Unknown fields and parameters are refused."
_LENIENT = (
    "Numbers, strings, lists and maps that are not set are answered with their default value. "
    "Unknown fields and parameters are passed over."
)


def document(
    methods: Iterable[MethodDescriptor],
    docs: Mapping[str, str] | None = None,
    *,
    policy_of: Callable[[MethodDescriptor], MethodPolicy] = resolve,
    title: str = "bedplate",
) -> dict[str, Any]:
    """The OpenAPI document of the methods that take one request, are PUBLIC and have an http rule.

    Args:
        methods: The methods; those that are not public are left out.
        docs: Comments of the contract by full name; None: those that ship
            beside the messages, as far as they do.
        policy_of: Finds the policies of methods.
        title: Whose API it is.

    Raises:
        PolicyError: A policy or an http rule contradicts itself.
    """
    listed = [(method, policy_of(method)) for method in methods]
    public = [(method, policy) for method, policy in listed if _is_public(method, policy)]
    services = list(dict.fromkeys(method.containing_service for method, _ in public))
    if docs is None:
        docs = {name: text for service in services for name, text in _shipped(service.file).items()}
    lenient = all(policy.http.lenient for _, policy in public) if public else False
    writer = _Writer(docs)
    for method, policy in public:
        writer.add(method, policy)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": title,
            "version": version("bedplate"),
            "description": _INTRODUCTION.format(_LENIENT if lenient else _STRICT),
        },
        "servers": [{"url": "/"}],
        "tags": [
            {"name": service.name, "description": docs.get(service.full_name, "")} for service in services
        ],
        "paths": writer.paths,
        "components": {
            "schemas": {**dict(sorted(writer.schemas.components.items())), "Problem": PROBLEM},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _is_public(method: MethodDescriptor, policy: MethodPolicy) -> bool:
    one_request = not method.client_streaming
    return policy.visibility is Visibility.PUBLIC and one_request and any(bindings(method))


def _shipped(file: FileDescriptor) -> dict[str, str]:
    """The comments that `make generate` wrote beside the file's messages; empty without them."""
    # The module is loaded, since its descriptor is: importing by name could run
    # a stranger's module that happens to be called like a folder of protos.
    module = sys.modules.get(file.name.removesuffix(".proto").replace("/", ".") + "_pb2")
    if module is None or module.__file__ is None:
        return {}
    beside = Path(module.__file__).with_name(Path(file.name).stem + ".docs.json")
    try:
        found: dict[str, str] = json.loads(beside.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found


class _Writer:
    """Collects paths and schemas."""

    def __init__(self, docs: Mapping[str, str]) -> None:
        self.paths: dict[str, dict[str, Any]] = {}
        self.schemas = Schemas(docs)
        self._docs = docs
        self._same: dict[str, str] = {}
        self._ids: set[str] = set()

    def add(self, method: MethodDescriptor, policy: MethodPolicy) -> None:
        """Add a method under each of its bindings.

        Raises:
            PolicyError: A rule does not fit it. The text names both.
        """
        for binding in bindings(method):
            if binding.http_method in _HTTP_METHODS:
                try:
                    self._add(method, policy, binding)
                except PolicyError as error:
                    raise PolicyError(f"{policy.method}: {error}") from None

    def _add(self, method: MethodDescriptor, policy: MethodPolicy, binding: Binding) -> None:
        template = parse(binding.path, tails=True)
        # Two templates that differ only in the names of their variables are one path.
        shown = _shown(template)
        path = self._same.setdefault(re.sub(r"\{[^}]*\}", "{}", shown), shown)
        names = re.findall(r"\{([^}]*)\}", path)
        operation = self._operation(method, policy, binding, template, names)
        self.paths.setdefault(path, {})[binding.http_method.lower()] = operation

    def _operation(
        self,
        method: MethodDescriptor,
        policy: MethodPolicy,
        binding: Binding,
        template: Template,
        names: list[str],
    ) -> dict[str, Any]:
        from_path = frozenset(variable.path for variable in template.variables)
        doc = self._docs.get(f"{method.containing_service.full_name}.{method.name}", "")
        operation: dict[str, Any] = {
            "operationId": self._id(method),
            "tags": [method.containing_service.name],
            "summary": _WORD_START.sub(" ", method.name).capitalize(),
        }
        operation["description"] = f"{doc}\n\n{described(policy)}".strip()
        parameters = [
            *self._path_parameters(method.input_type, template, names),
            *self._query_parameters(method.input_type, binding, from_path),
            *openapi_bodies.parameters(method, policy, binding),
            *openapi_headers.parameters(method, policy, binding),
        ]
        if parameters:
            operation["parameters"] = parameters
        if binding.body:
            operation["requestBody"] = self._body(method, policy, binding, from_path)
        operation["responses"] = {
            **openapi_headers.answers(method, policy, binding, self._answer(method, binding)),
            **failures(
                method,
                policy,
                self._docs,
                has_body=bool(binding.body),
                without=openapi_headers.not_met(method, binding),
            ),
        }
        auth = policy.auth
        scopes = sorted(auth.all_scopes | auth.any_scopes) if auth else []
        operation["security"] = [] if auth and auth.anonymous else [{"bearer": scopes}]
        operation["x-bedplate-policy"] = promises(policy)
        if policy.options.HasField("deprecation"):
            operation["deprecated"] = True
        return operation

    def _id(self, method: MethodDescriptor) -> str:
        name = base = f"{method.containing_service.name}_{method.name}"
        further = 2
        while name in self._ids:
            name = f"{base}_{further}"
            further += 1
        self._ids.add(name)
        return name

    def _path_parameters(
        self, request: Descriptor, template: Template, names: list[str]
    ) -> Iterator[dict[str, Any]]:
        variables = {variable.start: variable for variable in template.variables}
        covered = {
            place
            for variable in template.variables
            for place in range(variable.start, variable.end or len(template.segments))
        }
        for place, segment in enumerate(template.segments):
            variable = variables.get(place)
            if variable is None and (place in covered or segment not in ("*", "**")):
                continue
            schema: Schema = {"type": "string"}
            if variable is not None:
                schema = self.schemas.field(_leaf(request, variable.path))
                if variable.multi:
                    schema["pattern"] = _pattern(template.segments[variable.start : variable.end])
            parameter = {"name": names.pop(0), "in": "path", "required": True, "schema": schema}
            if "description" in schema:
                parameter["description"] = schema.pop("description")
            yield parameter

    def _query_parameters(
        self, request: Descriptor, binding: Binding, from_path: frozenset[str]
    ) -> Iterator[dict[str, Any]]:
        if binding.body == "*":
            return
        for steps in _parameters(request, ()):
            path = ".".join(step.name for step in steps)
            if path in from_path or f"{path}.".startswith(f"{binding.body}."):
                continue
            schema = self.schemas.field(steps[-1])
            parameter: dict[str, Any] = {
                "name": ".".join(step.json_name for step in steps),
                "in": "query",
                "schema": schema,
            }
            if all(field_behavior_pb2.REQUIRED in behaviours(step) for step in steps):
                parameter["required"] = True
            if "description" in schema:
                parameter["description"] = schema.pop("description")
            if is_map(steps[-1]):
                parameter |= {"style": "deepObject", "explode": True}
            elif is_free(steps[-1].message_type):
                parameter["content"] = {"application/json": {"schema": parameter.pop("schema")}}
            yield parameter

    def _body(
        self, method: MethodDescriptor, policy: MethodPolicy, binding: Binding, from_path: frozenset[str]
    ) -> dict[str, Any]:
        request = method.input_type
        if binding.body == "*":
            # What the path holds may not stand in the body again.
            plain = self.schemas.object(request, from_path)
            schema = plain if from_path else self.schemas.message(request)
            required = "required" in plain
        else:
            field = _leaf(request, binding.body)
            prefix = f"{binding.body}."
            below = frozenset(path.removeprefix(prefix) for path in from_path if path.startswith(prefix))
            schema = self.schemas.field(field, below)
            required = field_behavior_pb2.REQUIRED in behaviours(field)
        content = openapi_bodies.request_content(method, policy, binding, schema)
        return {"required": required, "content": content}

    def _answer(self, method: MethodDescriptor, binding: Binding) -> dict[str, Any]:
        response = method.output_type
        if binding.response_body:
            schema = self.schemas.field(_leaf(response, binding.response_body))
        else:
            schema = self.schemas.message(response)
        return {
            "description": "The answer.",
            "content": openapi_bodies.answer_content(method, binding, schema),
        }


def _shown(template: Template) -> str:
    """A template as OpenAPI writes it: each variable one name in braces."""
    parts: list[str] = []
    place = 0
    starts = {variable.start: variable for variable in template.variables}
    while place < len(template.segments):
        variable = starts.get(place)
        if variable is not None:
            parts.append("{" + variable.path + "}")
            place = variable.end or len(template.segments)
            continue
        segment = template.segments[place]
        parts.append(f"{{part{place}}}" if segment in ("*", "**") else segment)
        place += 1
    return "/" + "/".join(parts) + (f":{template.verb}" if template.verb else "")


def _pattern(segments: tuple[str, ...]) -> str:
    patterns = {"*": "[^/]+", "**": ".*"}
    return "^" + "/".join(patterns.get(segment, re.escape(segment)) for segment in segments) + "$"


def _leaf(message: Descriptor, path: str) -> FieldDescriptor:
    field = field_at(message, path)
    if field is None:
        raise PolicyError(f"its http rule names {path}, which is no field of {message.full_name}.")
    return field


def _parameters(
    message: Descriptor, above: tuple[FieldDescriptor, ...]
) -> Iterator[tuple[FieldDescriptor, ...]]:
    """The fields that a query can set, each with the steps to it."""
    for field in message.fields:
        if field_behavior_pb2.OUTPUT_ONLY in behaviours(field):
            continue
        steps = (*above, field)
        if field.message_type is not None and is_map(field):
            if takes_text(field.message_type.fields_by_name["value"]):
                yield steps
        elif takes_text(field):
            # OpenAPI has no words for lists of parameters that are JSON each.
            if not is_free(field.message_type) or not field.is_repeated:
                yield steps
        elif field.message_type is not None and not field.is_repeated:
            holds_itself = any(step.containing_type is field.message_type for step in steps)
            if len(steps) < PARAMETER_DEPTH_MAX and not holds_itself and not is_special(field.message_type):
                yield from _parameters(field.message_type, steps)

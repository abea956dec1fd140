"""BB2xx: callers over HTTP/JSON fail, or read something else."""

from collections.abc import Iterator

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor

from bedplate.contract.bindings import Binding
from bedplate.contract.policy import PolicyError
from bedplate.gateway.routes import parse
from bedplate.lint.breaking.change import Change, Pair
from bedplate.lint.breaking.wire import WIDER, is_reasons, is_reserved, type_name
from bedplate.lint.contract import Method

_HTTP = "google.api.http"
_Route = tuple[str, tuple[str, ...], str]


def changes(pair: Pair) -> Iterator[Change]:
    """All of them."""
    for old, new in pair.messages:
        yield from _fields(old, new)
    for before, after in pair.enums:
        if not is_reasons(before):
            yield from _values(before, after)
    for one, other in pair.methods:
        if one.visible and other.visible:
            yield from _routes(one, other)


def _fields(old: Descriptor, new: Descriptor) -> Iterator[Change]:
    for field in old.fields:
        after = new.fields_by_number.get(field.number)
        name = f"{old.name}.{field.name}"
        if after is None:
            if field.name not in new.fields_by_name and is_reserved(new, field.number):
                yield Change(
                    "BB201",
                    field.full_name,
                    f"{name} is gone: JSON that has it is refused, and readers miss it; deprecate it first",
                )
        elif after.name != field.name:
            if field.name not in new.fields_by_name:
                yield Change(
                    "BB202",
                    after.full_name,
                    f"{name} is called {after.name} now, which JSON, field masks and code know it by; keep "
                    f"the name {field.name}",
                )
        elif after.json_name != field.json_name:
            yield Change(
                "BB203",
                after.full_name,
                f"{name} is called {after.json_name} in JSON and was {field.json_name}; keep that name",
            )
        elif _written_otherwise(field, after):
            yield Change(
                "BB208",
                after.full_name,
                f"{name} was {type_name(field)} and is {type_name(after)}, which JSON writes otherwise; add "
                "a field instead",
            )


def _written_otherwise(old: FieldDescriptor, new: FieldDescriptor) -> bool:
    return old.is_repeated == new.is_repeated and (old.type, new.type) in WIDER


def _values(old: EnumDescriptor, new: EnumDescriptor) -> Iterator[Change]:
    for value in old.values:
        name = f"{old.full_name}.{value.name}"
        after = new.values_by_number.get(value.number)
        if value.name in new.values_by_name:
            continue
        if after is not None:
            yield Change(
                "BB204",
                f"{new.full_name}.{after.name}",
                f"{value.name} is called {after.name} now, which is what JSON holds; keep the name",
            )
        elif is_reserved(new, value.number):
            yield Change(
                "BB209", name, f"{value.name} is gone: JSON that has it is refused; keep it, deprecated"
            )


def _routes(old: Method, new: Method) -> Iterator[Change]:
    now = {route: binding for binding in new.http if (route := _route(binding))}
    name = old.descriptor.full_name
    for index, binding in enumerate(old.http):
        route = _route(binding)
        if route is None:
            continue
        shown = f"{binding.http_method} {binding.path}"
        after = now.get(route)
        if after is None:
            code = "BB207" if index else "BB205"
            yield Change(
                code,
                name,
                f"{old.name} is not reached by {shown} any more; keep it, under additional_bindings",
                _HTTP,
            )
        elif (after.body, after.response_body) != (binding.body, binding.response_body):
            yield Change(
                "BB206",
                name,
                f"{old.name} takes or answers another part as the body of {shown} than before "
                f"({_shown(binding)} became {_shown(after)}); keep it",
                _HTTP,
            )


def _shown(binding: Binding) -> str:
    said = (("body", binding.body), ("response_body", binding.response_body))
    return " ".join(f'{name}: "{value}"' for name, value in said if value) or "no body"


def _route(binding: Binding) -> _Route | None:
    """What makes two bindings answer the same requests; the names of variables do not."""
    try:
        template = parse(binding.path, tails=True)
    except PolicyError:
        return None
    return binding.http_method, template.segments, template.verb

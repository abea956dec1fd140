"""201 and Location for calls that create, where the contract says where the new resource is found."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from bedplate.contract.policy import PolicyError
from bedplate.gateway.endpoint import Endpoint, Feature
from bedplate.gateway.exchange import Request, Response
from bedplate.gateway.routes import Template, parse

_LOCATION = "location"
_LOCATION_CHARS_MAX = 4096

# What a segment may hold as it is (RFC 3986, 3.3), but for the colon, which would read as a verb.
_SAFE = "!$&'()*+,;=@"


def compile(endpoint: Endpoint) -> Feature | None:
    """Answer 201 with the path of what was made; None where the contract says no path.

    Raises:
        PolicyError: The path cannot be made of the response.
    """
    text = endpoint.method.policy.http.created
    if not text or endpoint.method.server_streaming:
        return None
    place = f"{endpoint.method.name}: http.created {text!r}"
    if endpoint.binding.http_method in ("GET", "HEAD"):
        raise PolicyError(
            f"{place}: a {endpoint.binding.http_method} creates nothing; bind the method to a post."
        )
    locate = locator(text, endpoint.method.descriptor.output_type, place, endpoint.template)
    return Feature("created", reply=_reply(locate))


def locator(text: str, response: Descriptor, place: str, asked: Template | None = None) -> "_Value":
    """What makes the path of a new resource of the response that tells of it; empty where a part is unset.

    It takes the response, and the texts of the variables of the request's path.

    Args:
        text: The path's template, such as `/v1/shelves/{shelf.id}`.
        response: The response's type.
        place: What a mistake is found in, for its text.
        asked: The path by which it is made: what is above the new resource may come from it.

    Raises:
        PolicyError: The template is none, or names what the response does not have.
    """
    try:
        template = parse(text)
    except PolicyError as error:
        raise PolicyError(f"{place}: {error}") from None
    if not template.variables:
        raise PolicyError(
            f"{place} names no field of the response; write one, such as /v1/shelves/{{shelf.id}}."
        )
    from_path = {v.path: at for at, v in enumerate(asked.variables) if not v.multi} if asked else {}
    values = tuple(
        _from_path(from_path[variable.path])
        if variable.path in from_path and variable.path not in response.fields_by_name
        else _value(response, variable.path, variable.multi, place)
        for variable in template.variables
    )
    form = _form(template, place)

    def locate(message: Any, sent: tuple[str, ...]) -> str:
        parts = [value(message, sent) for value in values]
        return form.format(*parts) if all(parts) else ""

    return locate


_Value = Callable[[Any, tuple[str, ...]], str]


def _from_path(at: int) -> _Value:
    return lambda message, sent: quote(sent[at], safe=_SAFE)


def _value(response: Descriptor, path: str, multi: bool, place: str) -> _Value:
    descriptor: Descriptor | None = response
    field: FieldDescriptor | None = None
    steps = path.split(".")
    for step in steps:
        field = descriptor.fields_by_name.get(step) if descriptor is not None else None
        if field is None:
            raise PolicyError(f"{place}: {path} is no field of {response.full_name}.")
        if field.is_repeated:
            raise PolicyError(f"{place}: {path} is in a list; name a field that has one value.")
        descriptor = field.message_type
    kinds = (FieldDescriptor.CPPTYPE_STRING, *_WHOLE)
    if field is None or field.cpp_type not in kinds or field.type == FieldDescriptor.TYPE_BYTES:
        raise PolicyError(f"{place}: {path} must be a string or a whole number.")
    safe = f"{_SAFE}/" if multi else _SAFE

    def value(message: Any, sent: tuple[str, ...]) -> str:
        for step in steps:
            message = getattr(message, step)
        return quote(str(message), safe=safe) if message else ""

    return value


_WHOLE = (
    FieldDescriptor.CPPTYPE_INT32,
    FieldDescriptor.CPPTYPE_INT64,
    FieldDescriptor.CPPTYPE_UINT32,
    FieldDescriptor.CPPTYPE_UINT64,
)


def _form(template: Template, place: str) -> str:
    """The template as a format string, one place a variable."""
    parts: list[str] = []
    at = 0
    starts = {variable.start: variable for variable in template.variables}
    while at < len(template.segments):
        variable = starts.get(at)
        if variable is not None:
            parts.append("{}")
            at = variable.end or len(template.segments)
            continue
        segment = template.segments[at]
        if segment in ("*", "**"):
            raise PolicyError(f"{place} has a {segment} that is no field; name one.")
        parts.append(segment)
        at += 1
    return "/" + "/".join(parts) + (f":{template.verb}" if template.verb else "")


def _reply(locate: _Value) -> Callable[[Request, Response], None]:
    def reply(request: Request, response: Response) -> None:
        # A call that only looked whether it would work has made nothing, and its response names nothing.
        path = locate(response.message, request.values)
        if response.status != 200 or not path or len(path) > _LOCATION_CHARS_MAX:
            return
        response.status = 201
        if not response.get(_LOCATION):
            response.add(_LOCATION, path)

    return reply

"""A link to the next page (RFC 8288) for lists that have pages."""

from urllib.parse import quote, unquote_plus

from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor

from bedplate.contract.bindings import Binding
from bedplate.gateway.endpoint import Endpoint, Feature
from bedplate.gateway.exchange import Request, Response

_TOKEN = "page_token"  # noqa: S105 - a field's name
_NEXT = "next_page_token"
_LINK_CHARS_MAX = 8192

# What a URI may hold; in particular no angle brackets, which would end the link.
_SAFE = "!#$%&'()*+,/:;=?@[]~"


def compile(endpoint: Endpoint) -> Feature | None:
    """Name the next page; None for what is no list that a GET reads page by page."""
    method = endpoint.method.descriptor
    names = {variable.path for variable in endpoint.template.variables}
    if _TOKEN in names or not has_pages(method, endpoint.binding):
        return None
    token = method.input_type.fields_by_name[_TOKEN]
    return Feature("links", reply=_Links(frozenset({token.name, token.json_name})).reply)


def has_pages(method: MethodDescriptor, binding: Binding) -> bool:
    """Whether a binding reads a list page by page."""
    return (
        binding.http_method == "GET"
        and not method.server_streaming
        and _is_text(method.input_type, _TOKEN)
        and _is_text(method.output_type, _NEXT)
    )


def _is_text(descriptor: Descriptor, name: str) -> bool:
    field = descriptor.fields_by_name.get(name)
    return field is not None and field.type == FieldDescriptor.TYPE_STRING and not field.is_repeated


class _Links:
    """The links of one list; `names` are those of its page token."""

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names

    def reply(self, request: Request, response: Response) -> None:
        """Add the link, to the same path with the same parameters but for the page."""
        message: object = response.message
        token: str = getattr(message, _NEXT, "")
        if not token:
            return
        kept = [
            part
            for part in request.query.split("&")
            if part and unquote_plus(part.partition("=")[0]) not in self._names
        ]
        kept.append(f"{_TOKEN}={quote(token, safe='')}")
        target = quote(f"{request.path}?{'&'.join(kept)}", safe=_SAFE)
        if len(target) <= _LINK_CHARS_MAX:
            response.add("link", f'<{target}>; rel="next"')

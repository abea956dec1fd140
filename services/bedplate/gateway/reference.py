"""The reference page: an existing viewer over `/openapi.json`, all of it served from here."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from importlib.resources import files

import orjson
from google.protobuf.descriptor import MethodDescriptor

from bedplate.contract.policy import MethodPolicy, Visibility, resolve
from bedplate.gateway import problem_pages
from bedplate.gateway.exchange import Page, PageResponse, Response, header_lines
from bedplate.gateway.openapi import document

# Nothing comes from elsewhere, no script is inline, and the page calls only
# the server it came from. The viewer sets `style` attributes.
SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "style-src 'self' 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

# Path, content type and file. The viewer's path holds its version, so that it
# may be kept for ever.
_VIEWER = "/reference/rapidoc-9.3.8.js"
_FILES = {
    "/reference": ("text/html; charset=utf-8", "reference.html"),
    "/reference/reference.css": ("text/css; charset=utf-8", "reference.css"),
    _VIEWER: ("text/javascript; charset=utf-8", "rapidoc-min.js"),
}


def pages(
    methods: Iterable[MethodDescriptor],
    *,
    docs: Mapping[str, str] | None = None,
    policy_of: Callable[[MethodDescriptor], MethodPolicy] = resolve,
    title: str = "bedplate",
) -> Mapping[str, Page]:
    """What answers GET, by path: the OpenAPI document of these methods, its page, their problems.

    The document is made now; the viewer is read at the first request for it.

    Args:
        methods: The methods.
        docs: Comments of their contracts, as `document` takes them.
        policy_of: Finds their policies.
        title: Whose API it is.

    Raises:
        PolicyError: A policy or an http rule contradicts itself.
    """
    methods = list(methods)
    shown = (method for method in methods if policy_of(method).visibility is not Visibility.INTERNAL)
    problems = problem_pages.pages(method.containing_service.file for method in shown)
    made = document(methods, docs, policy_of=policy_of, title=title)
    described = _response("application/json", orjson.dumps(made), keep=False)
    found: dict[str, Page] = {**problems, "/openapi.json": lambda _: described}
    for path in _FILES:
        found[path] = _reader(path)
    return found


def _reader(path: str) -> Page:
    return lambda _: _file(path)


@cache
def _file(path: str) -> Response:
    content_type, name = _FILES[path]
    body = (files("bedplate.gateway") / "static" / name).read_bytes()
    return _response(content_type, body, keep=path == _VIEWER)


def _response(content_type: str, body: bytes, *, keep: bool) -> Response:
    headers = [
        ("content-type", content_type),
        ("cache-control", "public, max-age=31536000, immutable" if keep else "no-cache"),
    ]
    if content_type.startswith("text/html"):
        headers.append(("content-security-policy", SECURITY_POLICY))
        return PageResponse(200, header_lines(headers), body)
    return Response(200, header_lines(headers), body)

"""BP3xx: how a method is called over HTTP."""

from collections.abc import Iterator

from bedplate.contract.bindings import Binding
from bedplate.contract.policy import PolicyError
from bedplate.gateway.beside.conditional import ETAG
from bedplate.gateway.beside.created import locator
from bedplate.gateway.codec.kind import is_free
from bedplate.gateway.routes import Route, Routes, parse
from bedplate.gateway.text_value import takes_text
from bedplate.lint.contract import Contract, Method
from bedplate.lint.rule import Found, Limits, in_method, method_rule, rule
from bedplate.lint.schema import below, class_of, field_at, sensitive
from bedplate.v1 import policy_pb2 as pb

_HTTP = "google.api.http"
_BODILESS = ("GET", "DELETE", "HEAD")


@method_rule("BP301")
def reads_are_gets(method: Method) -> Iterator[Found]:
    """Everything between knows that a GET may be repeated and kept."""
    if method.options.idempotency != pb.IDEMPOTENCY_READ_ONLY:
        return
    for binding in method.http:
        if binding.http_method not in ("GET", "HEAD"):
            yield in_method(
                method,
                f"only reads, and is reached by {binding.http_method} {binding.path}; write get, so that "
                "browsers and proxies know that it may be repeated",
                _HTTP,
            )


@method_rule("BP302")
def gets_are_reads(method: Method) -> Iterator[Found]:
    """A GET may be repeated, prefetched and kept by everything between."""
    for binding in method.http:
        if binding.http_method in ("GET", "HEAD") and method.options.idempotency != pb.IDEMPOTENCY_READ_ONLY:
            yield in_method(
                method,
                f"is reached by {binding.http_method} {binding.path} and is not READ_ONLY; write post, or "
                "idempotency: IDEMPOTENCY_READ_ONLY when it only reads",
                _HTTP,
            )


@method_rule("BP303")
def visible_has_route(method: Method) -> Iterator[Found]:
    """Without a rule nobody finds it."""
    streams = method.descriptor.client_streaming or method.descriptor.server_streaming
    if method.visible and not method.http and not method.http_mistake and not streams:
        yield in_method(
            method,
            "may be seen by strangers and has no http rule, so it is 404 for them; add option "
            '(google.api.http) = {get: "/v1/..."}, or visibility: VISIBILITY_INTERNAL',
        )


@method_rule("BP304")
def route_is_visible(method: Method) -> Iterator[Found]:
    """A rule that no door reads."""
    if method.http and not method.visible:
        yield in_method(
            method,
            "has an http rule and is INTERNAL, so the rule does nothing; remove it, or write visibility: "
            "VISIBILITY_PUBLIC",
            _HTTP,
        )


@method_rule("BP305")
def no_secret_in_url(method: Method) -> Iterator[Found]:
    """A URL is written into logs and histories all along its way."""
    told: set[str] = set()
    for binding in method.http:
        for path in _in_url(method, binding):
            field = field_at(method.descriptor.input_type, path)
            if field is not None and sensitive(field) and path not in told:
                told.add(path)
                yield in_method(
                    method,
                    f"takes the {class_of(field)} {path} in the URL ({binding.http_method} {binding.path}), "
                    "which logs and histories keep; take it in the body of a post",
                    _HTTP,
                )


@method_rule("BP306")
def rule_is_usable(method: Method) -> Iterator[Found]:
    """What the gateway could not read."""
    if method.http_mistake:
        yield Found(method.descriptor.full_name, method.http_mistake, _HTTP)
    for binding in method.http:
        for sentence in _mistakes(method, binding):
            yield in_method(method, sentence, _HTTP)


@method_rule("BP307")
def get_and_delete_have_no_body(method: Method) -> Iterator[Found]:
    """Much of what is between drops it."""
    for binding in method.http:
        if binding.body and binding.http_method in _BODILESS:
            yield in_method(
                method,
                f"takes a body with {binding.http_method} {binding.path}; remove body, or use post",
                _HTTP,
            )


@rule("BP308")
def routes_differ(contract: Contract, limits: Limits) -> Iterator[Found]:
    """One of two methods that answer the same requests is never reached."""
    routes = Routes()
    for method in contract.methods:
        if not method.visible:
            continue
        for binding in method.http:
            try:
                template = parse(binding.path, tails=True)
            except PolicyError:
                continue
            try:
                routes.add(Route(binding.http_method, template, method.name, None))
            except PolicyError as error:
                yield Found(method.descriptor.full_name, str(error), _HTTP)


@method_rule("BP309")
def created_is_told(method: Method) -> Iterator[Found]:
    """A place that the response cannot tell, or that nobody finds anything at."""
    path = method.options.http.created
    if not path:
        return
    for binding in method.http:
        try:
            asked = parse(binding.path, tails=True)
        except PolicyError:
            continue
        try:
            locator(path, method.descriptor.output_type, f"{method.name}: http.created {path!r}", asked)
        except PolicyError as error:
            yield Found(method.descriptor.full_name, str(error), "http")
            return
        if binding.http_method in ("GET", "HEAD"):
            yield in_method(
                method, f"creates, and is reached by {binding.http_method} {binding.path}; write post", "http"
            )


@method_rule("BP310")
def etag_is_text(method: Method) -> Iterator[Found]:
    """An etag is compared letter by letter, and goes into a header."""
    if not method.visible or not method.http:
        return
    for message in (method.descriptor.input_type, method.descriptor.output_type):
        for path, field in below(message):
            if field.name == ETAG and (field.type != field.TYPE_STRING or field.is_repeated):
                yield in_method(method, f"has {path}, which must be a string to be an etag; change its type")


def _mistakes(method: Method, binding: Binding) -> Iterator[str]:
    request, response = method.descriptor.input_type, method.descriptor.output_type
    lenient = method.policy is not None and method.policy.http.lenient
    try:
        template = parse(binding.path, tails=lenient)
    except PolicyError as error:
        yield f"cannot be routed: {error}"
        return
    if binding.http_method == "TRACE" and not lenient:
        yield "is called by TRACE, which is for proxies and not for calls; take another"
    for variable in template.variables:
        field = field_at(request, variable.path)
        several = field is not None and field.is_repeated and not lenient
        if field is None or several or not takes_text(field) or is_free(field.message_type):
            yield (
                f"takes {variable.path} from the path {binding.path}; {request.name} must have it as one "
                "text, number, enum, time or duration"
            )
    above = "." in binding.body and not lenient
    if binding.body not in ("", "*") and (above or field_at(request, binding.body) is None):
        yield f"takes the body as {binding.body}, and {request.name} has no such field"
    if binding.response_body and binding.response_body not in response.fields_by_name:
        yield f"answers {binding.response_body}, and {response.name} has no such field"


def _in_url(method: Method, binding: Binding) -> Iterator[str]:
    """Dotted paths of the fields that come in the path or in the query."""
    try:
        yield from (variable.path for variable in parse(binding.path, tails=True).variables)
    except PolicyError:
        return
    if binding.body == "*":
        return
    for path, _ in below(method.descriptor.input_type):
        if not binding.body or path.partition(".")[0] != binding.body:
            yield path

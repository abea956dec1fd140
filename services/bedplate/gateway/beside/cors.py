"""Which pages may call from a browser: cross-origin requests (WHATWG Fetch), by `http.cors` of the policy.

A browser asks beforehand (preflight) about every request that a plain HTML form
could not make, and shows a page only answers that name its origin. Nothing here
refuses a call: who may call is decided by credentials, and pages have none that
their scripts were not given.
"""

from collections.abc import Iterable

from bedplate.gateway.endpoint import Endpoint, Feature, Fields
from bedplate.gateway.exchange import HEADERS_READ, Request, Response, header_lines

# Set by browsers themselves: a page can neither send them nor needs to ask for them.
_BROWSERS_OWN = frozenset(
    {"accept-encoding", "access-control-request-headers", "access-control-request-method", "origin"}
)
# The same list for everybody: what the gateway reads is no secret, and an answer
# that depends on what was asked would be one that caches have to keep apart.
REQUEST_HEADERS = ", ".join(sorted(HEADERS_READ - _BROWSERS_OWN))

# Without this a page sees of the headers only content-type, cache-control and the like.
RESPONSE_HEADERS = ", ".join(
    (
        *("age", "allow", "cache-status", "content-disposition", "date", "deprecation", "etag"),
        *("idempotent-replayed", "link", "location", "preference-applied", "ratelimit"),
        *("ratelimit-policy", "retry-after", "sunset", "www-authenticate", "x-request-id", "x-trace-id"),
    )
)


def compile(endpoint: Endpoint) -> Feature | None:
    """Tell browsers which pages may call; None where only those of the server's own origin may."""
    return with_headers(endpoint, ())


def with_headers(endpoint: Endpoint, names: Iterable[str]) -> Feature | None:
    """The same, where pages may also send headers that nobody reads."""
    listed = ", ".join((REQUEST_HEADERS, *names))
    cors = endpoint.method.policy.http.cors
    if cors is None or not cors.origins:
        return None
    everyone = "*" in cors.origins
    credentials = (("access-control-allow-credentials", "true"),) if cors.credentials else ()
    asked = (
        ("access-control-allow-headers", listed),
        ("access-control-max-age", str(int(cors.max_age_s))),
        *credentials,
    )
    # Caches keep the answers to pages apart from all others, for only they have these headers.
    vary = b"vary: origin\r\n"
    answered = vary + header_lines([("access-control-expose-headers", RESPONSE_HEADERS), *credentials])

    def allowed(request: Request) -> str:
        origin = request.headers.get("origin")
        if origin is None:
            return ""
        if everyone:
            return "*"
        return origin if origin in cors.origins else ""

    def always(request: Request, response: Response) -> None:
        origin = allowed(request)
        if origin:
            response.add("access-control-allow-origin", origin)
            response.fields += answered
        else:
            response.fields += vary

    def preflight(request: Request) -> Fields:
        yield "vary", "origin, access-control-request-method"
        origin = allowed(request)
        method = request.headers["access-control-request-method"]
        if origin and method.isascii() and method.isalpha():  # a binding of any method takes any text
            yield "access-control-allow-origin", origin
            # This method alone: others of the path may be for other pages.
            yield "access-control-allow-methods", method
            yield from asked

    return Feature("cors", always=always, preflight=preflight)

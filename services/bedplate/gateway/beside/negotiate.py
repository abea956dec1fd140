"""What a body is written in: `content-type` of requests, `accept` of responses.

Both are looked at when it is decided that the caller may call, before the body
is read. Failures are always `application/problem+json`, whatever `accept` says:
a caller that learns nothing cannot mend anything.
"""

from collections.abc import Sequence
from functools import lru_cache

from google.protobuf.descriptor import Descriptor

from bedplate.contract.messages import field_at
from bedplate.errors import Kind, Refusal
from bedplate.gateway.beside import quality
from bedplate.gateway.endpoint import Endpoint, Feature
from bedplate.gateway.exchange import Request, Response
from bedplate.pipeline.failure import Failure

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"

# A body that is data of any type and no JSON.
RAW = "google.api.HttpBody"

# The header in which RFC 5789 and its like say what a request may be written in.
_ANSWERS = {"PATCH": "accept-patch", "POST": "accept-post"}
_NOTE = "negotiate"
_UTF_8 = ("utf-8", "utf8")


def compile(endpoint: Endpoint) -> Feature | None:
    """For all bindings but those of lenient methods, which take and send JSON whatever is said."""
    if endpoint.method.policy.http.lenient:
        return None
    types = (JSON, MERGE_PATCH) if endpoint.binding.http_method == "PATCH" else (JSON,)

    def check(request: Request) -> None:
        headers = request.headers
        if request.body and headers.get("content-type") != JSON:
            _check_content_type(request, types)
        accept = headers.get("accept")
        if accept is not None and accept not in _USUAL:
            check_accept(accept, (JSON,))

    def check_body(request: Request) -> None:
        if request.body and request.headers.get("content-type") != JSON:
            _check_content_type(request, types)

    def check_answer(request: Request) -> None:
        accept = request.headers.get("accept")
        if accept is not None and accept not in _USUAL:
            check_accept(accept, (JSON,))

    # A stream has forms of its own to choose from, and raw data any type.
    own = endpoint.method.server_streaming or is_raw(endpoint)
    # Where there is no body to send, its type is not what is wrong with one.
    if takes_raw(endpoint) or not endpoint.binding.body:
        return Feature("negotiate", body=None if own else check_answer, failed=tell)
    return Feature("negotiate", body=check_body if own else check, failed=tell)


_USUAL = frozenset({JSON, "*/*", "application/json, */*", "application/json, text/plain, */*"})


def is_raw(endpoint: Endpoint) -> bool:
    """Whether the answers are raw data, `google.api.HttpBody`."""
    return body_type(endpoint.method.descriptor.output_type, endpoint.binding.response_body) == RAW


def takes_raw(endpoint: Endpoint) -> bool:
    """Whether the body of requests is raw data; grpc-gateway takes JSON there, and so do lenient methods."""
    binding = endpoint.binding
    raw = bool(binding.body) and body_type(endpoint.method.descriptor.input_type, binding.body) == RAW
    return raw and not endpoint.method.policy.http.lenient


def body_type(descriptor: Descriptor, selected: str) -> str:
    """The full name of the message that a body is: the whole, or the field that a rule selects."""
    if not selected or selected == "*":
        return descriptor.full_name
    field = field_at(descriptor, selected)
    if field is None or field.is_repeated or field.message_type is None:
        return ""
    return field.message_type.full_name


def tell(request: Request, response: Response, failure: Failure) -> None:
    """Add the headers that `noted` left for the failure's response."""
    for name, value in request.notes.get(_NOTE, ()):
        response.add(name, value)


def noted(request: Request, *fields: tuple[str, str]) -> None:
    """Headers that the response has if the call fails now."""
    request.notes[_NOTE] = fields


def _check_content_type(request: Request, types: tuple[str, ...]) -> None:
    """Raises Refusal: CONTENT_TYPE_UNSUPPORTED: the body is none of these types in UTF-8."""
    try:
        name, parameters = quality.named(request.headers.get("content-type", ""))
    except ValueError:
        name, parameters = "", []
    charset = [value for key, value in parameters if key == "charset"]
    if name in types and (not charset or (len(charset) == 1 and charset[0] in _UTF_8)):
        return
    listed = ", ".join(types)
    noted(request, ("accept", listed), *((a, listed) for m, a in _ANSWERS.items() if m == request.method))
    raise Refusal(
        Kind.INVALID,
        "CONTENT_TYPE_UNSUPPORTED",
        "The body must be JSON in UTF-8; send `content-type: application/json`.",
        accept=listed,
    )


def check_accept(accept: str, offers: tuple[str, ...]) -> str:
    """The type that a caller likes best of those offered.

    Raises:
        Refusal: NOT_ACCEPTABLE or HTTP_MALFORMED.
    """
    try:
        found = best(accept, offers)
    except ValueError as error:
        raise Refusal(
            Kind.INVALID,
            "HTTP_MALFORMED",
            f"The header accept {error}; send media types with commas, such as application/json.",
        ) from None
    if not found:
        listed = ", ".join(offers)
        raise Refusal(
            Kind.INVALID,
            "NOT_ACCEPTABLE",
            f"The caller takes nothing that this call answers; accept {listed}, or leave the header out.",
            available=listed,
        )
    return found


def best(accept: str, offers: tuple[str, ...]) -> str:
    """The media type that a caller likes best of those offered; empty: it takes none of them.

    Of those that it likes alike the first is taken. An empty header says nothing, and so takes all.

    Raises:
        ValueError: The header is malformed.
    """
    return _cached(accept, offers) if len(accept) <= quality.CACHED_CHARS_MAX else _best(accept, offers)


def _best(accept: str, offers: tuple[str, ...]) -> str:
    wanted = quality.choices(accept)
    if any("/" not in choice.name and choice.name != "*" for choice in wanted):
        raise ValueError("is malformed")
    if not wanted:
        return offers[0]
    ranked = [(_quality(wanted, offer), offer) for offer in offers]
    highest = max(rank for rank, _ in ranked)
    return next(offer for rank, offer in ranked if rank == highest) if highest > 0 else ""


_cached = lru_cache(quality.CACHED_MAX)(_best)


def _quality(wanted: Sequence[quality.Choice], offer: str) -> float:
    """How much a caller likes a type, by the most specific of its ranges that holds it; 0: not at all."""
    found = (-1, 0.0)
    family = f"{offer.partition('/')[0]}/*"
    for choice in wanted:
        if any(key != "charset" or value not in _UTF_8 for key, value in choice.parameters):
            continue  # it wants a sort of this type that we do not write, such as another version
        # `*` alone is what Java's HttpURLConnection sends for `*/*`.
        ranks = {offer: 2, family: 1, "*/*": 0, "*": 0}
        rank = ranks.get(choice.name, -1)
        if rank >= 0:
            found = max(found, (2 * rank + bool(choice.parameters), choice.quality))
    return found[1]

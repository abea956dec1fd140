"""Conditional requests (RFC 9110, 13; AIP-154): etag, if-none-match, if-match.

A read has a tag: the etag of the resource that it answers, or a hash of the
body. A write takes if-match as the etag of its request, so that the service
decides in its own transaction whether the resource is still that one. A
condition that a call cannot keep is refused: one that is passed over would be
worse than none.
"""

from collections.abc import Callable
from hashlib import blake2b
from typing import Any

import orjson
from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message

from bedplate.contract.messages import field_at
from bedplate.contract.policy import Idempotency, MethodPolicy
from bedplate.errors import Kind, Refusal, Violation
from bedplate.gateway.beside import tags
from bedplate.gateway.beside.tags import Tag
from bedplate.gateway.codec.kind import is_special
from bedplate.gateway.codec.text import refusal
from bedplate.gateway.endpoint import Endpoint, Feature
from bedplate.gateway.exchange import Request, Response
from bedplate.pipeline.failure import Failure

ETAG = "etag"
_IF_MATCH = "if-match"
_IF_NONE_MATCH = "if-none-match"
_HEADERS = frozenset({_IF_MATCH, _IF_NONE_MATCH})

_HASH_BYTES = 12
_VIEW_BYTES = 4

_READS = ("GET", "HEAD")

# In these a resource that is not there answers NOT_FOUND, so that `if-match: *` holds wherever they succeed.
_NEED_ONE = ("PATCH", "DELETE")


def compile(endpoint: Endpoint) -> Feature | None:
    """Tags and conditions of reads, conditions of writes; what streams has no tag, and keeps no condition."""
    if endpoint.method.server_streaming:
        lenient = endpoint.method.policy.http.lenient
        return None if lenient else Feature("conditional", _HEADERS, fill=_stream_fill)
    read_etag = _reader(endpoint.method.descriptor.output_type, endpoint.binding.response_body)
    if endpoint.binding.http_method in _READS:
        return Feature("conditional", reply=_read_reply(read_etag))
    creates = makes_once(endpoint.method.descriptor, endpoint.method.policy)
    return Feature(
        "conditional",
        _HEADERS,
        fill=_write_fill(endpoint, creates=creates),
        reply=_write_reply(read_etag) if read_etag is not None else None,
        failed=_exists if creates else None,
    )


def is_create(method: MethodDescriptor) -> bool:
    """Whether a method makes what was not there (AIP-133)."""
    return bool(method.name.startswith("Create"))


def makes_once(method: MethodDescriptor, policy: MethodPolicy) -> bool:
    """Whether a method refuses what is there already, so that it keeps `if-none-match: *`.

    One that is idempotent by nature answers what it finds: of two callers that
    want to be the first, both would be told that they are.
    """
    return is_create(method) and policy.idempotency is not Idempotency.NATURAL


def etag_place(method: MethodDescriptor, body: str) -> tuple[str, ...]:
    """The steps to the field that a write takes as the etag of what it changes; empty: it takes none."""
    request = method.input_type
    if is_create(method):
        return ()  # what is made has no etag before
    if _is_etag(request.fields_by_name.get(ETAG)):
        return (ETAG,)
    fields = list(request.fields) if body in ("", "*") else [field_at(request, body)]
    parents = body.split(".")[:-1]
    places = [field.name for field in fields if field is not None and _has_etag(field)]
    return (*parents, places[0], ETAG) if len(places) == 1 else ()


def has_tag(response: Descriptor, response_body: str) -> bool:
    """Whether a response tells the etag of a resource."""
    return _reader(response, response_body) is not None


def _is_etag(field: FieldDescriptor | None) -> bool:
    return field is not None and field.type == FieldDescriptor.TYPE_STRING and not field.is_repeated


def _has_etag(field: FieldDescriptor) -> bool:
    below = field.message_type
    if below is None or field.is_repeated or is_special(below):
        return False
    return _is_etag(below.fields_by_name.get(ETAG))


def _reader(response: Descriptor, response_body: str) -> Callable[[Any], str] | None:
    """What reads the etag of the resource that a response is or holds; None where none is told."""
    if response_body:
        field = response.fields_by_name.get(response_body)
    elif _is_etag(response.fields_by_name.get(ETAG)):
        return lambda message: str(message.etag)
    else:
        held = [f for f in response.fields if f.message_type is not None and not f.is_repeated]
        field = held[0] if len(held) == 1 else None
    if field is None or not _has_etag(field):
        return None
    name = field.name
    return lambda message: str(getattr(message, name).etag)


def _read_reply(read_etag: Callable[[Any], str] | None) -> Callable[[Request, Response], None]:
    def reply(request: Request, response: Response) -> None:
        if response.status != 200 or response.message is None:
            return
        call = request.call
        own = response.get(ETAG) if call is not None and call.response_headers else ""
        if not own:
            etag = read_etag(response.message) if read_etag is not None else ""
            own = _tag(etag, request, response)
            response.fields += f"etag: {own}\r\n".encode("latin-1")
        headers = request.headers
        if _IF_MATCH in headers:
            _check_match(headers[_IF_MATCH], own)
        if _IF_NONE_MATCH in headers:
            _check_none_match(headers[_IF_NONE_MATCH], own, response)

    return reply


def _tag(etag: str, request: Request, response: Response) -> str:
    if not etag:
        return f'"{blake2b(response.body, digest_size=_HASH_BYTES).hexdigest()}"'
    tag = tags.tag_of(etag)
    if request.encode is None:
        return tag
    return tags.view_of(tag, blake2b(response.body, digest_size=_VIEW_BYTES).hexdigest())


def _check_match(value: str, own: str) -> None:
    """Refuse an answer that is not what the caller wants to read; tags are compared as strong ones."""
    listed = tags.read(_IF_MATCH, value)
    if listed is None:
        return
    mine = tags.one(own)
    if mine is not None and not mine.weak and mine in listed:
        return
    raise Refusal(
        Kind.CONFLICT,
        "PRECONDITION_FAILED",
        "The resource has another etag than if-match says; read it again without if-match.",
    )


def _check_none_match(value: str, own: str, response: Response) -> None:
    """Answer 304 to a caller that has what would be answered; tags are compared as weak ones."""
    listed = tags.read(_IF_NONE_MATCH, value)
    if listed is not None:
        mine = tags.one(own)
        if mine is None or all(tag.text != mine.text for tag in listed):
            return
    response.status = 304
    response.body = b""
    response.set("content-type", "")


def _stream_fill(request: Request, message: Message) -> None:
    for header in (_IF_MATCH, _IF_NONE_MATCH):
        if header in request.headers:
            raise _not_taken(header, "")


def _write_reply(read_etag: Callable[[Any], str]) -> Callable[[Request, Response], None]:
    def reply(request: Request, response: Response) -> None:
        """Tell the tag of what the resource is now, so that the next change needs no read."""
        etag = read_etag(response.message)
        if etag and not response.get(ETAG):
            response.add(ETAG, tags.tag_of(etag))

    return reply


def _write_fill(endpoint: Endpoint, *, creates: bool) -> Callable[[Request, Message], None]:
    request_type = endpoint.method.descriptor.input_type
    place = etag_place(endpoint.method.descriptor, endpoint.binding.body)
    may_miss = "allow_missing" in request_type.fields_by_name
    any_one = may_miss or endpoint.binding.http_method in _NEED_ONE

    def fill(request: Request, message: Message) -> None:
        headers = request.headers
        if _IF_MATCH in headers:
            listed = tags.read(_IF_MATCH, headers[_IF_MATCH])
            if listed is None:
                _check_any(message, takes=any_one, may_miss=may_miss)
            else:
                _fill(message, place, listed)
        if _IF_NONE_MATCH in headers:
            listed = tags.read(_IF_NONE_MATCH, headers[_IF_NONE_MATCH])
            if listed is not None or not creates:
                raise _not_taken(_IF_NONE_MATCH, "; `*` is for calls that create" if creates else "")

    return fill


def _check_any(message: Any, *, takes: bool, may_miss: bool) -> None:
    """`if-match: *` says that there must be one; a call that could make one has to be told."""
    if not takes:
        raise _not_taken(_IF_MATCH, " that names no etag")
    if may_miss and message.allow_missing:
        sentence = (
            "`if-match: *` says that the resource must be there, and this field that it need not; send one."
        )
        raise refusal([Violation("allow_missing", sentence, "http.twice")])


def _fill(message: Any, place: tuple[str, ...], listed: tuple[Tag, ...]) -> None:
    if not place:
        raise _not_taken(_IF_MATCH, "")
    strong = [tag for tag in listed if not tag.weak]
    if not strong:
        raise Refusal(
            Kind.CONFLICT,
            "PRECONDITION_FAILED",
            "A weak etag never matches in if-match; send the one that an answer had, without W/.",
        )
    if len(strong) > 1:
        sentence = "This call is about one resource, which has one etag; send one in if-match."
        raise refusal([Violation(_IF_MATCH, sentence, "http.if_match")])
    path = ".".join(place)
    for at, step in enumerate(place[:-1], 1):
        if not message.HasField(step):
            sentence = "if-match is about this field, which is not there; send it."
            raise refusal([Violation(".".join(place[:at]), sentence, "http.if_match")])
        message = getattr(message, step)
    field = message.DESCRIPTOR.fields_by_name[ETAG]
    if message.HasField(ETAG) if field.has_presence else message.etag:
        sentence = f"The etag stands in the request's {path} and in the header if-match; send it in one."
        raise refusal([Violation(path, sentence, "http.twice")])
    oneof = field.containing_oneof
    other = message.WhichOneof(oneof.name) if oneof is not None else None
    if other is not None:
        sentence = f"Only one of {ETAG} (by if-match) and {other} may be set; send one."
        raise refusal([Violation(path, sentence, "http.oneof")])
    message.etag = strong[0].etag


def _not_taken(header: str, which: str) -> Refusal:
    sentence = (
        f"This call takes no {header}{which}: it could not keep the condition; send the request without it."
    )
    return refusal([Violation(header, sentence, "http.condition")])


def _exists(request: Request, response: Response, failure: Failure) -> None:
    """Who asked to create only what is not there learns by 412 that it is."""
    if (
        failure.code != "ALREADY_EXISTS"
        or failure.reason == "IDEMPOTENCY_KEY_REUSED"
        or _IF_NONE_MATCH not in request.headers
    ):
        return
    response.status = 412
    response.body = orjson.dumps({**orjson.loads(response.body), "status": 412})

"""Headers of requests and answers, and the answers that they lead to, as an OpenAPI document tells them."""

from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import MethodDescriptor

from bedplate.contract.bindings import Binding
from bedplate.contract.policy import Idempotency, MethodPolicy
from bedplate.gateway.beside import links, streams
from bedplate.gateway.beside.conditional import etag_place, has_tag, makes_once
from bedplate.gateway.beside.idempotency import KEY_CHARS_MAX

_READS = ("GET", "HEAD")
_TEXT = {"type": "string"}
_ETAG = {"description": "The tag of this answer, or of the resource that it tells.", "schema": _TEXT}


def parameters(method: MethodDescriptor, policy: MethodPolicy, binding: Binding) -> Iterator[dict[str, Any]]:
    """The headers that a request of a binding may have, beside those of all requests."""
    if method.server_streaming:
        if streams.resumes(method):
            yield _header("Last-Event-ID", "Where to go on; in place of the field `resume_token`.")
        return
    if binding.http_method in _READS:
        yield _header("If-None-Match", "Tags that the caller has; 304 when the answer has one of them.")
        return
    if etag_place(method, binding.body):
        yield _header("If-Match", "The ETag that the resource must still have; in place of the field `etag`.")
    if makes_once(method, policy):
        yield _header("If-None-Match", "`*`: 412 in place of 409 when it is there already.")
    if policy.idempotency is Idempotency.REQUEST_ID:
        said = "The request id, in place of the field `request_id`; the same again gets the first answer."
        schema = {"type": "string", "minLength": 1, "maxLength": KEY_CHARS_MAX}
        yield {**_header("Idempotency-Key", said), "schema": schema}
    yield _header("Prefer", "`return=minimal` leaves the answer's body out.")


def _header(name: str, description: str) -> dict[str, Any]:
    return {"name": name, "in": "header", "schema": _TEXT, "description": description}


def answers(
    method: MethodDescriptor, policy: MethodPolicy, binding: Binding, answer: dict[str, Any]
) -> dict[str, Any]:
    """The answers to a call that succeeds, by status; `answer` is the usual one."""
    if method.server_streaming:
        return {"200": answer}
    reads = binding.http_method in _READS
    headers: dict[str, Any] = {}
    if reads or has_tag(method.output_type, binding.response_body):
        headers["ETag"] = _ETAG
    if policy.replay is not None:
        headers["Idempotent-Replayed"] = {
            "description": "`true`: this is the answer to an earlier call with the same request id.",
            "schema": _TEXT,
        }
    if links.has_pages(method, binding):
        headers["Link"] = {"description": 'The next page, as `<...>; rel="next"`.', "schema": _TEXT}
    found = {"200": {**answer, "headers": headers} if headers else answer}
    if policy.http.created:
        place = {"description": f"Where it is: {policy.http.created}", "schema": _TEXT}
        found["201"] = {**answer, "description": "It was made.", "headers": {"Location": place, **headers}}
    if reads:
        found["304"] = {"description": "The caller has it already.", "headers": {"ETag": _ETAG}}
    else:
        minimal = {"description": "It was done, and no answer was wanted."}
        found["204"] = {**minimal, "headers": headers} if headers else minimal
    return dict(sorted(found.items()))


def not_met(method: MethodDescriptor, binding: Binding) -> frozenset[str]:
    """Platform reasons of conditions that no caller of a binding can set."""
    if binding.http_method in _READS:
        return frozenset({"ETAG_MISMATCH"})
    if etag_place(method, binding.body):
        return frozenset()
    return frozenset({"ETAG_MISMATCH", "PRECONDITION_FAILED"})

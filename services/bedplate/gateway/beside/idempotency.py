"""Idempotency-Key (draft-ietf-httpapi-idempotency-key-header): the request id of a call, as a header.

The header and the field `request_id` are one thing with two names. What is
done with it is the pipeline's: see docs/decisions/0006-idempotency.md.
"""

import re
from typing import Any

import orjson
from google.protobuf.message import Message

from bedplate.contract.policy import Idempotency
from bedplate.errors import Kind, Refusal, Violation
from bedplate.gateway.codec.text import refusal
from bedplate.gateway.endpoint import Endpoint, Feature
from bedplate.gateway.exchange import Request, Response
from bedplate.pipeline.failure import Failure

KEY = "idempotency-key"
KEY_CHARS_MAX = 255
FIELD = "request_id"
_HEADERS = frozenset({KEY})

# A string of RFC 9651, or the same characters without quotes, as many clients send them.
_QUOTED = re.compile(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)"')
_BARE = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]+")
_ESCAPE = re.compile(r'\\(["\\])')


def compile(endpoint: Endpoint) -> Feature | None:
    """Take the header as the request id; None where a repeat does no harm anyway.

    A method without idempotency refuses the header: who sends it relies on
    it. It is passed over where the contract is lenient, as grpc-gateway does.
    """
    policy = endpoint.method.policy
    if policy.idempotency is Idempotency.REQUEST_ID:
        return Feature("idempotency", _HEADERS, fill=_fill, failed=_failed)
    if policy.idempotency is Idempotency.NONE and not policy.http.lenient:
        return Feature("idempotency", _HEADERS, fill=_refuse)
    return None


def read(value: str) -> str:
    """The key that a header holds.

    Raises:
        Refusal: HTTP_MALFORMED: it is none, or too long.
    """
    quoted = _QUOTED.fullmatch(value)
    key = _ESCAPE.sub(r"\1", quoted[1]) if quoted is not None else value
    if not key or len(key) > KEY_CHARS_MAX or (quoted is None and _BARE.fullmatch(value) is None):
        raise _malformed()
    if " " in key:
        raise _malformed()
    return key


def _malformed() -> Refusal:
    return Refusal(
        Kind.INVALID,
        "HTTP_MALFORMED",
        f"{KEY} is malformed; send 1 to {KEY_CHARS_MAX} visible ASCII characters in quotes, such as "
        '"0f1d6a5e-8c3b-4f6e-9d57-2f4a1c0b7e11".',
    )


def _fill(request: Request, message: Any) -> None:
    value = request.headers.get(KEY)
    if value is None:
        return
    key = read(value)
    if message.request_id:
        sentence = f"The request id stands in this field and in the header {KEY}; send it in one of them."
        raise refusal([Violation(FIELD, sentence, "http.twice")])
    message.request_id = key


def _refuse(request: Request, message: Message) -> None:
    if KEY not in request.headers:
        return
    sentence = (
        "This call has a new effect each time it is sent, with a key or without; send it without the header, "
        "and do not repeat it unasked."
    )
    raise refusal([Violation(KEY, sentence, "http.idempotency")])


def _failed(request: Request, response: Response, failure: Failure) -> None:
    """Name what the caller sent: the header, where it was that and no field."""
    if failure.reason != "INVALID_REQUEST" or KEY not in request.headers:
        return
    document = orjson.loads(response.body)
    listed = [*document.get("violations", ())]
    for detail in document["details"]:
        listed += detail.get("fieldViolations", ())
    renamed = [violation for violation in listed if violation.get("field") == FIELD]
    if any(violation.get("rule", violation.get("reason")) == "http.twice" for violation in renamed):
        return
    for violation in renamed:
        violation["field"] = KEY
    if renamed:
        document["detail"] = document["detail"].replace(f"{FIELD}: ", f"{KEY}: ", 1)
        response.body = orjson.dumps(document)

"""How an OpenAPI document tells what a call can be refused with."""

import re
from collections.abc import Callable, Iterator, Mapping
from http import HTTPStatus
from typing import Any

from google.protobuf.descriptor import MethodDescriptor

from bedplate.contract import reasons
from bedplate.contract.policy import MethodPolicy
from bedplate.contract.reasons import Reason
from bedplate.gateway.problem import PROBLEM_TYPE, http_status

# Platform reasons that no call of a listed operation meets, or that are of a
# deployment (its peers, its faults) and not of the contract.
_NOT_OF_OPERATIONS = {
    "METHOD_NOT_FOUND",
    "ROUTE_NOT_FOUND",
    "HTTP_METHOD_NOT_ALLOWED",
    "CANCELLED",
    "PEER_FORBIDDEN",
    "FAULT_INJECTED",
    "FAULTS_FORBIDDEN",
    "OVERRIDE_REFUSED",
    "OVERRIDE_NOT_FOUND",
    "ENVIRONMENT_MISMATCH",
    # Of Connect and gRPC-Web, which OpenAPI does not describe.
    "COMPRESSION_UNSUPPORTED",
    "MESSAGE_COUNT_WRONG",
}
_OF_BODIES = {"CONTENT_TYPE_UNSUPPORTED", "MESSAGE_TOO_LARGE"}


def _known(policy: MethodPolicy) -> bool:
    return policy.auth is None or not policy.auth.anonymous


# Platform reasons that only some policies have.
_ONLY_WITH: dict[str, Callable[[MethodPolicy], object]] = {
    "CREDENTIAL_MISSING": _known,
    "CREDENTIAL_INVALID": _known,
    "TENANT_MISSING": _known,
    "SCOPE_MISSING": lambda policy: policy.auth and (policy.auth.all_scopes or policy.auth.any_scopes),
    "AUDIENCE_WRONG": lambda policy: policy.auth and policy.auth.audiences,
    "STEP_UP_REQUIRED": lambda policy: policy.auth and policy.auth.step_up,
    "RELATION_MISSING": lambda policy: policy.auth and policy.auth.relation,
    "RATE_LIMITED": lambda policy: policy.rate,
    "METHOD_SUNSET": lambda policy: policy.deprecation and policy.deprecation.sunset,
    "IDEMPOTENCY_KEY_REUSED": lambda policy: policy.replay,
    "IDEMPOTENCY_IN_PROGRESS": lambda policy: policy.replay,
}

_WORD = re.compile(r"\b[A-Z][A-Z0-9_]+\b")
_AS_OTHER = re.compile(r"\bas\s+(\w+)\s+does\b")

_TEXT = {"type": "string"}

# What gateway/problem.py writes.
PROBLEM: dict[str, Any] = {
    "title": "Problem",
    "type": "object",
    "description": "Why a call failed (RFC 9457). Switch on `reason`; show `detail` to people.",
    "properties": {
        "type": {
            "type": "string",
            "format": "uri-reference",
            "description": "Where the reason is explained.",
        },
        "title": {**_TEXT, "description": "The reason in words."},
        "status": {"type": "integer", "description": "The HTTP status."},
        "detail": {**_TEXT, "description": "What is wrong here and how to mend it. May change."},
        "code": {**_TEXT, "description": "The gRPC code, such as `INVALID_ARGUMENT`."},
        "reason": {**_TEXT, "description": "Which failure it is. Never changes its meaning."},
        "domain": {**_TEXT, "description": "Whose reason it is."},
        "metadata": {
            "type": "object",
            "additionalProperties": _TEXT,
            "description": "What a program may want to know.",
        },
        "violations": {
            "type": "array",
            "description": "The fields that break a rule.",
            "items": {
                "type": "object",
                "properties": {
                    "field": {**_TEXT, "description": "Its path in the request, by names of the contract."},
                    "description": {**_TEXT, "description": "What is wrong with it and how to mend it."},
                    "rule": {**_TEXT, "description": "The rule's id; may be empty."},
                },
                "required": ["field", "description"],
            },
        },
        "error_id": {**_TEXT, "description": "Report it to the operator."},
        "retry_after": {"type": "number", "description": "Seconds to wait before trying again."},
        "trace_id": {**_TEXT, "description": "The call's trace, 32 hex digits."},
        "details": {
            "type": "array",
            "items": {"type": "object", "additionalProperties": True},
            "description": "The same as google.rpc details.",
        },
    },
    "required": ["type", "title", "status", "detail", "code", "reason", "domain"],
}


def failures(
    method: MethodDescriptor,
    policy: MethodPolicy,
    docs: Mapping[str, str],
    *,
    has_body: bool,
    without: frozenset[str] = frozenset(),
) -> dict[str, Any]:
    """The problem responses of an operation, by HTTP status: each lists its reasons and what to do.

    Of the platform's reasons those that it can meet, `without` those named. Of
    the service's reasons those that the method's comment names; all of them
    where there is no comment.
    """
    by_status: dict[int, list[Reason]] = {}
    for reason in _reasons(method, policy, docs, has_body=has_body):
        if reason.domain == "bedplate" and reason.name in without:
            continue
        by_status.setdefault(http_status(reason.code, reason.name, reason.domain), []).append(reason)
    return {
        str(status): {
            "description": "\n".join(
                [f"{_phrase(status)}.", "", *(f"- `{reason.name}`: {reason.help}" for reason in found)]
            ),
            "content": {
                PROBLEM_TYPE: {
                    "schema": {
                        "allOf": [
                            {"$ref": "#/components/schemas/Problem"},
                            {"properties": {"reason": {"enum": sorted(r.name for r in found)}}},
                        ]
                    }
                }
            },
        }
        for status, found in sorted(by_status.items())
    }


def _reasons(
    method: MethodDescriptor, policy: MethodPolicy, docs: Mapping[str, str], *, has_body: bool
) -> Iterator[Reason]:
    own = reasons.of_file(method.containing_service.file)
    for reason in reasons.platform().values():
        name = reason.name
        if (
            name in _NOT_OF_OPERATIONS
            or (name in _ONLY_WITH and not _ONLY_WITH[name](policy))
            or (name in _OF_BODIES and not has_body)
            or (name == "PAGE_TOKEN_INVALID" and "page_token" not in method.input_type.fields_by_name)
        ):
            continue
        yield reason
    said = _said(method, docs, frozenset())
    for name, reason in own.items():
        if said is None or name in said:
            yield reason


def _said(method: MethodDescriptor, docs: Mapping[str, str], seen: frozenset[str]) -> set[str] | None:
    """The words in capitals of a method's comment, and of those it refers to; None without a comment."""
    service = method.containing_service
    doc = docs.get(f"{service.full_name}.{method.name}")
    if doc is None:
        return None
    found = set(_WORD.findall(doc))
    for other in _AS_OTHER.findall(doc):
        if other in service.methods_by_name and other not in seen:
            found |= _said(service.methods_by_name[other], docs, seen | {method.name}) or set()
    return found


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Client closed request"

"""The policy of each method, read from the descriptors.

`resolve` merges what a method says with its service's defaults and bedplate's
own, once at start; everything else works with the result.
"""

import enum
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor, ServiceDescriptor
from google.rpc import code_pb2

from bedplate.contract import promises
from bedplate.contract.promises import (
    Cache,
    Concurrency,
    Criticality,
    DeadlineMode,
    Deprecation,
    Hedge,
    Http,
    PolicyError,
    Rate,
    Relation,
    Replay,
    Slo,
    StepUp,
)
from bedplate.contract.promises import seconds as _seconds
from bedplate.v1 import policy_pb2

__all__ = [
    "Auth",
    "Idempotency",
    "MethodPolicy",
    "PolicyError",
    "Retry",
    "Visibility",
    "resolve",
    "service_policy",
]

DEADLINE_DEFAULT_S = 5.0
DEADLINE_MAX_S = 30.0
REQUEST_BYTES = 4 * 1024 * 1024
RESPONSE_BYTES = 4 * 1024 * 1024
RETRY_TOKENS = 10
RETRY_TOKEN_RATIO = 0.1


class Idempotency(enum.Enum):
    """What happens when the same call arrives twice; see policy.proto."""

    NONE = policy_pb2.IDEMPOTENCY_NONE
    READ_ONLY = policy_pb2.IDEMPOTENCY_READ_ONLY
    NATURAL = policy_pb2.IDEMPOTENCY_NATURAL
    REQUEST_ID = policy_pb2.IDEMPOTENCY_REQUEST_ID


class Visibility(enum.Enum):
    """Who may see a method; see policy.proto."""

    INTERNAL = policy_pb2.VISIBILITY_INTERNAL
    PARTNER = policy_pb2.VISIBILITY_PARTNER
    PUBLIC = policy_pb2.VISIBILITY_PUBLIC


@dataclass(frozen=True, slots=True)
class Auth:
    """Who may call."""

    anonymous: bool
    all_scopes: frozenset[str]
    any_scopes: frozenset[str]
    audiences: frozenset[str] = frozenset()
    step_up: StepUp | None = None
    relation: Relation | None = None


@dataclass(frozen=True, slots=True)
class Retry:
    """When a caller may try again; waits in seconds, codes by name."""

    max_attempts: int
    initial_backoff_s: float = 0.05
    max_backoff_s: float = 1.0
    backoff_multiplier: float = 2.0
    codes: tuple[str, ...] = ("UNAVAILABLE",)


@dataclass(frozen=True, slots=True)
class MethodPolicy:
    """The policy of one method, complete.

    Attributes:
        method: Full name, `package.Service/Method`.
        deadline_default_s: Used when the caller names none, seconds.
        deadline_max_s: Longest that a caller gets, seconds.
        idempotency: What happens when the same call arrives twice.
        retry: When a caller may try again; None: never, or it is hedged.
        auth: Who may call; None when the contract does not say, which stops start-up.
        visibility: Who may see the method.
        request_bytes: Largest request on the wire.
        response_bytes: Largest response on the wire.
        options: All of it as the merged message.
        sources: Where each set option came from: `method` or `service`.
        descriptor: The method in its contract.
        deadline_mode: What is done with the deadline.
        criticality: What is refused first under overload.
        hedge: When a caller may ask a second server; None: never.
        rate: How often one caller may call; None: no limit.
        concurrency: How many calls run at once; None: no limit.
        cache: How long an answer may be reused; None: never.
        slo: How fast and available it is meant to be; None: unsaid.
        replay: How outcomes are kept for repeats; None: they are not.
        deprecation: Since when it should not be used; None: it is in use.
        audit: Whether each call leaves an audit record.
        calls: The methods it calls, and how often at most.
        rollout_percent: Share of the callers that are answered, 0 to 100.
        http: How it answers over HTTP.
    """

    method: str
    deadline_default_s: float
    deadline_max_s: float
    idempotency: Idempotency
    retry: Retry | None
    auth: Auth | None
    visibility: Visibility
    request_bytes: int
    response_bytes: int
    options: policy_pb2.MethodPolicy
    sources: MappingProxyType[str, str]
    descriptor: MethodDescriptor
    deadline_mode: DeadlineMode = DeadlineMode.ENFORCE
    criticality: Criticality = Criticality.DEFAULT
    hedge: Hedge | None = None
    rate: Rate | None = None
    concurrency: Concurrency | None = None
    cache: Cache | None = None
    slo: Slo | None = None
    replay: Replay | None = None
    deprecation: Deprecation | None = None
    audit: bool = False
    calls: tuple[tuple[str, int], ...] = ()
    rollout_percent: float = 100.0
    http: Http = promises.HTTP_USUAL


def service_policy(service: ServiceDescriptor) -> policy_pb2.ServicePolicy:
    """The options that a service sets for itself and as its methods' defaults."""
    options: policy_pb2.ServicePolicy = service.GetOptions().Extensions[policy_pb2.service]
    return options


def resolve(method: MethodDescriptor) -> MethodPolicy:
    """The complete policy of a method.

    Raises:
        PolicyError: The options contradict each other or leave their bounds.
    """
    own: policy_pb2.MethodPolicy = method.GetOptions().Extensions[policy_pb2.policy]
    merged = policy_pb2.MethodPolicy()
    sources: dict[str, str] = {}
    for origin, options in (("service", service_policy(method.containing_service).defaults), ("method", own)):
        for field, value in options.ListFields():
            sources[field.name] = origin
            _replace(merged, field, value)
    return complete(method, merged, sources)


def complete(
    method: MethodDescriptor, merged: policy_pb2.MethodPolicy, sources: dict[str, str]
) -> MethodPolicy:
    """The complete policy of a method whose options are merged already; see `resolve`.

    Args:
        method: The method.
        merged: Its options, with those of its service and of the deployment in them.
        sources: Where each set option came from.

    Raises:
        PolicyError: The options contradict each other or leave their bounds.
    """
    name = f"{method.containing_service.full_name}/{method.name}"
    try:
        return _complete(name, method, merged, sources)
    except ValueError as error:  # a number of an enum that has no such one
        raise PolicyError(f"{name}: {error}; write one of the names in policy.proto") from error


def _complete(
    name: str, method: MethodDescriptor, merged: policy_pb2.MethodPolicy, sources: dict[str, str]
) -> MethodPolicy:
    default_s = _seconds(merged.deadline.default) or DEADLINE_DEFAULT_S
    max_s = _seconds(merged.deadline.max) or max(DEADLINE_MAX_S, default_s)
    if not 0 < default_s <= max_s:
        raise PolicyError(f"{name}: deadline.default must be above 0 and at most deadline.max ({max_s:g} s)")
    retry, hedge = _again(name, method, merged, sources)
    return MethodPolicy(
        method=name,
        deadline_default_s=default_s,
        deadline_max_s=max_s,
        idempotency=Idempotency(merged.idempotency or policy_pb2.IDEMPOTENCY_NONE),
        retry=retry,
        auth=_auth(name, merged),
        visibility=Visibility(merged.visibility or policy_pb2.VISIBILITY_INTERNAL),
        request_bytes=_bytes(name, "request_bytes", merged.limits.request_bytes) or REQUEST_BYTES,
        response_bytes=_bytes(name, "response_bytes", merged.limits.response_bytes) or RESPONSE_BYTES,
        options=merged,
        sources=MappingProxyType(sources),
        descriptor=method,
        deadline_mode=DeadlineMode(merged.deadline.mode or policy_pb2.DEADLINE_MODE_ENFORCE),
        criticality=Criticality(merged.criticality or policy_pb2.CRITICALITY_DEFAULT),
        hedge=hedge,
        rate=promises.rate(name, merged),
        concurrency=promises.concurrency(name, merged),
        cache=promises.cache(name, merged, own=sources.get("cache") != "service"),
        slo=promises.slo(name, merged),
        replay=promises.replay(name, merged, own=sources.get("replay") != "service"),
        deprecation=promises.deprecation(name, merged),
        audit=merged.audit.enabled,
        calls=tuple((call.method, call.count or 1) for call in merged.calls),
        rollout_percent=promises.rollout_percent(name, merged),
        http=promises.http(name, merged),
    )


def _bytes(name: str, option: str, given: int) -> int:
    if given < 0:
        raise PolicyError(f"{name}: limits.{option} must be above 0")
    return given


def _replace(into: policy_pb2.MethodPolicy, field: FieldDescriptor, value: Any) -> None:
    into.ClearField(field.name)  # type: ignore[arg-type]
    if field.is_repeated:
        getattr(into, field.name).extend(value)
    elif field.message_type is not None:
        getattr(into, field.name).CopyFrom(value)
    else:
        setattr(into, field.name, value)


def _again(
    name: str, method: MethodDescriptor, merged: policy_pb2.MethodPolicy, sources: dict[str, str]
) -> tuple[Retry | None, Hedge | None]:
    """How a call is sent again: one of the two, and the method's own before its service's."""
    retry = _retry(name, merged)
    # In the source of a part is a layer of the deployment, where one sets it.
    lowered = sources.get("hedge.max_attempts", "method") not in ("method", "service")
    own = sources.get("hedge") != "service"
    hedge = promises.hedge(method, name, merged, own=own, attempts_min=1 if lowered else 2)
    if retry is None or hedge is None:
        return retry, hedge
    if sources.get("retry") == sources.get("hedge"):
        raise PolicyError(
            f"{name}: retry and hedge exclude each other; a hedged call is sent again on hedge.codes anyway, "
            "so remove retry where the slowest calls are what hurts, and hedge where failures are"
        )
    return (None, hedge) if sources.get("hedge") == "method" else (retry, None)


def _retry(name: str, options: policy_pb2.MethodPolicy) -> Retry | None:
    """The retry policy; None where the method must not be retried.

    A service may set one default for all methods: it applies to those whose
    idempotency allows it.
    """
    if not options.HasField("retry") or options.idempotency in (
        policy_pb2.IDEMPOTENCY_UNSPECIFIED,
        policy_pb2.IDEMPOTENCY_NONE,
    ):
        return None
    retry = options.retry
    if not 2 <= retry.max_attempts <= 5:
        raise PolicyError(f"{name}: retry.max_attempts must be 2 to 5 (gRPC core takes no more)")
    return Retry(
        max_attempts=retry.max_attempts,
        initial_backoff_s=_seconds(retry.initial_backoff) or 0.05,
        max_backoff_s=_seconds(retry.max_backoff) or 1.0,
        backoff_multiplier=retry.backoff_multiplier or 2.0,
        codes=tuple(code_pb2.Code.Name(code) for code in retry.codes) or ("UNAVAILABLE",),
    )


def _auth(name: str, options: policy_pb2.MethodPolicy) -> Auth | None:
    if not options.HasField("auth"):
        return None
    auth = options.auth
    if auth.anonymous and (auth.all_scopes or auth.any_scopes):
        raise PolicyError(f"{name}: auth.anonymous and scopes exclude each other")
    extra = auth.audiences or auth.HasField("step_up") or auth.HasField("relation")
    if auth.anonymous and extra:
        raise PolicyError(f"{name}: auth.anonymous excludes audiences, step_up and relation")
    return Auth(
        auth.anonymous,
        frozenset(auth.all_scopes),
        frozenset(auth.any_scopes),
        frozenset(auth.audiences),
        promises.step_up(name, options),
        promises.relation(name, options),
    )

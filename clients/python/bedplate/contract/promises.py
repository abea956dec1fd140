"""What a method promises beyond its deadline, retries and callers, as plain values.

`policy.resolve` makes them; seconds are floats, and what the contract leaves
out has the default that policy.proto tells.
"""

import datetime
import enum
import re
from dataclasses import dataclass

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.duration_pb2 import Duration
from google.rpc import code_pb2

from bedplate.v1 import policy_pb2

REPLAY_KEEP_S = 24 * 3600.0
CORS_MAX_AGE_S = 600.0

_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:.]+\](:[0-9]{1,5})?")


class PolicyError(Exception):
    """A contract that cannot be served as it is. The text says what to write."""


class DeadlineMode(enum.Enum):
    """What is done with a deadline; each does all that the one before it does."""

    OBSERVE = policy_pb2.DEADLINE_MODE_OBSERVE
    PROPAGATE = policy_pb2.DEADLINE_MODE_PROPAGATE
    ENFORCE = policy_pb2.DEADLINE_MODE_ENFORCE


class Criticality(enum.Enum):
    """What is refused first under overload: the highest value."""

    __hash__ = object.__hash__  # each call is looked up by it, and that of Enum is Python

    CRITICAL = policy_pb2.CRITICALITY_CRITICAL
    DEFAULT = policy_pb2.CRITICALITY_DEFAULT
    SHEDDABLE = policy_pb2.CRITICALITY_SHEDDABLE


class JsonMode(enum.Enum):
    """What is done with requests that say more, or say it otherwise, than the contract does."""

    STRICT = policy_pb2.JSON_MODE_STRICT
    LENIENT = policy_pb2.JSON_MODE_LENIENT


class RateScope(enum.Enum):
    """Who shares a bucket of a rate limit."""

    PRINCIPAL = policy_pb2.RATE_SCOPE_PRINCIPAL
    TENANT = policy_pb2.RATE_SCOPE_TENANT
    ADDRESS = policy_pb2.RATE_SCOPE_ADDRESS


class CacheScope(enum.Enum):
    """Whose answer a cached answer is."""

    PUBLIC = policy_pb2.CACHE_SCOPE_PUBLIC
    TENANT = policy_pb2.CACHE_SCOPE_TENANT
    PRINCIPAL = policy_pb2.CACHE_SCOPE_PRINCIPAL


@dataclass(frozen=True, slots=True)
class StepUp:
    """How strongly and how recently the caller must have proved who it is; 0 seconds: however long ago."""

    level: int
    max_age_s: float


@dataclass(frozen=True, slots=True)
class Relation:
    """The relation to an object that the caller must have; `field` is a dotted path in the request."""

    field: str
    object_type: str
    relation: str


@dataclass(frozen=True, slots=True)
class Rate:
    """How often one caller may call: a bucket of `burst` tokens, of which a call takes `cost`."""

    cost: int
    bucket: str
    per_second: float
    burst: int
    per: RateScope


@dataclass(frozen=True, slots=True)
class Concurrency:
    """How many calls run at once in one process, and how many wait behind them."""

    limit: int
    queue: int


@dataclass(frozen=True, slots=True)
class Cache:
    """How long an answer may be reused, and by whom."""

    scope: CacheScope
    ttl_s: float
    stale_s: float
    http_max_age_s: float
    negative_s: float


@dataclass(frozen=True, slots=True)
class Hedge:
    """When a caller may ask a second server; with `codes`, by name, it does so at once."""

    delay_s: float
    max_attempts: int
    codes: tuple[str, ...] = ("UNAVAILABLE",)


@dataclass(frozen=True, slots=True)
class Slo:
    """How fast (99 of 100 calls), how available and for how many calls a second; 0: unsaid."""

    p99_s: float
    availability: float
    expected_rps: float


@dataclass(frozen=True, slots=True)
class Replay:
    """How long outcomes are kept, and which request fields may differ between a call and its repeat."""

    keep_s: float
    ignored_fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Deprecation:
    """Since when a method should not be used, and the last day on which it answers."""

    since: datetime.date
    sunset: datetime.date | None


@dataclass(frozen=True, slots=True)
class Cors:
    """Which pages may call from a browser; `origins` is `*` alone for all, `max_age_s` is of the answer."""

    origins: frozenset[str]
    credentials: bool
    max_age_s: float


@dataclass(frozen=True, slots=True)
class Http:
    """How a method answers over HTTP and JSON; see policy.proto."""

    lenient: bool = False
    unset_fields: bool = False
    enum_numbers: bool = False
    proto_names: bool = False
    created: str = ""
    cors: Cors | None = None


HTTP_USUAL = Http()


def seconds(duration: Duration) -> float:
    """A duration as a number."""
    return duration.seconds + duration.nanos / 1e9


def step_up(name: str, options: policy_pb2.MethodPolicy) -> StepUp | None:
    """Raises PolicyError: the level is none."""
    if not options.auth.HasField("step_up"):
        return None
    wanted = options.auth.step_up
    if not 1 <= wanted.level <= 3 or seconds(wanted.max_age) < 0:
        raise PolicyError(
            f"{name}: auth.step_up.level must be 1 to 3, and max_age must not be negative (left out: any age)"
        )
    return StepUp(wanted.level, seconds(wanted.max_age))


def relation(name: str, options: policy_pb2.MethodPolicy) -> Relation | None:
    """Raises PolicyError: a part of it is missing."""
    if not options.auth.HasField("relation"):
        return None
    wanted = options.auth.relation
    if not wanted.field or not wanted.object_type or not wanted.relation:
        raise PolicyError(
            f"{name}: auth.relation needs all of field, object_type and relation, such as "
            'relation: {field: "account_id" object_type: "account" relation: "viewer"}'
        )
    return Relation(wanted.field, wanted.object_type, wanted.relation)


def rate(name: str, options: policy_pb2.MethodPolicy) -> Rate | None:
    """Raises PolicyError: the bucket never holds what a call takes."""
    if not options.HasField("rate"):
        return None
    wanted = options.rate
    cost = wanted.cost or 1
    burst = wanted.burst or max(cost, round(wanted.per_second))
    if wanted.cost < 0 or not wanted.per_second > 0 or burst < cost:
        raise PolicyError(
            f"{name}: rate needs per_second above 0, a cost of 1 or more and a burst of at least the cost "
            f"({cost})"
        )
    default = RateScope.ADDRESS if options.auth.anonymous else RateScope.PRINCIPAL
    per = RateScope(wanted.per) if wanted.per else default
    if options.auth.anonymous and per is not RateScope.ADDRESS:
        raise PolicyError(f"{name}: rate.per must be RATE_SCOPE_ADDRESS, because nobody knows who calls")
    return Rate(cost, wanted.bucket or name, wanted.per_second, burst, per)


def concurrency(name: str, options: policy_pb2.MethodPolicy) -> Concurrency | None:
    """Raises PolicyError: nothing could ever run."""
    if not options.HasField("concurrency"):
        return None
    wanted = options.concurrency
    if wanted.limit < 1 or wanted.queue < 0:
        raise PolicyError(f"{name}: concurrency.limit must be 1 or more, and queue 0 or more")
    return Concurrency(wanted.limit, wanted.queue)


def cache(name: str, options: policy_pb2.MethodPolicy, *, own: bool) -> Cache | None:
    """None where a service's default does not fit the method; `own`: the method itself asks for it.

    Raises:
        PolicyError: Nobody could say whose answer it is, or it is none that can be reused.
    """
    reads = options.idempotency == policy_pb2.IDEMPOTENCY_READ_ONLY
    if not options.HasField("cache") or not (reads or own):
        return None
    wanted = options.cache
    times = [
        seconds(each)
        for each in (wanted.ttl, wanted.stale_while_revalidate, wanted.http_max_age, wanted.negative_ttl)
    ]
    if not wanted.scope:
        raise PolicyError(f"{name}: cache.scope must say whose answer it is: PUBLIC, TENANT or PRINCIPAL")
    if min(times) < 0 or (times[1] and not times[0]):
        raise PolicyError(f"{name}: cache times must not be negative, and stale_while_revalidate needs a ttl")
    if not reads:
        raise PolicyError(f"{name}: only a READ_ONLY method can be cached")
    scope = CacheScope(wanted.scope)
    if scope is not CacheScope.PUBLIC and options.auth.anonymous:
        raise PolicyError(f"{name}: cache.scope must be PUBLIC, because nobody knows who calls")
    personal = options.auth.HasField("relation") or options.auth.HasField("step_up")
    if scope is CacheScope.PUBLIC and personal:
        raise PolicyError(
            f"{name}: a PUBLIC cache would answer past auth.relation or auth.step_up; use PRINCIPAL"
        )
    return Cache(scope, *times)


def hedge(
    method: MethodDescriptor,
    name: str,
    options: policy_pb2.MethodPolicy,
    *,
    own: bool,
    attempts_min: int = 2,
) -> Hedge | None:
    """None where a service's default does not fit the method; `own`: the method itself asks for it.

    A deployment may switch hedging off with `attempts_min` 1.

    Raises:
        PolicyError: A second attempt could have a second effect or could not be
            compared with the first, or each call would be sent more than once.
    """
    bears = options.idempotency in (policy_pb2.IDEMPOTENCY_READ_ONLY, policy_pb2.IDEMPOTENCY_NATURAL)
    unary = not method.client_streaming and not method.server_streaming
    if not options.HasField("hedge") or not ((bears and unary) or own):
        return None
    wanted = options.hedge
    if not bears:
        raise PolicyError(f"{name}: only a READ_ONLY or NATURAL method can be hedged")
    if not unary:
        raise PolicyError(f"{name}: only a method with one request and one response can be hedged")
    if not attempts_min <= wanted.max_attempts <= 5:
        raise PolicyError(f"{name}: hedge.max_attempts must be {attempts_min} to 5")
    if seconds(wanted.delay) <= 0:
        raise PolicyError(
            f"{name}: hedge.delay must be above 0, or every call would be sent several times; write what "
            "95 of 100 calls take at most"
        )
    codes = tuple(code_pb2.Code.Name(code) for code in wanted.codes) or ("UNAVAILABLE",)
    return Hedge(seconds(wanted.delay), wanted.max_attempts, codes)


def slo(name: str, options: policy_pb2.MethodPolicy) -> Slo | None:
    """Raises PolicyError: a value is out of its bounds."""
    if not options.HasField("slo"):
        return None
    wanted = options.slo
    p99_s = seconds(wanted.p99)
    if p99_s < 0 or not 0 <= wanted.availability < 1 or wanted.expected_rps < 0:
        raise PolicyError(
            f"{name}: slo.p99 and expected_rps must not be negative, availability is below 1, such as 0.999"
        )
    return Slo(p99_s, wanted.availability, wanted.expected_rps)


def replay(name: str, options: policy_pb2.MethodPolicy, *, own: bool) -> Replay | None:
    """None where the method keeps no outcomes; `own`: the method itself says how they are kept.

    Raises:
        PolicyError: It says so and keeps none.
    """
    if options.idempotency != policy_pb2.IDEMPOTENCY_REQUEST_ID:
        if options.HasField("replay") and own:
            raise PolicyError(f"{name}: replay needs idempotency: IDEMPOTENCY_REQUEST_ID")
        return None
    keep_s = seconds(options.replay.keep) or REPLAY_KEEP_S
    if keep_s < 0:
        raise PolicyError(f"{name}: replay.keep must not be negative")
    return Replay(keep_s, tuple(options.replay.ignored_fields))


def rollout_percent(name: str, options: policy_pb2.MethodPolicy) -> float:
    """Raises PolicyError: it is no share."""
    if not options.rollout.HasField("percent"):
        return 100.0
    percent = options.rollout.percent
    if not 0 <= percent <= 100:
        raise PolicyError(f"{name}: rollout.percent must be 0 to 100")
    return percent


def http(name: str, options: policy_pb2.MethodPolicy) -> Http:
    """Raises PolicyError: an origin is none, or all pages could call with a browser's cookies."""
    wanted = options.http
    lenient = JsonMode(wanted.json or policy_pb2.JSON_MODE_STRICT) is JsonMode.LENIENT
    return Http(
        lenient=lenient,
        unset_fields=wanted.unset_fields or lenient,
        enum_numbers=wanted.enum_numbers,
        proto_names=wanted.proto_names,
        created=wanted.created,
        cors=_cors(name, wanted.cors) if wanted.HasField("cors") else None,
    )


def _cors(name: str, wanted: policy_pb2.CorsPolicy) -> Cors:
    for origin in wanted.origins:
        if origin != "*" and not _ORIGIN.fullmatch(origin):
            raise PolicyError(
                f"{name}: http.cors.origins holds {origin!r}; write * or an origin in lower case, such as "
                "https://shop.example.com"
            )
    if "*" in wanted.origins and (len(wanted.origins) > 1 or wanted.credentials):
        raise PolicyError(f"{name}: http.cors.origins: * stands alone, and never with credentials")
    max_age_s = seconds(wanted.max_age) if wanted.HasField("max_age") else CORS_MAX_AGE_S
    if max_age_s < 0:
        raise PolicyError(f"{name}: http.cors.max_age must not be negative")
    return Cors(frozenset(wanted.origins), wanted.credentials, max_age_s)


def deprecation(name: str, options: policy_pb2.MethodPolicy) -> Deprecation | None:
    """Raises PolicyError: a day is none, or the last one comes first."""
    if not options.HasField("deprecation"):
        return None
    wanted = options.deprecation
    try:
        since = datetime.date.fromisoformat(wanted.since)
        sunset = datetime.date.fromisoformat(wanted.sunset) if wanted.sunset else None
    except ValueError as error:
        raise PolicyError(
            f"{name}: deprecation.since and sunset are days such as 2026-11-30; since must be set"
        ) from error
    if sunset is not None and sunset < since:
        raise PolicyError(f"{name}: deprecation.sunset comes before since")
    return Deprecation(since, sunset)

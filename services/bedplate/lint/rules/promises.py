"""BP1xx: what a method promises, and what contradicts it."""

import datetime
from collections.abc import Iterator

from google.protobuf.descriptor import FieldDescriptor

from bedplate.contract.policy import PolicyError, service_policy
from bedplate.lint.contract import Contract, Method
from bedplate.lint.finding import Severity
from bedplate.lint.rule import Found, Limits, in_method, method_rule, rule
from bedplate.lint.schema import below, class_of, field_at, required, sensitive
from bedplate.policy.enforced import check_method
from bedplate.v1 import policy_pb2 as pb

_OPTION = "bedplate.v1.policy"


@method_rule("BP101")
def has_auth(method: Method) -> Iterator[Found]:
    """Somebody must say who may call."""
    auth = method.options.auth
    if not (auth.anonymous or auth.all_scopes or auth.any_scopes):
        yield in_method(
            method,
            'says not who may call it; write auth: {all_scopes: "<noun>.read"}, or auth: {anonymous: true} '
            "when anyone may",
            "auth" if method.own.HasField("auth") else "",
        )


@method_rule("BP102")
def public_has_deadline(method: Method) -> Iterator[Found]:
    """What strangers call must say how long it may take."""
    if method.visible and not (
        method.options.deadline.HasField("default") and method.options.deadline.HasField("max")
    ):
        yield in_method(
            method,
            "may be called by strangers and says not how long it may take; write deadline: "
            "{default: {seconds: 2} max: {seconds: 10}}, here or in the service's defaults",
            "deadline" if method.own.HasField("deadline") else "",
        )


@method_rule("BP105")
def is_usable(method: Method) -> Iterator[Found]:
    """What a server would refuse at its start."""
    try:
        check_method(method.descriptor)
    except PolicyError as error:
        text = str(error).rstrip(".")
        yield Found(method.descriptor.full_name, f"{text}. A server would not start with it", _OPTION)


@method_rule("BP107")
def slo_fits_deadline(method: Method) -> Iterator[Found]:
    """A goal that is later than the deadline is never missed, and says nothing."""
    policy = method.policy
    if policy and policy.slo and policy.slo.p99_s >= policy.deadline_default_s:
        yield in_method(
            method,
            f"is meant to answer in {policy.slo.p99_s:g} s, and its calls end after "
            f"{policy.deadline_default_s:g} s anyway; make slo.p99 shorter than deadline.default",
            "slo",
        )


@method_rule("BP108")
def cache_varies_by_principal(method: Method) -> Iterator[Found]:
    """An answer that depends on who asks may not be given to another."""
    options = method.options
    personal = [name for name in ("relation", "step_up") if options.auth.HasField(name)]
    if _cached(method) and personal and options.cache.scope != pb.CACHE_SCOPE_PRINCIPAL:
        yield in_method(
            method,
            f"asks for auth.{personal[0]}, so what one principal may see another may not; write "
            "cache: {scope: CACHE_SCOPE_PRINCIPAL ...}, or no cache",
            "cache",
        )


@method_rule("BP109")
def cache_holds_nothing_sensitive(method: Method) -> Iterator[Found]:
    """A cache that many share may not hold what one of them may see."""
    shared = {
        pb.CACHE_SCOPE_PUBLIC: (pb.SENSITIVE_PII, pb.SENSITIVE_SECRET, pb.SENSITIVE_CARD),
        pb.CACHE_SCOPE_TENANT: (pb.SENSITIVE_SECRET, pb.SENSITIVE_CARD),
    }
    classes = shared.get(method.options.cache.scope, ()) if _cached(method) else ()
    for path, field in below(method.descriptor.output_type):
        if sensitive(field) in classes:
            yield in_method(
                method,
                f"keeps the {class_of(field)} in {path} of its answer where others are answered from; write "
                "cache: {scope: CACHE_SCOPE_PRINCIPAL ...}, or no cache",
                "cache",
            )
            return


@method_rule("BP118")
def only_reads_are_cached(method: Method) -> Iterator[Found]:
    """A cached answer is no effect."""
    if method.own.HasField("cache") and method.options.idempotency != pb.IDEMPOTENCY_READ_ONLY:
        yield in_method(
            method,
            "is cached and not READ_ONLY: a call that is answered from the cache has no effect; remove "
            "cache, or write idempotency: IDEMPOTENCY_READ_ONLY when it only reads",
            "cache",
        )


@method_rule("BP110")
def request_id_is_there(method: Method) -> Iterator[Found]:
    """What is kept by an id needs one."""
    field = method.descriptor.input_type.fields_by_name.get("request_id")
    if method.options.idempotency == pb.IDEMPOTENCY_REQUEST_ID and (
        field is None or field.type != FieldDescriptor.TYPE_STRING
    ):
        yield in_method(
            method,
            f"keeps one effect for each request_id, and {method.descriptor.input_type.name} has none; add: "
            "string request_id = N [(bedplate.v1.field).client_id = true]",
            "idempotency",
        )


@method_rule("BP111")
def natural_has_id(method: Method) -> Iterator[Found]:
    """One effect by what a request says: then it must say something."""
    request = method.descriptor.input_type
    # A request without fields, such as one that ends all there is, is the same each time.
    if method.options.idempotency != pb.IDEMPOTENCY_NATURAL or not request.fields:
        return
    if not any(required(field) or field.name.endswith("_id") for _, field in below(request)):
        yield in_method(
            method,
            f"is NATURAL, and {request.name} has neither an id nor a REQUIRED field by which a repeat would "
            "be known; add an id that the caller chooses, or use IDEMPOTENCY_REQUEST_ID",
            "idempotency",
        )


@rule("BP112")
def deprecation_days(contract: Contract, limits: Limits) -> Iterator[Found]:
    """Days that are days, in order, and not over."""
    for method in contract.methods:
        if not method.options.HasField("deprecation"):
            continue
        said = method.options.deprecation
        for name, text in (("since", said.since), ("sunset", said.sunset)):
            if (text or name == "since") and not _is_day(text):
                yield in_method(
                    method,
                    f"has {text!r} as deprecation.{name}; write a day, such as 2026-11-30",
                    "deprecation",
                )
                break
        else:
            if said.sunset and said.sunset < said.since:
                yield in_method(
                    method, "is to end before it is deprecated; let sunset come after since", "deprecation"
                )
            elif said.sunset and limits.today and said.sunset < limits.today:
                yield in_method(
                    method,
                    f"should have ended on {said.sunset}; remove it, or give its callers a later sunset",
                    "deprecation",
                )


@method_rule("BP113", Severity.WARNING)
def deprecated_is_said_to_compilers(method: Method) -> Iterator[Found]:
    """Generated code warns by protobuf's own option only."""
    plain, ours = method.descriptor.GetOptions().deprecated, method.own.HasField("deprecation")
    if ours and not plain:
        yield in_method(
            method,
            "is deprecated by its policy only, of which compilers know nothing; add: "
            "option deprecated = true;",
            "deprecation",
        )
    elif plain and not ours:
        yield in_method(
            method,
            'is deprecated and says not since when; add to its policy: deprecation: {since: "2026-11-30"}',
            "deprecated",
        )


@rule("BP116")
def shared_buckets_agree(contract: Contract, limits: Limits) -> Iterator[Found]:
    """A bucket has one size, whoever draws from it."""
    first: dict[str, tuple[Method, tuple[float, int, object]]] = {}
    for method in contract.methods:
        rate = method.policy.rate if method.policy else None
        if rate is None or not method.options.rate.bucket:
            continue
        shape = (rate.per_second, rate.burst, rate.per)
        other, known = first.setdefault(rate.bucket, (method, shape))
        if known != shape:
            yield in_method(
                method,
                f"shares the bucket {rate.bucket} with {other.name}, which sizes it differently; write the "
                "same per_second, burst and per in both, or another bucket",
                "rate",
            )


@method_rule("BP120", Severity.WARNING)
def anonymous_is_limited(method: Method) -> Iterator[Found]:
    """Whom nobody knows, nobody can ask to stop."""
    if method.visible and method.options.auth.anonymous and not method.options.HasField("rate"):
        yield in_method(
            method,
            "may be called by anyone, as often as they like; write rate: {per_second: 10}, which counts for "
            "each address",
            "auth" if method.own.HasField("auth") else "",
        )


@rule("BP117", Severity.WARNING)
def services_have_owners(contract: Contract, limits: Limits) -> Iterator[Found]:
    """Somebody answers for it."""
    for service in contract.services:
        if not service_policy(service).owner:
            yield Found(
                service.full_name,
                f"{service.full_name} says not who answers for it; write option (bedplate.v1.service) = "
                '{owner: "<team>"}',
            )


@rule("BP119")
def ignored_fields_are_there(contract: Contract, limits: Limits) -> Iterator[Found]:
    """Names in a policy are names of fields."""
    for method in contract.methods:
        request = method.descriptor.input_type
        for name in method.own.replay.ignored_fields:
            if name not in request.fields_by_name:
                yield in_method(
                    method, f"ignores {name} in repeats, and {request.name} has no such field", "replay"
                )
        relation = method.options.auth.relation.field
        if relation and field_at(request, relation) is None:
            yield in_method(
                method,
                f"finds the object of its relation in {relation}, and {request.name} has no such field",
                "auth",
            )


def _cached(method: Method) -> bool:
    """Whether a cache is asked for; a service's default is for those of its methods that read."""
    reads = method.options.idempotency == pb.IDEMPOTENCY_READ_ONLY
    return method.options.HasField("cache") and (reads or method.own.HasField("cache"))


def _is_day(text: str) -> bool:
    try:
        datetime.date.fromisoformat(text)
    except ValueError:
        return False
    return len(text) == len("2026-11-30")

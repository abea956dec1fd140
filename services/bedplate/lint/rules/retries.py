"""BP1xx: when a caller may try again, and when that does harm."""

from collections.abc import Iterator

from google.rpc import code_pb2

from bedplate.contract.policy import service_policy
from bedplate.lint.contract import Method
from bedplate.lint.rule import Found, in_method, method_rule
from bedplate.lint.schema import backoff_s
from bedplate.v1 import policy_pb2 as pb

_NONE = (pb.IDEMPOTENCY_UNSPECIFIED, pb.IDEMPOTENCY_NONE)
# Codes with which the same call ends the same way, or has ended well.
_FINAL = frozenset(
    {
        code_pb2.OK,
        code_pb2.CANCELLED,
        code_pb2.INVALID_ARGUMENT,
        code_pb2.NOT_FOUND,
        code_pb2.ALREADY_EXISTS,
        code_pb2.PERMISSION_DENIED,
        code_pb2.FAILED_PRECONDITION,
        code_pb2.OUT_OF_RANGE,
        code_pb2.UNIMPLEMENTED,
        code_pb2.DATA_LOSS,
        code_pb2.UNAUTHENTICATED,
    }
)


@method_rule("BP103")
def only_idempotent_is_retried(method: Method) -> Iterator[Found]:
    """A second attempt of what is not idempotent is a second effect."""
    if method.own.HasField("retry") and method.options.idempotency in _NONE:
        yield in_method(
            method,
            "asks to be retried, and a second attempt may have a second effect; write idempotency: "
            "IDEMPOTENCY_REQUEST_ID (or NATURAL, or READ_ONLY, where that is so), or remove retry",
            "retry",
        )


@method_rule("BP104")
def idempotency_is_said(method: Method) -> Iterator[Found]:
    """Where a service retries by default, each method must say whether it may be."""
    defaults = service_policy(method.descriptor.containing_service).defaults
    inherits = defaults.HasField("retry") and not method.own.HasField("retry")
    if inherits and method.options.idempotency == pb.IDEMPOTENCY_UNSPECIFIED:
        yield in_method(
            method,
            "says not what happens when the same call arrives twice, so the service's default retry is not "
            "in force for it; write idempotency: IDEMPOTENCY_NONE when that is meant, or what it is",
        )


@method_rule("BP106")
def only_idempotent_is_hedged(method: Method) -> Iterator[Found]:
    """A hedge is a second attempt while the first one runs."""
    safe = (pb.IDEMPOTENCY_READ_ONLY, pb.IDEMPOTENCY_NATURAL)
    if method.own.HasField("hedge") and method.options.idempotency not in safe:
        yield in_method(
            method,
            "is hedged: two servers may work on the same call at once, and only a READ_ONLY or NATURAL "
            "method bears that; remove hedge, or write idempotency: IDEMPOTENCY_NATURAL where it is",
            "hedge",
        )


@method_rule("BP114")
def only_passing_codes_are_retried(method: Method) -> Iterator[Found]:
    """What will fail the same way again is not tried again."""
    for option, codes in (("retry", method.own.retry.codes), ("hedge", method.own.hedge.codes)):
        for code in codes:
            if code in _FINAL:
                name = code_pb2.Code.Name(code)
                yield in_method(
                    method,
                    f"is sent again on {name}, with which the same call ends the same way; write UNAVAILABLE",
                    option,
                )


@method_rule("BP115")
def waits_fit_deadline(method: Method) -> Iterator[Found]:
    """An attempt after the deadline never takes place."""
    policy = method.policy
    if policy is None:
        return
    hedge = policy.hedge
    waits_s = hedge.delay_s * (hedge.max_attempts - 1) if hedge else 0.0
    if policy.retry is not None:
        waits_s = backoff_s(policy.retry)
    if waits_s >= policy.deadline_default_s:
        own = {field.name for field, _ in method.own.ListFields()}
        option = "hedge" if hedge else "retry"
        yield in_method(
            method,
            f"waits up to {waits_s:g} s between its attempts, and a call ends after "
            f"{policy.deadline_default_s:g} s; make fewer attempts or shorter waits",
            option if option in own else "",
        )

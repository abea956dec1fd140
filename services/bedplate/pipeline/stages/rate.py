"""Rate: no more calls of one caller than the contract says.

It comes after authentication, since it counts by principal or tenant, and
before the request is read. HTTP callers are told what they have left
(RateLimit headers); over gRPC headers of their own would cost more than the
limit does, and a refusal there says all of it.
"""

import math
from collections.abc import Awaitable, Callable

from bedplate.contract.policy import MethodPolicy
from bedplate.contract.promises import Rate, RateScope
from bedplate.errors import Kind, Refusal
from bedplate.pipeline.call import Call
from bedplate.pipeline.stage import Parts, Stage
from bedplate.quota.address import source
from bedplate.quota.bucket import Bucket, told_s
from bedplate.quota.quota import Quota

# How long callers wait who are refused because Valkey does not answer, seconds.
WITHOUT_RETRY_S = 1.0


def compile(policy: MethodPolicy, parts: Parts) -> Stage | None:
    """Take what a call costs from its caller's bucket; None for a method without a limit."""
    rate, quota = policy.rate, parts.quota
    if rate is None:
        quota.release(policy.method)
        return None
    bucket = quota.claim(policy.method, rate)
    if quota.shared is not None:
        return Stage("rate", enter=_shared(rate, bucket, quota))
    holder, take, clock, cost = _HOLDERS[rate.per], bucket.take, quota.clock, rate.cost
    tell = _Teller(bucket, rate).tell

    def enter(call: Call) -> None:
        held = holder(call)
        if held is not None:
            tell(call, take(held, cost, clock()))

    return Stage("rate", enter=enter)


def _shared(rate: Rate, bucket: Bucket, quota: Quota) -> Callable[[Call], Awaitable[None] | None]:
    """The same, with buckets that processes share."""
    shared, holder, without = quota.shared, _HOLDERS[rate.per], quota.without
    assert shared is not None
    tell = _Teller(bucket, rate).tell

    async def ask(call: Call, held: tuple[str, ...]) -> None:
        left = await shared.take(
            _key(bucket, held),
            cost=rate.cost,
            per_second=bucket.per_second,
            burst=bucket.burst,
            wait_s=call.remaining_s(),
        )
        if left is None:
            if without == "open":
                return
            if without == "closed":
                raise _closed()
            left = bucket.take(held, rate.cost, quota.clock())
        tell(call, left)

    def enter(call: Call) -> Awaitable[None] | None:
        held = holder(call)
        return None if held is None else ask(call, held)

    return enter


class _Teller:
    """Tells callers what is left, or how long to wait."""

    def __init__(self, bucket: Bucket, rate: Rate) -> None:
        self._bucket = bucket
        self._rate = rate
        quoted = bucket.name.replace("\\", "\\\\").replace('"', '\\"')
        self._name = f'"{quoted}"'
        self._door = "http" if quoted.isascii() and quoted.isprintable() else None
        # Made anew when the bucket's numbers change.
        self._burst = self._per_second = 0.0
        self._policy = ""

    def tell(self, call: Call, left: float) -> None:
        """Tell a caller who has so many tokens left; below 0: who lacks so many and is refused."""
        if call.door == self._door:
            call.quota = (self._lines, left if left >= 0 else left + self._rate.cost)
        if left < 0:
            raise self._refusal(left)

    def _lines(self, tokens: float) -> str:
        """What is left, as draft-ietf-httpapi-ratelimit-headers has it: the window is the time to fill it."""
        bucket = self._bucket
        burst, per_second = bucket.burst, bucket.per_second
        if burst != self._burst or per_second != self._per_second:
            self._burst, self._per_second = burst, per_second
            window_s = math.ceil(burst / per_second)
            self._policy = f"ratelimit-policy: {self._name};q={int(burst)};w={window_s}\r\n"
        tokens = min(tokens, burst)  # they were counted before the call ran, maybe under another burst
        reset_s = math.ceil((burst - tokens) / per_second)
        return f"{self._policy}ratelimit: {self._name};r={int(tokens)};t={reset_s}\r\n"

    def _refusal(self, left: float) -> Refusal:
        bucket, rate = self._bucket, self._rate
        bucket.refused += 1
        wait_s = told_s(-left / bucket.per_second)
        return Refusal(
            Kind.EXHAUSTED,
            "RATE_LIMITED",
            f"This is more than {bucket.per_second:g} a second with {bucket.burst:g} at once; "
            f"call again in {wait_s:g} s.",
            retry_after_s=wait_s,
            bucket=bucket.name,
            per=rate.per.name,
            per_second=f"{bucket.per_second:g}",
            burst=f"{bucket.burst:g}",
            cost=rate.cost,
        )


def _closed() -> Refusal:
    return Refusal(
        Kind.UNAVAILABLE,
        "DEPENDENCY_UNAVAILABLE",
        "Rate limits cannot be counted now; call again.",
        retry_after_s=WITHOUT_RETRY_S,
    )


def _key(bucket: Bucket, held: tuple[str, ...]) -> str:
    """The bucket of one holder among those of all processes; no part can run into the next."""
    return ":".join(f"{len(part)}:{part}" for part in (bucket.name, bucket.per.name, *held))


def _principal(call: Call) -> tuple[str, ...]:
    # Two tenants may give the same id to their principals.
    return call.principal.tenant, call.principal.id


def _tenant(call: Call) -> tuple[str, ...]:
    return (call.principal.tenant,)


def _address(call: Call) -> tuple[str, ...] | None:
    """None for a caller without one, who is on this machine or in this process."""
    address = source(call.peer)
    return (address,) if address else None


_HOLDERS: dict[RateScope, Callable[[Call], tuple[str, ...] | None]] = {
    RateScope.PRINCIPAL: _principal,
    RateScope.TENANT: _tenant,
    RateScope.ADDRESS: _address,
}

"""Address: too many failed attempts from there, or too many calls without a credential.

It is looked at before anybody is known and charged only for what shows nobody:
the authenticate stage charges failures, and a method that anyone may call is
charged here. In process there is no address; the call that came from one was
counted at its own door.
"""

from bedplate.contract.policy import MethodPolicy
from bedplate.errors import Kind, Refusal
from bedplate.pipeline.call import Call
from bedplate.pipeline.stage import Parts, Stage
from bedplate.quota.bucket import told_s


def compile(policy: MethodPolicy, parts: Parts) -> Stage | None:
    """Refuse callers whose address has no budget left; None where there is none."""
    budget = parts.quota.addresses
    if not budget.on:
        return None
    blocked = budget.blocked

    def count(call: Call) -> None:
        wait_s = budget.call_wait_s(call.peer)
        if wait_s > 0:
            raise _refusal(wait_s)

    def look(call: Call) -> None:
        # Whose address it is costs 4 us over gRPC, so it is asked for only while one is blocked.
        if blocked and (wait_s := budget.wait_s(call.peer)) > 0:
            raise _refusal(wait_s)

    anyone = policy.auth is not None and policy.auth.anonymous
    return Stage("address", enter=count if anyone else look)


def _refusal(wait_s: float) -> Refusal:
    wait_s = told_s(wait_s)
    return Refusal(
        Kind.EXHAUSTED,
        "ADDRESS_LIMITED",
        f"Too many calls from this address showed no valid key; call again in {wait_s:g} s, with one.",
        retry_after_s=wait_s,
    )

"""Attempts: an operator allows a call fewer of them than the contract, which callers were built on."""

from bedplate.contract.headers import HEDGED_ATTEMPTS, PREVIOUS_ATTEMPTS
from bedplate.contract.policy import MethodPolicy
from bedplate.errors import Kind, Refusal
from bedplate.pipeline.call import Call
from bedplate.pipeline.stage import Parts, Stage

# Longer than calls have, so that callers are told not to come back at all; seconds.
RETRY_AFTER_S = 3600.0

_CONTRACT = ("", "method", "service")


def compile(policy: MethodPolicy, parts: Parts) -> Stage | None:
    """Refuse further attempts of a hedged call; None where the contract alone says how many there are.

    Which attempt it is its caller says: whoever does not say it is counted as the first.
    """
    hedge = policy.hedge
    if hedge is None or policy.sources.get("hedge.max_attempts", "") in _CONTRACT:
        return None
    allowed = hedge.max_attempts
    sentence = (
        f"The operator allows a call of this method {allowed} of its attempts, and this is a further one."
    )

    def enter(call: Call) -> None:
        before = call.metadata.get(HEDGED_ATTEMPTS) or call.metadata.get(PREVIOUS_ATTEMPTS)
        if before is not None and _number(before) >= allowed:
            raise Refusal(Kind.UNAVAILABLE, "ATTEMPT_UNWANTED", sentence, retry_after_s=RETRY_AFTER_S)

    return Stage("attempts", enter=enter)


def _number(said: str | bytes) -> int:
    """How many attempts came before, as the caller says; 0 where that is none of the numbers there may be."""
    return int(said) if said in ("1", "2", "3", "4") else 0

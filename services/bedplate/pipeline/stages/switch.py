"""Switch: whom the method answers while it is brought in by shares, or switched off."""

import hashlib

from bedplate.contract.headers import AUTHORIZATION
from bedplate.contract.policy import MethodPolicy
from bedplate.errors import Kind, Refusal
from bedplate.pipeline.call import Call
from bedplate.pipeline.stage import Parts, Stage

# When a caller should try again, seconds: an operator's switch is not flipped back at once.
RETRY_AFTER_S = 30.0
_SHARES = 1 << 32


def compile(policy: MethodPolicy, parts: Parts) -> Stage | None:
    """Refuse the callers that are outside of the share; None for a method that answers everyone.

    A caller is told by its credential as it sent it, or by its address where it
    sent none: nobody is authenticated yet, and who lies about it can only
    choose a side of the share. A method's shares grow by the same callers, and
    are others than those of another method.
    """
    if policy.rollout_percent >= 100:
        return None
    limit = policy.rollout_percent / 100 * _SHARES
    salt = policy.method.encode()
    sentence = (
        "The operator has switched this method off; call again later."
        if policy.rollout_percent == 0
        else "This method answers only a share of its callers for now, and not this one; call again later."
    )

    def enter(call: Call) -> None:
        if limit:
            caller = str(call.metadata.get(AUTHORIZATION) or call.peer.rpartition(":")[0])
            digest = hashlib.blake2b(caller.encode("utf-8", "replace"), digest_size=4, key=salt[:64])
            if int.from_bytes(digest.digest()) < limit:
                return
        raise Refusal(Kind.UNAVAILABLE, "METHOD_DISABLED", sentence, retry_after_s=RETRY_AFTER_S)

    return Stage("switch", enter=enter)

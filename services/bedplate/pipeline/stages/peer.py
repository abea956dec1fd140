"""Peer: only callers whose certificate is on the operator's list, where there is one."""

from bedplate.contract.policy import MethodPolicy
from bedplate.errors import Kind, Refusal
from bedplate.pipeline.call import Call
from bedplate.pipeline.stage import Parts, Stage


def compile(policy: MethodPolicy, parts: Parts) -> Stage | None:
    """Refuse callers with other certificates; None where every one that was signed will do."""
    allowed = parts.settings.allowed_peers
    if not allowed:
        return None

    def enter(call: Call) -> None:
        # A call in process is part of one that was let in before.
        if call.door != "local" and allowed.isdisjoint(call.peer_names):
            raise Refusal(
                Kind.FORBIDDEN,
                "PEER_FORBIDDEN",
                "The certificate of the caller is not on this server's list; use one that is.",
            )

    return Stage("peer", enter=enter)

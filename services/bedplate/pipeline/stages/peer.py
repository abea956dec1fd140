"""Peer: only callers whose certificate is on the operator's list, where there is one.

A gateway in front hides from where its callers come, and with that who tries
keys: on the word of one that is trusted, the call comes from where it says.
"""

from ipaddress import IPv4Address, ip_address

from bedplate.contract.headers import FORWARDED_FOR
from bedplate.contract.policy import MethodPolicy
from bedplate.errors import Kind, Refusal
from bedplate.pipeline.call import Call
from bedplate.pipeline.stage import Parts, Stage


def compile(policy: MethodPolicy, parts: Parts) -> Stage | None:
    """Refuse callers with other certificates, and believe gateways; None where no certificate matters."""
    allowed, trusted = parts.settings.allowed_peers, parts.settings.trusted_peers
    if not allowed and not trusted:
        return None

    def enter(call: Call) -> None:
        # A call in process is part of one that was let in before.
        if call.door == "local":
            return
        if allowed and allowed.isdisjoint(call.peer_names):
            raise Refusal(
                Kind.FORBIDDEN,
                "PEER_FORBIDDEN",
                "The certificate of the caller is not on this server's list; use one that is.",
            )
        if trusted:
            said = call.metadata.get(FORWARDED_FOR)
            if isinstance(said, str) and not trusted.isdisjoint(call.peer_names):
                call.peer = _peer(said) or call.peer

    return Stage("peer", enter=enter)


def _peer(said: str) -> str:
    """An address as doors tell it; empty where it is not exactly one."""
    try:
        address = ip_address(said)
    except ValueError:
        return ""
    return f"ipv4:{address}:0" if isinstance(address, IPv4Address) else f"ipv6:[{address}]:0"

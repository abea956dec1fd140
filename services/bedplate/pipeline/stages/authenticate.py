"""Authenticate: who calls, by a credential that was verified."""

from collections.abc import Awaitable

from bedplate.auth.principal import Principal
from bedplate.contract.headers import AUTHORIZATION
from bedplate.contract.policy import MethodPolicy
from bedplate.errors import Kind, Refusal
from bedplate.pipeline.call import Call
from bedplate.pipeline.stage import Parts, Stage


def compile(policy: MethodPolicy, parts: Parts) -> Stage | None:
    """Set the call's principal; None for a method that anyone may call."""
    if policy.auth is not None and policy.auth.anonymous:
        return None
    authenticate = parts.authenticator.authenticate

    async def wait(call: Call, found: Awaitable[Principal]) -> None:
        call.principal = await found

    def enter(call: Call) -> Awaitable[None] | None:
        found = authenticate(_credential(call))
        if isinstance(found, Principal):
            call.principal = found
            return None
        return wait(call, found)

    return Stage("authenticate", enter=enter)


def _credential(call: Call) -> str:
    header = call.metadata.get(AUTHORIZATION)
    if not header:
        raise Refusal(
            Kind.UNKNOWN_CALLER,
            "CREDENTIAL_MISSING",
            "The call carries no key; send `authorization: Bearer <key>`.",
        )
    scheme, _, credential = str(header).partition(" ")
    if scheme.lower() != "bearer" or not credential.strip():
        raise Refusal(
            Kind.UNKNOWN_CALLER,
            "CREDENTIAL_INVALID",
            "The authorization header is not of the form `Bearer <key>`.",
        )
    return credential.strip()

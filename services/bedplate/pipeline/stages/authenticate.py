"""Authenticate: who calls, by a credential that was verified, or by the word of a peer that is trusted."""

from collections.abc import Awaitable, Callable

from bedplate.auth.principal import Principal
from bedplate.contract.headers import AUTHORIZATION, PRINCIPAL, SCOPES, TENANT
from bedplate.contract.policy import MethodPolicy
from bedplate.errors import Kind, Refusal
from bedplate.pipeline.call import Call
from bedplate.pipeline.stage import Parts, Stage


def compile(policy: MethodPolicy, parts: Parts) -> Stage | None:
    """Set the call's principal; None for a method that anyone may call."""
    if policy.auth is not None and policy.auth.anonymous:
        return None
    authenticate, failed = parts.authenticator.authenticate, parts.quota.addresses.fail

    async def wait(call: Call, found: Awaitable[Principal]) -> None:
        try:
            call.principal = await found
        except Refusal as refusal:
            if refusal.kind is Kind.UNKNOWN_CALLER:
                failed(call.peer)
            raise

    def enter(call: Call) -> Awaitable[None] | None:
        try:
            found = authenticate(_credential(call))
        except Refusal as refusal:
            if refusal.kind is Kind.UNKNOWN_CALLER:
                failed(call.peer)
            raise
        if isinstance(found, Principal):
            call.principal = found
            return None
        return wait(call, found)

    trusted = parts.settings.trusted_peers
    return Stage("authenticate", enter=_believing(trusted, enter) if trusted else enter)


def _believing(
    trusted: frozenset[str], enter: Callable[[Call], Awaitable[None] | None]
) -> Callable[[Call], Awaitable[None] | None]:
    """Takes a trusted peer's word for whom it calls; who says nothing shows a credential as all do."""

    def believe(call: Call) -> Awaitable[None] | None:
        said = call.vouch() if call.vouch is not None else {}
        # A call in process speaks for the call that it is part of.
        known = call.door == "local" or not trusted.isdisjoint(call.peer_names)
        if PRINCIPAL not in said or not known:
            return enter(call)
        if not said[PRINCIPAL]:
            raise Refusal(
                Kind.UNKNOWN_CALLER,
                "CREDENTIAL_INVALID",
                f"{PRINCIPAL} must be sent once and name somebody; send no such metadata to call for nobody.",
            )
        scopes = str(said.get(SCOPES, "")).split()
        call.principal = Principal(str(said[PRINCIPAL]), str(said.get(TENANT, "")), frozenset(scopes))
        if AUTHORIZATION in call.metadata:
            # The peer's own: nobody looked at it, and what this call makes must not have its rights.
            call.metadata = {name: value for name, value in call.metadata.items() if name != AUTHORIZATION}
        return None

    return believe


def _credential(call: Call) -> str:
    header = call.metadata.get(AUTHORIZATION)
    if not header:
        raise Refusal(
            Kind.UNKNOWN_CALLER,
            "CREDENTIAL_MISSING",
            "The call carries no key; send `authorization: Bearer <key>`.",
        )
    scheme, _, credential = str(header).partition(" ")
    credential = credential.strip()
    if not credential or (scheme != "Bearer" and scheme.lower() != "bearer"):
        raise Refusal(
            Kind.UNKNOWN_CALLER,
            "CREDENTIAL_INVALID",
            "The authorization header is not of the form `Bearer <key>`.",
        )
    return credential

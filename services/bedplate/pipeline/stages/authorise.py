"""Authorise: the caller acts for a tenant and has the scopes that the contract asks for."""

from bedplate.contract.policy import MethodPolicy
from bedplate.errors import Kind, Refusal
from bedplate.pipeline.call import Call
from bedplate.pipeline.stage import Parts, Stage


def compile(policy: MethodPolicy, parts: Parts) -> Stage | None:
    """Refuse callers without a tenant or without the scopes; None for a method that anyone may call."""
    auth = policy.auth
    if auth is None or auth.anonymous:
        return None
    all_scopes, any_scopes = auth.all_scopes, auth.any_scopes

    def enter(call: Call) -> None:
        principal = call.principal
        if not principal.tenant:
            raise Refusal(
                Kind.FORBIDDEN, "TENANT_MISSING", "The key belongs to no tenant; use one that does."
            )
        if not all_scopes <= principal.scopes:
            missing = sorted(all_scopes - principal.scopes)
            raise Refusal(
                Kind.FORBIDDEN,
                "SCOPE_MISSING",
                f"The key lacks a scope; use one that has: {', '.join(missing)}.",
                scopes=missing,
            )
        if any_scopes and any_scopes.isdisjoint(principal.scopes):
            wanted = sorted(any_scopes)
            raise Refusal(
                Kind.FORBIDDEN,
                "SCOPE_MISSING",
                f"The key lacks a scope; use one that has any of: {', '.join(wanted)}.",
                scopes=wanted,
            )

    return Stage("authorise", enter=enter)

"""Authorise: the caller acts for a tenant, has the scopes, and proved itself as the contract asks for."""

import time
from collections.abc import Callable
from typing import Any

from bedplate.auth.principal import Principal
from bedplate.contract.policy import Auth, MethodPolicy
from bedplate.contract.promises import StepUp
from bedplate.errors import Kind, Refusal
from bedplate.pipeline.call import Call
from bedplate.pipeline.stage import Parts, Stage

Check = Callable[[Principal], None]


def compile(policy: MethodPolicy, parts: Parts) -> Stage | None:
    """Refuse callers who may not call; None for a method that anyone may call.

    In this order: no tenant, a scope is missing, issued for another audience,
    proved too weakly or too long ago.
    """
    auth = policy.auth
    if auth is None or auth.anonymous:
        return None
    all_scopes, any_scopes = auth.all_scopes, auth.any_scopes
    further = _further(auth)

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
        for check in further:
            check(principal)

    return Stage("authorise", enter=enter)


def _further(auth: Auth) -> tuple[Check, ...]:
    checks: list[Check] = []
    if auth.audiences:
        checks.append(_audience(auth.audiences))
    if auth.step_up is not None:
        checks.append(_step_up(auth.step_up))
    return tuple(checks)


def _audience(audiences: frozenset[str]) -> Check:
    wanted = sorted(audiences)

    def check(principal: Principal) -> None:
        if audiences.isdisjoint(principal.audiences):
            raise Refusal(
                Kind.UNKNOWN_CALLER,
                "AUDIENCE_WRONG",
                f"The credential was not issued for {' or '.join(wanted)}; use one that was.",
                audiences=wanted,
            )

    return check


def _step_up(wanted: StepUp) -> Check:
    facts: dict[str, Any] = {"acr": f"aal{wanted.level}"}
    how = f"at level {wanted.level}"
    if wanted.max_age_s:
        facts["max_age_s"] = f"{wanted.max_age_s:.0f}"
        how += f", at most {wanted.max_age_s:g} s ago"

    def check(principal: Principal) -> None:
        strong = principal.level >= wanted.level
        fresh = not wanted.max_age_s or (
            principal.proved is not None and time.time() - principal.proved <= wanted.max_age_s
        )
        if not strong or not fresh:
            raise Refusal(
                Kind.UNKNOWN_CALLER,
                "STEP_UP_REQUIRED",
                f"The caller must have proved who it is {how}; authenticate again.",
                **facts,
            )

    return check

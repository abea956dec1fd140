"""What the contract asks of a credential beyond its scopes: audience, strength, freshness."""

import time
from dataclasses import replace

import pytest

from bedplate.contract.policy import PolicyError
from bedplate.gateway.problem import problem
from tests.pipeline.making import READER, Made
from tests.pipeline.running import detail, fail, run

AUDIENCE = 'auth { all_scopes: "x.read" audiences: "books" audiences: "shop" }'
STEP_UP = 'auth { all_scopes: "x.read" step_up { level: 2 max_age { seconds: 300 } } }'
STRONG = replace(READER, level=2)


async def test_a_credential_of_one_of_the_audiences_is_taken():
    made = Made(AUDIENCE, principal=replace(READER, audiences=frozenset({"shop", "other"})))

    assert await run(made.method, made.call(), made.payload())


@pytest.mark.parametrize("audiences", [frozenset(), frozenset({"other"})])
async def test_a_credential_of_other_audiences_is_refused(audiences: frozenset[str]):
    made = Made(AUDIENCE, principal=replace(READER, audiences=audiences))

    failure = await fail(made.method, made.call(), made.payload())

    assert (failure.code, failure.reason) == ("UNAUTHENTICATED", "AUDIENCE_WRONG")
    assert detail(failure, "ErrorInfo").metadata == {"audiences": "books shop"}


async def test_a_strong_and_fresh_proof_is_taken():
    made = Made(STEP_UP, principal=replace(STRONG, proved=time.time() - 10))

    assert await run(made.method, made.call(), made.payload())


@pytest.mark.parametrize(
    "principal",
    [READER, replace(READER, proved=time.time()), STRONG, replace(STRONG, proved=time.time() - 301)],
    ids=["a key", "too weak", "nobody knows when", "too long ago"],
)
async def test_a_weaker_or_older_one_is_refused_with_the_challenge(principal):
    made = Made(STEP_UP, principal=principal)

    failure = await fail(made.method, made.call(), made.payload())

    assert (failure.code, failure.reason) == ("UNAUTHENTICATED", "STEP_UP_REQUIRED")
    assert detail(failure, "ErrorInfo").metadata == {"acr": "aal2", "max_age_s": "300"}
    answer = problem(failure)
    assert answer.status == 401
    challenge = 'error="insufficient_user_authentication", acr_values="aal2", max_age="300"'
    assert f'www-authenticate: Bearer realm="bedplate", {challenge}\r\n'.encode() in answer.fields


async def test_any_age_will_do_where_none_is_said():
    made = Made('auth { all_scopes: "x.read" step_up { level: 2 } }', principal=STRONG)

    assert await run(made.method, made.call(), made.payload())


@pytest.mark.parametrize("principal", [replace(READER, tenant=""), replace(READER, scopes=frozenset())])
async def test_tenant_and_scopes_come_first(principal):
    made = Made(STEP_UP, principal=principal)

    failure = await fail(made.method, made.call(), made.payload())

    assert failure.reason in ("TENANT_MISSING", "SCOPE_MISSING")


@pytest.mark.parametrize(
    "policy",
    [
        'auth { anonymous: true audiences: "books" }',
        "auth { anonymous: true step_up { level: 1 } }",
        'auth { all_scopes: "x.read" step_up { level: 4 } }',
        'auth { all_scopes: "x.read" step_up {} }',
    ],
)
def test_what_contradicts_itself_is_refused_at_start(policy: str):
    with pytest.raises(PolicyError, match=r"auth\."):
        Made(policy)

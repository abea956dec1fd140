"""An operator allows a hedged call fewer attempts than its contract does."""

import pytest

from bedplate.policy.layers import Layer, in_force, parse_options
from tests.pipeline.making import READ, Made
from tests.pipeline.running import detail, fail, run

HEDGED = f"{READ} idempotency: IDEMPOTENCY_READ_ONLY hedge {{ max_attempts: 3 delay {{ seconds: 1 }} }}"
OURS, GRPCS = "bedplate-previous-attempts", "grpc-previous-rpc-attempts"


def made(allowed: int | None) -> Made:
    """A hedged method, of whose attempts the operator allows so many; None: the operator says nothing."""
    found = Made(HEDGED)
    if allowed is not None:
        options = parse_options({"hedge": {"maxAttempts": allowed}}, where="override")
        layer = Layer("override", found.method.name, options)
        found.method.apply(in_force(found.method.policy.descriptor, [layer]))
    return found


@pytest.mark.parametrize("header", [OURS, GRPCS])
@pytest.mark.parametrize(("allowed", "number"), [(1, "1"), (1, "4"), (2, "2")])
async def test_further_attempts_are_refused_and_told_not_to_come_back(header, allowed, number):
    method = made(allowed)
    call = method.call(metadata={header: number})

    failure = await fail(method.method, call, method.payload())

    assert (failure.code, failure.reason) == ("UNAVAILABLE", "ATTEMPT_UNWANTED")
    assert detail(failure, "RetryInfo").retry_delay.seconds == 3600


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {OURS: "1"},
        {OURS: "0"},
        {OURS: "-1"},
        {OURS: "five"},
        {OURS: "9" * 5000},
        {OURS: "\u0662"},
        {OURS: b"2"},
    ],
)
async def test_attempts_that_are_allowed_and_what_is_no_number_of_one_are_answered(metadata):
    method = made(2)

    assert await run(method.method, method.call(metadata=metadata), method.payload())


async def test_where_the_contract_alone_speaks_nobody_looks_at_attempts():
    method = made(None)

    assert await run(method.method, method.call(metadata={OURS: "4"}), method.payload())
    assert "attempts" not in method.method.stages


@pytest.mark.parametrize(
    ("further", "reason"),
    [
        ({"rollout": {"percent": 0}}, "METHOD_DISABLED"),
        ({"deprecation": {"since": "2026-01-01", "sunset": "2026-01-02"}}, "ATTEMPT_UNWANTED"),
    ],
)
async def test_it_comes_after_the_switch_and_before_the_last_day(further, reason):
    method = made(None)
    values = {"hedge": {"maxAttempts": 1}} | further
    layer = Layer("override", method.method.name, parse_options(values, where="override"))
    method.method.apply(in_force(method.method.policy.descriptor, [layer]))

    assert (await fail(method.method, method.call(metadata={OURS: "1"}), method.payload())).reason == reason

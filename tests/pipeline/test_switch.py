"""A method that is brought in by shares, or switched off."""

import pytest

from bedplate.errors import Refusal
from bedplate.pipeline.call import Call
from bedplate.pipeline.stages import switch
from bedplate.policy.layers import Layer, in_force, parse_options
from tests.pipeline.making import READ, Made
from tests.pipeline.running import detail, fail, run


def answered(made: Made, callers: int) -> set[int]:
    """Which callers get past the switch."""
    found = set()
    for number in range(callers):
        call = made.call(key=f"key-{number}")
        try:
            enter(made, call)
        except Refusal:
            continue
        found.add(number)
    return found


def enter(made: Made, call: Call) -> None:
    stage = switch.compile(made.method.policy, made.parts)
    if stage is not None:
        assert stage.enter is not None
        stage.enter(call)


async def test_a_method_that_is_switched_off_answers_nobody_and_says_when_to_call_again():
    made = Made(f"{READ} rollout {{ percent: 0 }}")

    failure = await fail(made.method, made.call(key=""), made.payload())

    assert (failure.code, failure.reason) == ("UNAVAILABLE", "METHOD_DISABLED")
    assert detail(failure, "RetryInfo").retry_delay.seconds == 30


async def test_a_method_that_answers_everyone_has_no_switch():
    made = Made(READ)

    assert await run(made.method, made.call(), made.payload())
    assert "switch" not in made.method.stages


@pytest.mark.parametrize("percent", [1, 20, 50, 99])
def test_a_share_of_the_callers_is_answered_and_always_the_same(percent: float):
    made = Made(f"{READ} rollout {{ percent: {percent} }}")

    first = answered(made, 4000)

    assert abs(len(first) / 40 - percent) < 4
    assert answered(made, 4000) == first


def test_a_share_grows_by_further_callers_only():
    small, large = (Made(f"{READ} rollout {{ percent: {percent} }}") for percent in (20, 60))
    target = large.method.name
    layer = Layer("x", target, parse_options({"rollout": {"percent": 20}}, where="x"))

    wide = answered(large, 1000)
    large.method.apply(in_force(large.descriptor, [layer]))

    assert answered(large, 1000) < wide
    assert answered(small, 1000) != answered(large, 1000), "methods have the same callers first"


async def test_a_policy_that_changes_counts_for_the_next_call():
    made = Made(READ)
    layer = Layer("x", made.method.name, parse_options({"rollout": {"percent": 0}}, where="x"))

    assert await run(made.method, made.call(), made.payload())
    made.method.apply(in_force(made.descriptor, [layer]))
    assert (await fail(made.method, made.call(), made.payload())).reason == "METHOD_DISABLED"
    made.method.apply(in_force(made.descriptor, []))
    assert await run(made.method, made.call(), made.payload())

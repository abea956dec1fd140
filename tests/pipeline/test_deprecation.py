"""A deprecated method tells so with every answer, and answers no more after its last day."""

import datetime

import pytest

from bedplate.contract.policy import PolicyError
from tests.pipeline.making import READ, Made
from tests.pipeline.running import detail, fail, run

TODAY = datetime.datetime.now(datetime.UTC).date()
YESTERDAY = TODAY - datetime.timedelta(days=1)


def deprecated(since: object, sunset: object = "") -> Made:
    return Made(f'{READ} deprecation {{ since: "{since}" sunset: "{sunset}" }}')


async def test_every_answer_tells_since_when_and_until_when():
    made = deprecated("2026-01-31", "2999-12-31")
    call = made.call()

    await run(made.method, call, made.payload())

    assert call.response_headers == [
        ("deprecation", "@1769817600"),
        ("sunset", "Wed, 01 Jan 3000 00:00:00 GMT"),
    ]
    assert made.sample("bedplate_deprecated_calls_total") == 1


async def test_it_answers_on_its_last_day():
    made = deprecated(YESTERDAY, TODAY)

    assert await run(made.method, made.call(), made.payload())


async def test_it_answers_nobody_on_the_day_after():
    made = deprecated(YESTERDAY, YESTERDAY)

    failure = await fail(made.method, made.call(key=""), made.payload())

    assert (failure.code, failure.reason) == ("UNIMPLEMENTED", "METHOD_SUNSET")
    assert detail(failure, "ErrorInfo").metadata == {"sunset": str(YESTERDAY)}


async def test_a_method_in_use_says_nothing():
    made = Made(READ)
    call = made.call()

    await run(made.method, call, made.payload())

    assert call.response_headers == []
    assert "deprecation" not in made.method.stages


@pytest.mark.parametrize(
    "days", ["", "tomorrow", '2026-02-30"; sunset: "', '2026-02-02" sunset: "2026-02-01']
)
def test_days_that_are_none_are_refused_at_start(days: str):
    with pytest.raises(PolicyError, match="deprecation"):
        Made(f'{READ} deprecation {{ since: "{days.replace(";", "")}" }}')

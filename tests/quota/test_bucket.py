"""A bucket is exact: it answers as arithmetic without rounding does."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bedplate.contract.promises import PolicyError, Rate, RateScope
from bedplate.quota import bucket as bucket_module
from bedplate.quota.bucket import TOLD_MAX_S, Bucket, told_s
from bedplate.quota.quota import Quota
from tests.quota.conftest import SetClock

PER = RateScope.PRINCIPAL


def rate(per_second: float = 10.0, burst: int = 5, *, cost: int = 1, bucket: str = "b", per: RateScope = PER):
    return Rate(cost, bucket, per_second, burst, per)


def admitted(bucket: Bucket, now: float, *, holder: str = "a", cost: int = 1, tries: int = 1_000) -> int:
    return sum(bucket.take(holder, cost, now) >= 0 for _ in range(tries))


class Model:
    """A bucket in whole fractions, which forgets nobody."""

    def __init__(self, per_second: Fraction, burst: int) -> None:
        self.per_second, self.burst = per_second, Fraction(burst)
        self._levels: dict[str, tuple[Fraction, Fraction]] = {}

    def take(self, holder: str, cost: int, now: Fraction) -> Fraction:
        tokens, at = self._levels.get(holder, (self.burst, now))
        tokens = min(self.burst, tokens + (now - at) * self.per_second)
        self._levels[holder] = (tokens - cost if tokens >= cost else tokens, now)
        return tokens - cost


# Times and rates that floats hold exactly: the answers must be equal, not near.
STEPS = st.lists(
    st.tuples(st.integers(0, 256), st.sampled_from("abcdefgh"), st.integers(1, 12)), min_size=1, max_size=200
)


@given(steps=STEPS, sixteenths=st.integers(1, 4_000), burst=st.integers(12, 1_000))
def test_it_answers_as_arithmetic_without_rounding(
    steps: list[tuple[int, str, int]], sixteenths: int, burst: int
) -> None:
    per_second = Fraction(sixteenths, 16)
    model, bucket = Model(per_second, burst), Bucket("b", rate(float(per_second), burst))
    now = Fraction(1_000)

    for passed, holder, cost in steps:
        now += Fraction(passed, 64)

        assert bucket.take(holder, cost, float(now)) == model.take(holder, cost, now)


@given(
    waits=st.lists(st.floats(0, 3), min_size=1, max_size=200),
    per_second=st.floats(0.01, 10_000),
    burst=st.integers(1, 1_000),
)
def test_whatever_the_times_nobody_gets_more_than_flowed_in_and_no_token_is_lost(
    waits: list[float], per_second: float, burst: int
) -> None:
    bucket, model = Bucket("b", rate(per_second, burst)), Model(Fraction(per_second), burst)
    now = 5_000_000.0

    for wait in waits:
        now += wait
        left, exact = bucket.take("a", 1, now), float(model.take("a", 1, Fraction(now)))

        assert left == pytest.approx(exact, abs=1e-6)


@given(per_second=st.floats(0.01, 10_000), cost=st.integers(1, 50), began=st.floats(0, 1e7))
def test_who_waits_as_long_as_it_was_told_is_let_in(per_second: float, cost: int, began: float) -> None:
    bucket = Bucket("b", rate(per_second, cost, cost=cost))
    bucket.take("a", cost, began)

    missing = -bucket.take("a", cost, began)

    assert missing == cost
    assert bucket.take("a", cost, began + missing / per_second + 1e-6) >= 0


def test_a_burst_is_let_in_at_once_and_then_as_many_as_flow_in() -> None:
    bucket = Bucket("b", rate(10.0, 5))

    assert admitted(bucket, 1.0) == 5
    assert admitted(bucket, 1.0) == 0
    assert admitted(bucket, 1.3) == 3
    assert admitted(bucket, 100.0) == 5


def test_a_refused_call_takes_nothing() -> None:
    bucket = Bucket("b", rate(1.0, 5))
    bucket.take("a", 3, 1.0)

    assert bucket.take("a", 3, 1.0) == -1
    assert bucket.take("a", 2, 1.0) == 0


def test_holders_do_not_share() -> None:
    bucket = Bucket("b", rate(1.0, 5))

    assert [admitted(bucket, 1.0, holder=holder) for holder in ("a", "b")] == [5, 5]


def test_who_has_all_tokens_again_is_forgotten() -> None:
    bucket = Bucket("b", rate(10.0, 5))
    for number in range(1_000):
        bucket.take(number, 1, 1.0 + number)

    assert bucket.holders <= 2


def test_no_more_holders_are_remembered_than_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket_module, "HOLDERS_MAX", 100)
    bucket = Bucket("b", rate(0.001, 5))
    admitted(bucket, 1.0, holder="greedy")
    for number in range(1_000):
        bucket.take(number, 1, 1.0)

        assert bucket.holders <= 100

    assert admitted(bucket, 1.0, holder="greedy") == 0, (
        "who is nearest to full is forgotten, not who is empty"
    )


@pytest.mark.parametrize(
    ("before", "after", "then"),
    [
        (rate(10.0, 10), rate(10.0, 4), 4),  # who has more than fits has what fits
        (rate(10.0, 10), rate(10.0, 100), 7),  # what was used stays used
        (rate(10.0, 10), rate(1.0, 10), 7),
    ],
)
def test_another_rate_keeps_the_tokens(clock: SetClock, before: Rate, after: Rate, then: int) -> None:
    quota = Quota(clock=clock)
    bucket = quota.claim("m", before)
    bucket.take("a", 3, clock())

    same = quota.claim("m", after)

    assert same is bucket
    assert admitted(same, clock()) == then


def test_what_flowed_in_before_another_rate_flowed_in_at_the_old_one(clock: SetClock) -> None:
    quota = Quota(clock=clock)
    bucket = quota.claim("m", rate(10.0, 10))
    assert admitted(bucket, clock()) == 10
    clock.now += 0.5

    quota.claim("m", rate(1.0, 10))
    clock.now += 2.0

    assert admitted(bucket, clock()) == 5 + 2


def test_methods_that_share_a_bucket_are_under_the_tightest_of_their_numbers(clock: SetClock) -> None:
    quota = Quota(clock=clock)
    quota.claim("a", rate(10.0, 20))
    bucket = quota.claim("b", rate(5.0, 30, cost=25))
    assert (bucket.per_second, bucket.burst) == (5.0, 25.0), "and one call of each of them fits"

    quota.claim("b", rate(50.0, 30))
    assert (bucket.per_second, bucket.burst) == (10.0, 20.0)

    quota.claim("a", rate(7.0, 9, bucket="another"))
    assert (bucket.per_second, bucket.burst) == (50.0, 30.0)

    quota.release("b")
    assert bucket.burst == 30.0


def test_methods_that_share_a_bucket_must_agree_on_who_is_counted(clock: SetClock) -> None:
    quota = Quota(clock=clock)
    quota.claim("a", rate())

    with pytest.raises(PolicyError, match=r"b and a share the bucket b and do not say the same rate\.per"):
        quota.claim("b", rate(per=RateScope.TENANT))

    quota.claim("a", rate(per=RateScope.TENANT))
    assert quota.claim("b", rate(per=RateScope.TENANT)).per is RateScope.TENANT


@pytest.mark.parametrize(
    ("wait_s", "told"),
    [(0.1, 0.1), (0.1000000000001, 0.1), (0.10001, 0.101), (0.00001, 0.001), (1e18, TOLD_MAX_S)],
)
def test_a_wait_is_told_in_whole_milliseconds_never_too_few(wait_s: float, told: float) -> None:
    assert told_s(wait_s) == told

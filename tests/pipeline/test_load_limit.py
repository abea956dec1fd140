"""The adaptive limit, by simulation: a narrow place that nobody told it of."""

import statistics

import pytest

from bedplate.contract.promises import Criticality
from bedplate.pipeline.load.limit import LEAST, MOST, AdaptiveLimit, Base
from tests.pipeline.narrow_place import NarrowPlace


def p99(latencies_s: list[float]) -> float:
    return statistics.quantiles(latencies_s, n=100)[98]


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_at_three_times_the_capacity_the_narrow_place_never_idles_and_critical_calls_pass(seed: int) -> None:
    place = NarrowPlace(seed=seed)
    place.run(5, 0.5 * place.capacity)

    overload = place.run(20, 3 * place.capacity)

    assert overload.per_second >= 0.95 * place.capacity
    assert overload.success(Criticality.CRITICAL) >= 0.99
    assert overload.success(Criticality.SHEDDABLE) < overload.success(Criticality.DEFAULT)


def test_who_is_let_in_waits_little() -> None:
    place = NarrowPlace()
    place.run(5, 0.5 * place.capacity)
    place.run(3, 3 * place.capacity)

    settled = place.run(20, 3 * place.capacity)

    assert p99(settled.latencies_s) < 6 * place.service_s


def test_a_process_that_is_overloaded_from_its_first_call_finds_the_limit_too() -> None:
    place = NarrowPlace()

    place.run(5, 3 * place.capacity)
    settled = place.run(10, 3 * place.capacity)

    assert settled.per_second >= 0.9 * place.capacity
    assert p99(settled.latencies_s) < 10 * place.service_s


def test_nothing_is_refused_while_there_is_room() -> None:
    place = NarrowPlace()

    seen = place.run(60, 0.6 * place.capacity)

    assert seen.good.total() == pytest.approx(seen.offered.total(), abs=place.slots * 3)


def test_it_is_as_before_within_five_seconds_of_an_overload() -> None:
    place = NarrowPlace()
    place.run(5, 0.5 * place.capacity)
    place.run(10, 3 * place.capacity)
    place.run(5, 0.5 * place.capacity)

    after = place.run(10, 0.5 * place.capacity)

    assert after.good.total() == pytest.approx(after.offered.total(), abs=place.slots * 2)
    assert p99(after.latencies_s) < 3 * place.service_s


def test_minutes_of_overload_do_not_make_it_forget_how_fast_calls_are() -> None:
    place = NarrowPlace()
    place.run(5, 0.5 * place.capacity)
    place.run(300, 1.5 * place.capacity)

    late = place.run(20, 1.5 * place.capacity)

    assert late.per_second >= 0.9 * place.capacity
    assert p99(late.latencies_s) < 8 * place.service_s


@pytest.mark.parametrize("slower", [3.0, 10.0])
def test_calls_that_became_slower_for_good_are_let_in_again_after_a_while(slower: float) -> None:
    place = NarrowPlace()
    place.run(5, 0.5 * place.capacity)
    place.service_s *= slower
    place.run(120, 2 * place.capacity)

    settled = place.run(20, 2 * place.capacity)

    assert settled.per_second >= 0.9 * place.capacity


def test_a_place_that_became_wider_is_used() -> None:
    place = NarrowPlace(slots=4)
    place.run(20, 3 * place.capacity)
    place.slots = 64
    place.run(10, 1.5 * place.capacity)

    wide = place.run(10, 1.5 * place.capacity)

    assert wide.per_second >= 0.9 * place.capacity


def test_thousands_of_slow_calls_at_once_are_no_overload_when_they_do_not_slow_each_other_down() -> None:
    place = NarrowPlace(slots=100_000, service_s=1.0)
    place.run(20, 3_000)
    refused = dict(place.load.door("a.v1.A/Do").refused)

    seen = place.run(10, 3_000)

    assert seen.per_second > 0.95 * 3_000
    assert place.load.door("a.v1.A/Do").refused == refused


@pytest.mark.parametrize(("took_s", "bound"), [(0.02, MOST), (9.0, LEAST)])
def test_the_limit_stays_within_its_bounds(took_s: float, bound: float) -> None:
    limit, base = AdaptiveLimit(), Base()
    base.base_s = 0.02
    limit.running = 1_000_000  # it binds, whatever it is
    values = []
    for number in range(1_000):
        limit.begin()
        limit.end(base, took_s, number * 0.01)
        values.append(limit.value)

    assert bound in values
    assert LEAST / 2 <= min(values) <= max(values) <= MOST


def test_calls_that_the_scheduler_delays_by_milliseconds_do_not_lower_the_limit() -> None:
    limit, base, now = AdaptiveLimit(), Base(), 0.0
    for number in range(5_000):
        limit.begin()
        now += 0.001
        limit.end(base, 0.0002 if number % 10 else 0.008, now)

    assert limit.value >= 100

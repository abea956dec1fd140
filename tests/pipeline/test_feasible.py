"""Calls that cannot finish in the time that they have are not begun."""

import asyncio
import time
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bedplate.pipeline.failure import Failure
from bedplate.pipeline.stage import Parts
from bedplate.pipeline.timing import (
    DOWN,
    ENOUGH,
    FORGET_S,
    PROBE_AFTER_S,
    PROBE_EVERY,
    UP,
    Timing,
    Timings,
)
from bedplate.settings import Settings
from tests.pipeline.conftest import Bench
from tests.pipeline.making import READ, READER, Anyone, Made
from tests.pipeline.running import detail

TIMES_S = st.floats(0.0001, 10.0)


class Clock:
    """A clock that stands until a test moves it; seconds."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def learned(clock: Clock, took_s: float, calls: int = ENOUGH, *, every_s: float = 0.01) -> Timing:
    """The timing of a method after calls that all took so long."""
    timing = Timing(clock)
    run(timing, clock, took_s, calls, every_s=every_s)
    return timing


def run(timing: Timing, clock: Clock, took_s: float, calls: int, *, every_s: float = 0.01) -> None:
    """Calls one after the other, each of which takes so long."""
    for _ in range(calls):
        clock.now += every_s
        timing.succeeded(took_s, clock.now)


def refused(timing: Timing, clock: Clock, given_s: float, calls: int, *, every_s: float = 0.0) -> int:
    """How many of so many calls with so much time are refused."""
    count = 0
    for _ in range(calls):
        clock.now += every_s
        count += timing.doubts(given_s)
    return count


def test_a_call_with_less_time_than_the_method_takes_is_doubted_and_one_with_more_is_not() -> None:
    clock = Clock()
    timing = learned(clock, 0.2)
    timing.doubts(0.1)  # the first one of a while is let through, to look

    assert timing.doubts(0.1)
    assert not timing.doubts(0.21)


def test_nothing_is_doubted_before_there_are_enough_calls_to_know() -> None:
    clock = Clock()
    timing = learned(clock, 0.2, ENOUGH - 1)

    assert refused(timing, clock, 0.1, 10) == 0
    run(timing, clock, 0.2, 1)
    assert refused(timing, clock, 0.1, 10) == 9


def test_a_small_share_of_doubted_calls_is_let_through() -> None:
    clock = Clock()
    timing = learned(clock, 0.2)

    let_through = 1600 - refused(timing, clock, 0.1, 1600)

    assert let_through == 1600 // PROBE_EVERY


def test_a_doubted_call_that_comes_a_while_after_the_last_one_is_let_through() -> None:
    clock = Clock()
    timing = learned(clock, 0.2)

    assert refused(timing, clock, 0.1, 10, every_s=PROBE_AFTER_S) == 0


def test_an_estimate_that_nothing_confirms_is_forgotten() -> None:
    clock = Clock()
    timing = learned(clock, 0.2)

    clock.now += FORGET_S + 0.1
    assert refused(timing, clock, 0.1, 10) == 0
    run(timing, clock, 0.05, 1)
    assert (timing.count, timing.estimate_s) == (1, pytest.approx(0.05))


@pytest.mark.parametrize("per_s", [1, 10, 1000])
def test_a_method_that_is_quick_again_is_soon_believed_whatever_the_load(per_s: int) -> None:
    clock = Clock()
    timing = learned(clock, 1.0, every_s=1 / per_s)
    asked = 0
    began = clock.now

    while timing.estimate_s > 0.1:
        clock.now += 1 / per_s
        asked += 1
        if not timing.doubts(0.1):
            timing.succeeded(0.01, clock.now)

    assert asked <= 26 * PROBE_EVERY
    assert clock.now - began < FORGET_S


@given(st.lists(TIMES_S, min_size=1, max_size=300))
def test_the_estimate_never_leaves_what_was_seen(times: list[float]) -> None:
    clock = Clock()
    timing = Timing(clock)

    for took_s in times:
        run(timing, clock, took_s, 1)

    assert min(times) * DOWN * 0.999 <= timing.estimate_s <= max(times) * UP * 1.001
    assert not timing.doubts(max(times) * UP * 1.001)


@settings(max_examples=30, deadline=None)  # a busy machine is no finding
@given(st.integers(0, 10_000), TIMES_S, st.floats(1.2, 20.0))
def test_few_calls_are_quicker_than_the_estimate(seed: int, least_s: float, spread: float) -> None:
    """Whatever times are drawn evenly from, about one in ten is below it: it is seldom wrong to refuse."""
    clock = Clock()
    timing = Timing(clock)
    draws = Random(seed)

    def draw_s() -> float:
        return least_s * spread ** draws.random()

    for _ in range(1500):
        run(timing, clock, draw_s(), 1)
    quicker = 0
    for _ in range(2000):
        took_s = draw_s()
        quicker += took_s < timing.estimate_s
        run(timing, clock, took_s, 1)

    assert 0.05 < quicker / 2000 < 0.2


def make(clock: Clock, policy: str = "") -> Made:
    parts = Parts(authenticator=Anyone(READER), settings=Settings(), timings=Timings(clock))
    return Made(f"{READ} {policy}", parts=parts)


async def test_a_refusal_says_how_much_time_there_was_and_how_much_it_lately_takes() -> None:
    clock = Clock(time.monotonic())  # that of the calls
    made = make(clock)
    run(made.parts.timings.of(made.method.name), clock, 0.5, ENOUGH)
    answers = []

    for _ in range(3):
        try:
            await made.method.unary(made.call(requested_timeout_s=0.1), made.payload())
        except Failure as failure:
            answers.append(failure)

    assert len(answers) == 2
    assert (answers[0].code, answers[0].reason) == ("DEADLINE_EXCEEDED", "DEADLINE_TOO_SHORT")
    facts = detail(answers[0], "ErrorInfo").metadata
    assert (facts["given_ms"], float(facts["takes_ms"])) == ("90.0", pytest.approx(500, rel=0.1))
    registry = made.parts.registry
    labels = {"method": made.method.name}
    assert registry.get_sample_value("bedplate_deadline_too_short_total", labels) == 2
    takes_s = registry.get_sample_value("bedplate_call_quickest_seconds", labels)
    assert takes_s == made.parts.timings.of(made.method.name).estimate_s


async def test_only_calls_that_end_well_count() -> None:
    made = make(Clock())
    timing = made.parts.timings.of(made.method.name)

    await made.method.unary(made.call(), made.payload())
    with pytest.raises(Failure):
        await made.method.unary(made.call(), b"\xff\xff")

    assert timing.count == 1


async def test_a_method_learns_by_itself_how_long_it_takes() -> None:
    async def slow(request: Any, call: Any) -> Any:
        done = asyncio.Event()
        asyncio.get_running_loop().call_later(0.02, done.set)
        await done.wait()
        return type(request)(text=request.text)

    made = Made(READ, handler=slow)
    await asyncio.gather(*(made.method.unary(made.call(), made.payload()) for _ in range(ENOUGH)))

    results = await asyncio.gather(
        *(made.method.unary(made.call(requested_timeout_s=0.015), made.payload()) for _ in range(8)),
        return_exceptions=True,
    )
    reasons = [each.reason for each in results if isinstance(each, Failure)]
    assert reasons.count("DEADLINE_TOO_SHORT") == 7
    assert reasons.count("DEADLINE_EXCEEDED") == 1


@pytest.mark.parametrize("mode", ["OBSERVE", "PROPAGATE"])
def test_where_the_deadline_is_not_enforced_nothing_is_refused(mode: str) -> None:
    made = make(Clock(), f"deadline {{ mode: DEADLINE_MODE_{mode} }}")

    assert "feasible" not in made.method.stages


@pytest.mark.parametrize("kind", ["Collect", "Repeat", "Chat"])
def test_calls_that_stream_are_let_be(bench: Bench, kind: str) -> None:
    assert "feasible" not in bench.methods[kind].stages
    assert "feasible" in bench.methods["Echo"].stages


async def test_a_policy_that_changes_leaves_what_was_learned() -> None:
    clock = Clock(time.monotonic())  # that of the calls
    made = make(clock)
    run(made.parts.timings.of(made.method.name), clock, 0.5, ENOUGH)

    made.method.apply(made.method.policy)

    outcomes = []
    for _ in range(2):
        try:
            await made.method.unary(made.call(requested_timeout_s=0.1), made.payload())
            outcomes.append("OK")
        except Failure as failure:
            outcomes.append(failure.reason)
    assert outcomes == ["OK", "DEADLINE_TOO_SHORT"]


def test_it_costs_less_than_a_microsecond_a_call() -> None:
    timing = Timing()
    calls = 20_000
    best_s = 1.0

    for _ in range(5):
        began = time.perf_counter()
        for _ in range(calls):
            if timing.estimate_s > 1e9 and timing.doubts(1.0):
                raise AssertionError
            timing.succeeded(0.01, began)
        best_s = min(best_s, (time.perf_counter() - began) / calls)

    assert best_s < 1e-6

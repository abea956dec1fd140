"""Hedged calls: the schedule by itself, on a clock that does not run."""

import random
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bedplate.client.hedge import NEVER_S, Budget, Race, Setback
from bedplate.contract.promises import Hedge

UNAVAILABLE = Setback()
FATAL = Setback(fatal=True)
NO_MORE = Setback(wait_s=NEVER_S)
HEDGE = Hedge(delay_s=0.1, max_attempts=3)


def race(*, hedge: Hedge = HEDGE, budget: Budget | None = None, ends_at: float = 10.0) -> Race:
    """A call that begins at 0."""
    return Race(hedge, budget or Budget(), now=0.0, ends_at=ends_at)


def test_each_further_attempt_goes_after_the_delay_up_to_the_last() -> None:
    call = race()

    assert call.next_at == 0.1
    assert call.send(0.1)
    assert call.next_at == pytest.approx(0.2)
    assert call.send(0.2)
    assert (call.next_at, call.sent, call.running) == (None, 3, 3)


def test_a_failure_sends_the_next_one_at_once_and_the_delay_begins_anew() -> None:
    call = race()

    assert not call.failed(0, UNAVAILABLE, 0.03)
    assert call.next_at == 0.03
    assert call.send(0.03)
    assert call.next_at == pytest.approx(0.13)


def test_the_last_failure_is_the_answer() -> None:
    call = race()
    call.send(0.1)
    call.send(0.2)

    assert [call.failed(number, UNAVAILABLE, 0.3) for number in (1, 0, 2)] == [False, False, True]


def test_a_fatal_answer_ends_it_whatever_else_runs() -> None:
    call = race()
    call.send(0.1)

    assert call.failed(1, FATAL, 0.15)
    assert call.next_at is None


def test_a_server_that_says_when_is_asked_then_and_not_before() -> None:
    call = race()
    call.failed(0, Setback(wait_s=2.0), 0.05)

    assert call.next_at == 2.05
    assert call.send(2.05)
    assert call.next_at == pytest.approx(2.15)


def test_a_server_that_says_no_more_stops_it_and_lets_the_others_answer() -> None:
    call = race()
    call.send(0.1)

    assert not call.failed(0, NO_MORE, 0.12)
    assert call.next_at is None
    assert call.failed(1, UNAVAILABLE, 0.5)


def test_no_attempt_is_sent_for_which_no_time_is_left() -> None:
    call = race(ends_at=0.15)
    call.send(0.1)

    assert call.next_at is None
    assert not call.failed(1, UNAVAILABLE, 0.12)
    assert call.next_at == 0.12
    assert call.failed(0, Setback(wait_s=1.0), 0.13)


def test_a_wait_that_outlasts_the_deadline_is_not_waited_for() -> None:
    call = race(ends_at=1.0)

    assert call.failed(0, Setback(wait_s=5.0), 0.1)


def test_while_half_of_the_budget_is_gone_nothing_is_hedged() -> None:
    budget = Budget(4, 0.5)
    assert race(budget=budget).send(0.1)
    assert race(budget=budget).send(0.1)

    held = race(budget=budget)
    assert not held.send(0.1)
    assert held.next_at is None
    assert held.failed(0, UNAVAILABLE, 0.2)


def test_successes_pay_for_hedges() -> None:
    budget = Budget(4, 0.5)
    for _ in range(2):
        race(budget=budget).send(0.1)
    race(budget=budget).succeeded()

    assert budget.tokens == 2.5
    assert race(budget=budget).send(0.1)


def test_an_attempt_costs_one_token_however_it_ends() -> None:
    budget = Budget(10, 0.1)
    call = race(budget=budget)
    call.send(0.1)  # beside the first
    assert budget.tokens == 9.0
    call.failed(1, UNAVAILABLE, 0.2)
    assert budget.tokens == 9.0
    call.failed(0, UNAVAILABLE, 0.2)
    assert budget.tokens == 8.0
    call.send(0.2)  # in the place of those that failed, so nothing beside it
    assert budget.tokens == 8.0


def test_what_was_not_begun_and_what_is_wrong_with_the_request_cost_nothing() -> None:
    budget = Budget(10, 0.1)
    draining, wrong = race(budget=budget), race(budget=budget)
    draining.send(0.1)
    draining.failed(1, Setback(begun=False), 0.2)
    draining.failed(0, Setback(begun=False), 0.2)
    wrong.failed(0, FATAL, 0.1)

    assert budget.tokens == 10.0


def test_the_tightest_budget_of_a_channels_services_holds() -> None:
    budget = Budget(1000, 1.0)
    budget.tighten(8, 0.5)
    budget.tighten(100, 0.2)
    budget.take()
    budget.give()

    assert budget.tokens == 7.2


def test_a_budget_never_holds_more_or_less_than_it_can() -> None:
    budget = Budget(2, 1.0)
    budget.give()
    assert budget.tokens == 2.0
    for _ in range(5):
        budget.take()
    assert budget.tokens == 0.0


ANSWERS = ("good", "unavailable", "wait", "never", "fatal", "silent", "draining")
SETBACKS = {
    "unavailable": UNAVAILABLE,
    "wait": Setback(wait_s=0.25),
    "never": NO_MORE,
    "fatal": FATAL,
    "draining": Setback(wait_s=0.02, begun=False),
}


def play(
    seed: int, budget: Budget, delay_s: float, attempts: int, answers: Sequence[str] = ANSWERS
) -> tuple[list[float], str, list[str]]:
    """One call against servers that answer at random: when attempts were sent, its answer, all answers."""
    draw = random.Random(seed)
    now, ends_at = 0.0, 1.0
    call = Race(Hedge(delay_s, attempts), budget, now=now, ends_at=ends_at)
    sent: list[float] = []
    due: list[tuple[float, int, str]] = []
    heard: list[str] = []

    def send() -> None:
        sent.append(now)
        answer = draw.choice(answers)
        if answer != "silent":
            due.append((now + draw.random() * 0.6, len(sent) - 1, answer))

    send()
    while True:
        coming = min(due, default=(NEVER_S, -1, ""))
        wakes = NEVER_S if call.next_at is None else call.next_at
        if min(coming[0], wakes) >= ends_at:
            return sent, "deadline", heard
        if wakes <= coming[0]:
            now = wakes
            if call.send(now):
                send()
            elif call.over:
                return sent, heard[-1], heard
            continue
        due.remove(coming)
        now, number, answer = coming
        heard.append(answer)
        if answer == "good":
            call.succeeded()
            return sent, answer, heard
        if call.failed(number, SETBACKS[answer], now):
            return sent, answer, heard


@settings(max_examples=400, deadline=None)
@given(
    st.integers(min_value=0),
    st.floats(min_value=0.001, max_value=0.5),
    st.integers(min_value=2, max_value=5),
)
def test_whatever_servers_answer_the_schedule_keeps_its_rules(
    seed: int, delay_s: float, attempts: int
) -> None:
    sent, answer, heard = play(seed, Budget(100, 0.5), delay_s, attempts)

    assert len(sent) <= attempts
    assert all(at < 1.0 for at in sent)
    # Nothing but an answer sends an attempt before its time.
    shortened = sum(each in ("unavailable", "draining", "wait") for each in heard)
    early = sum(b - a < delay_s - 1e-9 for a, b in pairwise(sent))
    assert early <= shortened
    # A good or a fatal answer ends it at once; what failed before it did not.
    assert not {"good", "fatal"} & set(heard[:-1])
    if answer not in ("good", "fatal", "deadline"):
        # It failed only when every attempt had, and no other was allowed or had time.
        assert len(heard) == len(sent)


@settings(max_examples=100, deadline=None)
@given(
    st.integers(min_value=0),
    st.integers(min_value=2, max_value=40),
    st.floats(min_value=0.01, max_value=1.0),
    st.integers(min_value=1, max_value=120),
)
def test_however_slow_servers_are_hedges_stay_within_the_budget(
    seed: int, size: int, ratio: float, calls: int
) -> None:
    draw = random.Random(seed)
    budget = Budget(size, ratio)
    begun = tuple(answer for answer in ANSWERS if answer != "draining")
    added = succeeded = 0
    for _ in range(calls):
        sent, answer, _ = play(draw.getrandbits(30), budget, 0.01, 5, answers=begun)
        added += len(sent) - 1
        succeeded += answer == "good"

    assert added <= size / 2 + ratio * succeeded + 1

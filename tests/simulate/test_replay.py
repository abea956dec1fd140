"""Calls have one effect for each request id in whatever order things happen, and mistakes are found."""

import pytest

from bedplate.records import outcome
from bedplate.records.attempt import Attempt
from bedplate.testing.simulate import SimulationFailed, simulate
from tests.simulate.till import Locking, selling

# Without these a run that passes says little.
MUST_HAPPEN = {"OK", "SOLD_OUT", "IDEMPOTENCY_IN_PROGRESS", "OUTCOME_UNKNOWN", "UNREACHABLE", "replayed True"}


@pytest.fixture(autouse=True)
def advisory_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The simulated database speaks SQLite's SQL and runs transactions side by side, as PostgreSQL does."""
    monkeypatch.setattr(outcome, "lock", Locking.lock)


def test_each_call_has_one_effect_and_one_answer_in_every_order() -> None:
    seen: set[str] = set()

    simulate(selling(seen=seen), seeds=range(100))

    assert seen >= MUST_HAPPEN, MUST_HAPPEN - seen


@pytest.mark.soak
@pytest.mark.parametrize("first", range(0, 10_000, 2_000))
def test_each_call_has_one_effect_and_one_answer_in_ten_thousand_orders(first: int) -> None:
    assert simulate(selling(), seeds=range(first, first + 2_000)).seeds == 2_000


def without_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Transactions of one call run side by side."""
    monkeypatch.setattr(outcome, "lock", lambda *_: True)


def test_without_its_lock_the_key_of_the_outcome_still_lets_one_commit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without_lock(monkeypatch)

    simulate(selling(methods=("Sell",)), seeds=range(50))


def without_lock_and_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same, and the last one wins."""
    without_lock(monkeypatch)
    monkeypatch.setattr(outcome, "_SAVE", outcome._SAVE.partition("WHERE")[0])


def without_claim(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks for an outcome before the work, and the last one wins."""
    monkeypatch.setattr(Attempt, "_claim", lambda *_: "")
    monkeypatch.setattr(outcome, "_SAVE", outcome._SAVE.partition("WHERE")[0])


def apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """The outcome is not written with the effect, but afterwards."""

    async def transact(self, work, run):
        return await run(work)

    monkeypatch.setattr(Attempt, "transact", transact)


@pytest.mark.parametrize("mistake", [without_lock_and_key, without_claim, apart])
def test_a_mistake_that_is_built_in_is_found(mistake, monkeypatch: pytest.MonkeyPatch) -> None:
    mistake(monkeypatch)

    with pytest.raises(SimulationFailed):
        simulate(selling(), seeds=range(500))

"""The ledger keeps its promises in whatever order things happen, and mistakes are found."""

import time

import pytest

from bedplate.testing.simulate import Sabotage, SimulationFailed, simulate
from tests.simulate.ledger import posting

# Each is found when it is built in on purpose; nothing of it is in the ledger's code.
PLANTED = {
    "missing-lock": Sabotage(without_locks_of=frozenset({"ledger_ledgers"})),
    "early-commit": Sabotage(answer_early=True),
}


# Without these a run that passes says little.
MUST_HAPPEN = {
    *("LIMIT_EXCEEDED", "TRANSACTION_EXISTS", "ALREADY_REVERSED", "HOLD_RESOLVED", "OUTCOME_UNKNOWN"),
    *("PENDING", "CAPTURED", "RELEASED", "EXPIRED"),
}


@pytest.mark.parametrize("serial", [False, True], ids=["row-locks", "one-writer"])
def test_the_ledger_keeps_its_promises_in_every_order(serial):
    """LG-01 to 03, 05, 06, 08 to 10, 12: posting, holds, expiry; crashes and retries at any statement."""
    seen: set[str] = set()

    simulate(posting(serial=serial, seen=seen), seeds=range(50 if serial else 300))

    assert serial or seen >= MUST_HAPPEN, MUST_HAPPEN - seen


@pytest.mark.soak
@pytest.mark.parametrize("first", range(0, 10_000, 2_000))
def test_the_ledger_keeps_its_promises_in_ten_thousand_orders(first):
    report = simulate(posting(), seeds=range(first, first + 2_000))

    print(report)
    assert report.seeds == 2_000


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_bug_is_found_within_1000_seeds_and_replays_from_its_seed(name):
    planted = posting(sabotage=PLANTED[name])

    with pytest.raises(SimulationFailed) as found:
        simulate(planted, seeds=range(1_000))

    seed = found.value.seed
    for _ in range(2):
        with pytest.raises(SimulationFailed) as again:
            simulate(planted, seed=seed)
        assert str(again.value) == str(found.value)
        assert again.value.trace == found.value.trace
    assert simulate(posting(), seed=seed).seeds == 1


def test_thousands_of_orders_are_tried_in_a_minute():
    started = time.process_time()
    simulate(posting(), seeds=range(1_000, 1_100))

    cpu_s = time.process_time() - started
    assert cpu_s < 6.0, f"{cpu_s} s for 100 seeds"  # 0.8 s on a quiet core, 2.4 s on a very busy one

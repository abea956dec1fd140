"""A server under three times the load that it can do, in a process of its own."""

import pytest

from tests.load import contract
from tests.load.measure import Point, run, server

pytestmark = pytest.mark.soak

SECONDS = 4.0
# After an overload, load and answers are as before within this. Seconds.
RECOVERY_S = 5.0


def overloaded(scenario: str) -> tuple[Point, Point]:
    """What was seen at three times the capacity, and at half of it five seconds after."""
    capacity = contract.CAPACITY
    with server() as port:
        points = run(scenario, port, [0.5 * capacity, 3 * capacity, 3 * capacity], SECONDS)
        run(scenario, port, [0.5 * capacity], RECOVERY_S)
        (after,) = run(scenario, port, [0.5 * capacity], SECONDS)
    return points[-1], after


@pytest.mark.parametrize("scenario", ["Narrow", "Slotted"])
def test_at_three_times_the_capacity_the_narrow_place_is_used_and_critical_calls_pass(scenario: str) -> None:
    overload, after = overloaded(scenario)

    assert overload.goodput >= 0.85 * contract.CAPACITY
    assert overload.success("Critical") >= 0.99
    assert overload.late <= 0.005 * sum(overload.codes.values())
    assert after.success("Default") >= 0.99
    assert after.late == 0


def test_calls_that_compute_keep_their_deadline_when_there_are_too_many() -> None:
    """Without load shedding two of three of them are late."""
    capacity = contract.HEAVY_CAPACITY
    with server() as port:
        points = run("Heavy", port, [0.3 * capacity, 3 * capacity, 3 * capacity], SECONDS)

    overload = points[-1]
    assert overload.success("Critical") >= 0.99
    assert overload.late <= 0.05 * sum(overload.codes.values())
    assert overload.goodput >= 0.5 * capacity


def test_refusals_come_at_once() -> None:
    with server() as port:
        points = run("Narrow", port, [3 * contract.CAPACITY] * 2, SECONDS)

    refused = sorted(s for fate in points[-1].fates.values() for s in fate.refused_s)
    assert len(refused) > contract.CAPACITY
    assert refused[len(refused) // 2] < 0.05

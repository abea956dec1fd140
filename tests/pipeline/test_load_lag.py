"""What the loop's lag asks for: told tick by tick, and measured on a loop."""

import asyncio
import time

import pytest

from bedplate.contract.promises import Criticality
from bedplate.pipeline.load.lag import LATE_TICKS, PRESSURE_MAX, LagSampler, Pressure
from bedplate.pipeline.load.load import Load

TARGET_S = 0.05


def pressed(ticks: int, lag_s: float = 0.1, calls: int = 50) -> Pressure:
    pressure = Pressure(TARGET_S)
    for _ in range(ticks):
        pressure.tick(lag_s, calls)
    return pressure


def test_one_long_pause_of_the_machine_presses_nothing() -> None:
    pressure = pressed(1, lag_s=3.0)
    pressure.tick(0.0, 50)

    assert pressure.value == 0.0


@pytest.mark.parametrize(("ticks", "presses"), [(LATE_TICKS - 1, False), (LATE_TICKS, True)])
def test_a_loop_that_is_late_several_times_on_end_presses(ticks: int, presses: bool) -> None:
    assert (pressed(ticks).value > 0.0) is presses


def test_a_loop_that_is_as_late_as_it_may_be_presses_nothing() -> None:
    assert pressed(100, lag_s=TARGET_S).value == 0.0


def test_a_late_loop_that_nobody_calls_presses_nothing() -> None:
    assert pressed(100, calls=1).value == 0.0


def test_the_pressure_has_a_top() -> None:
    assert pressed(1_000).value == PRESSURE_MAX


def test_it_falls_once_the_loop_is_in_time() -> None:
    pressure = pressed(1_000)
    for _ in range(1_000):
        pressure.tick(0.0, 50)

    assert pressure.value == 0.0


@pytest.mark.parametrize(
    ("value", "refused"),
    [(0.0, (0, 0, 0)), (0.5, (0, 0, 50)), (1.0, (0, 0, 100)), (1.25, (0, 25, 100)), (2.0, (0, 100, 100))],
)
def test_pressure_refuses_the_sheddable_first_and_the_critical_never(
    value: float, refused: tuple[int, int, int]
) -> None:
    load = Load()
    load.pressure.value = value
    door = load.door("a.v1.A/Do")

    for _ in range(100):
        for level in Criticality:
            load.refusal(door, level)

    assert tuple(door.refused[level] for level in Criticality) == refused


def test_switched_off_it_refuses_nothing() -> None:
    load = Load(on=False)
    load.pressure.value = PRESSURE_MAX
    load.limit.value = 0.0

    assert load.refusal(load.door("a.v1.A/Do"), Criticality.SHEDDABLE) is None


def test_a_refused_caller_is_asked_to_wait_for_longer_when_calls_take_longer() -> None:
    load = Load()
    load.limit.value = 0.0
    quick, slow = load.door("a.v1.A/Quick"), load.door("a.v1.A/Slow")
    quick.base.base_s, slow.base.base_s = 0.01, 1.0

    waits = [load.refusal(door, Criticality.DEFAULT) for door in (quick, slow)]

    assert waits[0] is not None
    assert waits[1] is not None
    assert 0.0 < (waits[0].retry_after_s or 0.0) < 0.2 < 1.0 < (waits[1].retry_after_s or 0.0) <= 5.0


async def test_a_loop_that_was_held_up_is_measured_as_late() -> None:
    told: list[float] = []
    ticked = asyncio.Event()

    def tick(lag_s: float) -> None:
        told.append(lag_s)
        ticked.set()

    sampler = LagSampler(tick)
    until = time.monotonic() + 0.2
    while time.monotonic() < until:
        pass
    await ticked.wait()
    sampler.stop()

    assert told[0] == pytest.approx(0.175, abs=0.1)

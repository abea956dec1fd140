"""What the loop's lag asks for: told tick by tick, and measured on a loop."""

import asyncio
import time

import pytest

from bedplate.contract.promises import Criticality
from bedplate.pipeline.load.lag import LATE_TICKS, PRESSURE_MAX, TICK_S, LoopSampler, Pressure
from bedplate.pipeline.load.load import PROBE_TICKS, REFUSAL_S, REFUSING_SHARE, Load

TARGET_S = 0.05


def pressed(ticks: int, lag_s: float = 0.1, calls: int = 50) -> Pressure:
    pressure = Pressure(TARGET_S)
    for _ in range(ticks):
        pressure.tick(lag_s, 1.0, calls)
    return pressure


def test_one_long_pause_of_the_machine_presses_nothing() -> None:
    pressure = pressed(1, lag_s=3.0)
    pressure.tick(0.0, 0.5, 50)

    assert pressure.value == 0.0


@pytest.mark.parametrize(("ticks", "presses"), [(LATE_TICKS - 1, False), (LATE_TICKS, True)])
def test_a_loop_that_is_late_several_times_on_end_presses(ticks: int, presses: bool) -> None:
    assert (pressed(ticks).value > 0.0) is presses


def test_a_loop_that_is_as_late_as_it_may_be_presses_nothing() -> None:
    assert pressed(100, lag_s=TARGET_S).value == 0.0


def test_a_late_loop_that_nobody_calls_presses_nothing() -> None:
    assert pressed(100, calls=0).value == 0.0


def test_a_busy_loop_that_is_not_behind_presses_nothing() -> None:
    assert pressed(100, lag_s=0.0).value == 0.0


def test_calls_that_wait_in_core_press() -> None:
    pressure = Pressure(TARGET_S)
    pressure.behind = True
    pressure.tick(0.0, 1.0, 50)

    assert pressure.value > 0.0


def test_a_loop_that_is_idle_again_is_not_behind() -> None:
    pressure = Pressure(TARGET_S)
    pressure.behind = True
    pressure.tick(0.0, 0.5, 50)

    assert (pressure.behind, pressure.value) == (False, 0.0)


def test_the_pressure_has_a_top() -> None:
    assert pressed(1_000).value == PRESSURE_MAX


@pytest.mark.parametrize(("busy", "seconds"), [(0.2, 1.0), (0.95, 4.5)])
def test_it_is_gone_within_five_seconds_of_the_overload_and_sooner_when_there_is_much_room(
    busy: float, seconds: float
) -> None:
    pressure = pressed(1_000)
    for _ in range(int(seconds / TICK_S)):
        pressure.tick(0.0, busy, 50)

    assert pressure.value == 0.0


def probed(load: Load, *, busy: float) -> list[int]:
    asked: list[int] = []
    load.probe = lambda count, told: asked.append(count)
    for _ in range(PROBE_TICKS):
        for _ in range(10):
            load.refusal(load.door("a.v1.A/Do"), Criticality.DEFAULT)
        load.tick(0.0, busy, busy * TICK_S)
    return asked


def test_a_loop_that_is_never_idle_has_the_door_look_how_many_calls_wait() -> None:
    assert len(probed(Load(), busy=1.0)) == 1
    assert probed(Load(), busy=0.5) == []


def test_it_looks_for_as_many_calls_as_take_the_lag_that_the_loop_may_have() -> None:
    load = Load(lag_s=TARGET_S)
    for _ in range(50):
        (asked,) = probed(load, busy=1.0)

    assert asked == pytest.approx(2 * TARGET_S / (TICK_S / 10), abs=3)


@pytest.mark.parametrize(("came", "behind"), [(10, False), (40, True)])
def test_it_is_behind_when_more_calls_come_at_once_than_it_can_begin_in_that_time(
    came: int, behind: bool
) -> None:
    load = Load(lag_s=TARGET_S)
    for _ in range(50):
        probed(load, busy=1.0)
    load.probe = lambda count, told: told(came)
    for _ in range(PROBE_TICKS):
        load.tick(0.0, 1.0, TICK_S)

    assert load.pressure.behind is behind


@pytest.mark.parametrize("core", [1.0, 0.2])
def test_only_a_share_of_what_the_loop_can_compute_is_spent_on_refusing(core: float) -> None:
    load = Load()
    door = load.door("a.v1.A/Do")
    for _ in range(int(10.0 / TICK_S)):
        load.pressure.value = PRESSURE_MAX
        for _ in range(1_000):
            load.refusal(door, Criticality.DEFAULT)
        load.tick(0.0, 0.95, core * TICK_S)

    spent_s = door.refused[Criticality.DEFAULT] * REFUSAL_S
    assert spent_s == pytest.approx(REFUSING_SHARE * core * 10.0, rel=0.1)


@pytest.mark.parametrize(
    ("value", "refused"),
    [(0.0, (0, 0, 0)), (0.5, (0, 0, 20)), (1.0, (0, 0, 40)), (1.25, (0, 10, 40)), (2.0, (0, 40, 40))],
)
def test_pressure_refuses_the_sheddable_first_and_the_critical_never(
    value: float, refused: tuple[int, int, int]
) -> None:
    load = Load()
    load.pressure.value = value
    door = load.door("a.v1.A/Do")

    for _ in range(40):
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


async def test_a_loop_that_was_held_up_is_measured_as_late_and_busy() -> None:
    told: list[tuple[float, float, float]] = []
    ticked = asyncio.Event()

    def tick(lag_s: float, busy: float, ran_s: float) -> None:
        told.append((lag_s, busy, ran_s))
        ticked.set()

    sampler = LoopSampler(tick)
    until = time.monotonic() + 0.2
    while time.monotonic() < until:
        pass
    await ticked.wait()
    sampler.stop()

    assert told[0][0] == pytest.approx(0.175, abs=0.1)
    assert told[0][1] > 0.9
    assert 0.0 < told[0][2] <= 0.3

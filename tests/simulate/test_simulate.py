"""Seeds, virtual time, traces and replays."""

import asyncio
import os
import random
import secrets
import subprocess
import sys
import time
import uuid

import pytest

from bedplate.testing.simulate import SimulationFailed, World, simulate
from bedplate.testing.simulate.schedule import Priorities, Walk

WITH_A_TRACE = """
import asyncio, uuid
from bedplate.testing.simulate import SimulationFailed, simulate

async def scenario(world):
    async def walk(name):
        for _ in range(5):
            await asyncio.sleep(world.random.random() if world.random.random() < 0.5 else 0)
            world.note(f"{name} {uuid.uuid4()} {world.clock()}")
    async def end():
        await asyncio.sleep(0.3)
        raise ValueError("so that there is a trace")
    async with asyncio.TaskGroup() as group:
        for name in ("north", "east", "south"):
            group.create_task(walk(name), name=name)
        group.create_task(end())

try:
    simulate(scenario, seed=17)
except SimulationFailed as failed:
    print(failed)
"""


async def loses_updates(world: World) -> None:
    """Three tasks add one to a number, and wait between reading and writing."""
    number = 0

    async def add() -> None:
        nonlocal number
        read = number
        await asyncio.sleep(0)
        number = read + 1

    await asyncio.gather(add(), add(), add())
    assert number == 3, f"{number} is not 3"


def failure_of(scenario, **options) -> SimulationFailed:
    with pytest.raises(SimulationFailed) as caught:
        simulate(scenario, **options)
    return caught.value


def test_a_lost_update_is_found_and_replays_to_the_same_failure_twice():
    found = failure_of(loses_updates)

    first = failure_of(loses_updates, seed=found.seed)
    second = failure_of(loses_updates, seed=found.seed)

    assert isinstance(found.error, AssertionError)
    assert str(first) == str(second) == str(found)
    assert first.trace == second.trace == found.trace
    assert f"Replay it: simulate(loses_updates, seed={found.seed})" in str(found)
    assert "is not 3" in str(found)


def test_correct_code_passes_every_seed():
    async def locks(world: World) -> None:
        lock, number = asyncio.Lock(), 0

        async def add() -> None:
            nonlocal number
            async with lock:
                read = number
                await asyncio.sleep(world.random.random())
                number = read + 1

        await asyncio.gather(*(add() for _ in range(5)))
        assert number == 5

    assert simulate(locks, seeds=range(300)).seeds == 300


def test_every_order_of_three_tasks_comes_up():
    seen = set()

    async def scenario(world: World) -> None:
        order = []

        async def come(name: str) -> None:
            order.append(name)

        await asyncio.gather(come("a"), come("b"), come("c"))
        seen.add("".join(order))

    simulate(scenario, seeds=range(200))

    assert len(seen) == 6


def test_seeds_are_run_in_the_order_given():
    ran = []

    async def scenario(world: World) -> None:
        ran.append(world.seed)

    simulate(scenario, seeds=[417, *range(3)])

    assert ran == [417, 0, 1, 2]


def test_a_seed_does_the_same_in_every_process(capsys):
    """Whatever the hash of a string is there."""
    other = subprocess.run(
        [sys.executable, "-c", WITH_A_TRACE],
        env={**os.environ, "PYTHONHASHSEED": "1"},
        capture_output=True,
        text=True,
        check=True,
    )

    exec(compile(WITH_A_TRACE, "scenario", "exec"), {})

    assert capsys.readouterr().out == other.stdout
    assert "ValueError: so that there is a trace" in other.stdout
    assert "south" in other.stdout


def test_a_scenario_that_sleeps_for_an_hour_takes_no_time():
    async def scenario(world: World) -> None:
        await asyncio.sleep(3_599)
        assert world.now_s == 3_599

    assert simulate(scenario, seeds=range(100)).took_s < 5


def test_clocks_and_chance_are_the_seeds_own_and_the_real_ones_afterwards():
    seen = []

    async def scenario(world: World) -> None:
        before = (time.time(), time.monotonic(), world.clock())
        await asyncio.sleep(2.5)
        assert time.time() - before[0] == pytest.approx(2.5)
        assert time.monotonic() - before[1] == pytest.approx(2.5)
        assert world.clock() - before[2] == 2_500_000
        assert time.time_ns() // 1_000 == world.clock()
        assert asyncio.get_running_loop().time() == time.monotonic()
        seen.append((uuid.uuid4(), secrets.token_hex(), random.random(), world.random.random()))

    random.seed(5)
    expected = random.random()
    random.seed(5)
    started = time.monotonic()
    simulate(scenario, seeds=[1, 1, 2])

    assert seen[0] == seen[1]
    assert not set(seen[0]) & set(seen[2])
    assert time.monotonic() >= started
    assert abs(time.time() - 1_800_000_000) > 1_000
    assert random.random() == expected
    assert uuid.uuid4() != uuid.uuid4()


def test_waiting_for_ever_is_reported_with_where():
    async def scenario(world: World) -> None:
        async def consumer() -> None:
            await asyncio.Queue().get()

        await asyncio.create_task(consumer(), name="consumer")

    failure = failure_of(scenario, seed=0)

    assert type(failure.error).__name__ == "DeadlockError"
    assert "consumer at Queue.get (queues.py:" in str(failure)


def test_two_locks_taken_in_different_orders_are_found():
    async def scenario(world: World) -> None:
        one, other = asyncio.Lock(), asyncio.Lock()

        async def both(first: asyncio.Lock, second: asyncio.Lock) -> None:
            async with first:
                await world.point()
                async with second:
                    pass

        await asyncio.gather(both(one, other), both(other, one))

    assert type(failure_of(scenario).error).__name__ == "DeadlockError"


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        ({"limit_s": 9.0}, "more than 9 s of virtual time"),
        ({"limit_s": 1e9, "steps_max": 500}, "more than 500 steps"),
    ],
)
def test_a_scenario_that_does_not_end_is_ended(limits, told):
    async def scenario(world: World) -> None:
        while True:
            await asyncio.sleep(1)

    failure = failure_of(scenario, seed=0, **limits)

    assert type(failure.error).__name__ == "LimitError"
    assert told in str(failure)


def test_a_scenario_at_its_limits_passes():
    async def scenario(world: World) -> None:
        for _ in range(9):
            await asyncio.sleep(1)

    assert simulate(scenario, seed=0, limit_s=9.0, steps_max=10).steps == 10
    assert "more than 9 steps" in str(failure_of(scenario, seed=0, steps_max=9))


def test_tasks_left_behind_are_reported():
    async def scenario(world: World) -> None:
        world.kept = asyncio.create_task(asyncio.sleep(5), name="left")

    failure = failure_of(scenario, seed=0)

    assert type(failure.error).__name__ == "LeakError"
    assert "left at" in str(failure)


def test_an_exception_that_nobody_looks_at_is_reported():
    async def scenario(world: World) -> None:
        async def fail() -> None:
            raise ValueError("unseen")

        task = asyncio.create_task(fail(), name="failing")
        await asyncio.wait([task])

    failure = failure_of(scenario, seed=0)

    assert "nobody looked at the exception of failing" in str(failure)
    assert isinstance(failure.error.__cause__, ValueError)


def test_an_exception_in_a_callback_is_reported():
    async def scenario(world: World) -> None:
        asyncio.get_running_loop().call_later(1, lambda: 1 // 0)
        await asyncio.sleep(2)

    assert isinstance(failure_of(scenario, seed=0).error.__cause__, ZeroDivisionError)


@pytest.mark.parametrize(
    ("action", "told"),
    [
        (lambda: asyncio.to_thread(print), "no threads"),
        (lambda: asyncio.open_connection("127.0.0.1", 1), "no sockets"),
        (lambda: asyncio.start_server(print, "127.0.0.1", 0), "no sockets"),
    ],
)
def test_what_is_not_simulated_is_refused(action, told):
    async def scenario(world: World) -> None:
        await action()

    assert told in str(failure_of(scenario, seed=0))


def test_blocking_the_only_thread_is_refused():
    async def scenario(world: World) -> None:
        time.sleep(0.001)

    assert "await asyncio.sleep()" in str(failure_of(scenario, seed=0))


async def test_it_is_not_run_inside_another_loop():
    async def scenario(world: World) -> None:
        raise AssertionError("never run")

    with pytest.raises(RuntimeError, match="from a plain function"):
        simulate(scenario, seed=0)


def test_a_scenario_that_depends_on_something_else_than_its_seed_is_told_so():
    runs = []

    async def scenario(world: World) -> None:
        runs.append(world.seed)
        assert len(runs) > 1, "fails the first time only"

    failure = failure_of(scenario)

    assert "when seed 0 was run again it passed" in str(failure)
    assert isinstance(failure.__cause__, AssertionError)


def test_each_part_of_a_group_of_errors_is_told():
    async def scenario(world: World) -> None:
        async def fail() -> None:
            raise ValueError("one of them")

        async with asyncio.TaskGroup() as group:
            group.create_task(fail())

    assert "    ValueError: one of them" in str(failure_of(scenario, seed=0))


def test_whoever_finds_a_mistake_can_end_the_run():
    async def scenario(world: World) -> None:
        asyncio.get_running_loop().call_later(1, world.fail, ValueError("found"))
        await asyncio.sleep(1_000)

    failure = failure_of(scenario, seed=0)

    assert isinstance(failure.error, ValueError)
    assert failure.trace[-1].time_s <= 1


def test_the_trace_is_cut_at_its_beginning():
    async def scenario(world: World) -> None:
        for number in range(200):
            world.note(f"line {number}.")
        raise ValueError

    text = str(failure_of(scenario, seed=0))

    assert "line 199." in text
    assert "line 120." in text
    assert "line 119." not in text
    assert "... 120 lines before" in text


def test_callbacks_run_in_the_order_in_which_they_were_registered():
    async def scenario(world: World) -> None:
        seen: list[int] = []
        loop = asyncio.get_running_loop()
        for number in range(5):
            loop.call_soon(seen.append, number)
        handle = loop.call_soon(seen.append, 99)
        handle.cancel()
        await world.point()
        assert seen == [0, 1, 2, 3, 4]

    simulate(scenario, seeds=range(50))


def test_timeouts_and_async_generators_work_as_elsewhere():
    async def scenario(world: World) -> None:
        closed = []

        async def numbers():
            try:
                for number in range(10):
                    await asyncio.sleep(1)
                    yield number
            finally:
                closed.append(True)

        seen = []

        async def collect() -> None:
            async for number in numbers():
                seen.append(number)  # noqa: PERF401 - what came before the timeout counts

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(collect(), 3.5)
        assert seen == [0, 1, 2]
        async for _ in numbers():
            break
        await asyncio.sleep(1)
        assert closed == [True, True]

    simulate(scenario, seeds=range(50))


def test_a_task_that_polls_does_not_keep_others_waiting_for_ever():
    async def scenario(world: World) -> None:
        done = False

        async def finish() -> None:
            nonlocal done
            for _ in range(5):
                await asyncio.sleep(0)
            done = True

        task = asyncio.create_task(finish())
        while not done:
            await asyncio.sleep(0)
        await task

    simulate(scenario, seeds=range(200), steps_max=5_000)


@pytest.mark.parametrize("kind", [Walk, Priorities])
def test_a_strategy_picks_one_of_those_that_are_ready(kind):
    strategy = kind(random.Random(3))

    picked = {strategy.pick([2, 5, 9]) for _ in range(1_000)}

    assert picked == {0, 1, 2}


def test_an_action_comes_between_any_two_steps():
    seen = set()

    async def scenario(world: World) -> None:
        world.at_some_step(lambda: seen.add(world.loop.step), within=10)
        for _ in range(30):
            await world.point()

    simulate(scenario, seeds=range(300))

    assert seen == set(range(2, 12))  # the first step was the one that asked for it

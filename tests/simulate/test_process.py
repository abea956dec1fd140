"""Servers that crash, and calls whose answers are lost."""

import asyncio

import pytest

from bedplate.errors import Kind, Refusal
from bedplate.testing.simulate import Process, SimulationFailed, Unreachable, World, simulate

SEEDS = range(100)


def test_a_call_is_answered():
    async def scenario(world: World) -> None:
        server = Process(world, "server")

        async def handler() -> str:
            await world.point()
            return "answer"

        assert await server.call(handler) == "answer"
        await server.stop()

    simulate(scenario, seeds=SEEDS)


def test_a_call_raises_what_its_handler_raises():
    async def scenario(world: World) -> None:
        server = Process(world, "server")

        async def handler() -> None:
            raise Refusal(Kind.NOT_FOUND, "NOTHING_THERE", "Nothing.")

        with pytest.raises(Refusal, match="Nothing"):
            await server.call(handler)
        await server.stop()

    simulate(scenario, seeds=SEEDS)


def test_a_crash_ends_the_handler_and_the_tasks_that_it_made_and_the_caller_gets_no_answer():
    async def scenario(world: World) -> None:
        server = Process(world, "server")
        reached: list[str] = []

        async def beside() -> None:
            await asyncio.sleep(20)
            reached.append("beside")

        async def handler() -> None:
            task = asyncio.create_task(beside())
            await asyncio.sleep(10)
            reached.append("handler")
            await task

        asyncio.get_running_loop().call_later(5, server.crash)
        with pytest.raises(Unreachable):
            await server.call(handler)
        assert not server.up
        with pytest.raises(Unreachable):
            await server.call(handler)
        await asyncio.sleep(100)
        assert reached == []

    simulate(scenario, seeds=SEEDS)


def test_loops_run_anew_after_a_crash_until_it_is_stopped():
    async def scenario(world: World) -> None:
        server = Process(world, "server")
        ticks: list[float] = []

        async def tick() -> None:
            while True:
                await asyncio.sleep(1)
                ticks.append(world.now_s)

        server.start(tick)
        await asyncio.sleep(2.5)
        server.crash()
        server.crash()
        await asyncio.sleep(10)
        server.restart()
        server.restart()
        await asyncio.sleep(1.5)
        await server.stop()
        await asyncio.sleep(5)
        assert ticks == [1, 2, 13.5]

    simulate(scenario, seeds=SEEDS)


def test_a_bounced_server_comes_back():
    async def scenario(world: World) -> None:
        server = Process(world, "server")
        server.bounce(down_s=2)
        assert not server.up
        await asyncio.sleep(2)
        assert server.up

    simulate(scenario, seeds=SEEDS)


def test_requests_and_answers_are_lost_and_callers_give_up_while_the_call_goes_on():
    seen = set()

    async def scenario(world: World) -> None:
        server = Process(world, "server", lost=0.5)
        ran = 0

        async def handler() -> None:
            nonlocal ran
            await world.point()
            ran += 1

        try:
            await server.call(handler)
        except Unreachable:
            before = ran
            await server.stop()
            seen.add(("unreachable", before, ran))
        else:
            await server.stop()
            seen.add(("answered", ran, ran))

    simulate(scenario, seeds=range(300))

    assert seen == {
        ("answered", 1, 1),
        ("unreachable", 0, 0),  # the request was lost
        ("unreachable", 0, 1),  # the caller gave up
        ("unreachable", 1, 1),  # the answer was lost
    }


def test_a_caller_that_goes_away_cancels_its_call():
    async def scenario(world: World) -> None:
        server = Process(world, "server")
        cancelled = []

        async def handler() -> None:
            try:
                await asyncio.sleep(100)
            except asyncio.CancelledError:
                cancelled.append(world.now_s)
                raise

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3):
                await server.call(handler)
        await server.stop()
        assert cancelled == [3]

    simulate(scenario, seeds=SEEDS)


def test_a_mistake_in_a_call_that_nobody_waits_for_ends_the_run():
    async def scenario(world: World) -> None:
        server = Process(world, "server", lost=0.5)

        async def handler() -> None:
            await asyncio.sleep(1)
            raise ValueError("nobody waits")

        try:
            await server.call(handler)
        except ValueError:
            await server.stop()
        except Unreachable:
            await asyncio.sleep(5)
            await server.stop()

    with pytest.raises(SimulationFailed, match="ValueError: nobody waits"):
        simulate(scenario)


def test_a_mistake_in_a_loop_ends_the_run():
    async def scenario(world: World) -> None:
        async def tick() -> None:
            await asyncio.sleep(1)
            raise ValueError("in a loop")

        Process(world, "server").start(tick)
        await asyncio.sleep(100)

    with pytest.raises(SimulationFailed, match="ValueError: in a loop"):
        simulate(scenario, seed=0)


def test_a_server_that_is_not_stopped_is_a_leak():
    async def scenario(world: World) -> None:
        Process(world, "server").start(lambda: asyncio.sleep(10))

    with pytest.raises(SimulationFailed, match="LeakError"):
        simulate(scenario, seed=0)

"""The slots of a method and the queue before them, by themselves."""

import asyncio
import time

import pytest

from bedplate.contract.promises import Criticality
from bedplate.pipeline.failure import Failure
from bedplate.pipeline.load.slots import Slots

CRITICAL, DEFAULT, SHEDDABLE = Criticality
FAR = time.monotonic() + 3600


class Queue:
    """Calls that take slots, each by a name."""

    def __init__(self, limit: int = 1, queue: int = 3) -> None:
        self.slots = Slots(limit, queue)
        self.served: list[str] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def come(self, name: str, level: Criticality = DEFAULT, deadline: float = FAR) -> None:
        """A call comes, and takes a slot or waits."""

        async def call() -> None:
            waiting = self.slots.take(level, deadline)
            if waiting is not None:
                await waiting
            self.served.append(name)

        self.tasks[name] = asyncio.create_task(call())
        await asyncio.sleep(0)

    async def finish(self, times: int = 1) -> None:
        """Calls that run give their slots back."""
        for _ in range(times):
            self.slots.give_back(0.01)
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    def refused(self) -> set[str]:
        """Names of those who were refused."""
        return {n for n, task in self.tasks.items() if task.done() and isinstance(task.exception(), Failure)}


async def test_so_many_run_and_so_many_wait_and_one_more_is_refused() -> None:
    queue = Queue(limit=2, queue=2)

    for name in "abcde":
        await queue.come(name)

    assert (queue.served, queue.refused()) == (["a", "b"], {"e"})
    assert (queue.slots.running, queue.slots.queued) == (2, 2)


async def test_without_a_queue_nobody_waits() -> None:
    queue = Queue(limit=1, queue=0)

    await queue.come("a")
    await queue.come("b")

    assert queue.refused() == {"b"}


async def test_equals_are_served_in_the_order_in_which_they_came() -> None:
    queue = Queue()
    for name in "abcd":
        await queue.come(name)

    await queue.finish(3)

    assert queue.served == ["a", "b", "c", "d"]


async def test_the_critical_are_served_before_the_others() -> None:
    queue = Queue()
    await queue.come("a")
    for name, level in (("shed", SHEDDABLE), ("default", DEFAULT), ("critical", CRITICAL)):
        await queue.come(name, level)

    await queue.finish(3)

    assert queue.served == ["a", "critical", "default", "shed"]


async def test_a_full_queue_refuses_its_newest_least_critical_call_for_a_more_critical_one() -> None:
    queue = Queue()
    await queue.come("a")
    for name, level in (("old", SHEDDABLE), ("new", SHEDDABLE), ("default", DEFAULT)):
        await queue.come(name, level)

    await queue.come("critical", CRITICAL)
    await asyncio.sleep(0)

    assert queue.refused() == {"new"}
    await queue.finish(3)
    assert queue.served == ["a", "critical", "default", "old"]


async def test_a_full_queue_of_equals_refuses_whoever_comes() -> None:
    queue = Queue()
    for name in "abcd":
        await queue.come(name, CRITICAL)

    await queue.come("e", CRITICAL)

    assert queue.refused() == {"e"}


async def test_who_is_cancelled_while_waiting_leaves_at_once_and_makes_room() -> None:
    queue = Queue()
    for name in "abcd":
        await queue.come(name)
    queue.tasks["c"].cancel()
    await asyncio.sleep(0)

    assert queue.slots.queued == 2
    await queue.come("e")
    await queue.finish(3)
    assert queue.served == ["a", "b", "d", "e"]


async def test_a_slot_is_not_lost_when_its_taker_is_cancelled_in_the_same_moment() -> None:
    queue = Queue()
    await queue.come("a")
    await queue.come("b")
    await queue.come("c")

    queue.slots.give_back(0.01)
    queue.tasks["b"].cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert queue.served == ["a", "c"]
    assert (queue.slots.running, queue.slots.queued) == (1, 0)


async def test_who_would_wait_past_its_deadline_is_refused_when_it_comes() -> None:
    queue = Queue(limit=1, queue=10)
    await queue.come("a")
    queue.slots.service_s = 1.0
    await queue.come("b", deadline=time.monotonic() + 10)

    await queue.come("patient", deadline=time.monotonic() + 10)
    await queue.come("late", deadline=time.monotonic() + 2.5)

    assert queue.refused() == {"late"}


async def test_who_has_too_little_time_left_when_its_turn_comes_is_passed_over() -> None:
    queue = Queue()
    await queue.come("a")
    await queue.come("late", deadline=time.monotonic() + 0.5)
    await queue.come("b")
    queue.slots.service_s = 1.0

    await queue.finish()

    assert (queue.served, queue.refused()) == (["a", "b"], {"late"})


async def test_who_is_refused_is_asked_to_wait_as_long_as_the_queue_lately_takes() -> None:
    slots = Slots(limit=2, queue=1)
    for _ in range(2):
        slots.take(DEFAULT, FAR)
    slots.service_s = 0.5
    waiting = slots.take(DEFAULT, FAR)

    with pytest.raises(Failure) as refused:
        slots.take(DEFAULT, FAR)

    assert (refused.value.code, refused.value.reason) == ("RESOURCE_EXHAUSTED", "OVERLOADED")
    assert refused.value.retry_after_s == pytest.approx(0.5)
    assert waiting is not None
    waiting.close()  # type: ignore[attr-defined]


async def test_more_slots_let_those_in_who_wait_and_fewer_stop_nobody() -> None:
    queue = Queue(limit=2, queue=3)
    for name in "abcd":
        await queue.come(name)

    queue.slots.resize(limit=3, queue=3)
    await asyncio.sleep(0)
    assert queue.served == ["a", "b", "c"]
    queue.slots.resize(limit=1, queue=3)
    await queue.finish(2)
    assert queue.served == ["a", "b", "c"]
    await queue.finish()
    assert queue.served == ["a", "b", "c", "d"]

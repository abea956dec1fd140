"""Functions that block: on their own threads, counted until they return, told when nobody waits any more."""

import asyncio
import threading
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry

from bedplate.contract.scope import remaining_s
from bedplate.errors import Refusal
from bedplate.server.threads import Threads
from tests.data.signals import in_call, until

WAIT_S = 20.0


@pytest.fixture
def threads() -> Iterator[Threads]:
    """One thread, and room for one function to wait."""
    made = Threads(size=1, queue=1)
    yield made
    made.close()


async def test_what_the_function_returns_or_raises_is_the_answer(threads: Threads) -> None:
    def fail(stop: threading.Event) -> None:
        raise KeyError("gone")

    assert await threads.run(lambda stop: threading.current_thread().name) == "bedplate-work_0"
    with pytest.raises(KeyError, match="gone"):
        await threads.run(fail)
    await until(lambda: threads.running == 0)


async def test_the_function_sees_the_call_that_it_works_for(threads: Threads) -> None:
    with in_call(5.0) as call:
        call.outbound_deadline = call.deadline  # type: ignore[attr-defined]
        left_s = await threads.run(lambda stop: remaining_s())

    assert left_s is not None
    assert 4 < left_s <= 5


async def test_who_waits_goes_at_once_and_the_place_is_free_when_the_function_returns(
    threads: Threads,
) -> None:
    entered, release, told = threading.Event(), threading.Event(), []

    def work(stop: threading.Event) -> None:
        entered.set()
        told.append(stop.wait(WAIT_S))
        assert release.wait(WAIT_S)

    task = asyncio.ensure_future(threads.run(work))
    await until(entered.is_set)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    await until(lambda: told == [True])
    assert threads.running == 1
    release.set()
    await until(lambda: threads.running == 0)


async def test_one_that_waits_and_is_cancelled_never_begins(threads: Threads) -> None:
    release, begun = threading.Event(), []
    first = asyncio.ensure_future(threads.run(lambda stop: release.wait(WAIT_S)))
    second = asyncio.ensure_future(threads.run(lambda stop: begun.append(1)))
    await until(lambda: threads.waiting == 1)

    second.cancel()
    await asyncio.wait([second])
    await until(lambda: threads.waiting == 0)
    release.set()

    assert await first
    assert begun == []


async def test_one_too_many_is_refused_and_told_when_to_come_back(threads: Threads) -> None:
    release = threading.Event()
    tasks = [asyncio.ensure_future(threads.run(lambda stop: release.wait(WAIT_S))) for _ in range(2)]
    await until(lambda: (threads.running, threads.waiting) == (1, 1))

    with pytest.raises(Refusal) as refused:
        await threads.run(lambda stop: None)
    release.set()
    await asyncio.gather(*tasks)

    assert (refused.value.reason, refused.value.retry_after_s) == ("OVERLOADED", 0.5)


async def test_closing_tells_those_that_run_to_stop() -> None:
    threads, entered = Threads(size=1), threading.Event()

    def work(stop: threading.Event) -> bool:
        entered.set()
        return stop.wait(WAIT_S)

    task = asyncio.ensure_future(threads.run(work))
    await until(entered.is_set)
    threads.close()

    assert await task


async def test_it_shows_what_runs_and_what_waits(threads: Threads) -> None:
    registry, release = CollectorRegistry(), threading.Event()
    threads.show(registry)
    tasks = [asyncio.ensure_future(threads.run(lambda stop: release.wait(WAIT_S))) for _ in range(2)]
    await until(lambda: threads.waiting == 1)

    assert registry.get_sample_value("bedplate_threads_running") == 1
    assert registry.get_sample_value("bedplate_threads_waiting") == 1
    release.set()
    await asyncio.gather(*tasks)

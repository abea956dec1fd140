"""One timer for many calls."""

import asyncio
import gc
import time

import pytest

from bedplate.pipeline import expiry
from bedplate.pipeline.call import Call
from bedplate.pipeline.expiry import Expiry, Watch
from tests.pipeline.conftest import Bench
from tests.pipeline.running import run


class Late:
    """Notes for whom the time came, and when."""

    def __init__(self, awaited: int) -> None:
        self.came: list[tuple[str, float]] = []
        self.task: asyncio.Task[object] | None = None
        self._awaited = awaited
        self.all = asyncio.Event()

    def __call__(self, call: str, task: asyncio.Task[object]) -> None:
        self.came.append((call, time.monotonic()))
        self.task = task
        if len(self.came) == self._awaited:
            self.all.set()


async def test_each_call_gets_its_own_time_whatever_the_order_in_which_they_came() -> None:
    watch, late, now = Expiry().here(), Late(3), time.monotonic()
    due = {"middle": now + 0.04, "last": now + 0.06, "first": now + 0.02}
    for call, when in due.items():
        watch.add(call, when, late)
    await late.all.wait()

    assert [call for call, _ in late.came] == ["first", "middle", "last"]
    assert all(at >= due[call] - expiry.TICK_S for call, at in late.came)
    assert late.task is asyncio.current_task()
    assert "first" not in watch


async def test_a_call_that_ended_is_let_be_and_the_others_are_not() -> None:
    watch, late, now = Expiry().here(), Late(1), time.monotonic()
    watch.add("ended", now + 0.01, late)
    watch.add("running", now + 0.02, late)
    watch.discard("ended")
    watch.discard("ended")
    await late.all.wait()

    assert [call for call, _ in late.came] == ["running"]


@pytest.mark.parametrize("over", [0, 1])
async def test_with_more_calls_than_one_look_can_take_further_ones_have_timers_of_their_own(
    over: int,
) -> None:
    watch, late, now = Expiry().here(), Late(1), time.monotonic()
    for number in range(expiry.KEPT_MAX - 1 + over):
        watch.add(number, now + 100, late)
    watch.add("soon", now + 0.01, late)
    watch.add("ended", now + 0.005, late)
    assert "soon" in watch
    assert "ended" in watch
    watch.discard("ended")
    await late.all.wait()

    assert [call for call, _ in late.came] == ["soon"]
    assert "soon" not in watch
    for number in range(expiry.KEPT_MAX):
        watch.discard(number)


async def test_a_call_of_another_task_is_ended_in_that_task() -> None:
    watch, late = Expiry().here(), Late(1)
    other = asyncio.create_task(asyncio.Event().wait())
    watch.add("call", time.monotonic(), late, other)
    await late.all.wait()
    other.cancel()

    assert late.task is other


def test_each_loop_has_its_own() -> None:
    calls = Expiry()

    async def here() -> tuple[Watch, Watch]:
        return calls.here(), calls.here()

    first, again = asyncio.run(here())
    second, _ = asyncio.run(here())

    assert first is again
    assert second is not first


async def test_a_call_that_ended_is_gone_without_the_collector(bench: Bench) -> None:
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        for timeout_s in (5.0, None):
            await run(bench.methods["Echo"], bench.call(requested_timeout_s=timeout_s))
        bench.telemetry.log.flush()
        gc.collect()
        left = [found for found in gc.garbage if isinstance(found, Call)]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()

    assert not left


async def test_a_call_that_waits_for_its_line_in_the_log_is_not_kept_for_it(bench: Bench) -> None:
    call = bench.call(requested_timeout_s=5.0)
    await run(bench.methods["Echo"], call)

    assert not [holder for holder in gc.get_referrers(call) if isinstance(holder, tuple)]

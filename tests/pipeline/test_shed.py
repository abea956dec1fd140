"""Shed and concurrency as stages: what calls of the echo service meet under load."""

import asyncio
import contextlib
from dataclasses import replace
from typing import Any

import pytest

from bedplate.contract.promises import Concurrency, Criticality
from bedplate.pipeline.load.load import Load
from bedplate.pipeline.load.slots import Slots
from bedplate.pipeline.stage import Stage
from tests.pipeline.conftest import Bench
from tests.pipeline.running import detail, fail, run
from tests.protos.echo import EchoRequest, Hold

CRITICAL, DEFAULT, SHEDDABLE = Criticality
KINDS = ["Echo", "Collect", "Repeat", "Chat"]
HI = EchoRequest(text="hi", times=1)


def load_of(bench: Bench) -> Load:
    """What the bench's process has taken on."""
    load = bench.methods["Echo"]._parts.load
    assert isinstance(load, Load)
    return load


def full(bench: Bench) -> Load:
    """The same, without room for anything."""
    load = load_of(bench)
    load.limit.value = 0.0
    return load


def slots(bench: Bench, method: str, limit: int, queue: int) -> Slots:
    """Give a method slots, as its policy would."""
    made = bench.methods[method]
    made.apply(replace(made.policy, concurrency=Concurrency(limit, queue)))
    return load_of(bench).slots[made.name]


def matters(bench: Bench, method: str, level: Criticality) -> None:
    """Give a method a criticality, as its policy would."""
    made = bench.methods[method]
    made.apply(replace(made.policy, criticality=level))


class Held:
    """A call whose handler is held."""

    def __init__(self, bench: Bench, method: str = "Echo", **options: Any) -> None:
        self.hold = Hold()
        text = f"held {len(bench.handlers.actions)}"
        bench.handlers.actions[text] = self.hold
        call = bench.call(method, **options)
        self.task = asyncio.ensure_future(run(bench.methods[method], call, EchoRequest(text=text)))

    async def begun(self) -> "Held":
        await self.hold.reached.wait()
        return self

    async def end(self) -> list[Any]:
        self.hold.release.set()
        return await self.task


def test_every_method_is_shed_and_only_those_with_a_limit_have_slots(bench: Bench) -> None:
    slots(bench, "EchoOpen", 1, 0)

    assert all("shed" in method.stages for method in bench.methods.values())
    assert {name for name, method in bench.methods.items() if "concurrency" in method.stages} == {"EchoOpen"}


@pytest.mark.parametrize("kind", KINDS)
async def test_a_process_without_room_refuses_with_a_time_to_wait(bench: Bench, kind: str) -> None:
    full(bench)

    refused = await fail(bench.methods[kind], bench.call(kind), HI)

    assert (refused.code, refused.reason) == ("RESOURCE_EXHAUSTED", "OVERLOADED")
    assert detail(refused, "RetryInfo").retry_delay.ToMilliseconds() >= 50
    assert detail(refused, "ErrorInfo").domain == "bedplate"
    assert bench.handlers.entered == []


async def test_a_process_without_room_does_not_look_at_credentials(bench: Bench) -> None:
    full(bench)

    assert (await fail(bench.methods["Echo"], bench.call(key="wrong"))).reason == "OVERLOADED"


async def test_a_call_in_process_is_part_of_one_that_was_let_in(bench: Bench) -> None:
    full(bench)

    assert await run(bench.methods["Echo"], bench.call(door="local"))


@pytest.mark.parametrize(
    ("declared", "wish", "level"),
    [
        (CRITICAL, None, CRITICAL),
        (CRITICAL, "sheddable", SHEDDABLE),
        (CRITICAL, "default", DEFAULT),
        (DEFAULT, "critical", DEFAULT),
        (SHEDDABLE, "critical", SHEDDABLE),
        (SHEDDABLE, "default", SHEDDABLE),
        (DEFAULT, "urgent", DEFAULT),
        (DEFAULT, b"sheddable", DEFAULT),
        (DEFAULT, "sheddable,critical", DEFAULT),
    ],
)
async def test_a_caller_can_make_its_call_matter_less_and_never_more(
    bench: Bench, declared: Criticality, wish: Any, level: Criticality
) -> None:
    matters(bench, "Echo", declared)
    call = bench.call(metadata={} if wish is None else {"bedplate-criticality": wish})

    await run(bench.methods["Echo"], call)

    assert (call.level, call.criticality) == (level, level.name.lower())


async def test_the_sheddable_are_refused_first_and_the_critical_last(bench: Bench) -> None:
    load = load_of(bench)
    load.limit.value = 10.0
    door = load.door("a.v1.A/Do")
    let_in = {}

    for level in (SHEDDABLE, DEFAULT, CRITICAL):
        while load.refusal(door, level) is None:
            load.limit.begin()
        let_in[level] = load.limit.running

    assert let_in == {SHEDDABLE: 7, DEFAULT: 10, CRITICAL: 20}


@pytest.mark.parametrize("end", ["answered", "refused", "cancelled"])
async def test_a_call_counts_while_it_runs_however_it_ends(bench: Bench, end: str) -> None:
    limit = load_of(bench).limit
    held = await Held(bench).begun()
    assert limit.running == 1

    if end == "cancelled":
        held.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await held.task
    else:
        await held.end()
    if end == "refused":
        await fail(bench.methods["Echo"], bench.call(), EchoRequest(text="nobody"))

    assert limit.running == 0


async def test_a_stream_does_not_count_for_its_life(bench: Bench) -> None:
    held = await Held(bench, "Repeat").begun()

    assert load_of(bench).limit.running == 0
    await held.end()


@pytest.mark.parametrize("kind", ["Echo", "Repeat", "Collect", "Chat"])
async def test_a_call_of_any_kind_holds_its_slot_for_its_life(bench: Bench, kind: str) -> None:
    own = slots(bench, kind, 1, 0)
    held = await Held(bench, kind).begun()

    refused = await fail(bench.methods[kind], bench.call(kind), HI)
    await held.end()

    assert refused.reason == "OVERLOADED"
    assert own.running == 0
    assert await run(bench.methods[kind], bench.call(kind), HI)


async def test_who_waits_for_a_slot_gets_it_when_one_is_free(bench: Bench) -> None:
    own = slots(bench, "Echo", 1, 1)
    held = await Held(bench).begun()
    waiting = Held(bench)
    waiting.hold.release.set()
    await asyncio.sleep(0)
    assert own.queued == 1

    await held.end()

    assert await waiting.task
    assert (own.running, own.queued) == (0, 0)


async def test_a_call_that_waits_ends_at_its_deadline_and_leaves_the_queue(bench: Bench) -> None:
    own = slots(bench, "Echo", 1, 1)
    held = await Held(bench).begun()

    refused = await fail(bench.methods["Echo"], bench.call(requested_timeout_s=0.05), HI)

    assert refused.reason == "DEADLINE_EXCEEDED"
    assert (own.running, own.queued) == (1, 0)
    assert bench.handlers.entered == ["held 0"]
    await held.end()
    assert own.running == 0


async def test_a_call_that_is_cancelled_while_it_waits_leaves_the_queue_at_once(bench: Bench) -> None:
    own = slots(bench, "Echo", 1, 1)
    held = await Held(bench).begun()
    waiting = Held(bench)
    await asyncio.sleep(0)

    waiting.task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await waiting.task

    assert (own.running, own.queued) == (1, 0)
    await held.end()
    assert own.running == 0


async def test_time_in_the_queue_is_not_taken_for_slow_work(bench: Bench) -> None:
    base = load_of(bench).door(bench.methods["Echo"].name).base
    call = bench.call()
    call.started -= 10.0
    call.queued_s = 9.0

    await run(bench.methods["Echo"], call)

    assert base.base_s + base.sum_s == pytest.approx(1.0, abs=0.5)


async def test_another_policy_changes_the_slots_of_calls_that_run(bench: Bench) -> None:
    slots(bench, "Echo", 1, 0)
    held = await Held(bench).begun()
    own = slots(bench, "Echo", 2, 0)

    second = await Held(bench).begun()
    refused = await fail(bench.methods["Echo"], bench.call(), HI)
    await held.end()
    await second.end()

    assert refused.reason == "OVERLOADED"
    assert own.running == 0


async def test_a_refused_call_holds_no_slot(bench: Bench) -> None:
    own = slots(bench, "Echo", 1, 0)

    await fail(bench.methods["Echo"], bench.call(), EchoRequest())
    await fail(bench.methods["Echo"], bench.call(key="nothing"), HI)

    assert own.running == 0


def test_the_stages_are_plain_functions(bench: Bench) -> None:
    """A coroutine for each call would cost more than what it decides."""
    from bedplate.pipeline.stages import concurrency, shed

    method = bench.methods["Echo"]
    policy = replace(method.policy, concurrency=Concurrency(1, 1))
    stages = [compile(policy, method._parts) for compile in (shed.compile, concurrency.compile)]

    assert all(isinstance(stage, Stage) for stage in stages)
    assert not any(asyncio.iscoroutinefunction(stage.enter) for stage in stages if stage)

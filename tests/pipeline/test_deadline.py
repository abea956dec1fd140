"""Deadlines: the caller's wish within the contract, and what ends a call when they pass."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bedplate.contract.scope import remaining_s
from bedplate.pipeline.call import Call
from bedplate.pipeline.failure import Failure
from tests.pipeline.conftest import Bench
from tests.pipeline.running import fail, run
from tests.protos.echo import EchoRequest, Hold

KINDS = ["Echo", "Collect", "Repeat", "Chat"]


async def given_s(bench: Bench, asked_s: float | None, *, door_cancels: bool = False) -> float:
    """How long a call gets that asks for so long."""
    seen = []

    async def look(call: Call) -> None:
        seen.append((call.deadline - call.started, remaining_s()))

    bench.handlers.actions["look"] = look
    call = bench.call(requested_timeout_s=asked_s, door_cancels=door_cancels)
    await run(bench.methods["Echo"], call, EchoRequest(text="look"))
    ((given, rest),) = seen
    assert rest is not None
    assert rest <= given
    return given


@pytest.mark.parametrize(
    ("asked_s", "given"),
    [
        (None, 5.0),  # the contract's default
        (0.05, 0.045),  # a tenth is left for the way back
        (0.1, 0.09),
        (1.0, 0.99),  # and 10 ms at most
        (29.0, 28.99),
        (30.0, 29.99),
        (31.0, 29.99),  # the contract's longest
        (1e9, 29.99),
    ],
)
@pytest.mark.parametrize("door_cancels", [False, True])
async def test_a_call_gets_what_it_asks_for_within_the_contract(
    bench: Bench, asked_s: float | None, given: float, door_cancels: bool
) -> None:
    assert await given_s(bench, asked_s, door_cancels=door_cancels) == pytest.approx(given)


@pytest.mark.parametrize("asked_s", [0.0, -1.0])
async def test_a_deadline_that_has_passed_is_refused_before_anything_runs(
    bench: Bench, asked_s: float
) -> None:
    failure = await fail(bench.methods["Echo"], bench.call(requested_timeout_s=asked_s))

    assert (failure.code, failure.reason) == ("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED")
    assert bench.handlers.entered == []


@pytest.mark.parametrize("kind", KINDS)
async def test_our_timer_ends_the_handler_and_the_task_goes_on(bench: Bench, kind: str) -> None:
    bench.handlers.actions["wait"] = Hold()
    began = time.monotonic()

    failure = await fail(
        bench.methods[kind], bench.call(kind, requested_timeout_s=0.1), EchoRequest(text="wait")
    )

    assert failure.reason == "DEADLINE_EXCEEDED"
    assert bench.handlers.left == ["wait"]
    assert 0.08 < time.monotonic() - began < 5
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


@pytest.mark.parametrize("kind", ["Collect", "Chat"])
async def test_our_timer_ends_a_handler_that_waits_for_its_caller(bench: Bench, kind: str) -> None:
    async def silence() -> AsyncIterator[bytes]:
        await asyncio.Event().wait()
        yield b""

    method = bench.methods[kind]
    call = bench.call(kind, requested_timeout_s=0.05)

    ending = (
        method.deliver(call, silence(), _ignore) if method.server_streaming else method.unary(call, silence())
    )
    with pytest.raises(Failure, match="DEADLINE_EXCEEDED"):
        await ending


async def test_our_timer_ends_a_call_whose_caller_does_not_read(bench: Bench) -> None:
    async def block(response: Any) -> None:
        await asyncio.Event().wait()

    payload = EchoRequest(text="r", times=3).SerializeToString()
    with pytest.raises(Failure, match="DEADLINE_EXCEEDED"):
        await bench.methods["Repeat"].deliver(bench.call("Repeat", requested_timeout_s=0.05), payload, block)

    assert bench.handlers.closed.is_set()
    assert bench.count("DEADLINE_EXCEEDED", "Repeat") == 1


async def test_a_handler_that_turns_its_cancellation_into_something_else_is_late_all_the_same(
    bench: Bench,
) -> None:
    async def swallow(call: Call) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise RuntimeError("I was busy") from None

    bench.handlers.actions["wait"] = swallow
    failure = await fail(
        bench.methods["Echo"], bench.call(requested_timeout_s=0.05), EchoRequest(text="wait")
    )

    assert failure.reason == "DEADLINE_EXCEEDED"


async def test_a_handler_that_ignores_its_deadline_and_answers_is_heard(bench: Bench) -> None:
    async def swallow(call: Call) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return

    bench.handlers.actions["wait"] = swallow
    call = bench.call(requested_timeout_s=0.05)
    (answer,) = await run(bench.methods["Echo"], call, EchoRequest(text="wait"))

    assert answer.text == "wait"
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_call_that_ends_leaves_no_timer_behind(bench: Bench) -> None:
    call = bench.call(requested_timeout_s=5.0)
    await run(bench.methods["Echo"], call)

    assert call.watch is not None
    assert call not in call.watch


async def test_where_the_door_cancels_there_is_no_timer_of_ours(bench: Bench) -> None:
    own = bench.call(requested_timeout_s=5.0, door_cancels=True)
    capped = bench.call(requested_timeout_s=500.0, door_cancels=True)
    for call in (own, capped):
        await run(bench.methods["Echo"], call)

    assert own.watch is None
    assert capped.watch is not None


async def _ignore(response: Any) -> None:
    pass

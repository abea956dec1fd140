"""A deadline can be brought in step by step: observed, handed on, kept."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bedplate.client.errors import DeadlineExceeded
from bedplate.contract.scope import CURRENT, remaining_s
from bedplate.pipeline.call import Call
from bedplate.pipeline.failure import Failure
from tests.pipeline.making import READ, Made

OVERRUNS = "bedplate_deadline_overruns_total"
MODES = ["OBSERVE", "PROPAGATE", "ENFORCE"]


def make(mode: str, action: Callable[[Call], Awaitable[None]]) -> Made:
    """A method of 50 ms, at most 100 ms, whose handler does something first."""

    async def handle(request: Any, call: Call) -> Any:
        await action(call)
        return type(request)(text=request.text)

    return Made(
        f"{READ} deadline {{ default {{ nanos: 50000000 }} max {{ nanos: 100000000 }} "
        f"mode: DEADLINE_MODE_{mode} }}",
        handler=handle,
    )


async def outlast(call: Call) -> None:
    """Go on until the method's deadline has been over for a while."""
    due = asyncio.Event()
    asyncio.get_running_loop().call_at(call.started + 0.12, due.set)
    await due.wait()


@pytest.mark.parametrize("mode", ["OBSERVE", "PROPAGATE"])
async def test_a_call_that_outlasts_a_deadline_that_is_only_observed_is_counted_and_answered(
    mode: str,
) -> None:
    made = make(mode, outlast)

    answer: Any = await made.method.unary(made.call(), made.payload())

    assert answer.text == "hi"
    assert made.sample(OVERRUNS) == 1


async def test_a_call_that_outlasts_a_deadline_that_is_enforced_is_ended() -> None:
    made = make("ENFORCE", outlast)

    with pytest.raises(Failure, match="DEADLINE_EXCEEDED"):
        await made.method.unary(made.call(), made.payload())

    assert made.sample(OVERRUNS) == 0


@pytest.mark.parametrize("mode", MODES)
async def test_a_call_that_is_quick_enough_is_not_counted(mode: str) -> None:
    async def at_once(call: Call) -> None:
        pass

    made = make(mode, at_once)

    call = made.call()
    await made.method.unary(call, made.payload())

    assert made.sample(OVERRUNS) == 0
    assert call.watch is not None
    assert call not in call.watch


@pytest.mark.parametrize(
    ("mode", "asked_s", "ends", "hands_on"),
    [
        ("OBSERVE", None, math.inf, math.inf),
        ("PROPAGATE", None, math.inf, 0.05),
        ("ENFORCE", None, 0.05, 0.05),
        ("OBSERVE", 0.08, 0.08, math.inf),
        ("PROPAGATE", 0.08, 0.08, 0.072),
        ("ENFORCE", 0.08, 0.072, 0.072),
        ("OBSERVE", 9.0, 9.0, math.inf),
        ("PROPAGATE", 9.0, 9.0, 0.09),
        ("ENFORCE", 9.0, 0.09, 0.09),
    ],
)
async def test_lower_layers_see_what_ends_the_work_and_clients_what_is_handed_on(
    mode: str, asked_s: float | None, ends: float, hands_on: float
) -> None:
    seen: list[float] = []

    async def look(call: Call) -> None:
        scope = CURRENT.get()
        assert scope is not None
        left = remaining_s()
        assert left is not None
        assert left <= hands_on
        seen.extend([scope.deadline - call.started, scope.outbound_deadline - call.started])

    made = make(mode, look)
    await made.method.unary(made.call(requested_timeout_s=asked_s), made.payload())

    assert seen == pytest.approx([ends, hands_on])


@pytest.mark.parametrize("mode", MODES)
async def test_a_deadline_that_passed_before_the_call_came_ends_it_in_every_mode(mode: str) -> None:
    made = make(mode, outlast)

    with pytest.raises(Failure, match="DEADLINE_EXCEEDED"):
        await made.method.unary(made.call(requested_timeout_s=0.0), made.payload())


@pytest.mark.parametrize("mode", MODES)
async def test_what_the_caller_asks_for_itself_ends_its_call_in_every_mode(mode: str) -> None:
    async def forever(call: Call) -> None:
        await asyncio.Event().wait()

    made = make(mode, forever)
    began = time.monotonic()

    with pytest.raises(Failure, match="DEADLINE_EXCEEDED"):
        await made.method.unary(made.call(requested_timeout_s=0.15), made.payload())

    assert time.monotonic() - began < 5
    assert made.sample(OVERRUNS) == (0 if mode == "ENFORCE" else 1)


@pytest.mark.parametrize("mode", ["OBSERVE", "PROPAGATE"])
async def test_a_call_whose_door_ends_it_within_the_maximum_is_not_counted(mode: str) -> None:
    made = make(mode, outlast)

    within = made.call(requested_timeout_s=0.1, door_cancels=True)
    await made.method.unary(within, made.payload())
    beyond = made.call(requested_timeout_s=0.2, door_cancels=True)
    await made.method.unary(beyond, made.payload())

    assert within.watch is None
    assert made.sample(OVERRUNS) == 1


@pytest.mark.parametrize(
    ("mode", "left_s", "reason"),
    [
        ("ENFORCE", 0.04, "DEADLINE_EXCEEDED"),
        ("ENFORCE", 9.0, "DEPENDENCY_UNAVAILABLE"),
        ("PROPAGATE", 0.04, "DEADLINE_EXCEEDED"),
        ("OBSERVE", None, "DEPENDENCY_UNAVAILABLE"),
    ],
)
async def test_a_call_of_ours_that_ended_as_late_ran_into_our_deadline_when_that_is_near(
    mode: str, left_s: float | None, reason: str
) -> None:
    """The one below ends some milliseconds before we do, so that there is time to say so."""

    async def ask(request: Any, call: Call) -> Any:
        raise DeadlineExceeded("The call did not finish before its deadline.", reason="DEADLINE_EXCEEDED")

    made = Made(f"{READ} deadline {{ mode: DEADLINE_MODE_{mode} }}", handler=ask)

    with pytest.raises(Failure) as failure:
        await made.method.unary(made.call(requested_timeout_s=left_s), made.payload())

    assert failure.value.reason == reason

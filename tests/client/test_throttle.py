"""Callers that servers refuse for load: by themselves, and over a server."""

import random
from typing import Any

import pytest

from bedplate.client.errors import ResourceExhausted
from bedplate.client.throttle import LEAST, MEMORY_S, Throttle
from bedplate.testing.serve import Served
from tests.client.conftest import working
from tests.client.echo_client import AsyncEchoClient


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def asks(throttle: Throttle, calls: int, room: float) -> int:
    """Make calls, of which servers take a share; how many were made."""
    draw, made = random.Random(1), 0
    for _ in range(calls):
        if throttle.refuses():
            continue
        made += 1
        if draw.random() < room:
            throttle.taken()
        else:
            throttle.refused(0.1)
    return made


def a_throttle() -> tuple[Throttle, Clock]:
    clock = Clock()
    return Throttle(clock, random.Random(2).random), clock


def test_nothing_is_held_back_while_servers_take_what_comes() -> None:
    assert asks(a_throttle()[0], 1_000, room=1.0) == 1_000


def test_nothing_is_held_back_while_servers_take_half() -> None:
    assert asks(a_throttle()[0], 1_000, room=0.55) > 980


def test_a_few_refusals_hold_nothing_back() -> None:
    assert asks(a_throttle()[0], int(LEAST), room=0.0) == LEAST


@pytest.mark.parametrize("room", [0.05, 0.2])
def test_servers_are_asked_for_about_twice_what_they_take(room: float) -> None:
    throttle, clock = a_throttle()
    made = taken = 0
    for _ in range(300):
        clock.now += 0.1
        step = asks(throttle, 20, room)
        made += step
        taken += round(step * room)

    assert made < 0.75 * 300 * 20
    assert made > 0.02 * 300 * 20


def test_calls_that_are_on_their_way_are_not_taken_for_refused() -> None:
    throttle, _ = a_throttle()

    assert not any(throttle.refuses() for _ in range(1_000))


def test_all_is_asked_for_again_soon_after_there_is_room() -> None:
    throttle, clock = a_throttle()
    asks(throttle, 500, room=0.0)
    made = 0
    for _ in range(50):
        clock.now += MEMORY_S / 10
        made = asks(throttle, 20, room=1.0)

    assert made == 20


async def test_a_client_that_is_refused_long_enough_refuses_itself(
    served: Served, client: AsyncEchoClient
) -> None:
    full: Any = served.app.methods["tests.echo.v1.EchoService/Echo"]._parts.load
    full.limit.value = 0.0
    said = []
    for _ in range(200):
        with pytest.raises(ResourceExhausted) as error:
            await client.echo(text="hi")
        said.append((error.value.reason, error.value.facts.get("by", "server"), error.value.retry_after_s))

    by = [where for _, where, _ in said]
    assert {reason for reason, _, _ in said} == {"OVERLOADED"}
    assert by[: int(LEAST)] == ["server"] * int(LEAST)
    assert by[100:].count("client") > 80
    assert all(wait_s for _, _, wait_s in said)


async def test_work_that_matters_more_is_not_held_back_for_what_matters_less(
    served: Served, client: AsyncEchoClient
) -> None:
    load: Any = served.app.methods["tests.echo.v1.EchoService/Echo"]._parts.load
    load.limit.running, load.limit.value = 1, 1.4  # room for all but the sheddable
    with working(60, criticality="sheddable"):
        for _ in range(50):
            with pytest.raises(ResourceExhausted):
                await client.echo(text="hi")

    with working(60, criticality="default"):
        assert await client.echo(text="hi")

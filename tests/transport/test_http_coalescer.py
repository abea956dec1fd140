"""Responses that are made one right after the other are sent together, and none waits for long."""

import asyncio
from itertools import pairwise

import pytest

from bedplate.transport import http_coalescer
from bedplate.transport.http_coalescer import CLOSE_S, WAIT_S, Coalescer
from tests.gateway.http_door import open_door
from tests.gateway.wire import Wire, request


class Sent:
    """A connection that notes when its response was sent."""

    def __init__(self, name: str, order: list[str]) -> None:
        self.name, self.order = name, order

    def send_held(self) -> None:
        """Note it."""
        self.order.append(self.name)


class Watched(Coalescer):
    """A coalescer that counts what it held."""

    def __init__(self) -> None:
        super().__init__()
        self.held = 0

    def hold(self, holder, now, loop):
        """As always, and counted."""
        held = super().hold(holder, now, loop)
        self.held += held
        return held


@pytest.fixture
def patient(monkeypatch):
    """However slow this machine is, responses follow each other closely, and wait for each other."""
    monkeypatch.setattr(http_coalescer, "CLOSE_S", 60.0)
    monkeypatch.setattr(http_coalescer, "WAIT_S", 60.0)


async def test_a_response_that_comes_alone_is_sent_at_once():
    coalescer, loop = Coalescer(), asyncio.get_running_loop()

    assert not coalescer.hold(Sent("a", []), 100.0, loop)
    assert not coalescer.hold(Sent("b", []), 100.0 + CLOSE_S / 2, loop)


async def test_responses_wait_for_those_that_follow_at_once_and_go_before_the_last():
    coalescer, loop, order = Coalescer(), asyncio.get_running_loop(), []
    coalescer.starting = 3
    first = coalescer.hold(Sent("a", order), 100.0, loop)
    held = []
    for at, name in enumerate("bc", 1):
        coalescer.starting -= 1
        held.append(coalescer.hold(Sent(name, order), 100.0 + at * CLOSE_S / 2, loop))
    coalescer.starting -= 1
    last = coalescer.hold(Sent("d", order), 100.0 + 3 * CLOSE_S / 2, loop)

    assert (first, held, last, order) == (False, [True, True], False, ["b", "c"])


async def test_a_call_that_takes_its_time_lets_nobody_wait():
    coalescer, loop, order = Coalescer(), asyncio.get_running_loop(), []
    coalescer.starting = 9
    coalescer.hold(Sent("a", order), 100.0, loop)
    assert coalescer.hold(Sent("b", order), 100.0 + CLOSE_S / 2, loop)
    assert not coalescer.hold(Sent("c", order), 100.0 + CLOSE_S * 2, loop)
    assert order == ["b"]


async def test_the_first_one_waits_no_longer_than_it_may():
    coalescer, loop, order = Coalescer(), asyncio.get_running_loop(), []
    coalescer.starting = 1000
    step = CLOSE_S / 2
    held = [coalescer.hold(Sent(str(at), order), 100.0 + at * step, loop) for at in range(100)]
    groups = [at for at, waits in enumerate(held) if not waits]

    assert groups[0] == 0
    assert all(
        WAIT_S / step - 1 <= after - before - 1 <= WAIT_S / step + 1 for before, after in pairwise(groups)
    )
    assert order == [str(at) for at in range(groups[-1]) if held[at]]


async def test_a_response_is_sent_even_if_what_it_waits_for_never_begins():
    coalescer, loop, order = Coalescer(), asyncio.get_running_loop(), []
    coalescer.starting = 1
    coalescer.hold(Sent("a", order), 100.0, loop)
    assert coalescer.hold(Sent("b", order), 100.0, loop)
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert order == ["b"]


async def test_requests_that_come_at_once_are_answered_together_and_each_with_its_own(patient):
    async with open_door() as served:
        watched = served.door.coalescer = Watched()
        wires = [await Wire(served.address).__aenter__() for _ in range(20)]
        for turn in range(3):
            for at, wire in enumerate(wires):
                wire.transport.write(request("GET", f"/v1/things/{turn}-{at}"))
            answers = [await wire.reply() for wire in wires]
            names = [answer.json["thing"]["name"] for answer in answers]
            assert names == [f"{turn}-{at}" for at in range(20)]
        for wire in wires:
            await wire.close()

    assert watched.held > 0
    assert watched.starting == 0


async def test_responses_of_one_connection_keep_their_order(patient):
    async with open_door() as served:
        watched = served.door.coalescer = Watched()
        async with Wire(served.address) as one, Wire(served.address) as other:
            for _ in range(5):
                one.transport.write(
                    request("GET", "/v1/things/a")
                    + request("GET", "/v1/none")
                    + request("GET", "/v1/things/b")
                    + request("GET", "/healthz")
                )
                other.transport.write(request("GET", "/v1/things/c") * 4)
                statuses = [(await one.reply()).status for _ in range(4)]
                names = [(await other.reply()).json["thing"]["name"] for _ in range(4)]
                assert (statuses, names) == ([200, 404, 200, 200], ["c"] * 4)

    assert watched.starting == 0


async def test_a_response_does_not_wait_for_a_handler_that_waits(patient):
    release = asyncio.Event()

    async def before(request, call):
        if request.name == "slow":
            await release.wait()

    async with open_door() as served:
        served.handlers.before = before
        watched = served.door.coalescer = Watched()
        async with Wire(served.address) as first, Wire(served.address) as quick, Wire(served.address) as slow:
            while not watched.held:
                for wire, name in ((first, "a"), (quick, "b"), (slow, "slow")):
                    wire.transport.write(request("GET", f"/v1/things/{name}"))
                assert [(await wire.reply()).json["thing"]["name"] for wire in (first, quick)] == ["a", "b"]
                release.set()
                await slow.reply()
                release.clear()


async def test_a_caller_that_is_gone_before_its_call_begins_is_waited_for_by_nobody():
    async with open_door() as served:
        async with Wire(served.address) as wire:
            await wire.call("GET", "/healthz")
            (connection,) = served.door._connections
            connection.data_received(request("GET", "/v1/things/a"))
            assert served.door.coalescer.starting == 1
            wire.cut()
            connection.connection_lost(None)
            assert served.door.coalescer.starting == 0
        await asyncio.sleep(0)
        assert served.door.coalescer.starting == 0

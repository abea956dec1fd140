"""How calls and connections end: the caller goes away, the process drains, the process stops."""

import asyncio

import pytest

from bedplate.settings import Settings
from bedplate.telemetry.recorder import Telemetry
from bedplate.transport import http_connection
from bedplate.transport.http import HttpDoor
from bedplate.transport.http_arrival import State
from tests.gateway.http_door import open_door
from tests.gateway.wire import Wire, request


class Held:
    """A handler that waits until it is let go."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()
        self.release = asyncio.Event()
        self.left = asyncio.Event()

    async def __call__(self, request, call) -> None:
        self.entered.set()
        try:
            await self.release.wait()
        finally:
            self.left.set()


@pytest.mark.parametrize("how", ["cut", "close"])
async def test_a_caller_that_goes_away_cancels_its_call(how):
    held = Held()
    async with open_door() as served:
        served.handlers.before = held
        async with Wire(served.address) as wire:
            await wire.send(request("GET", "/v1/things/a") + request("GET", "/v1/things/b"))
            await held.entered.wait()
            if how == "cut":
                wire.cut()
            else:
                await wire.close()
            await asyncio.wait_for(held.left.wait(), 20)
        while served.telemetry.in_flight:
            await asyncio.sleep(0)
        logged = served.logged()

    assert '"code":"CANCELLED"' in logged
    assert served.handlers.entered == ["GetThing"]


async def test_a_caller_that_goes_away_gives_back_what_its_bodies_held():
    held = Held()
    async with open_door() as served:
        served.handlers.before = held
        async with Wire(served.address) as wire:
            body = b'{"limit": 1}'
            await wire.send(
                request("POST", "/v1/things", body) * 3 + request("POST", "/v1/things", body)[:-3]
            )
            await held.entered.wait()
            while served.door.held < 4 * len(body) - 3:
                await asyncio.sleep(0)
            wire.cut()
            while served.door.connections:
                await asyncio.sleep(0)
        assert served.door.held == 0


async def test_while_the_process_is_not_ready_callers_are_asked_to_connect_elsewhere():
    async with open_door() as served, Wire(served.address) as wire:
        before = await wire.call("GET", "/v1/things/a")
        served.ready = False
        after = await wire.call("GET", "/v1/things/a")
        rest = await wire.rest()

    assert (before.status, before.has("connection")) == (200, False)
    assert (after.status, after["connection"], rest) == (200, "close", b"")


async def test_a_stop_lets_calls_finish_and_closes_idle_connections_at_once():
    held = Held()
    async with open_door() as served:
        served.handlers.before = held
        async with Wire(served.address) as busy, Wire(served.address) as idle:
            assert (await idle.call("GET", "/healthz")).status == 200
            await busy.send(request("GET", "/v1/things/a"))
            await held.entered.wait()
            stopping = asyncio.ensure_future(served.door.stop(20))
            assert await idle.rest() == b""
            assert not stopping.done()
            held.release.set()
            reply = await busy.reply()
            rest = await busy.rest()
            await stopping
        with pytest.raises(ConnectionRefusedError):
            await Wire(served.address).__aenter__()

    assert (reply.status, reply["connection"], rest) == (200, "close", b"")


async def test_a_stop_waits_for_a_request_that_is_on_its_way():
    async with open_door() as served, Wire(served.address) as wire:
        whole = request("POST", "/v1/things", b'{"limit": 1}')
        await wire.send(whole[:-1])
        while not served.door.held:
            await asyncio.sleep(0)
        stopping = asyncio.ensure_future(served.door.stop(20))
        await asyncio.sleep(0)
        await wire.send(whole[-1:])
        reply = await wire.reply()
        await stopping

    assert (reply.status, reply["connection"]) == (200, "close")


async def test_calls_that_outlast_the_grace_are_ended_with_an_answer():
    held = Held()
    async with open_door() as served, Wire(served.address) as wire:
        served.handlers.before = held
        await wire.send(request("GET", "/v1/things/a"))
        await held.entered.wait()
        stopping = asyncio.ensure_future(served.door.stop(0.01))
        reply = await wire.reply()
        rest = await wire.rest()
        await stopping

    assert (reply.status, reply.json["reason"], rest) == (503, "OUTCOME_UNKNOWN", b"")
    assert held.left.is_set()


async def test_a_second_stop_with_a_shorter_grace_stops_sooner():
    held = Held()
    async with open_door() as served, Wire(served.address) as wire:
        served.handlers.before = held
        await wire.send(request("GET", "/v1/things/a"))
        await held.entered.wait()
        stopping = asyncio.ensure_future(served.door.stop(1000))
        await served.door.stop(0)
        await asyncio.wait_for(stopping, 20)
        reply = await wire.reply()

    assert reply.status == 503


async def test_a_call_that_refuses_to_end_does_not_hold_the_stop():
    entered = asyncio.Event()
    release = asyncio.Event()

    async def stubborn(request, call):
        entered.set()
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    async with open_door() as served, Wire(served.address) as wire:
        served.handlers.before = stubborn
        await wire.send(request("GET", "/v1/things/a"))
        await entered.wait()
        await asyncio.wait_for(served.door.stop(0), 20)
        assert await wire.rest() == b""
        release.set()


async def test_a_stop_answers_a_call_whose_task_has_not_begun():
    async with open_door() as served, Wire(served.address) as wire:
        served.handlers.before = Held()
        await wire.send(request("GET", "/v1/things/a"))
        while not any(connection._task for connection in served.door._connections):
            await asyncio.sleep(0)
        await served.door.stop(0)
        reply = await wire.reply()

    assert reply.status == 503


async def test_the_address_that_is_taken_is_named():
    async with open_door() as served:
        settings = Settings(http_address=served.address)
        door = HttpDoor({}, settings, Telemetry(log=served.telemetry.log), lambda: True)
        with pytest.raises(OSError, match="BEDPLATE_HTTP_ADDRESS"):
            await door.start()
        await door.stop(0)


async def test_a_door_that_never_opened_stops():
    async with open_door() as served:
        await HttpDoor({}, Settings(), Telemetry(log=served.telemetry.log), lambda: True).stop(5)


def _has_begun(connection) -> bool:
    """Whether a connection has a part of a request."""
    reader = getattr(connection, "_reader", None)
    return reader is not None and reader.state is not State.IDLE


@pytest.mark.parametrize(
    "part",
    [b"GET /v1/things/a HT", b"POST /v1/things HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{"],
    ids=["half a head", "half a body"],
)
async def test_a_request_that_is_half_here_does_not_hold_the_stop_for_its_grace(part, monkeypatch):
    monkeypatch.setattr(http_connection, "LINGER_S", 0.5)
    async with open_door() as served, Wire(served.address) as wire:
        await wire.send(part)
        while not any(_has_begun(connection) for connection in served.door._connections):
            await asyncio.sleep(0)
        async with asyncio.timeout(20):
            await served.door.stop(600)
            reply = await wire.reply()

    assert reply.status == 408

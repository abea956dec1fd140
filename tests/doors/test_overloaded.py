"""What callers of a real server see when there is no room for their calls."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import grpc
import pytest

from bedplate.contract.promises import Concurrency
from bedplate.server.service import Service
from bedplate.testing.serve import KEY, Served, serve
from bedplate.transport.local import LocalChannel
from tests.gateway import shop
from tests.gateway.wire import Reply, Wire, request
from tests.protos.echo_client import refused

METHOD = "tests.shop.v1.ShopService/GetThing"
METADATA = (("authorization", f"Bearer {KEY}"),)


class Handlers(shop.Handlers):
    """A shop that holds calls until they are let go, once it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = asyncio.Event()
        self.release = asyncio.Event()
        self.release.set()
        self.before = self.wait

    async def wait(self, request: Any, call: Any) -> None:
        self.reached.set()
        await self.release.wait()


@pytest.fixture
def handlers() -> Handlers:
    return Handlers()


@pytest.fixture
async def served(handlers: Handlers) -> AsyncIterator[Served]:
    """A shop with one slot for GetThing, and nobody may wait."""
    service = Service("shop", shop.SERVICE, handlers)
    async with serve([service], drain_refuse_s=0.0) as running:
        method = running.app.methods[METHOD]
        method.apply(replace(method.policy, concurrency=Concurrency(1, 0)))
        yield running


async def get(served: Served, target: str = "/v1/things/a", **headers: str) -> Reply:
    async with Wire(served.http_address) as wire:
        await wire.send(request("GET", target, None, key=KEY, **headers))
        return await wire.reply()


async def call(channel: grpc.aio.Channel) -> str:
    """How a call ended: its reason, or OK."""
    try:
        await channel.unary_unary(f"/{METHOD}")(b"", metadata=METADATA, timeout=20)
    except grpc.aio.AioRpcError as error:
        return refused(error).reason
    return "OK"


async def over_grpc(served: Served) -> str:
    async with grpc.aio.insecure_channel(served.grpc_address) as channel:
        return await call(channel)


def fill(served: Served) -> None:
    """Let nothing in any more."""
    load: Any = served.app.methods[METHOD]._parts.load
    load.limit.value = 0.0


async def test_http_callers_are_told_when_to_come_again(served: Served) -> None:
    fill(served)

    reply = await get(served)

    assert (reply.status, reply.json["reason"]) == (429, "OVERLOADED")
    assert int(reply["retry-after"]) >= 1


async def test_grpc_callers_hear_the_same_and_calls_in_process_are_let_in(served: Served) -> None:
    fill(served)

    assert await over_grpc(served) == "OVERLOADED"
    assert await call(LocalChannel(served.app.methods)) == "OK"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/openapi.json"])
async def test_what_operators_ask_for_is_answered(served: Served, path: str) -> None:
    fill(served)

    assert (await get(served, path)).status == 200


async def test_a_header_makes_a_call_matter_less(served: Served) -> None:
    limit: Any = served.app.methods[METHOD]._parts.load.limit
    limit.running, limit.value = 1, 1.4  # room for all but the sheddable

    assert (await get(served, bedplate_criticality="sheddable")).status == 429
    assert (await get(served, bedplate_criticality="critical")).status == 200


async def test_all_doors_share_the_slots_of_a_method(served: Served, handlers: Handlers) -> None:
    handlers.release.clear()
    held = asyncio.ensure_future(over_grpc(served))
    await handlers.reached.wait()

    http = await get(served)
    local = await call(LocalChannel(served.app.methods))
    handlers.release.set()

    assert (http.status, http.json["reason"], local) == (429, "OVERLOADED", "OVERLOADED")
    assert await held == "OK"
    assert (await get(served)).status == 200


async def test_a_caller_that_goes_away_gives_its_slot_back(served: Served, handlers: Handlers) -> None:
    handlers.release.clear()
    slots: Any = served.app.methods[METHOD]._parts.load.slots[METHOD]
    held = asyncio.ensure_future(over_grpc(served))
    await handlers.reached.wait()

    held.cancel()
    async with asyncio.timeout(20):
        while slots.running:
            await asyncio.sleep(0)
    handlers.release.set()

    assert await over_grpc(served) == "OK"

"""Idempotency by request id as callers see it: on every door, and with the client."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
import pytest_asyncio

from bedplate.client import AsyncClient
from bedplate.client.errors import CallError
from bedplate.pipeline.unknown import UnknownMethod
from bedplate.testing.serve import KEY, Served, serve
from bedplate.transport.local import LocalChannel
from tests.gateway.wire import Wire, request
from tests.records import till
from tests.records.till import Hold, SellRequest, SellResponse

PATH = f"/{till.SERVICE.full_name}/Sell"
METADATA = (("authorization", f"Bearer {KEY}"),)


class AsyncTillClient(AsyncClient):
    """A client as the generator would write it."""

    SERVICE = till.SERVICE

    async def sell(self, given: Any = None, *, timeout_s: float | None = None, **fields: Any) -> Any:
        return await self._unary("Sell", given, fields, timeout_s)


class Running:
    """A server with a till."""

    def __init__(self, served: Served, handlers: till.Handlers) -> None:
        self.served = served
        self.handlers = handlers

    async def sold(self) -> int:
        return len(await self.served.app.database.read(till.sales))


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def running() -> AsyncIterator[Running]:
    made: list[till.Handlers] = []
    async with serve([till.service_type(made)], drain_refuse_s=0.0) as served:
        await served.app.database.transact(lambda connection: till.set_sold_out(connection, "rare", True))
        yield Running(served, made[0])


pytestmark = pytest.mark.asyncio(loop_scope="module")

# What a caller sees: code or status, what it says, and whether it is a replay.
Seen = tuple[str, Any, bool]


async def over_channel(channel: Any, asked: Any) -> Seen:
    call = channel.unary_unary(PATH, SellRequest.SerializeToString, SellResponse.FromString)(
        asked, metadata=METADATA, timeout=20
    )
    try:
        said: Any = await call
        code = "OK"
    except grpc.aio.AioRpcError as error:
        code, said = error.code().name, error.details()
    return code, said, ("idempotent-replayed", "true") in tuple(await call.initial_metadata())


async def over_grpc(running: Running, asked: Any) -> Seen:
    async with grpc.aio.insecure_channel(running.served.grpc_address) as channel:
        return await over_channel(channel, asked)


async def in_process(running: Running, asked: Any) -> Seen:
    app = running.served.app
    channel = LocalChannel(app.methods, unknown=UnknownMethod(app.telemetry))
    try:
        return await over_channel(channel, asked)
    finally:
        await channel.close()


async def over_http(running: Running, asked: Any) -> Seen:
    body = json.dumps({"requestId": asked.request_id, "item": asked.item}).encode()
    async with Wire(running.served.http_address) as wire:
        await wire.send(request("POST", "/v1/till:sell", body, key=KEY))
        reply = await wire.reply()
    said = reply.json
    code = "OK" if reply.status == 200 else said["code"]
    text = SellResponse(sale_id=said["saleId"], sales=int(said["sales"])) if code == "OK" else said["detail"]
    return code, text, ("idempotent-replayed", "true") in reply.headers


DOORS = {"grpc": over_grpc, "http": over_http, "local": in_process}


@pytest.mark.parametrize("again", DOORS)
@pytest.mark.parametrize("first", DOORS)
@pytest.mark.parametrize(("item", "code"), [("tea", "OK"), ("rare", "FAILED_PRECONDITION")])
async def test_a_repeat_on_any_door_gets_the_answer_of_the_first_and_is_marked(
    running: Running, first: str, again: str, item: str, code: str
) -> None:
    before = await running.sold()
    asked = SellRequest(request_id=f"{first}-{again}-{item}", item=item)

    one, two = await DOORS[first](running, asked), await DOORS[again](running, asked)

    assert (one[0], one[1], one[2]) == (code, two[1], False)
    assert (two[0], two[2]) == (code, True)
    assert await running.sold() - before == (1 if code == "OK" else 0)


@pytest.mark.parametrize("door", DOORS)
async def test_who_repeats_while_the_first_runs_is_told_when_to_come_back(
    running: Running, door: str
) -> None:
    hold = running.handlers.points["entered"] = Hold()
    asked = SellRequest(request_id=f"busy-{door}", item="tea")
    first = asyncio.create_task(over_grpc(running, asked))
    await hold.reached.wait()

    busy = await DOORS[door](running, asked)
    hold.release.set()
    running.handlers.points.clear()

    assert (busy[0], busy[2]) == ("ABORTED", False)
    assert (await first)[0] == "OK"


async def test_the_client_names_each_call_and_leaves_names_that_there_are(running: Running) -> None:
    before = await running.sold()
    async with AsyncTillClient(running.served.grpc_address, key=KEY) as client:
        one, two = await client.sell(item="tea"), await client.sell(item="tea")
        mine = [await client.sell(item="tea", request_id="mine") for _ in range(2)]

    assert len({one.sale_id, two.sale_id, mine[0].sale_id}) == 3
    assert mine[0] == mine[1]
    assert await running.sold() - before == 3


async def test_the_client_waits_for_an_attempt_whose_answer_was_lost(running: Running) -> None:
    hold = running.handlers.points["entered"] = Hold()
    asked = SellRequest(request_id="lost", item="tea")
    lost = asyncio.create_task(over_grpc(running, asked))
    await hold.reached.wait()
    before = running.served.app.telemetry.begun
    async with AsyncTillClient(running.served.grpc_address, key=KEY) as client:
        again = asyncio.create_task(client.sell(asked))
        while running.served.app.telemetry.begun < before + 2:  # it was told to wait, and came back
            await asyncio.sleep(0)
        hold.release.set()
        answer = await again
    running.handlers.points.clear()

    assert answer == (await lost)[1]


async def test_what_a_failed_call_sent_can_be_sent_again_as_the_same_call(running: Running) -> None:
    def fail() -> None:
        raise RuntimeError("a bug")

    running.handlers.points["committed"] = fail
    before = await running.sold()
    async with AsyncTillClient(running.served.grpc_address, key=KEY) as client:
        with pytest.raises(CallError) as error:
            await client.sell(item="tea")
        running.handlers.points.clear()
        await client.sell(error.value.request)

    assert await running.sold() - before == 1

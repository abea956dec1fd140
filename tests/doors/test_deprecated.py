"""Callers of every door are told that a method is deprecated."""

import datetime
from collections.abc import AsyncIterator
from dataclasses import replace

import grpc
import pytest

from bedplate.contract.promises import Deprecation
from bedplate.server.service import Service
from bedplate.testing.serve import KEY, Served, serve
from tests.gateway import shop
from tests.gateway.wire import Wire, request

METHOD = "tests.shop.v1.ShopService/GetThing"
TOLD = {"deprecation": "@1769817600", "sunset": "Wed, 01 Jan 3000 00:00:00 GMT"}


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    """A shop whose GetThing is deprecated."""
    async with serve([Service("shop", shop.SERVICE, shop.Handlers())], drain_refuse_s=0.0) as running:
        method = running.app.methods[METHOD]
        days = Deprecation(datetime.date(2026, 1, 31), datetime.date(2999, 12, 31))
        method.apply(replace(method.policy, deprecation=days))
        yield running


@pytest.mark.parametrize("key", [KEY, "nobody"])
async def test_http_callers_are_told_with_every_answer(served: Served, key: str) -> None:
    async with Wire(served.http_address) as wire:
        await wire.send(request("GET", "/v1/things/a", None, key=key))
        reply = await wire.reply()

    assert reply.status == (200 if key == KEY else 401)
    assert {name: reply[name] for name in TOLD} == TOLD


async def test_grpc_callers_are_told(served: Served) -> None:
    async with grpc.aio.insecure_channel(served.grpc_address) as channel:
        call = channel.unary_unary(f"/{METHOD}")(b"", metadata=(("authorization", f"Bearer {KEY}"),))
        await call

        assert dict(tuple(await call.initial_metadata())).items() >= TOLD.items()

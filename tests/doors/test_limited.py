"""What callers above a limit see at the doors of a real server."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import grpc
import pytest

from bedplate.auth.principal import Principal
from bedplate.contract.promises import Rate, RateScope
from bedplate.server.service import Service
from bedplate.testing.serve import KEY, OTHER_KEY, Served, serve
from tests.gateway import shop
from tests.gateway.wire import Reply, Wire, request
from tests.protos.echo_client import refused

BURST = 3
# No token flows back while a test runs.
SLOW = 0.001
METHOD = "tests.shop.v1.ShopService/GetThing"


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    """A shop whose GetThing each tenant may call three times; an address may fail five times."""
    colleague = Principal("key:colleague", "tenant-a", frozenset({"shop.all"}))
    async with serve(
        [Service("shop", shop.SERVICE, shop.Handlers())],
        principals={"colleague": colleague},
        address_rate=SLOW,
        address_burst=25,
        drain_refuse_s=0.0,
    ) as running:
        method = running.app.methods[METHOD]
        method.apply(replace(method.policy, rate=Rate(1, "things", SLOW, BURST, RateScope.TENANT)))
        yield running


async def get(served: Served, target: str = "/v1/things/a", *, key: str = KEY) -> Reply:
    async with Wire(served.http_address) as wire:
        await wire.send(request("GET", target, None, key=key))
        return await wire.reply()


async def call(served: Served, *, key: str = KEY) -> str:
    """The code of a call over gRPC, or how it was refused."""
    async with grpc.aio.insecure_channel(served.grpc_address) as channel:
        try:
            await channel.unary_unary(f"/{METHOD}")(
                b"", metadata=(("authorization", f"Bearer {key}"),), timeout=20
            )
        except grpc.aio.AioRpcError as error:
            return refused(error).reason
    return "OK"


async def test_http_callers_see_what_they_have_left_and_when_to_come_again(served: Served) -> None:
    replies = [await get(served) for _ in range(BURST + 1)]

    assert [reply.status for reply in replies] == [200, 200, 200, 429]
    assert [reply["ratelimit"] for reply in replies] == [
        '"things";r=2;t=1000',
        '"things";r=1;t=2000',
        '"things";r=0;t=3000',
        '"things";r=0;t=3000',
    ]
    assert {reply["ratelimit-policy"] for reply in replies} == {'"things";q=3;w=3000'}
    last = replies[-1]
    assert last.json["reason"] == "RATE_LIMITED"
    assert 990 < int(last["retry-after"]) <= 1000
    assert 990 < last.json["retry_after"] <= 1000
    assert not (await get(served, "/v1/things/a/tags")).has("ratelimit"), "only a limited method tells"


async def test_the_doors_count_together_and_tenants_do_not(served: Served) -> None:
    codes = [(await get(served)).status, await call(served), await call(served, key="colleague")]

    assert codes == [200, "OK", "OK"]
    assert await call(served) == "RATE_LIMITED"
    assert (await get(served, key="colleague")).status == 429
    assert await call(served, key=OTHER_KEY) == "OK"


async def test_grpc_callers_are_pushed_back(served: Served) -> None:
    key = (("authorization", f"Bearer {KEY}"),)
    async with grpc.aio.insecure_channel(served.grpc_address) as channel:
        method = channel.unary_unary(f"/{METHOD}")
        await asyncio.gather(*(method(b"", metadata=key) for _ in range(BURST)))

        with pytest.raises(grpc.aio.AioRpcError) as error:
            await method(b"", metadata=key)

    found = refused(error.value)
    assert (found.code, found.reason) == ("RESOURCE_EXHAUSTED", "RATE_LIMITED")
    assert 990_000 < int(found.trailers["grpc-retry-pushback-ms"]) <= 1_000_000
    assert 990 < found.details["RetryInfo"].retry_delay.seconds <= 1000
    assert found.details["ErrorInfo"].metadata["bucket"] == "things"


async def test_who_stuffs_credentials_is_refused_at_both_doors_and_no_key_is_looked_at(
    served: Served,
) -> None:
    for number in range(5):
        guess = await (call(served, key="guess") if number % 2 else _status(served, "guess"))
        assert guess in ("CREDENTIAL_INVALID", 401)

    reply = await get(served)
    assert (reply.status, reply.json["reason"]) == (429, "ADDRESS_LIMITED")
    assert 4_900 < int(reply["retry-after"]) <= 5_000
    assert await call(served) == "ADDRESS_LIMITED"
    assert (await get(served, "/v1/open/a", key="")).status == 429
    assert (await get(served, "/healthz")).status == 200


async def test_what_is_refused_is_counted(served: Served) -> None:
    for _ in range(BURST + 2):
        await call(served)

    registry = served.app.telemetry.registry
    assert registry.get_sample_value("bedplate_rate_refused_total", {"bucket": "things"}) == 2
    assert registry.get_sample_value("bedplate_rate_holders", {"bucket": "things"}) == 1
    assert registry.get_sample_value("bedplate_address_refused_total") == 0


async def _status(served: Served, key: str) -> int:
    return (await get(served, key=key)).status

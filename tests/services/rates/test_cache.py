"""Rates that were read are read again from memory, until somebody imports."""

import urllib.request
from asyncio import to_thread
from collections.abc import Callable
from http.client import HTTPResponse

import pytest

from bedplate.clients.rates import AsyncRatesClient
from bedplate.rates.v1 import rates_pb2 as pb
from bedplate.testing.serve import Served

pytestmark = pytest.mark.asyncio(loop_scope="module")

METHOD = "bedplate.rates.v1.RatesService/GetRate"


def rate(quote: str, day: str, value: str) -> pb.Rate:
    return pb.Rate(base="EUR", quote=quote, date=day, value=value)


def counted(served: Served, how: str) -> float:
    labels = {"method": METHOD, "how": how}
    found = served.app.telemetry.registry.get_sample_value("bedplate_cache_answers_total", labels)
    assert found is not None
    return found


async def test_a_rate_that_was_read_is_read_from_memory_and_an_import_is_seen_at_once(
    served: Served, client: AsyncRatesClient
) -> None:
    await client.import_rates(source="ecb", rates=[rate("USD", "2014-03-24", "1.3774")])
    hits = counted(served, "hit")

    first = await client.get_rate(base="EUR", quote="USD")
    again = await client.get_rate(base="EUR", quote="USD")
    await client.import_rates(source="ecb", rates=[rate("USD", "2014-03-25", "1.3789")])
    after = await client.get_rate(base="EUR", quote="USD")

    assert (first.rate.date, again) == ("2014-03-24", first)
    assert after.rate.date == "2014-03-25"
    assert counted(served, "hit") == hits + 1


async def test_one_tenants_rates_are_never_anothers(connect: Callable[[], AsyncRatesClient]) -> None:
    one, other = connect(), connect()
    for client, value in ((one, "1.1"), (other, "2.2")):
        await client.import_rates(source="ecb", rates=[rate("USD", "2014-03-24", value)])

    values = [
        (await client.get_rate(base="EUR", quote="USD")).rate.value for client in (one, other, one, other)
    ]

    assert values == ["1.1", "2.2", "1.1", "2.2"]


async def test_http_callers_see_that_the_answer_was_kept(served: Served) -> None:
    def get() -> HTTPResponse:
        request = urllib.request.Request(
            f"http://{served.http_address}/v1/rates/EUR/USD", headers={"authorization": "Bearer key-399"}
        )
        return urllib.request.urlopen(request, timeout=20)  # type: ignore[no-any-return]

    async with AsyncRatesClient(served.grpc_address, key="key-399") as writer:
        await writer.import_rates(source="ecb", rates=[rate("USD", "2014-03-24", "1.3774")])
    first, second = await to_thread(get), await to_thread(get)

    with first, second:
        assert first.headers["cache-status"] == "bedplate; fwd=uri-miss"
        assert second.headers["cache-status"].startswith("bedplate; hit; ttl=")
        assert second.headers["age"] == "0"
        assert second.headers["cache-control"] == "no-store"
        assert first.read() == second.read()

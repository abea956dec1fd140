"""Conversions with one of two servers silent: the other one answers, long before the deadline."""

import asyncio
import time

import pytest

from bedplate.admin.v1 import admin_pb2
from bedplate.client.errors import NotFound
from bedplate.clients.admin import AsyncAdminClient
from bedplate.clients.rates import AsyncRatesClient
from bedplate.rates.v1 import rates_pb2
from bedplate.services.admin.service import SERVICE as ADMIN
from bedplate.services.rates.service import SERVICE as RATES
from bedplate.testing.serve import KEY, Served, serve

CONVERT = "bedplate.rates.v1.RatesService/Convert"
LIST = "bedplate.rates.v1.RatesService/ListRates"


def counted(served: Served, method: str, code: str) -> float:
    """How many calls of a method ended so on a server."""
    labels = {"method": method, "door": "grpc", "code": code}
    served.app.telemetry.log.flush()
    return served.app.telemetry.registry.get_sample_value("bedplate_calls_total", labels) or 0.0


async def connect_to_both(client: AsyncRatesClient, servers: tuple[Served, Served]) -> None:
    """Call until both have answered."""
    while not all(counted(served, LIST, "OK") for served in servers):
        await client.call("ListRates", rates_pb2.ListRatesRequest())


async def silence(served: Served) -> None:
    """Let a server answer no conversion."""
    async with AsyncAdminClient(served.grpc_address, key=KEY) as admin:
        fault = admin_pb2.Fault(fault_id="silent", target=CONVERT, drop=admin_pb2.Drop())
        await admin.set_fault(fault=fault)


async def test_a_silent_server_costs_a_conversion_a_tenth_of_a_second_and_not_its_deadline() -> None:
    async with (
        asyncio.timeout(60),
        serve([RATES, ADMIN], drain_refuse_s=0.0) as silent,
        serve([RATES, ADMIN], drain_refuse_s=0.0) as well,
        AsyncRatesClient(f"ipv4:{silent.grpc_address},{well.grpc_address}", key=KEY) as client,
    ):
        await connect_to_both(client, (silent, well))
        await silence(silent)
        took = []
        for _ in range(4):  # both servers in turn, second attempts too
            began = time.monotonic()
            with pytest.raises(NotFound) as refused:
                await client.convert(amount="1", base="EUR", quote="USD", timeout_s=30)
            took.append(time.monotonic() - began)
            assert refused.value.reason == "CURRENCY_UNKNOWN"

        assert max(took) < 10  # without a second attempt: the deadline, 30 s
        hedged = sum(each >= 0.1 for each in took)
        assert hedged >= 1
        assert counted(well, CONVERT, "NOT_FOUND") == 4

    assert counted(silent, CONVERT, "CANCELLED") == hedged

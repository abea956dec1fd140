"""Health v1, asked by the stubs of grpcio-health-checking; no call carries a key."""

import asyncio
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from bedplate.testing.serve import Served, serve
from tests.protos import echo
from tests.protos.echo_client import EchoClient, refused

ECHO = echo.SERVICE.full_name
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
SERVICE_UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN


def stub_of(client: EchoClient) -> Any:
    return health_pb2_grpc.HealthStub(client.channel)


def ask(service: str) -> health_pb2.HealthCheckRequest:
    return health_pb2.HealthCheckRequest(service=service)


@pytest.mark.parametrize("service", ["", ECHO])
async def test_the_process_and_each_service_are_serving_without_a_key(
    client: EchoClient, service: str
) -> None:
    answer = await stub_of(client).Check(ask(service), timeout=5)

    assert answer.status == SERVING


async def test_a_service_that_is_not_here_is_not_found(client: EchoClient) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await stub_of(client).Check(ask("somewhere.v1.Else"), timeout=5)

    answer = refused(error.value)
    assert (answer.code, answer.reason) == ("NOT_FOUND", "SERVICE_NOT_FOUND")


async def test_list_names_every_service(client: EchoClient) -> None:
    answer = await stub_of(client).List(health_pb2.HealthListRequest(), timeout=5)

    assert {name: status.status for name, status in answer.statuses.items()} == {"": SERVING, ECHO: SERVING}


async def test_watch_tells_of_an_unknown_service_and_stays_open(client: EchoClient) -> None:
    watch = stub_of(client).Watch(ask("somewhere.v1.Else"), timeout=5)

    assert (await watch.read()).status == SERVICE_UNKNOWN
    assert not watch.done()
    watch.cancel()


async def test_watch_tells_that_the_server_stops_and_then_ends() -> None:
    async with (
        serve([echo.service(echo.Handlers())], drain_wait_s=60) as served,
        EchoClient(served.grpc_address) as client,
    ):
        watch = stub_of(client).Watch(ask(ECHO), timeout=20)
        assert (await watch.read()).status == SERVING

        stopping = asyncio.create_task(served.app.stop())
        assert (await watch.read()).status == NOT_SERVING
        served.app.hurry()

        with pytest.raises(grpc.aio.AioRpcError) as error:
            await watch.read()
        assert refused(error.value).reason == "DRAINING"
        await stopping


async def test_a_watch_does_not_hold_up_the_end(client: EchoClient, served: Served) -> None:
    watch = stub_of(client).Watch(ask(""), timeout=60)
    await watch.read()

    await asyncio.wait_for(served.app.stop(), 5)  # the grace alone is 10 s

"""Whether the gateway wants callers follows whether the server behind does."""

import asyncio

from grpc_health.v1 import health_pb2
from grpc_health.v1._async import HealthServicer

from tests.gateway.elsewhere import stranger
from tests.gateway.elsewhere.edge import Opened, open_edge
from tests.gateway.wire import PATIENCE_S


async def until(edge: Opened, status: int) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while (await edge.get("/readyz")).status != status:
            await asyncio.sleep(0.01)


async def test_what_the_health_service_tells_is_followed(library, contract):
    health = HealthServicer()
    await health.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
    async with (
        stranger.library_server(library, health=health) as address,
        open_edge(address, contract) as edge,
    ):
        # Calls are made all the same: the server knows best what it refuses.
        assert (await edge.get("/v1/books/Emma")).status == 200
        assert (await edge.get("/readyz")).status == 503

        await health.set("", health_pb2.HealthCheckResponse.SERVING)
        await until(edge, 200)
        assert "bedplate_upstream_serving 1.0" in (await edge.get("/metrics")).body.decode()

        await health.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
        await until(edge, 503)

    said = [line["message"] for line in edge.logged("upstream")]
    since = said.index("wants callers")
    assert said[since : since + 2] == ["wants callers", "does not answer, or wants no callers"]


async def test_a_server_that_is_not_there_at_first_is_told_of(contract):
    async with open_edge("127.0.0.1:1", contract) as nobody, asyncio.timeout(PATIENCE_S):
        while not nobody.logged("upstream"):
            await asyncio.sleep(0.01)

        line = nobody.logged("upstream")[0]

    assert (line["level"], line["message"]) == ("warning", "does not answer, or wants no callers")


async def test_a_health_service_that_knows_nothing_of_the_server_as_a_whole_is_not_asked(library, contract):
    class Silent(HealthServicer):
        async def Watch(self, request, context):
            await context.send_initial_metadata(())
            yield health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVICE_UNKNOWN)
            await asyncio.Event().wait()

    async with (
        stranger.library_server(library, health=Silent()) as address,
        open_edge(address, contract) as edge,
    ):
        await until(edge, 200)


async def test_a_server_without_a_health_service_is_ready_while_it_can_be_reached(library, contract):
    async with open_edge("127.0.0.1:1", contract) as nobody:
        assert (await nobody.get("/readyz")).status == 503
    async with stranger.library_server(library) as address, open_edge(address, contract) as edge:
        await until(edge, 200)
        await library.stop()
        await until(edge, 503)

"""What the gRPC door does with calls for which there is no room: before anything is done for them."""

import asyncio
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from bedplate.contract.promises import Criticality
from bedplate.pipeline.load.load import Load
from bedplate.testing.serve import KEY, Served, serve
from tests.protos import echo

ECHO = "/tests.echo.v1.EchoService/Echo"
METADATA = (("authorization", f"Bearer {KEY}"),)


@pytest.fixture
def handlers() -> echo.Handlers:
    return echo.Handlers()


@pytest.fixture
async def served(handlers: echo.Handlers) -> Any:
    async with serve([echo.service(handlers)], drain_refuse_s=0.1) as running:
        yield running


@pytest.fixture
async def channel(served: Served) -> Any:
    async with grpc.aio.insecure_channel(served.grpc_address) as opened:
        yield opened


def load_of(served: Served) -> Load:
    load = served.app.methods[ECHO[1:]]._parts.load
    assert isinstance(load, Load)
    return load


async def ask(channel: grpc.aio.Channel, *metadata: tuple[str, str]) -> Any:
    request = echo.EchoRequest(text="hi").SerializeToString()
    return await channel.unary_unary(ECHO)(request, metadata=(*METADATA, *metadata), timeout=10)


async def refused(channel: grpc.aio.Channel, *metadata: tuple[str, str]) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await ask(channel, *metadata)
    return error.value


async def test_a_call_without_room_is_refused_with_reason_wait_and_pushback(
    served: Served, channel: grpc.aio.Channel, handlers: echo.Handlers
) -> None:
    load_of(served).limit.value = 0.0

    error = await refused(channel)

    trailers = dict(error.trailing_metadata() or ())
    status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
    info, wait = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    assert status.details[0].Unpack(info)
    assert status.details[1].Unpack(wait)
    assert (error.code(), info.reason, info.domain) == (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "OVERLOADED",
        "bedplate",
    )
    assert int(trailers["grpc-retry-pushback-ms"]) == wait.retry_delay.ToMilliseconds() > 0
    assert handlers.entered == []


async def test_it_is_counted_like_every_other_call(served: Served, channel: grpc.aio.Channel) -> None:
    load_of(served).limit.value = 0.0
    for _ in range(3):
        await refused(channel)

    def value(name: str, **labels: str) -> float | None:
        return served.app.telemetry.registry.get_sample_value(name, {"method": ECHO[1:], **labels})

    assert value("bedplate_calls_total", door="grpc", code="RESOURCE_EXHAUSTED") == 3
    assert value("bedplate_calls_in_flight") == 0
    assert value("bedplate_load_refused_total", criticality="default", by="process") == 3
    assert served.app.telemetry.in_flight == 0


async def test_a_method_that_was_never_refused_has_no_row_of_refusals(
    served: Served, channel: grpc.aio.Channel
) -> None:
    await ask(channel)

    codes = {
        sample.labels["code"]
        for family in served.app.telemetry.registry.collect()
        if family.name == "bedplate_calls"
        for sample in family.samples
    }
    assert codes == {"OK"}


async def test_health_has_a_lane_of_its_own(served: Served, channel: grpc.aio.Channel) -> None:
    load_of(served).limit.value = 0.0

    answer = await channel.unary_unary("/grpc.health.v1.Health/Check")(b"")

    assert answer == b"\x08\x01"


async def test_a_server_that_drains_says_that_it_drains(served: Served, channel: grpc.aio.Channel) -> None:
    load_of(served).limit.value = 0.0
    served.app._gate.draining = True

    assert (await refused(channel)).code() is grpc.StatusCode.UNAVAILABLE


async def test_a_caller_that_makes_its_call_matter_less_is_refused_before_others(
    served: Served, channel: grpc.aio.Channel
) -> None:
    limit = load_of(served).limit
    limit.running, limit.value = 1, 1.4  # room for all but the sheddable

    assert await ask(channel)
    assert (await refused(channel, ("bedplate-criticality", "sheddable"))).code().name == "RESOURCE_EXHAUSTED"
    assert await ask(channel, ("bedplate-criticality", "critical"))


async def test_a_call_is_asked_for_once(served: Served, channel: grpc.aio.Channel) -> None:
    load = load_of(served)
    asked: list[Criticality] = []
    real = load.refusal

    def refusal(door: Any, level: Criticality) -> Any:
        asked.append(level)
        return real(door, level)

    load.refusal = refusal  # type: ignore[method-assign]
    await ask(channel)

    assert asked == [Criticality.DEFAULT]


async def test_calls_above_the_hard_cap_are_refused_by_core(handlers: echo.Handlers) -> None:
    hold = handlers.actions["hi"] = echo.Hold()
    async with (
        serve([echo.service(handlers)], drain_refuse_s=0.1, load_calls=1) as running,
        grpc.aio.insecure_channel(running.grpc_address) as channel,
    ):
        first = asyncio.ensure_future(ask(channel))
        await hold.reached.wait()

        error = await refused(channel)
        hold.release.set()

        assert await first
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_the_door_tells_how_many_calls_wait_and_loses_none(
    served: Served, channel: grpc.aio.Channel
) -> None:
    probe = load_of(served).probe
    assert probe is not None
    loop = asyncio.get_running_loop()

    async def told(count: int) -> int:
        answer: asyncio.Future[int] = loop.create_future()
        probe(count, answer.set_result)
        return await answer

    await ask(channel)
    assert await told(3) == 0  # nobody calls
    assert all(await asyncio.gather(*(ask(channel) for _ in range(50))))
    calls = [asyncio.ensure_future(ask(channel)) for _ in range(90)]
    seen = False
    while not seen and not all(call.done() for call in calls):
        seen = await told(2) >= 2
    assert seen
    assert all(await asyncio.gather(*calls))

"""Of two neighbours in the order of refusal the earlier one is told, on every door that can meet both."""

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.protobuf.json_format import MessageToJson

from bedplate.client.errors import from_rpc_error
from bedplate.pipeline.order import STAGES
from bedplate.pipeline.unknown import UnknownMethod
from bedplate.testing.serve import Served, serve
from bedplate.transport.local import LocalChannel
from tests.doors.obstacles import (
    APART,
    CALLER,
    ENVIRONMENT,
    NAME,
    OBSTACLES,
    POWERLESS,
    PRINCIPALS,
    ROUTE,
    Message,
    Obstacle,
    Obstacles,
)
from tests.gateway.wire import Wire, request

DOORS = ("grpc", "http", "local")


def neighbours() -> list[tuple[Obstacle, Obstacle]]:
    """Each obstacle with the next one that can be there at the same time, on a door that meets both."""
    found = []
    for place, first in enumerate(OBSTACLES):
        for second in OBSTACLES[place + 1 :]:
            if {first.name, second.name} not in APART and set(first.doors) & set(second.doors):
                found.append((first, second))
                break
    return found


class Street:
    """A server with obstacles, and its doors."""

    def __init__(self, served: Served, process: Obstacles) -> None:
        self.process = process
        self._http = served.http_address
        self._channels = {
            "grpc": grpc.aio.insecure_channel(served.grpc_address),
            "local": LocalChannel(served.app.methods, unknown=UnknownMethod(served.app.telemetry)),
        }

    async def close(self) -> None:
        for channel in self._channels.values():
            await channel.close()

    async def prepare(self, *obstacles: Obstacle) -> None:
        """Make a call that goes well, and then all that stands in the way of the next one."""
        assert await self.reason("grpc", request_id="used") == ""
        for obstacle in obstacles:
            if obstacle.prepare is not None:
                obstacle.prepare(self.process)
            if obstacle.name == "rate":  # what is left is spent
                for key in (CALLER, POWERLESS):
                    await self.reason("local", key=key, request_id="spent")

    async def meet(self, door: str, *obstacles: Obstacle) -> str:
        """The reason with which a call is refused that has all this wrong; empty: it is answered."""
        fields: dict[str, Any] = {"request_id": f"fresh-{door}"}
        for obstacle in obstacles:
            fields |= obstacle.request
        return await self.reason(
            door,
            key=next((o.key for o in obstacles if o.key), CALLER),
            metadata=tuple(pair for o in obstacles for pair in o.metadata),
            garbage=any(o.garbage for o in obstacles),
            late=any(o.late for o in obstacles),
            nowhere=any(o.nowhere for o in obstacles),
            **fields,
        )

    async def reason(
        self,
        door: str,
        *,
        key: str = CALLER,
        metadata: tuple[tuple[str, str], ...] = (),
        garbage: bool = False,
        late: bool = False,
        nowhere: bool = False,
        **fields: Any,
    ) -> str:
        message = Message(**({"thing": "mine"} | fields))
        if door == "http":
            body = b"\xff" if garbage else MessageToJson(message).encode()
            headers = {name.replace("-", "_"): value for name, value in metadata}
            if late:
                headers["grpc_timeout"] = "0m"
            target = "/v1/nothing" if nowhere else ROUTE
            async with Wire(self._http) as wire:
                await wire.send(request("POST", target, body, key=key, **headers))
                return str((await wire.reply()).json.get("reason", ""))
        payload = b"\xff\xff\xff" if garbage else message.SerializeToString()
        sent = (("authorization", f"Bearer {key}"), *metadata)
        call: Any = self._channels[door].unary_unary(f"/{NAME}{'Nothing' if nowhere else ''}")
        try:
            await call(payload, metadata=sent, timeout=0.0 if late else 20.0)
        except grpc.aio.AioRpcError as error:
            return from_rpc_error(error).reason
        return ""


@pytest.fixture
async def street() -> AsyncIterator[Street]:
    process = Obstacles()
    settings = {"environment": ENVIRONMENT, "drain_refuse_s": 0.0, "stop_grace_s": 0.0}
    async with serve([process.type], principals=PRINCIPALS, **settings) as served:
        made = Street(served, process)
        yield made
        await made.close()


def told(obstacle: Obstacle, door: str) -> str:
    """What is told of an obstacle: a path that there is none of is no method."""
    return "ROUTE_NOT_FOUND" if obstacle.nowhere and door == "http" else obstacle.reason


@pytest.mark.parametrize("obstacle", OBSTACLES, ids=lambda o: o.name)
async def test_each_obstacle_alone_is_told_on_its_doors(street: Street, obstacle: Obstacle):
    await street.prepare(obstacle)

    found = {door: await street.meet(door, obstacle) for door in obstacle.doors}

    assert found == {door: told(obstacle, door) for door in obstacle.doors}


@pytest.mark.parametrize(("first", "second"), neighbours(), ids=lambda o: o.name)
async def test_the_earlier_of_two_neighbours_is_told_on_every_door(
    street: Street, first: Obstacle, second: Obstacle
):
    await street.prepare(first, second)
    doors = [door for door in DOORS if door in first.doors and door in second.doors]

    found = {door: await street.meet(door, first, second) for door in doors}

    assert found == {door: told(first, door) for door in doors}


def test_every_stage_that_refuses_has_an_obstacle():
    stages = [stage.__module__.rpartition(".")[2] for stage in STAGES]
    named = [obstacle.name for obstacle in OBSTACLES if obstacle.name in stages]
    # A certificate needs TLS (tests/transport/test_peers.py), and a method that is
    # hedged keeps no outcomes (tests/pipeline/test_attempts.py); audit, cache, fault
    # and limits refuse nothing that a caller does, and fields mends what it finds.
    elsewhere = {"peer", "attempts", "fields", "audit", "cache", "fault", "limits"}

    assert named == [stage for stage in stages if stage not in elsewhere]

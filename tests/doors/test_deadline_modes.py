"""The three modes of a deadline, over a real door: the call, what it calls, and its database."""

import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
import sqlalchemy as sa
from google.protobuf.message_factory import GetMessageClass

from bedplate.client import connect, wrap
from bedplate.server.service import Context, Service, ServiceType
from bedplate.testing.serve import KEY, Served, serve
from tests.protos import add_file, field

pytestmark = pytest.mark.asyncio(loop_scope="module")

DEADLINE_S = 0.2
LONGER_S = 0.35
# What the inner method has by itself.
INNER_S = 7.0


def _method(name: str, deadline: str) -> str:
    return (
        f'method {{ name: "{name}" input_type: ".tests.modes.v1.Message" '
        'output_type: ".tests.modes.v1.Message" '
        'options { [bedplate.v1.policy] { auth { all_scopes: "modes.do" } '
        f"deadline {{ {deadline} }} }} }} }}\n"
    )


_OUTER = "default { nanos: 200000000 } max { seconds: 5 } mode: DEADLINE_MODE_"
FILE = add_file(
    'name: "tests/modes/v1/modes.proto" package: "tests.modes.v1"\n'
    'dependency: "bedplate/v1/policy.proto"\n'
    f'message_type {{ name: "Message" {field("text", 1, "string")} }}\n'
    'service { name: "ModesService"\n'
    + _method("Observe", f"{_OUTER}OBSERVE")
    + _method("Propagate", f"{_OUTER}PROPAGATE")
    + _method("Enforce", f"{_OUTER}ENFORCE")
    + _method("Inner", "default { seconds: 7 }")
    + "}\n"
)
SERVICE = FILE.services_by_name["ModesService"]
Message: Any = GetMessageClass(FILE.message_types_by_name["Message"])


class Handlers:
    """Asks the inner method how long it has, and keeps the database busy for longer than the deadline."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.inner_s: list[float] = []
        self.done: list[str] = []

    async def _do(self, request: Any, call: Any) -> Any:
        channel: Any = wrap(self._context.channels.channel("modes"), SERVICE)
        inner = channel.unary_unary("/tests.modes.v1.ModesService/Inner", Message.SerializeToString)
        await inner(Message())

        def work(connection: sa.Connection) -> None:
            threading.Event().wait(LONGER_S)
            connection.execute(sa.text("SELECT 1"))

        await self._context.database.read(work)
        self.done.append(request.text)
        return Message(text=request.text)

    async def Observe(self, request: Any, call: Any) -> Any:
        return await self._do(request, call)

    Propagate = Enforce = Observe

    async def Inner(self, request: Any, call: Any) -> Any:
        self.inner_s.append(call.remaining_s())
        return Message()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def running() -> AsyncIterator[tuple[Served, Handlers]]:
    """A server, for all tests of this file."""
    made: list[Handlers] = []

    def build(context: Context) -> Service:
        made.append(Handlers(context))
        return Service("modes", SERVICE, made[0])

    async with serve([ServiceType("modes", build)], drain_refuse_s=0.1) as served:
        yield served, made[0]


@pytest.mark.parametrize(
    ("name", "code", "inner_least_s", "inner_most_s", "overruns"),
    [
        ("Observe", "OK", INNER_S - 1, INNER_S, 1),
        ("Propagate", "OK", 0, DEADLINE_S, 1),
        ("Enforce", "DEADLINE_EXCEEDED", 0, DEADLINE_S, None),
    ],
)
async def test_each_mode_does_what_it_says_to_the_call_to_what_it_calls_and_to_the_database(
    running: tuple[Served, Handlers],
    name: str,
    code: str,
    inner_least_s: float,
    inner_most_s: float,
    overruns: float | None,
) -> None:
    served, handlers = running
    handlers.inner_s.clear()
    handlers.done.clear()

    # A client that knows the contract sends no deadline where none is enforced.
    async with connect(served.grpc_address, SERVICE, key=KEY) as channel:
        do: Any = channel.unary_unary(f"/tests.modes.v1.ModesService/{name}", Message.SerializeToString)
        call = do(Message(text=name))
        told = (await call.code()).name

    assert told == code
    assert handlers.done == ([name] if code == "OK" else [])
    [inner_s] = handlers.inner_s
    assert inner_least_s <= inner_s <= inner_most_s
    counted = served.app.telemetry.registry.get_sample_value(
        "bedplate_deadline_overruns_total", {"method": f"tests.modes.v1.ModesService/{name}"}
    )
    assert counted == overruns

"""Every method, called by tenant B with what is tenant A's: B gets what it gets for an absent id."""

from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import grpc
import pytest
import pytest_asyncio
from google.protobuf import text_format
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp

from bedplate.auth.principal import Principal
from bedplate.client.errors import from_rpc_error
from bedplate.pipeline.unknown import UnknownMethod
from bedplate.services.registry import NAMES, contract, load
from bedplate.testing.serve import KEY, Served, serve
from bedplate.transport.local import LocalChannel
from tests.tenants.samples import ABSENT, MARK, REFUSED, SAMPLES

in_module_loop = pytest.mark.asyncio(loop_scope="module")

DOORS = ("grpc", "local")
SCOPES = frozenset(
    {"ledger.read", "ledger.write", "rates.read", "rates.write", "ledger.admin", "rates.admin"}
)
METHODS: dict[str, MethodDescriptor] = {
    f"{noun}.{method.name}": method for noun in NAMES for method in contract(noun).methods
}
PAGED = [
    number
    for number, (name, _) in enumerate(SAMPLES)
    if "page_token" in METHODS[name].input_type.fields_by_name
]


class Told(NamedTuple):
    """What a caller is told: code, reason, sentence, and all the rest as text."""

    code: str
    reason: str
    sentence: str
    rest: str


class World:
    """A server where tenant A has made every call, twice."""

    def __init__(self, served: Served) -> None:
        self.channels = {
            "grpc": grpc.aio.insecure_channel(served.grpc_address),
            "local": LocalChannel(served.app.methods, unknown=UnknownMethod(served.app.telemetry)),
        }

    async def call(self, door: str, name: str, request: Message, key: str) -> tuple[Told, list[Any]]:
        """Call a method; what is told, and the responses."""
        method = METHODS[name]
        path = f"/{method.containing_service.full_name}/{method.name}"
        response_class = GetMessageClass(method.output_type)
        encode = type(request).SerializeToString
        metadata = (("authorization", f"Bearer {key}"),)
        responses: list[Any] = []
        try:
            if method.server_streaming:
                made = self.channels[door].unary_stream(path, encode, response_class.FromString)
                responses = [each async for each in made(request, metadata=metadata, timeout=20)]
            else:
                once = self.channels[door].unary_unary(path, encode, response_class.FromString)
                responses = [await once(request, metadata=metadata, timeout=20)]
        except grpc.aio.AioRpcError as error:
            failure = from_rpc_error(error)
            rest = f"{dict(failure.facts)} {list(failure.violations)}"
            return Told(failure.code, failure.reason, failure.sentence, rest), []
        return Told("OK", "", "", "\n".join(timeless(each) for each in responses)), responses


def timeless(message: Message) -> str:
    """A message as text, without the times at which things happened here."""
    copy = type(message)()
    copy.CopyFrom(message)
    _clear_times(copy)
    return str(text_format.MessageToString(copy))


def _clear_times(message: Message) -> None:
    for field, value in message.ListFields():
        if field.message_type is None or field.message_type.GetOptions().map_entry:
            continue
        if field.message_type is Timestamp.DESCRIPTOR:
            message.ClearField(field.name)
        else:
            for item in value if field.is_repeated else [value]:
                _clear_times(item)


def request_of(number: int, *, absent: bool = False) -> Any:
    """The request of a sample; with ids of which there are none, when asked for."""
    name, text = SAMPLES[number]
    if absent:
        text = text.replace(MARK, ABSENT).replace(MARK.upper(), ABSENT.upper())
    return text_format.Parse(text, GetMessageClass(METHODS[name].input_type)())


def unmarked(text: str) -> str:
    """A text with the absent ids in place of A's."""
    return text.replace(MARK, ABSENT).replace(MARK.upper(), ABSENT.upper())


def stranger(number: int, door: str, kind: str) -> str:
    """The key of a tenant that has made no other call."""
    return f"{kind}-{number}-{door}"


PRINCIPALS = {
    stranger(number, door, kind): Principal(f"key:{kind}", f"tenant-{kind}-{number}-{door}", SCOPES)
    for number in range(len(SAMPLES))
    for door in DOORS
    for kind in ("b", "c", "p")
}


@pytest_asyncio.fixture(loop_scope="module", scope="module", params=["sqlite", "postgresql"])
async def world(request: pytest.FixtureRequest) -> AsyncIterator[World]:
    url = ""
    if request.param == "postgresql":
        server = request.getfixturevalue("postgres_server")
        url = server.create_database()
    async with serve([load(name) for name in NAMES], database_url=url, principals=PRINCIPALS) as served:
        made = World(served)
        for _ in range(2):
            for number, (name, _text) in enumerate(SAMPLES):
                told, _responses = await made.call("grpc", name, request_of(number), KEY)
                assert name in REFUSED or told.code == "OK", f"{name} is refused: {told}"
        yield made
        for channel in made.channels.values():
            await channel.close()
    if url:
        server.drop_database(url)


def test_there_is_a_call_of_every_method():
    assert {name for name, _ in SAMPLES} == set(METHODS)


@in_module_loop
@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("number", range(len(SAMPLES)), ids=[name for name, _ in SAMPLES])
async def test_what_is_tenant_as_is_for_tenant_b_as_if_it_were_not_there(
    world: World, door: str, number: int
):
    name, _ = SAMPLES[number]

    told, _ = await world.call(door, name, request_of(number), stranger(number, door, "b"))
    absent, _ = await world.call(door, name, request_of(number, absent=True), stranger(number, door, "c"))

    assert Told(*map(unmarked, told)) == absent


@in_module_loop
@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("number", PAGED, ids=[f"{SAMPLES[number][0]}-{number}" for number in PAGED])
async def test_a_page_token_of_tenant_a_opens_nothing_for_tenant_b(world: World, door: str, number: int):
    name, _ = SAMPLES[number]
    request = request_of(number)
    request.page_size = 1
    _, responses = await world.call(door, name, request, KEY)
    request.page_token = responses[0].next_page_token
    assert request.page_token, f"tenant A has no second page of {name}, so nothing is tried"

    told, _ = await world.call(door, name, request, stranger(number, door, "p"))

    assert (told.code, told.reason) == ("INVALID_ARGUMENT", "PAGE_TOKEN_INVALID")
    assert MARK not in told.sentence + told.rest

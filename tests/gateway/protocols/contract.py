"""A contract whose handlers send back what they got, and a caller of it by Connect and gRPC-Web."""

import asyncio
import base64
import json
import re
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

from google.protobuf import any_pb2  # noqa: F401
from google.protobuf.message_factory import GetMessageClass
from google.rpc import status_pb2

from bedplate.pipeline.call import Call
from bedplate.pipeline.stage import OpenGate, Parts
from bedplate.quota.address import AddressBudget
from bedplate.quota.quota import Quota
from bedplate.server.service import Service
from bedplate.server.table import methods_of
from bedplate.settings import Settings
from bedplate.telemetry.logs import LogWriter
from bedplate.telemetry.recorder import Telemetry
from bedplate.transport.http import HttpDoor
from tests.gateway import shop
from tests.gateway.chunks import read_all
from tests.gateway.http_door import Log
from tests.gateway.wire import PATIENCE_S, Reply, Wire, request
from tests.protos import add_file, field

P = "tests.rpc.v1"
PATH = f"/{P}.RpcService/"
SMALL_BYTES = 64
COMPRESS_BYTES = 100


def _method(
    name: str,
    rule: str,
    policy: str = "",
    *,
    kind: str = "",
    ask: str = "Ask",
    answer: str = "Told",
    options: str = "",
) -> str:
    http = f"[google.api.http] {{ {rule} }}" if rule else ""
    return (
        f'method {{ name: "{name}" input_type: ".{P}.{ask}" output_type: ".{P}.{answer}" {kind} '
        f"options {{ {options} {http} [bedplate.v1.policy] {{ {policy} }} }} }}\n"
    )


FILE = add_file(
    'name: "tests/rpc/v1/rpc.proto" package: "tests.rpc.v1"\n'
    'dependency: "bedplate/v1/policy.proto" dependency: "google/api/annotations.proto"\n'
    'dependency: "google/protobuf/any.proto"\n'
    'message_type { name: "Ask"\n'
    + field("name", 1, "string")
    + field("count", 2, "int32")
    + field("pad", 3, "bytes")
    + field("detail", 4, ".google.protobuf.Any")
    + 'field { name: "wide" number: 5 type: TYPE_INT64 label: LABEL_OPTIONAL }\n'
    + "}\n"
    + 'message_type { name: "Told"\n'
    + field("name", 1, "string")
    + field("count", 2, "int32")
    + field("pad", 3, "bytes")
    + field("metadata", 4, f".{P}.Told.MetadataEntry", repeated=True)
    + field("detail", 5, ".google.protobuf.Any")
    + field("display_name", 6, "string")
    + 'nested_type { name: "MetadataEntry" options { map_entry: true }\n'
    + field("key", 1, "string")
    + field("value", 2, "string")
    + "}}\n"
    + 'message_type { name: "Secret"\n'
    + field("name", 1, "string")
    + field("secret", 2, "string", "[bedplate.v1.field] { sensitive: SENSITIVE_SECRET }")
    + "}\n"
    'service { name: "RpcService" options { [bedplate.v1.service] { defaults { '
    'auth { all_scopes: "shop.all" } visibility: VISIBILITY_PUBLIC '
    "deadline { default { seconds: 5 } max { seconds: 30 } } } } }\n"
    + _method("Echo", 'post: "/v1/echo" body: "*"', 'http { cors { origins: "https://a.example" } }')
    + _method(
        "Read",
        'get: "/v1/read"',
        "idempotency: IDEMPOTENCY_READ_ONLY "
        "cache { scope: CACHE_SCOPE_PRINCIPAL http_max_age { seconds: 60 } }",
    )
    + _method("Free", 'get: "/v1/free"', options="idempotency_level: NO_SIDE_EFFECTS")
    + _method("Small", 'post: "/v1/small" body: "*"', f"limits {{ request_bytes: {SMALL_BYTES} }}")
    + _method(
        "Lenient",
        'post: "/v1/lenient" body: "*"',
        "http { json: JSON_MODE_LENIENT }",
        options="idempotency_level: NO_SIDE_EFFECTS",
    )
    + _method("Viewed", 'post: "/v1/viewed" body: "*"', "http { unset_fields: true proto_names: true }")
    + _method("Secrets", 'post: "/v1/secrets" body: "*"', answer="Secret")
    + _method("Rated", 'post: "/v1/rated" body: "*"', "rate { per_second: 1 burst: 2 }")
    + _method(
        "Look",
        'post: "/v1/look" body: "*"',
        "idempotency: IDEMPOTENCY_READ_ONLY",
        ask="Secret",
        options="idempotency_level: NO_SIDE_EFFECTS",
    )
    + _method("Own", f'post: "{PATH}Own" body: "*"')
    + _method("Hidden", 'post: "/v1/hidden" body: "*"', "visibility: VISIBILITY_INTERNAL")
    + _method("Unbound", "")
    + _method("Count", 'post: "/v1/count" body: "*"', kind="server_streaming: true")
    + _method("Collect", 'post: "/v1/collect" body: "*"', kind="client_streaming: true")
    + "}\n"
)
SERVICE = FILE.services_by_name["RpcService"]
Ask: Any = GetMessageClass(FILE.message_types_by_name["Ask"])
Told: Any = GetMessageClass(FILE.message_types_by_name["Told"])
Secret: Any = GetMessageClass(FILE.message_types_by_name["Secret"])


class Handlers:
    """Send back the request and what came beside it.

    Attributes:
        before: What a handler does before each answer: an async function of the request and the call.
        calls: The calls that came to a handler.
    """

    def __init__(self) -> None:
        self.before: Any = None
        self.calls: list[Call] = []

    def __getattr__(self, name: str) -> Any:
        if name not in SERVICE.methods_by_name:
            raise AttributeError(name)

        async def answer(request: Any, call: Call) -> Any:
            return await self._told(request, call)

        return answer

    async def Secrets(self, request: Any, call: Call) -> Any:
        """Something that must not be guessed."""
        return Secret(name=request.name, secret="s" * request.count)

    async def Look(self, request: Any, call: Call) -> Any:
        """Whose secret it is."""
        return Told(name=request.name)

    async def Count(self, request: Any, call: Call) -> AsyncIterator[Any]:
        """As many answers as the request says."""
        for number in range(request.count):
            told = await self._told(request, call)
            told.count = number
            yield told
        if self.before is not None:
            await self.before(request, call)

    async def _told(self, request: Any, call: Call) -> Any:
        self.calls.append(call)
        if self.before is not None:
            await self.before(request, call)
        metadata = {key: str(value) for key, value in call.metadata.items()}
        told = Told(name=request.name, count=request.count, pad=request.pad, metadata=metadata)
        if request.HasField("detail"):
            told.detail.CopyFrom(request.detail)
        return told


class Opened:
    """The door, what is behind it, and one connection to it."""

    def __init__(self, door: HttpDoor, handlers: Handlers, log: Log, telemetry: Telemetry) -> None:
        self.door = door
        self.handlers = handlers
        self._log = log
        self._telemetry = telemetry

    @property
    def address(self) -> str:
        return self.door.address

    def logged(self) -> str:
        self._telemetry.log.flush()
        return self._log.getvalue().decode()

    async def call(self, method: str, body: bytes, content_type: str, **headers: Any) -> Reply:
        """Call a method by POST, on a connection of its own, and read the whole answer."""
        async with Wire(self.address) as wire:
            target = method if method.startswith("/") else PATH + method
            await wire.send(request("POST", target, body, content_type=content_type, **headers))
            return await answer(wire)

    async def get(self, target: str, **headers: Any) -> Reply:
        """Call by GET."""
        async with Wire(self.address) as wire:
            return await wire.call("GET", PATH + target, **headers)


async def answer(wire: Wire) -> Reply:
    """The answer that comes next on a connection."""
    async with asyncio.timeout(PATIENCE_S):
        head = (await wire._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
        headers = [(name.lower(), value) for name, value in (line.split(": ", 1) for line in lines)]
        fields = dict(headers)
        if fields.get("transfer-encoding") == "chunked":
            body = await read_all(wire)
        else:
            body = await wire._reader.readexactly(int(fields.get("content-length", 0)))
    return Reply(int(first.split(" ")[1]), headers, body)


@asynccontextmanager
async def open_rpc(**settings: Any) -> AsyncIterator[Opened]:
    """A door with these settings; it is stopped at the end, hard."""
    given = Settings(**{"http_address": "127.0.0.1:0", "http_compress_bytes": COMPRESS_BYTES, **settings})
    log = Log()
    telemetry = Telemetry(log=LogWriter(log))
    handlers = Handlers()
    quota = Quota(addresses=AddressBudget(given.address_rate, given.address_burst))
    parts = Parts(authenticator=shop.Keys(), settings=given, gate=OpenGate(), quota=quota)
    methods = methods_of(Service("rpc", SERVICE, handlers), parts, telemetry, strict=True)
    door = HttpDoor(methods, given, telemetry, lambda: True)
    await door.start()
    try:
        yield Opened(door, handlers, log, telemetry)
    finally:
        await door.stop(0)
        telemetry.log.close()


# What is sent and what comes back.


def frame(data: bytes, flags: int = 0) -> bytes:
    return struct.pack(">BI", flags, len(data)) + data


def frames(body: bytes) -> Iterator[tuple[int, bytes]]:
    """Flags and data of each frame; all of the body is of some frame."""
    while body:
        flags, size = struct.unpack_from(">BI", body)
        assert len(body) >= 5 + size, "a frame is cut off"
        yield flags, body[5 : 5 + size]
        body = body[5 + size :]


def trailers(data: bytes) -> dict[str, str]:
    """What ends an answer of gRPC-Web."""
    assert data.endswith(b"\r\n")
    return dict(line.split(": ", 1) for line in data.decode("ascii").removesuffix("\r\n").split("\r\n"))


def web(reply: Reply) -> tuple[list[bytes], dict[str, str]]:
    """Messages and trailers of an answer of gRPC-Web."""
    assert reply.status == 200
    body = reply.body
    if "-text" in reply["content-type"]:
        body = b"".join(base64.b64decode(piece, validate=True) for piece in _pieces(body))
    *messages, (flags, last) = frames(body)
    assert flags == 0x80
    assert all(flags == 0 for flags, _ in messages)
    return [data for _, data in messages], trailers(last)


def _pieces(body: bytes) -> Iterator[bytes]:
    """Base64 up to and with its padding, again and again."""
    while body:
        end = body.find(b"=")
        end = len(body) if end < 0 else end + (2 if body[end : end + 2] == b"==" else 1)
        yield body[:end]
        body = body[end:]


def status_of(told: dict[str, str]) -> Any:
    """The google.rpc.Status of trailers."""
    packed = told["grpc-status-details-bin"]
    assert re.fullmatch("[A-Za-z0-9+/]+", packed), "binary metadata is base64 without padding"
    return status_pb2.Status.FromString(base64.b64decode(packed + "=" * (-len(packed) % 4)))


def end_of(reply: Reply) -> tuple[list[bytes], Any]:
    """Messages of a stream of Connect's, and what ends it."""
    assert reply.status == 200
    *messages, (flags, last) = frames(reply.body)
    assert flags == 2
    assert all(flags == 0 for flags, _ in messages)
    return [data for _, data in messages], json.loads(last)

"""A plain gRPC server of others, whose contract no pool of ours knows."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2_grpc
from grpc_reflection.v1alpha import reflection

HERE = Path(__file__).parent
ROOT = HERE.parent.parent.parent
SERVICE = "stranger.v1.LibraryService"
WORKSPACE = (
    '{"version":"v2","modules":[{"path":"tests/gateway/elsewhere/protos"},'
    '{"path":"protos","excludes":["protos/third_party"]},{"path":"protos/third_party"}]}'
)


@cache
def compiled(*flags: str) -> bytes:
    """The contract and all that it imports, as a serialised FileDescriptorSet."""
    buf = Path(sys.executable).parent / "buf"
    path = "--path=tests/gateway/elsewhere/protos/stranger/v1/library.proto"
    command = [buf, "build", "--config", WORKSPACE, path, *flags, "-o", "-#format=binpb"]
    return subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout


@cache
def pool() -> DescriptorPool:
    """A pool of the server's own."""
    made = DescriptorPool()
    for file in FileDescriptorSet.FromString(compiled()).file:
        made.AddSerializedFile(file.SerializeToString())
    return made


def message(name: str) -> Any:
    """The class of one of the contract's messages."""
    return GetMessageClass(pool().FindMessageTypeByName(f"stranger.v1.{name}"))


class Library:
    """What the server does, and what a test learns of it.

    Attributes:
        answer: Set: `Wait` answers, and `WatchBooks` its last book.
        waiting: Set once a call of `Wait` is there.
        cancelled: Set once one was cancelled.
        raw: The bytes that are answered instead of messages, if any.
        calls: How often `GetBook` was called.
        stop: Ends the server at once, with the calls that it has.
    """

    def __init__(self) -> None:
        self.answer = asyncio.Event()
        self.waiting = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.raw: bytes | None = None
        self.calls = 0
        self.stop: Any = None

    async def GetBook(self, request: Any, context: Any) -> Any:
        self.calls += 1
        await context.send_initial_metadata((("etag", '"7"'), ("x-shelf", "3"), ("internal-host", "db-1")))
        context.set_trailing_metadata((("x-last", "9"), ("internal-shard", "7")))
        return message("Book")(name=request.name, pages=self.calls)

    async def CreateBook(self, request: Any, context: Any) -> Any:
        return request.book

    async def Seen(self, request: Any, context: Any) -> Any:
        told = {name: value for name, value in context.invocation_metadata() if not name.startswith("grpc-")}
        return message("SeenResponse")(metadata=told, remaining_s=context.time_remaining() or 0)

    async def Fail(self, request: Any, context: Any) -> Any:
        how = request.how
        if how == "BUG":
            raise ValueError("password=hunter2 at /srv/library/store.py")
        if how == "DETAILS":
            await _abort(context, grpc.StatusCode.FAILED_PRECONDITION, "It is lent.", _details())
        if how == "STEP_UP":
            info = error_details_pb2.ErrorInfo(
                reason="STEP_UP_REQUIRED", domain="bedplate", metadata={"acr": "2"}
            )
            await _abort(context, grpc.StatusCode.UNAUTHENTICATED, "Show who you are again.", [info])
        if how == "ODD_CHALLENGE":
            info = error_details_pb2.ErrorInfo(
                reason="STEP_UP_REQUIRED",
                domain="stranger.v1",
                metadata={"acr": '2"\r\nx-split: \u20ac', "max_age_s": '1"\r\nx-split: 1'},
            )
            await _abort(context, grpc.StatusCode.UNAUTHENTICATED, "Show who you are again.", [info])
        if how == "BARE_CHALLENGE":
            info = error_details_pb2.ErrorInfo(reason="STEP_UP_REQUIRED", domain="bedplate")
            await _abort(context, grpc.StatusCode.UNAUTHENTICATED, "Show who you are again.", [info])
        if how == "VIOLATIONS":
            violation = error_details_pb2.BadRequest.FieldViolation(field="name", description="Too long.")
            bad = error_details_pb2.BadRequest(field_violations=[violation])
            await _abort(context, grpc.StatusCode.INVALID_ARGUMENT, "The name is wrong.", [bad])
        await context.abort(getattr(grpc.StatusCode, how), f"The library says {how}.")

    async def Wait(self, request: Any, context: Any) -> Any:
        self.waiting.set()
        try:
            await self.answer.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        return message("Book")(name=request.name)

    async def WatchBooks(self, request: Any, context: Any) -> AsyncIterator[Any]:
        for number in range(request.count):
            if number == request.count - 1:
                self.waiting.set()
                try:
                    await self.answer.wait()
                except asyncio.CancelledError:
                    self.cancelled.set()
                    raise
            yield message("Book")(name=f"book {number}")


def _details() -> list[Any]:
    return [
        error_details_pb2.ErrorInfo(reason="BOOK_LENT", domain="library.example", metadata={"until": "May"}),
        error_details_pb2.RetryInfo(retry_delay=Duration(seconds=3)),
        error_details_pb2.DebugInfo(detail="store.py line 7", stack_entries=["at store.py:7"]),
        message("Fine")(cents=250),
    ]


async def _abort(context: Any, code: grpc.StatusCode, text: str, details: list[Any]) -> None:
    status = status_pb2.Status(code=code.value[0], message=text)
    for detail in details:
        packed = AnyMessage(
            type_url=f"type.googleapis.com/{detail.DESCRIPTOR.full_name}", value=detail.SerializeToString()
        )
        status.details.append(packed)
    await context.abort(code, text, (("grpc-status-details-bin", status.SerializeToString()),))


def add_to(server: grpc.aio.Server, library: Library) -> None:
    """Add the service to a server."""
    service = pool().FindServiceByName(SERVICE)
    handlers = {}
    for method in service.methods:
        handler = getattr(library, method.name, None)
        if handler is None:
            continue
        make = (
            grpc.unary_stream_rpc_method_handler
            if method.server_streaming
            else grpc.unary_unary_rpc_method_handler
        )
        handlers[method.name] = make(
            handler,
            request_deserializer=GetMessageClass(method.input_type).FromString,
            response_serializer=lambda made: made.SerializeToString() if library.raw is None else library.raw,
        )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, handlers),))


@asynccontextmanager
async def library_server(
    library: Library,
    *,
    port: int = 0,
    credentials: Any = None,
    reflect: bool = False,
    health: Any = None,
    receive_bytes: int = -1,
) -> AsyncIterator[str]:
    """The server, listening; its address."""
    options = [("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", receive_bytes)]
    server = grpc.aio.server(options=options)
    add_to(server, library)
    if health is not None:
        health_pb2_grpc.add_HealthServicer_to_server(health, server)
    if reflect:
        reflection.enable_server_reflection([SERVICE, reflection.SERVICE_NAME], server, pool())
    if credentials is None:
        bound = server.add_insecure_port(f"127.0.0.1:{port}")
    else:
        bound = server.add_secure_port(f"127.0.0.1:{port}", credentials)
    await server.start()
    library.stop = lambda: server.stop(0)
    try:
        yield f"127.0.0.1:{bound}"
    finally:
        await server.stop(0)

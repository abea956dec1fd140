"""A bare grpcio server, for what a bedplate server never answers."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_health.v1 import health, health_pb2_grpc

from bedplate.contract.headers import PUSHBACK, STATUS_DETAILS

Answer = Callable[[bytes, Any], Awaitable[Message]]


class _Everything(grpc.GenericRpcHandler):
    def __init__(self, answer: Answer) -> None:
        self._answer = answer

    def service(self, details: Any) -> Any:
        if details.method.startswith("/grpc.health"):
            return None

        async def handle(request: bytes, context: Any) -> bytes:
            return (await self._answer(request, context)).SerializeToString()

        return grpc.unary_unary_rpc_method_handler(handle)


@asynccontextmanager
async def plain_server(
    answer: Answer, credentials: grpc.ServerCredentials | None = None
) -> AsyncIterator[str]:
    """The address of a server that answers every unary call so."""
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", -1)])
    server.add_generic_rpc_handlers((_Everything(answer),))
    health_pb2_grpc.add_HealthServicer_to_server(health.aio.HealthServicer(), server)
    if credentials is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        port = server.add_secure_port("localhost:0", credentials)
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(0)


@contextmanager
def threaded_server(answer: Answer) -> Iterator[str]:
    """The same, in a loop of its own on another thread."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    context = plain_server(answer)
    try:
        yield asyncio.run_coroutine_threadsafe(context.__aenter__(), loop).result(10)
        asyncio.run_coroutine_threadsafe(context.__aexit__(None, None, None), loop).result(10)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


def trailers(code: str, sentence: str, *details: Message, pushback_ms: int | None = None) -> Any:
    """Trailing metadata of a refusal."""
    status = status_pb2.Status(code=code_pb2.Code.Value(code), message=sentence)
    for detail in details:
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)
    sent: tuple[tuple[str, Any], ...] = ((STATUS_DETAILS, status.SerializeToString()),)
    return sent if pushback_ms is None else (*sent, (PUSHBACK, str(pushback_ms)))


def draining(pushback_ms: int = 1) -> Any:
    """Trailing metadata of a server that is about to stop."""
    info = error_details_pb2.ErrorInfo(reason="DRAINING", domain="bedplate")
    retry = error_details_pb2.RetryInfo()
    retry.retry_delay.nanos = pushback_ms * 1_000_000
    return trailers("UNAVAILABLE", "This server is about to stop.", info, retry, pushback_ms=pushback_ms)

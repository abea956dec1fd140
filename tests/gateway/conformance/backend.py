"""The contract's methods on a plain gRPC server, which knows nothing of bedplate.

    python -m tests.gateway.conformance.backend --port 50099

prints the port that it listens on, and answers until its standard input ends.
"""

import argparse
import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2, status_pb2

from tests.gateway.conformance import contract
from tests.gateway.conformance.logic import Context, Logic, Refused
from tests.gateway.conformance.process import serve

_DOMAINS = {"ETAG_MISMATCH": "bedplate", "SHELF_NOT_FOUND": "shelves.conformance"}

# Metadata that gRPC sends of its own accord.
_OWN = ("grpc-", "user-agent", "content-type", "te")


def add_to(server: grpc.aio.Server, logic: Logic) -> None:
    """Add all services of the contract to a server."""
    for name in contract.SERVICES:
        descriptor = contract.service(name)
        handlers = {method.name: _handler(method, logic) for method in descriptor.methods}
        server.add_generic_rpc_handlers(
            [grpc.method_handlers_generic_handler(descriptor.full_name, handlers)]
        )


def _handler(method: MethodDescriptor, logic: Logic) -> grpc.RpcMethodHandler:
    parts: dict[str, Any] = {
        "request_deserializer": GetMessageClass(method.input_type).FromString,
        "response_serializer": GetMessageClass(method.output_type).SerializeToString,
    }
    name = method.name

    async def unary(request: Any, context: Any) -> Any:
        headers: list[tuple[str, str]] = []
        try:
            response = await logic.answer(name, request, _context(context, headers))
        except Refused as refused:
            await _refuse(context, refused)
        # Metadata goes out in one piece, and before the response.
        await context.send_initial_metadata(headers)
        return response

    async def stream(request: Any, context: Any) -> AsyncIterator[Any]:
        try:
            async for response in logic.stream(name, request, _context(context, [])):
                yield response
        except Refused as refused:
            await _refuse(context, refused)

    async def collect(requests: AsyncIterator[Any], context: Any) -> Any:
        last = GetMessageClass(method.input_type)()
        async for request in requests:
            last = request
        return await logic.answer(name, last, _context(context, []))

    if method.client_streaming:
        return grpc.stream_unary_rpc_method_handler(collect, **parts)
    if method.server_streaming:
        return grpc.unary_stream_rpc_method_handler(stream, **parts)
    return grpc.unary_unary_rpc_method_handler(unary, **parts)


def _context(context: Any, headers: list[tuple[str, str]]) -> Context:
    metadata = {
        name: value if isinstance(value, str) else value.hex()
        for name, value in context.invocation_metadata() or ()
        if not name.startswith(_OWN)
    }
    return Context(
        metadata,
        context.time_remaining() or 0.0,
        lambda name, value: headers.append((name, value)),
        asyncio.Event().wait,
    )


async def _refuse(context: Any, refused: Refused) -> None:
    code = getattr(grpc.StatusCode, refused.code)
    if not refused.reason:
        await context.abort(code, refused.text)
    domain = _DOMAINS.get(refused.reason, "manners.conformance")
    details: list[Any] = [
        error_details_pb2.ErrorInfo(reason=refused.reason, domain=domain, metadata=refused.facts)
    ]
    if refused.field:
        details.append(
            error_details_pb2.BadRequest(
                field_violations=[
                    {"field": refused.field, "description": refused.text, "reason": "conformance.told"}
                ]
            )
        )
    if refused.retry_s is not None:
        delay = duration_pb2.Duration()
        delay.FromNanoseconds(int(refused.retry_s * 1e9))
        details.append(error_details_pb2.RetryInfo(retry_delay=delay))
    status = status_pb2.Status(code=code.value[0], message=refused.text)
    for detail in details:
        packed = any_pb2.Any()
        packed.Pack(detail)
        status.details.append(packed)
    await context.abort(code, refused.text, (("grpc-status-details-bin", status.SerializeToString()),))


async def start(port: int) -> tuple[dict[str, str], Any]:
    """Listen; what it listens on, and what stops it."""
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    add_to(server, Logic())
    bound = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    return {"grpc": f"127.0.0.1:{bound}"}, lambda: server.stop(0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="port of 127.0.0.1; 0: a free one")
    arguments = parser.parse_args()
    asyncio.run(serve(lambda: start(arguments.port)))

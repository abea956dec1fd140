"""The doors of one server, each asked with bytes; the HTTP port is asked in all that it speaks."""

from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from google.rpc import code_pb2

from bedplate.pipeline.unknown import UnknownMethod
from bedplate.testing.serve import Served
from bedplate.transport.local import LocalChannel
from tests.doors.answering import Answer, from_connect, from_error, from_grpc_web, from_http
from tests.doors.asking import METHODS, Ask
from tests.gateway.wire import Reply, Wire, request
from tests.transport.http2 import connect

# Longer than any answer takes here, seconds.
PATIENCE_S = 20.0


class Doors:
    """Asks a server over gRPC, HTTP, Connect and gRPC-Web, and in process."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._grpc = grpc.aio.insecure_channel(served.grpc_address)
        self._local = LocalChannel(served.app.methods, unknown=UnknownMethod(served.app.telemetry))

    async def close(self) -> None:
        """Close the channels."""
        await self._grpc.close()
        await self._local.close()

    async def over_grpc(self, ask: Ask) -> Answer:
        """Over gRPC; what a client library would not send goes as raw HTTP/2."""
        assert ask.wire is not None
        if ask.late:
            return await self._http2(ask)
        return await self._call(self._grpc, ask, PATIENCE_S)

    async def in_process(self, ask: Ask) -> Answer:
        """In process."""
        return await self._call(self._local, ask, 0.0 if ask.late else PATIENCE_S)

    async def over_http(self, ask: Ask) -> Answer:
        """Over HTTP."""
        http = ask.http
        assert http is not None
        headers = {name.replace("-", "_"): value for name, value in http.headers}
        if ask.late:
            headers["grpc_timeout"] = "0m"
        async with Wire(self._served.http_address) as wire:
            await wire.send(request(http.verb, http.target, http.body, key=ask.key or None, **headers))
            reply = await wire.reply()
        return from_http(reply.status, reply.body)

    async def over_connect(self, ask: Ask) -> Answer:
        """By Connect, in protobuf."""
        late = {"connect_timeout_ms": "0"} if ask.late else {}
        reply = await self._post(ask, ask.wire, content_type="application/proto", **late)
        if reply["content-type"] != "application/json":
            return from_http(reply.status, reply.body) if reply.status != 200 else Answer("OK")
        return from_connect(reply.status, reply.json)

    async def over_grpc_web(self, ask: Ask) -> Answer:
        """By gRPC-Web."""
        assert ask.wire is not None
        late = {"grpc_timeout": "0m"} if ask.late else {}
        body = b"\0" + len(ask.wire).to_bytes(4, "big") + ask.wire
        reply = await self._post(ask, body, content_type="application/grpc-web", **late)
        return from_grpc_web(reply.body) if reply.status == 200 else from_http(reply.status, reply.body)

    async def _post(self, ask: Ask, body: bytes | None, **headers: str) -> Reply:
        assert body is not None
        async with Wire(self._served.http_address) as wire:
            await wire.send(request("POST", ask.path, body, key=ask.key or None, **headers))
            return await wire.reply()

    async def _call(self, channel: grpc.aio.Channel, ask: Ask, timeout_s: float) -> Answer:
        call: Any = channel.unary_unary(ask.path)
        metadata = (("authorization", f"Bearer {ask.key}"),) if ask.key else ()
        try:
            await call(ask.wire, metadata=metadata, timeout=timeout_s)
        except grpc.aio.AioRpcError as error:
            return from_error(error)
        return Answer("OK")

    async def _http2(self, ask: Ask) -> Answer:
        extra: tuple[tuple[str, str], ...] = (("grpc-timeout", "0n"),)
        if ask.key:
            extra += (("authorization", f"Bearer {ask.key}"),)
        async with connect(self._served.grpc_address) as peer:
            stream = await peer.result(peer.call(ask.path, message=ask.wire, extra=extra))
        # gRPC itself ends a call whose time is over, before there is anyone to give a reason.
        return Answer(code_pb2.Code.Name(stream.code))


Door = Callable[[Doors, Ask], Awaitable[Answer]]

DOORS: dict[str, Door] = {
    "grpc": Doors.over_grpc,
    "http": Doors.over_http,
    "connect": Doors.over_connect,
    "grpc-web": Doors.over_grpc_web,
    "local": Doors.in_process,
}
# What comes by HTTP, in whatever protocol.
BY_HTTP = ("http", "connect", "grpc-web")


def answers(name: str, ask: Ask) -> bool:
    """Whether the call can be said at a door."""
    if name in ("connect", "grpc-web") and ask.path.rpartition("/")[2] not in METHODS:
        return False  # what is not there is a path of HTTP's there, as any other
    return (ask.http if name == "http" else ask.wire) is not None

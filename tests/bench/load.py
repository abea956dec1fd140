"""A load generator that costs little: fixed bytes out, frames counted on the way back.

A generated client would cost more than the servers that are measured. Each
connection keeps a fixed number of calls open and sends the next one when an
answer has come (closed loop).
"""

import asyncio
import struct
import time
from dataclasses import dataclass, field
from typing import cast

import hpack

# gRPC: connections x calls on each. HTTP/1.1: connections with one call each.
GRPC_CONNECTIONS = 8
GRPC_STREAMS = 4
HTTP_CONNECTIONS = 32

_DATA, _HEADERS, _SETTINGS, _PING, _GOAWAY = 0, 1, 4, 6, 7
_END_STREAM, _END_HEADERS, _ACK = 1, 4, 1
_WINDOW = 2**31 - 1


@dataclass(slots=True)
class Round:
    """What one round of load saw: good answers, bad ones, and how long the good ones took."""

    ok: int = 0
    failed: int = 0
    seconds: float = 0.0
    latencies_s: list[float] = field(default_factory=list)


class _Connection(asyncio.Protocol):
    """What both protocols share: when to go on, and what was seen."""

    def __init__(self, result: Round) -> None:
        self.result = result
        self.running = True
        self.open = 0
        self.buffer = bytearray()
        self.idle: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is one by its methods only

    def connection_lost(self, error: Exception | None) -> None:
        if self.running or self.open:
            self.result.failed += max(1, self.open)
        if not self.idle.done():
            self.idle.set_result(None)

    def finished(self, started: float, ok: bool) -> bool:
        """Count an answer; True when another call should follow."""
        self.open -= 1
        if ok:
            self.result.ok += 1
            self.result.latencies_s.append(time.perf_counter() - started)
        else:
            self.result.failed += 1
        if not self.running and not self.open and not self.idle.done():
            self.idle.set_result(None)
        return self.running


class GrpcConnection(_Connection):
    """One HTTP/2 connection that repeats one unary call."""

    def __init__(self, result: Round, headers: bytes, message: bytes, expect: int, streams: int) -> None:
        super().__init__(result)
        self._headers = struct.pack(">I", len(headers))[1:] + bytes((_HEADERS, _END_HEADERS))
        self._block = headers
        body = b"\0" + struct.pack(">I", len(message)) + message
        self._data = struct.pack(">I", len(body))[1:] + bytes((_DATA, _END_STREAM))
        self._body = body
        self._expect = expect
        self._streams = streams
        self._next = 1
        self._started: dict[int, float] = {}
        self._received: dict[int, int] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        window = struct.pack(">I", _WINDOW)
        settings = struct.pack(">H", 4) + window
        self.transport.write(
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
            + struct.pack(">I", len(settings))[1:]
            + bytes((_SETTINGS, 0, 0, 0, 0, 0))
            + settings
            + b"\0\0\4\x08\0\0\0\0\0"
            + struct.pack(">I", _WINDOW - 65535)
        )
        self.transport.write(b"".join(self._call() for _ in range(self._streams)))

    def _call(self) -> bytes:
        stream = struct.pack(">I", self._next)
        self._started[self._next] = time.perf_counter()
        self._received[self._next] = 0
        self._next += 2
        self.open += 1
        return self._headers + stream + self._block + self._data + stream + self._body

    def data_received(self, data: bytes) -> None:
        buffer = self.buffer
        buffer += data
        position, out = 0, []
        while len(buffer) - position >= 9:
            length = int.from_bytes(buffer[position : position + 3], "big")
            if len(buffer) - position < 9 + length:
                break
            kind, flags = buffer[position + 3], buffer[position + 4]
            stream = int.from_bytes(buffer[position + 5 : position + 9], "big")
            payload = bytes(buffer[position + 9 : position + 9 + length]) if kind in (_PING, _GOAWAY) else b""
            position += 9 + length
            if kind == _DATA:
                self._received[stream] += length
            elif kind == _HEADERS and flags & _END_STREAM:
                ok = self._received.pop(stream) >= self._expect
                if self.finished(self._started.pop(stream), ok):
                    out.append(self._call())
            elif kind == _SETTINGS and not flags & _ACK:
                out.append(b"\0\0\0" + bytes((_SETTINGS, _ACK)) + b"\0\0\0\0")
            elif kind == _PING and not flags & _ACK:
                out.append(b"\0\0\x08" + bytes((_PING, _ACK)) + b"\0\0\0\0" + payload)
        del buffer[:position]
        if out:
            self.transport.write(b"".join(out))


class HttpConnection(_Connection):
    """One HTTP/1.1 connection that repeats one request."""

    def __init__(self, result: Round, request: bytes, expect: int) -> None:
        super().__init__(result)
        self._request = request
        self._expect = expect
        self._started = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._call()

    def _call(self) -> None:
        self._started = time.perf_counter()
        self.open += 1
        self.transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        buffer = self.buffer
        buffer += data
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(buffer[:end]).lower()
        at = head.find(b"content-length:")
        length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(buffer) < end + 4 + length:
            return
        ok = head.startswith(b"http/1.1 200") and length >= self._expect
        del buffer[: end + 4 + length]
        if self.finished(self._started, ok):
            self._call()


def grpc_headers(port: int, path: str, key: str) -> bytes:
    """The header block of the call, the same bytes for every stream."""
    headers = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", f"127.0.0.1:{port}"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        ("grpc-timeout", "4S"),
        ("authorization", f"Bearer {key}"),
    ]
    encoder = hpack.Encoder()
    return encoder.encode([hpack.NeverIndexedHeaderTuple(*header) for header in headers], huffman=False)


def http_request(
    port: int, path: str, key: str, body: bytes, content_type: str = "application/json"
) -> bytes:
    """The whole request."""
    return (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nauthorization: Bearer {key}\r\n"
        f"content-type: {content_type}\r\ncontent-length: {len(body)}\r\n\r\n"
    ).encode() + body


async def run(make: "list[tuple[str, int, list]]", seconds: float) -> Round:  # type: ignore[type-arg]
    """Run connections against a server for a time; `make` holds (host, port, [factory])."""
    result = Round()
    loop = asyncio.get_running_loop()
    connections: list[_Connection] = []
    began = time.perf_counter()
    for host, port, factories in make:
        for factory in factories:
            _, connection = await loop.create_connection(lambda factory=factory: factory(result), host, port)
            connections.append(connection)
    await asyncio.sleep(seconds)
    for connection in connections:
        connection.running = False
    await asyncio.wait_for(asyncio.gather(*(c.idle for c in connections if c.open)), 10)
    result.seconds = time.perf_counter() - began
    for connection in connections:
        connection.transport.close()
    return result

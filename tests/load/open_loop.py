"""Calls at a rate, whether or not earlier ones were answered, and what became of each.

Frames are made beforehand and answers are told apart by their frames, because a
client of gRPC would cost more than the server that it is to overload.
"""

import asyncio
import random
import re
import struct
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import cast

import hpack

CONNECTIONS = 24
# Arrivals are looked at this often; those that are due are sent together.
STEP_S = 0.002

_DATA, _HEADERS, _RST, _SETTINGS, _PING, _GOAWAY = 0, 1, 3, 4, 6, 7
_END_STREAM, _END_HEADERS, _ACK = 1, 4, 1
_WINDOW = 2**31 - 1
_STATUS = re.compile(rb"grpc-status[\x01\x02](\d+)")

DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED = 4, 8


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of call: its name, its header block, and its share of the calls."""

    name: str
    headers: bytes
    share: float


@dataclass(slots=True)
class Fate:
    """What became of the calls of one kind, and how long good answers and refusals took, seconds."""

    offered: int = 0
    good_s: list[float] = field(default_factory=list)
    refused_s: list[float] = field(default_factory=list)
    codes: Counter[int] = field(default_factory=Counter)

    @property
    def success(self) -> float:
        """Share of calls that were answered."""
        return len(self.good_s) / max(1, self.offered)


class _Connection(asyncio.Protocol):
    def __init__(self, message: bytes, on_end: "_Run") -> None:
        body = b"\0" + struct.pack(">I", len(message)) + message
        self._data = struct.pack(">I", len(body))[1:] + bytes((_DATA, _END_STREAM))
        self._body = body
        self._run = on_end
        self._next = 1
        self._buffer = bytearray()
        self._answered: set[int] = set()
        self.started: dict[int, tuple[float, str]] = {}
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        # No table for headers, so that a status is readable by itself; windows that never fill.
        settings = struct.pack(">HI", 1, 0) + struct.pack(">HI", 4, _WINDOW)
        self.transport.write(
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
            + struct.pack(">I", len(settings))[1:]
            + bytes((_SETTINGS, 0, 0, 0, 0, 0))
            + settings
            + b"\0\0\4\x08\0\0\0\0\0"
            + struct.pack(">I", _WINDOW - 65535)
        )

    def call(self, kind: Kind, now: float) -> bytes:
        """The frames of one more call."""
        stream = struct.pack(">I", self._next)
        self.started[self._next] = (now, kind.name)
        self._next += 2
        head = struct.pack(">I", len(kind.headers))[1:] + bytes((_HEADERS, _END_HEADERS))
        return head + stream + kind.headers + self._data + stream + self._body

    def data_received(self, data: bytes) -> None:
        buffer, position, out = self._buffer, 0, b""
        buffer += data
        while len(buffer) - position >= 9:
            length = int.from_bytes(buffer[position : position + 3], "big")
            if len(buffer) - position < 9 + length:
                break
            kind, flags = buffer[position + 3], buffer[position + 4]
            stream = int.from_bytes(buffer[position + 5 : position + 9], "big")
            payload = buffer[position + 9 : position + 9 + length]
            position += 9 + length
            if kind == _DATA:
                self._answered.add(stream)
            elif kind == _HEADERS and flags & _END_STREAM:
                self._end(stream, payload)
            elif kind == _RST:
                self._end(stream, None)
            elif kind == _SETTINGS and not flags & _ACK:
                out += b"\0\0\0" + bytes((_SETTINGS, _ACK)) + b"\0\0\0\0"
            elif kind == _PING and not flags & _ACK:
                out += b"\0\0\x08" + bytes((_PING, _ACK)) + b"\0\0\0\0" + payload
        del buffer[:position]
        if out:
            self.transport.write(out)

    def _end(self, stream: int, trailers: bytes | None) -> None:
        begun = self.started.pop(stream, None)
        if begun is None:
            return
        found = _STATUS.search(trailers) if trailers is not None else None
        code = int(found[1]) if found else (0 if stream in self._answered else -1)
        self._answered.discard(stream)
        self._run.ended(begun[1], code, time.perf_counter() - begun[0])


class _Run:
    def __init__(self) -> None:
        self.fates: dict[str, Fate] = {}

    def ended(self, name: str, code: int, took_s: float) -> None:
        fate = self.fates[name]
        fate.codes[code] += 1
        if code == 0:
            fate.good_s.append(took_s)
        elif code == RESOURCE_EXHAUSTED:
            fate.refused_s.append(took_s)


class Load:
    """Connections to a server, over which calls go at a rate."""

    def __init__(self, message: bytes, *, seed: int = 1) -> None:
        self._message = message
        self._random = random.Random(seed)
        self._run = _Run()
        self._connections: list[_Connection] = []

    async def connect(self, port: int) -> None:
        """Open the connections."""
        loop = asyncio.get_running_loop()
        for _ in range(CONNECTIONS):
            _, connection = await loop.create_connection(
                lambda: _Connection(self._message, self._run), "127.0.0.1", port
            )
            self._connections.append(connection)

    def close(self) -> None:
        """Close them."""
        for connection in self._connections:
            connection.transport.close()

    async def run(
        self, kinds: list[Kind], per_second: float, seconds: float, wait_s: float
    ) -> dict[str, Fate]:
        """Offer calls for a time, then wait for the rest of the answers, at most `wait_s`."""
        fates = self._run.fates = {kind.name: Fate() for kind in kinds}
        weights = [kind.share for kind in kinds]
        due = time.perf_counter()
        until = due + seconds
        draw = self._random
        while (now := time.perf_counter()) < until:
            out: dict[_Connection, list[bytes]] = {}
            while due <= now:
                kind = draw.choices(kinds, weights)[0]
                connection = draw.choice(self._connections)
                fates[kind.name].offered += 1
                out.setdefault(connection, []).append(connection.call(kind, due))
                due += draw.expovariate(per_second)
            for connection, frames in out.items():
                connection.transport.write(b"".join(frames))
            await asyncio.sleep(STEP_S)
        until = time.perf_counter() + wait_s
        while any(c.started for c in self._connections) and time.perf_counter() < until:
            await asyncio.sleep(0.01)
        for connection in self._connections:
            for _, name in connection.started.values():
                fates[name].codes[-2] += 1  # no answer at all
            connection.started.clear()
        return fates


def block(port: int, path: str, key: str, deadline_s: float, *more: tuple[str, str]) -> bytes:
    """A header block of a call, the same bytes each time."""
    headers = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", f"127.0.0.1:{port}"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
        ("grpc-timeout", f"{round(deadline_s * 1000)}m"),
        ("authorization", f"Bearer {key}"),
        *more,
    ]
    encoder = hpack.Encoder()
    return encoder.encode([hpack.NeverIndexedHeaderTuple(*header) for header in headers], huffman=False)

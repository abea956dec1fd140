"""Callers that are slow on purpose, and one that measures how others fare meanwhile."""

import asyncio
import contextlib
import math
import select
import socket
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, cast

# Of a caller that reads slowly, so that its answers wait with the server and not with the kernel. Bytes.
SMALL_BUFFER = 4096


@dataclass(slots=True)
class Slow:
    """A caller that sends `first` and then `drip` again and again, reading a byte each time.

    Attributes:
        name: What it is slow with.
        closed_s: How long it held its connection; 0 while it does.
    """

    name: str
    first: bytes = b""
    drip: bytes = b""
    closed_s: float = 0.0

    async def hold(self, port: int, *, every_s: float) -> None:
        """Keep a connection for as long as the server lets it: until it is gone, not only half closed."""
        loop = asyncio.get_running_loop()
        with socket.socket() as sock:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
            await loop.sock_connect(sock, ("127.0.0.1", port))
            began = time.monotonic()
            poll = select.poll()
            poll.register(sock, 0)  # reports what is asked for or not: an error, a hangup
            with contextlib.suppress(OSError):
                sock.send(self.first)
                while not poll.poll(0) and not self._ended(sock):
                    await asyncio.sleep(every_s)
                    sock.send(self.drip or b"")
            self.closed_s = time.monotonic() - began

    def _ended(self, sock: socket.socket) -> bool:
        """Whether the server has closed: a caller with nothing to send sees it by the end of what comes."""
        try:
            return sock.recv(1) == b"" and not self.drip
        except BlockingIOError:
            return False


def slow_callers(count: int, *, large: str) -> list[Slow]:
    """So many, of each sort about as many.

    Args:
        count: How many.
        large: Path of an answer that no kernel buffers a dozen times.
    """
    post = b"POST /v1/payments:charge HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    sorts = [
        Slow("silence"),
        Slow("head", b"GET /healthz HTTP/1.1\r\nhost: x\r\nx-filler: ", b"a"),
        Slow("body", post + b"content-length: 1000\r\n\r\n", b" "),
        Slow("chunks", post + b"transfer-encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
        Slow("reading", f"GET {large} HTTP/1.1\r\nhost: x\r\n\r\n".encode() * 12),
    ]
    return [
        Slow(sort.name, sort.first, sort.drip)
        for sort in (sorts[number % len(sorts)] for number in range(count))
    ]


@dataclass(slots=True)
class Measured:
    """What a load saw; latencies are counted from when a request was due, in seconds."""

    latencies_s: list[float] = field(default_factory=list)
    failed: int = 0
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Good answers in a second."""
        return len(self.latencies_s) / self.seconds

    def quantile_s(self, share: float) -> float:
        """The latency that this share of answers kept."""
        return sorted(self.latencies_s)[max(0, math.ceil(share * len(self.latencies_s)) - 1)]


class _Caller(asyncio.Protocol):
    def __init__(self, load: "Load") -> None:
        self._load = load
        self._buffer = bytearray()
        self.due = 0.0
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._load.free.append(self)

    def call(self, due: float) -> None:
        self.due = due
        self.transport.write(self._load.request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        at = self._buffer.index(b"content-length: ") + 16
        length = int(self._buffer[at : self._buffer.index(b"\r", at)])
        if len(self._buffer) < head + 4 + length:
            return
        good = self._buffer.startswith(b"HTTP/1.1 200")
        self._buffer.clear()
        self._load.answered(self, good=good)

    def connection_lost(self, error: Exception | None) -> None:
        if not self._load.ended:
            self._load.measured.failed += 1


class Load:
    """Calls over some connections, each with one call at a time."""

    def __init__(self, request: bytes) -> None:
        self.request = request
        self.free: deque[_Caller] = deque()
        self.measured = Measured()
        self.ended = False
        self._late: deque[float] = deque()  # calls that are due and have no connection yet
        self._closed_loop = False
        self._callers: list[_Caller] = []

    async def connect(self, port: int, connections: int) -> None:
        """Open the connections."""
        loop = asyncio.get_running_loop()
        for _ in range(connections):
            _, caller = await loop.create_connection(lambda: _Caller(self), "127.0.0.1", port)
            self._callers.append(caller)

    def answered(self, caller: _Caller, *, good: bool) -> None:
        """An answer is whole."""
        now = time.monotonic()
        if good:
            self.measured.latencies_s.append(now - caller.due)
        else:
            self.measured.failed += 1
        if self._closed_loop:
            caller.call(now)
        elif self._late:
            caller.call(self._late.popleft())
        else:
            self.free.append(caller)

    async def as_fast_as_it_goes(self, seconds: float) -> Measured:
        """Each connection calls again as soon as it is answered."""
        self.measured = measured = Measured(seconds=seconds)
        self._closed_loop = True
        while self.free:
            self.free.popleft().call(time.monotonic())
        await asyncio.sleep(seconds)
        self._closed_loop = False
        self.measured = Measured()  # what is still on its way counts for neither
        while len(self.free) < len(self._callers):
            await asyncio.sleep(0.01)
        return measured

    async def at(self, rate: float, seconds: float) -> Measured:
        """Calls at a rate that does not ask how the server fares."""
        self.measured = measured = Measured(seconds=seconds)
        began = time.monotonic()
        sent = 0
        while (now := time.monotonic()) < began + seconds:
            while began + sent / rate <= now:
                due = began + sent / rate
                sent += 1
                if self.free:
                    self.free.popleft().call(due)
                else:
                    self._late.append(due)
            await asyncio.sleep(0.001)
        async with asyncio.timeout(30):
            while len(self.free) < len(self._callers):
                await asyncio.sleep(0.01)
        return measured

    def close(self) -> None:
        """Close the connections."""
        self.ended = True
        for caller in self._callers:
            caller.transport.close()


class Idle(asyncio.Protocol):
    """A connection that had one answer and now waits; `lost` when it is closed."""

    def __init__(self) -> None:
        self.lost = False
        self.answered = asyncio.Event()
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.transport.write(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")

    def data_received(self, data: bytes) -> None:
        self.answered.set()

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = True


async def open_idle(port: int, count: int) -> list[Idle]:
    """So many connections that wait."""
    loop = asyncio.get_running_loop()
    found = []
    for _ in range(count):
        _, idle = await loop.create_connection(Idle, "127.0.0.1", port)
        found.append(idle)
    async with asyncio.timeout(30):
        for idle in found:
            await idle.answered.wait()
    return found

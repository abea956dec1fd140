"""One HTTP/1 connection: requests to the gateway one after the other, responses out.

Its limits are of time: for a request to come in (the reader's), for the caller
to take its response, and for a closed connection to be gone. The door looks at
`check` a few times a second instead of setting timers for every request.
"""

import asyncio
import math
import socket
import struct
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from bedplate.gateway.exchange import Response
from bedplate.transport.http_arrival import Arrival, State, Stop
from bedplate.transport.http_coalescer import HELD_MAX_BYTES
from bedplate.transport.http_pieces import Pieces
from bedplate.transport.http_reader import Reader
from bedplate.transport.names import names_of_certificate

if TYPE_CHECKING:
    from bedplate.transport.http import Held, HttpDoor

# After a refusal the rest of the request is read and dropped, so long and so
# many bytes at most: closing at once would reset the connection, and the
# caller would never see the answer.
LINGER_S = 5.0
LINGER_LATE_S = 1.0  # who was refused for its slowness had its time
LINGER_MAX_BYTES = 64 * 1024 * 1024
# A request that has begun to arrive when the process stops may be in by then.
DRAIN_S = 1.0

_STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
} | {499: b"HTTP/1.1 499 Client Closed Request\r\n"}
_NO_LINGER = struct.pack("ii", 1, 0)  # struct linger: on, no seconds
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_CLOSE = b"connection: close\r\n\r\n"


class HttpConnection(asyncio.Protocol):
    """A connection, from its first byte to its last."""

    __slots__ = (
        "_closed_due",
        "_door",
        "_draining",
        "_dropped",
        "_held",
        "_instead_of",
        "_linger_s",
        "_reader",
        "_running",
        "_stuck_due",
        "_taken",
        "_task",
        "_transport",
        "accepted",
        "peer",
    )

    def __init__(self, door: "HttpDoor", *, instead_of: "Held | None" = None) -> None:
        self.peer = ""
        self.accepted = time.monotonic() if instead_of is None else instead_of.accepted
        self._door = door
        self._instead_of = instead_of  # what the door counts until this connection is made
        self._transport: asyncio.Transport | None = None
        self._reader: Reader | None = None
        self._running: Arrival | None = None
        self._task: asyncio.Task[None] | None = None
        self._held = b""  # a response that waits to be sent together with others
        self._draining = False
        self._stuck_due = 0.0  # when the caller must have taken what was sent; 0: it does
        self._closed_due = 0.0  # when the connection must be gone; 0: it is open
        self._linger_s = LINGER_S
        self._dropped = 0
        self._taken: asyncio.Event | None = None  # set when the caller has caught up, where somebody waits

    def connection_made(self, transport: Any) -> None:
        """Begin, unless there are as many connections as there may be."""
        if self._instead_of is not None:
            self._door.discard(self._instead_of)
        self.peer = peer_of(transport.get_extra_info("peername"))
        if not self._door.add(self):
            transport.write(self._door.crowded())
            transport.close()
            return
        self._transport = transport
        # Paused as soon as the caller takes less than it is sent, so that it has an end for taking all of it.
        transport.set_write_buffer_limits(high=1, low=0)
        proxies = self._door.proxies
        self._reader = Reader(
            self._door.gateway,
            self._door.settings,
            peer=self.peer,
            accepted=self.accepted,
            proxies=proxies if proxies is not None and proxies.sent(self.peer) else None,
            names=names_of_certificate(transport.get_extra_info("peercert")),
            reserve=self._door.reserve,
            proceed=self._proceed,
        )

    def connection_lost(self, exc: Exception | None) -> None:
        """The caller went away, or all is said; what runs is cancelled."""
        reader, self._transport, self._reader = self._reader, None, None
        if reader is None:
            return
        waiting = [*reader.arrivals, self._running] if self._running is not None else reader.arrivals
        if self._is_starting():  # and cancelled now it never will
            self._door.coalescer.starting -= 1
        self._door.release(reader.held + sum(len(a.request.body) for a in waiting if a.request is not None))
        self._running = None
        if self._task is not None:
            self._task.cancel()
        self._door.discard(self)

    def eof_received(self) -> None:
        """The caller sends no more: it counts as gone, for half-closed looks like dead."""

    def data_received(self, data: bytes) -> None:
        """Read on."""
        reader = self._reader
        if reader is None or self._transport is None:
            return
        if self._closed_due:
            self._dropped += len(data)
            if self._dropped > LINGER_MAX_BYTES:
                self._transport.abort()
            return
        reader.gateway = self._door.gateway  # another one may have taken its place
        try:
            reader.feed(data)
        except Stop as stop:
            self._end(reader, stop.response)
        if self._running is None:
            self._next()

    def check(self, now: float) -> None:
        """End what takes too long; `now` is `time.monotonic` seconds."""
        reader, transport = self._reader, self._transport
        if reader is None or transport is None:
            return
        if 0 < self._closed_due < now or 0 < self._stuck_due < now:
            _reset(transport)
        elif not (reader.due or reader.arrivals or self._running or self._stuck_due):
            reader.wait(now)
        elif 0 < reader.due < now and not self._closed_due:
            if reader.state is State.IDLE:
                self._close(linger=False)
                return
            try:
                reader.late()
            except Stop as stop:
                self._linger_s = LINGER_LATE_S
                self._end(reader, stop.response)
            if self._running is None:
                self._next()

    def drain(self) -> None:
        """Take no new request: close when what is in is answered, at once when nothing is."""
        self._draining = True
        reader = self._reader
        if reader is None or self._running is not None:
            return
        if reader.state is State.IDLE:
            self._close(linger=False)
        else:
            # A request that is half here has no handler yet: it may arrive now or
            # be refused, and must not hold the process for its whole grace.
            reader.due = min(reader.due or math.inf, time.monotonic() + DRAIN_S)

    def stop(self) -> None:
        """End what runs: the process stops and its grace is over."""
        if self._running is not None and self._task is not None:
            if self._is_starting():  # and cancelled now it never would
                self._door.loop.call_soon(self.stop)
                return
            request = self._running.request
            assert request is not None
            assert request.call is not None
            request.call.stopped = True
            self._task.cancel()
        elif not self._closed_due:
            self._close(linger=False)

    def abort(self) -> None:
        """Cut the connection."""
        if self._transport is not None:
            self._transport.abort()

    def pause_writing(self) -> None:
        """The caller takes its responses more slowly than they are made."""
        self._stuck_due = time.monotonic() + self._door.settings.http_body_s

    def resume_writing(self) -> None:
        """It has caught up."""
        self._stuck_due = 0.0
        if self._taken is not None:
            self._taken.set()
        if self._running is None and not self._closed_due:
            self._next()

    def _is_starting(self) -> bool:
        """Whether a request has its task, and that has not begun."""
        request = self._running.request if self._running is not None else None
        return request is not None and self._task is not None and request.call is None

    def _proceed(self) -> None:
        if self._running is None and self._transport is not None:
            self.send_held()
            self._transport.write(_CONTINUE)

    def _end(self, reader: Reader, response: Response) -> None:
        """Let the connection's last response follow those before it."""
        reader.closed = reader.unread = True
        reader.state, reader.due = State.IDLE, 0.0
        self._door.release(reader.held)
        reader.held = 0
        reader.arrivals.append(Arrival(None, response, keep=False))

    def _next(self) -> None:
        """Answer what is in, in its order, as far as it can be done at once; run the rest."""
        while (reader := self._reader) is not None and not self._stuck_due and not self._closed_due:
            if not reader.arrivals:
                if self._draining and reader.state is State.IDLE:
                    self._close(linger=False)
                return
            arrival = reader.arrivals.popleft()
            if arrival.response is None:
                self._running = arrival
                self._door.coalescer.starting += 1
                # With a name: to number it would cost a fifth of it.
                self._task = asyncio.Task(self._run(arrival), loop=self._door.loop, name="http")
                return
            self._write(arrival, arrival.response)

    async def _run(self, arrival: Arrival) -> None:
        self._door.coalescer.starting -= 1
        request = arrival.request
        assert request is not None
        response: Response | None
        pieces: Pieces | None = None
        try:
            if request.target.deliver is None:
                response = await self._door.gateway.respond(request)
            else:
                pieces = Pieces(self, arrival)
                response = await self._door.gateway.deliver(request, pieces)
                if response is None:
                    pieces.end()
        except Exception as error:  # unanswered, the caller would wait for ever and the connection with it
            response = self._door.gateway.refuse(None, error, peer=request.peer)
            if pieces is not None and pieces.started:
                pieces.cut()
                response = None
        finally:
            self._task = None
            if self._running is arrival:
                self._running = None
                self._door.release(len(request.body))
        if response is not None:
            self._write(arrival, response)
        reader = self._reader
        if reader is not None and (reader.arrivals or self._draining):
            self._next()

    def _write(self, arrival: Arrival, response: Response) -> None:
        reader, transport = self._reader, self._transport
        if reader is None or transport is None:
            return
        close = self._closes(arrival, reader)
        status, body, request = response.status, response.body, arrival.request
        length = b"content-length: %d\r\n" % len(body) if status not in (204, 304) else b""
        if request is not None and request.method == "HEAD":
            body = b""
        end = _CLOSE if close else b"\r\n"
        more = self._door.more(response)
        data = b"".join((_STATUS_LINES[status], response.fields, more, length, end, body))
        call = None if request is None else request.call
        if call is not None and not close and not self._held and len(data) <= HELD_MAX_BYTES:
            door = self._door
            if door.coalescer.hold(self, call.ended, door.loop):
                self._held = data
                return
        self.send_held()
        transport.write(data)
        if close:
            self._close(linger=reader.unread or reader.state is not State.IDLE)

    def send_held(self) -> None:
        """Send the response that waits to be sent together with others."""
        held, self._held = self._held, b""
        if held and self._transport is not None:
            self._transport.write(held)

    def _closes(self, arrival: Arrival, reader: Reader) -> bool:
        """Whether the response is the connection's last."""
        if arrival.keep and (reader.arrivals or (not self._draining and self._door.ready())):
            return False
        reader.closed = True
        return True

    # For Pieces.

    def begin(self, arrival: Arrival, response: Response) -> bool:
        """Send the head of a response that comes in pieces; whether the connection closes after it."""
        reader, transport = self._reader, self._transport
        if reader is None or transport is None:
            return True
        close = self._closes(arrival, reader) or not arrival.chunked
        coding = b"transfer-encoding: chunked\r\n" if arrival.chunked else b""
        end = _CLOSE if close else b"\r\n"
        head = (_STATUS_LINES[response.status], response.fields, self._door.more(response), coding, end)
        self.send_held()
        transport.write(b"".join(head))
        return close

    def send(self, data: bytes) -> None:
        """Send a part of such a response."""
        if self._transport is not None:
            self._transport.write(data)

    async def taken(self) -> None:
        """Wait until the caller has taken most of what was sent."""
        while self._stuck_due:
            self._taken = asyncio.Event()
            try:
                await self._taken.wait()
            finally:
                self._taken = None

    def finish(self, *, close: bool) -> None:
        """Such a response is all sent."""
        reader = self._reader
        if close and reader is not None:
            self._close(linger=reader.unread or reader.state is not State.IDLE)

    def _close(self, *, linger: bool) -> None:
        transport = self._transport
        if transport is None or self._closed_due:
            return
        self.send_held()
        # A response that is still on its way has as long as one on an open connection.
        unsent = transport.get_write_buffer_size() > 0
        self._closed_due = time.monotonic() + (self._door.settings.http_body_s if unsent else self._linger_s)
        if linger:
            if transport.can_write_eof():
                transport.write_eof()
        else:
            transport.close()


def _reset(transport: asyncio.Transport) -> None:
    """Cut a connection whose caller does not take what is sent.

    Closed in any other way, the kernel would go on sending for as long as the caller likes.
    """
    found = transport.get_extra_info("socket")
    if found is not None:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
    transport.abort()


def last_words(response: Response, more: bytes) -> bytes:
    """A response as the only one of its connection; `more` is what the door adds to all."""
    length = b"content-length: %d\r\n" % len(response.body)
    return b"".join((_STATUS_LINES[response.status], response.fields, more, length, _CLOSE, response.body))


def peer_of(address: object) -> str:
    """An address of a socket as the pipeline knows it, such as `ipv4:127.0.0.1:4711`."""
    if not isinstance(address, tuple):
        return "unix:"
    host, port = address[:2]
    return f"ipv6:[{host}]:{port}" if ":" in host else f"ipv4:{host}:{port}"

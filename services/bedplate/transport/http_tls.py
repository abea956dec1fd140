"""Takes connections over TLS, those that never finish their handshake counted and bounded like others."""

import asyncio
import logging
import socket
import ssl
import time
from typing import TYPE_CHECKING

from bedplate.transport.http_connection import LINGER_S, HttpConnection, peer_of
from bedplate.transport.tls import TlsFiles

if TYPE_CHECKING:
    from bedplate.transport.http import HttpDoor

# After an error of `accept` (no file descriptors left) this long nothing is accepted. Seconds.
ACCEPT_AGAIN_S = 0.2

_log = logging.getLogger("bedplate.transport.http")


class TlsListener:
    """Accepts connections and lets each do its handshake.

    asyncio's own TLS servers tell nobody of a connection before that, so that
    any number of callers could begin one and stop.
    """

    def __init__(self, door: "HttpDoor", files: TlsFiles) -> None:
        self._door = door
        self._files = files
        self._context = files.ssl_context()
        self._context.set_alpn_protocols(["http/1.1"])
        self._socket: socket.socket | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self, host: str, port: int, backlog: int) -> int:
        """Listen; the port, which is another than asked for when that is 0.

        Raises:
            OSError: The address is taken, or is none of this machine's.
        """
        loop = self._door.loop
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, *_, address = found[0]
        listener = self._socket = socket.create_server(address, family=family, backlog=backlog)
        listener.setblocking(False)
        self._task = loop.create_task(self._accept(listener))
        bound: int = listener.getsockname()[1]
        return bound

    def close(self) -> None:
        """Accept no more; connections that are there stay."""
        if self._task is not None:
            self._task.cancel()
        if self._socket is not None:
            self._socket.close()

    async def _accept(self, listener: socket.socket) -> None:
        loop = self._door.loop
        while True:
            try:
                accepted, address = await loop.sock_accept(listener)
            except OSError as error:
                _log.warning("a connection could not be accepted: %s", error.strerror)
                await asyncio.sleep(ACCEPT_AGAIN_S)
                continue
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            greeting = _Greeting(self._door, accepted, peer_of(address))
            if self._door.add(greeting):
                self._files.refresh()
                greeting.task = loop.create_task(greeting.run(self._context))
            else:
                accepted.close()


class _Greeting:
    """A connection until its handshake is done."""

    def __init__(self, door: "HttpDoor", accepted: socket.socket, peer: str) -> None:
        self.peer = peer
        self.accepted = time.monotonic()
        self._door = door
        self._socket = accepted
        self.task: asyncio.Task[None] | None = None

    async def run(self, context: ssl.SSLContext) -> None:
        """Do the handshake; it ends in a connection, or not at all."""
        try:
            await self._door.loop.connect_accepted_socket(
                self._connection,
                self._socket,
                ssl=context,
                ssl_handshake_timeout=self._door.settings.http_header_s,
                ssl_shutdown_timeout=LINGER_S,
            )
        except OSError:  # ssl.SSLError and TimeoutError are such, and none is ours to mend
            self._socket.close()
        finally:
            self._door.discard(self)

    def _connection(self) -> HttpConnection:
        return HttpConnection(self._door, instead_of=self)

    def check(self, now: float) -> None:
        """The handshake has a limit of its own."""

    def drain(self) -> None:
        """Nobody waits for an answer yet."""
        self.abort()

    def stop(self) -> None:
        """Nobody waits for an answer yet."""
        self.abort()

    def abort(self) -> None:
        """Cut the connection."""
        if self.task is not None:
            self.task.cancel()

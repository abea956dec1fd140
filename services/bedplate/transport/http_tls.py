"""The TLS handshake of an HTTP connection."""

import asyncio
import ssl
from typing import TYPE_CHECKING, Any

from bedplate.transport.http_connection import LINGER_S, HttpConnection
from bedplate.transport.tls import TlsFiles

if TYPE_CHECKING:
    from bedplate.transport.http import HttpDoor


class TlsGreeting(asyncio.Protocol):
    """A connection until its handshake is done.

    asyncio's own TLS servers tell nobody of a connection before that, so that
    any number of callers could begin one and stop.
    """

    def __init__(self, door: "HttpDoor", files: TlsFiles, context: ssl.SSLContext) -> None:
        self._door = door
        self._files = files
        self._context = context
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None
        self._early = b""
        self._lost = False

    def connection_made(self, transport: Any) -> None:
        """Begin the handshake, unless there are as many connections as there may be."""
        if not self._door.add(self):
            transport.abort()
            return
        transport.pause_reading()  # until TLS reads it
        self._transport = transport
        self._task = self._door.loop.create_task(self._shake(transport))

    def data_received(self, data: bytes) -> None:
        """Keep what came right behind the handshake."""
        self._early += data

    def connection_lost(self, exc: Exception | None) -> None:
        """The caller went away."""
        self._lost = True

    async def _shake(self, transport: asyncio.Transport) -> None:
        made: asyncio.Transport | None = None
        try:
            self._files.refresh()
            made = await self._door.loop.start_tls(
                transport,
                self,
                self._context,
                server_side=True,
                ssl_handshake_timeout=self._door.settings.http_header_s,
                ssl_shutdown_timeout=LINGER_S,
            )
        except (OSError, TimeoutError):  # ssl.SSLError is an OSError
            transport.abort()
        finally:
            self._door.discard(self)
        if made is None or self._lost:
            return
        connection = HttpConnection(self._door)
        made.set_protocol(connection)
        connection.connection_made(made)
        if self._early:
            connection.data_received(self._early)

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
        if self._transport is not None:
            self._transport.abort()

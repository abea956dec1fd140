"""The HTTP door: HTTP/1.1 on the process's own event loop, with limits on everything.

A server of ours over httptools, because uvicorn has none of these limits; see
docs/decisions/0002-an-http-server-of-our-own.md.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from typing import Protocol

from prometheus_client import Gauge

from bedplate.errors import Kind, Refusal
from bedplate.gateway import pages, reference
from bedplate.gateway.app import Gateway
from bedplate.gateway.beside.order import features
from bedplate.gateway.protocols.routes import routes as protocols
from bedplate.pipeline.compile import Method
from bedplate.settings import Settings
from bedplate.telemetry.recorder import Telemetry
from bedplate.transport.forwarded import Proxies
from bedplate.transport.http_coalescer import Coalescer
from bedplate.transport.http_connection import HttpConnection, last_words
from bedplate.transport.http_more import MoreLines
from bedplate.transport.http_sources import Sources
from bedplate.transport.http_tls import TlsListener
from bedplate.transport.open_files import room_for
from bedplate.transport.tls import TlsFiles

# Bytes of request bodies that all connections hold together. A caller without
# a key can fill a body too: 1000 connections of 4 MiB would end the process.
HELD_MAX_BYTES = 256 * 1024 * 1024

# Connections wait for `accept` in the kernel; more are refused by it.
BACKLOG = 512

# How often connections are looked at; a limit is kept to a quarter of itself
# or this, whichever is shorter. Seconds.
SWEEP_MAX_S = 0.5
SWEEP_MIN_S = 0.01

# How long calls that were told that the process stops may take to answer, seconds.
LAST_WORD_S = 1.0


class Held(Protocol):
    """What the door counts and ends: a connection, or one whose TLS handshake is not done.

    Attributes:
        peer: Where it comes from, such as `ipv4:127.0.0.1:4711`.
        accepted: When it was there, `time.monotonic` seconds.
    """

    peer: str
    accepted: float

    def check(self, now: float) -> None:
        """End what takes too long; `now` is `time.monotonic` seconds."""
        ...

    def drain(self) -> None:
        """Take no new request, and close when what is in is answered."""
        ...

    def stop(self) -> None:
        """End what runs, with an answer."""
        ...

    def abort(self) -> None:
        """Cut the connection."""
        ...


class HttpDoor:
    """Serves methods over HTTP.

    Attributes:
        address: Where it listens, `host:port`, once it was started.
        gateway: What answers the requests; another one may be put in its place at any time.
        settings: Address and limits.
        loop: The event loop, once it was started.
        ready: Whether the process wants new callers; while not, every response
            asks its caller to connect elsewhere.
        proxies: Those that are believed when they tell whom they call for; None: nobody is.
        more: What makes the header lines that every response ends with.
        coalescer: What has responses wait for each other.
        held: Bytes of request bodies that all connections hold.
    """

    loop: asyncio.AbstractEventLoop

    def __init__(
        self,
        methods: Mapping[str, Method],
        settings: Settings,
        telemetry: Telemetry,
        ready: Callable[[], bool],
        *,
        gateway: Gateway | None = None,
    ) -> None:
        """Prepare a door.

        Args:
            methods: What it serves, by full name; those without an http rule get no route.
            settings: Address, limits and TLS.
            telemetry: Where calls are recorded.
            ready: Whether the process wants new callers.
            gateway: What answers the requests; None: one made of the methods.

        Raises:
            PolicyError: The http rules contradict each other or their methods.
            TlsError: The TLS files cannot be used.
        """
        self.settings = settings
        self.gateway = gateway or Gateway(
            methods.values(),
            telemetry,
            pages={
                **pages.pages(telemetry, ready),
                **reference.pages(method.descriptor for method in methods.values()),
            },
            features=features(settings),
            routes=protocols(methods.values(), settings),
        )
        self.ready = ready
        self.proxies = Proxies.from_settings(settings)
        self.more = MoreLines(settings).lines
        self.coalescer = Coalescer()
        self.address = ""
        files = TlsFiles.from_settings(settings)
        self._tls = TlsListener(self, files) if files else None
        self._connections: set[Held] = set()
        self._most = settings.http_connections
        self._sources = Sources(settings.http_connections_per_address, self.proxies)
        self._empty = asyncio.Event()
        self._empty.set()
        self.held = 0
        open_now = Gauge("bedplate_http_connections", "HTTP connections now.", registry=telemetry.registry)
        open_now.set_function(lambda: self.connections)
        self._server: asyncio.Server | None = None
        self._sweeper: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: The address is taken, or is none of this machine's.
        """
        self.loop = asyncio.get_running_loop()
        self._most = room_for(self.settings.http_connections, self.settings.grpc_connections)
        host, _, port = self.settings.http_address.rpartition(":")
        try:
            bound = await self._listen(host.strip("[]"), int(port))
        except OSError as error:
            why = (error.strerror or type(error).__name__).rpartition(": ")[2].lower()
            raise OSError(
                f"cannot listen on {self.settings.http_address} for HTTP ({why}); free the port, or set "
                f"BEDPLATE_HTTP_ADDRESS to another"
            ) from error
        self.address = f"{host}:{bound}"
        self._sweep()

    async def _listen(self, host: str, port: int) -> int:
        if self._tls is not None:
            return await self._tls.start(host, port, BACKLOG)
        self._server = await self.loop.create_server(
            lambda: HttpConnection(self), host, port, backlog=BACKLOG, reuse_port=False
        )
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    @property
    def connections(self) -> int:
        """How many connections there are, those in their TLS handshake too."""
        return len(self._connections)

    async def stop(self, grace_s: float) -> None:
        """Take no more requests, let those that run finish, and end the others with an answer.

        Returns when all connections are gone. Called again with a shorter
        grace, it stops sooner.
        """
        if not self.address:
            return
        if self._server is not None:
            self._server.close()
        if self._tls is not None:
            self._tls.close()
        for connection in list(self._connections):
            connection.drain()
        await self._emptied(grace_s)
        for connection in list(self._connections):
            connection.stop()
        await self._emptied(LAST_WORD_S)
        for connection in list(self._connections):
            connection.abort()
        await self._empty.wait()
        if self._sweeper is not None:
            self._sweeper.cancel()

    async def _emptied(self, limit_s: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._empty.wait(), limit_s)

    # For the connections.

    def add(self, connection: Held) -> bool:
        """Count a connection; False when there are as many as there may be, at all or of its address."""
        if len(self._connections) >= self._most or not self._sources.add(connection.peer):
            return False
        self._connections.add(connection)
        self._empty.clear()
        return True

    def discard(self, connection: Held) -> None:
        """Count a connection no more."""
        if connection not in self._connections:
            return
        self._connections.remove(connection)
        self._sources.discard(connection.peer)
        if not self._connections:
            self._empty.set()

    def crowded(self) -> bytes:
        """What a connection too many gets."""
        refusal = Refusal(
            Kind.UNAVAILABLE,
            "HTTP_CROWDED",
            "There are as many connections as there may be, at all or of your address; call again later, or "
            "use one for many requests.",
            retry_after_s=1.0,
        )
        response = self.gateway.refuse(None, refusal)
        return last_words(response, self.more(response))

    def reserve(self, size: int) -> bool:
        """Ask for room for bytes of a body; False: there is none."""
        if self.held + size > HELD_MAX_BYTES:
            return False
        self.held += size
        return True

    def release(self, size: int) -> None:
        """Give the room of a body back."""
        self.held -= size

    def _sweep(self) -> None:
        settings = self.settings
        now = time.monotonic()
        for connection in list(self._connections):
            connection.check(now)
        shortest_s = min(settings.http_header_s, settings.http_body_s, settings.http_idle_s)
        every_s = min(SWEEP_MAX_S, max(SWEEP_MIN_S, shortest_s / 4))
        self._sweeper = self.loop.call_later(every_s, self._sweep)

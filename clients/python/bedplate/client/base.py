"""What the typed clients are made of. They are generated; see `bedplate.clients.<noun>`."""

from collections.abc import Coroutine, Iterable
from types import TracebackType
from typing import Any, ClassVar, Self, TypeVar

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message

from bedplate.client import bridge
from bedplate.client.caller import AsyncStream, Caller, Requests, Rpc
from bedplate.client.channel import Channel, connect, wrap
from bedplate.client.pages import AsyncPages, Pages
from bedplate.client.stream import Stream
from bedplate.client.tls import Tls

T = TypeVar("T")


class _Client:
    """What both kinds of client share: how they are made, and their methods by name."""

    SERVICE: ClassVar[ServiceDescriptor]

    def __init__(
        self,
        target: str | grpc.aio.Channel,
        *,
        key: str = "",
        forward_credential: bool = False,
        tls: Tls | None = None,
        plaintext: bool = False,
        environment: str | None = None,
    ) -> None:
        """Make a client; it connects at its first call.

        Args:
            target: `host:port`, any gRPC target, or an existing channel, such
                as one in process. A channel that was passed in stays open when
                the client closes.
            key: An API key, sent with each call.
            forward_credential: Inside a call that a server handles, send that
                caller's own credential instead of `key`.
            tls: How to encrypt; None: not at all.
            plaintext: Allow credentials to travel unencrypted to another machine.
            environment: The environment that is meant; see `connect`.

        Raises:
            ValueError: See `connect`.
        """
        if isinstance(target, str):
            self._channel = connect(
                target,
                self.SERVICE,
                key=key,
                forward_credential=forward_credential,
                tls=tls,
                plaintext=plaintext,
                environment=environment,
            )
        elif tls is not None or plaintext or environment:
            raise ValueError(
                "tls, plaintext and environment belong to a new channel; an existing one has its own"
            )
        elif isinstance(target, Channel) and not key and not forward_credential:
            self._channel = target
        else:
            self._channel = wrap(target, self.SERVICE, key=key, forward_credential=forward_credential)
        self._owns = isinstance(target, str)
        self._caller = Caller(self._channel, self.SERVICE)

    def _rpc(self, name: str, *, requests: bool, responses: bool) -> Rpc:
        rpc = self._caller.rpcs.get(name)
        if rpc is None:
            known = ", ".join(self._caller.rpcs)
            raise ValueError(f"{self.SERVICE.full_name} has no method {name!r}; it has {known}")
        if (rpc.streams_requests, rpc.streams_responses) != (requests, responses):
            raise TypeError(
                f"{name} is of another kind; use `call` for one request and response, `stream` otherwise"
            )
        return rpc


class AsyncClient(_Client):
    """Calls a service from asyncio. Belongs to one event loop; `async with` closes it."""

    async def call(self, method: str, request: Message, *, timeout_s: float | None = None) -> Any:
        """Call a unary method by its name with a request message.

        Raises:
            CallError: The call did not succeed.
        """
        rpc = self._rpc(method, requests=False, responses=False)
        return await self._caller.unary(rpc, rpc.check(request), timeout_s)

    def stream(self, method: str, request: Message, *, timeout_s: float | None = None) -> AsyncStream[Any]:
        """Call a method whose responses stream by its name with a request message."""
        rpc = self._rpc(method, requests=False, responses=True)
        return self._caller.stream(rpc, rpc.check(request), timeout_s)

    async def close(self, grace_s: float | None = None) -> None:
        """Close the connection, unless the channel was passed in."""
        if self._owns:
            await self._channel.close(grace_s)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _unary(
        self, method: str, request: Message | None, fields: dict[str, Any], timeout_s: float | None
    ) -> Any:
        rpc = self._caller.rpcs[method]
        return await self._caller.unary(rpc, rpc.request(request, fields), timeout_s)

    def _pages(
        self,
        method: str,
        items: str,
        request: Message | None,
        fields: dict[str, Any],
        timeout_s: float | None,
    ) -> AsyncPages[Any, Any]:
        rpc = self._caller.rpcs[method]
        first = rpc.request(request, fields)
        return AsyncPages(lambda page: self._caller.unary(rpc, page, timeout_s), first, items)

    def _stream(
        self, method: str, request: Message | None, fields: dict[str, Any], timeout_s: float | None
    ) -> AsyncStream[Any]:
        rpc = self._caller.rpcs[method]
        return self._caller.stream(rpc, rpc.request(request, fields), timeout_s)

    async def _collect(self, method: str, requests: Requests, timeout_s: float | None) -> Any:
        return await self._caller.collect(self._caller.rpcs[method], requests, timeout_s)

    def _converse(self, method: str, requests: Requests, timeout_s: float | None) -> AsyncStream[Any]:
        return self._caller.converse(self._caller.rpcs[method], requests, timeout_s)


class Client(_Client):
    """Calls a service from plain code, from any thread. `with` closes it.

    All such clients of a process share one background thread, on which the
    asynchronous client runs. A client does not survive a fork: make one in
    each process.
    """

    def call(self, method: str, request: Message, *, timeout_s: float | None = None) -> Any:
        """Call a unary method by its name with a request message.

        Raises:
            CallError: The call did not succeed.
        """
        rpc = self._rpc(method, requests=False, responses=False)
        return self._run(self._caller.unary(rpc, rpc.check(request), timeout_s))

    def stream(self, method: str, request: Message, *, timeout_s: float | None = None) -> Stream[Any]:
        """Call a method whose responses stream by its name with a request message."""
        rpc = self._rpc(method, requests=False, responses=True)
        return Stream(self._bridge(), self._caller.stream(rpc, rpc.check(request), timeout_s))

    def close(self, grace_s: float | None = None) -> None:
        """Close the connection, unless the channel was passed in."""
        if self._owns:
            self._run(self._channel.close(grace_s))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _bridge(self) -> bridge.Bridge:
        loop = self._channel.loop
        return bridge.shared() if loop is None else bridge.of_loop(loop)

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self._bridge().run(coroutine)

    def _unary(
        self, method: str, request: Message | None, fields: dict[str, Any], timeout_s: float | None
    ) -> Any:
        rpc = self._caller.rpcs[method]
        return self._run(self._caller.unary(rpc, rpc.request(request, fields), timeout_s))

    def _pages(
        self,
        method: str,
        items: str,
        request: Message | None,
        fields: dict[str, Any],
        timeout_s: float | None,
    ) -> Pages[Any, Any]:
        rpc = self._caller.rpcs[method]
        first = rpc.request(request, fields)
        return Pages(lambda page: self._run(self._caller.unary(rpc, page, timeout_s)), first, items)

    def _stream(
        self, method: str, request: Message | None, fields: dict[str, Any], timeout_s: float | None
    ) -> Stream[Any]:
        rpc = self._caller.rpcs[method]
        return Stream(self._bridge(), self._caller.stream(rpc, rpc.request(request, fields), timeout_s))

    def _collect(self, method: str, requests: Iterable[Message], timeout_s: float | None) -> Any:
        return self._run(self._caller.collect(self._caller.rpcs[method], requests, timeout_s))

    def _converse(self, method: str, requests: Iterable[Message], timeout_s: float | None) -> Stream[Any]:
        return Stream(self._bridge(), self._caller.converse(self._caller.rpcs[method], requests, timeout_s))

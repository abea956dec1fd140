"""The in-process door: a `grpc.aio.Channel` that leads to methods of this process.

There is no socket, and still everything else: requests and responses are
copied by way of their bytes (under 1 us for a payment), each call runs in a
task of its own that sees none of the caller's context, every stage runs, and
what comes back is what the wire would give. Only the retries of gRPC core are
missing: a process that refuses will not do otherwise a moment later.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import grpc

from bedplate.pipeline.call import Call
from bedplate.pipeline.compile import Method
from bedplate.pipeline.failure import Failure, FailureMaker
from bedplate.pipeline.unknown import Refuses, no_such_method
from bedplate.transport.local_call import StreamStreamCall, StreamUnaryCall, UnaryStreamCall, UnaryUnaryCall
from bedplate.transport.local_serving import Serving
from bedplate.transport.metadata import named

Codec = Callable[[Any], Any]


class LocalChannel(grpc.aio.Channel):
    """A channel to methods of this process; plain stubs and typed clients work on it.

    Attributes:
        in_process: Tells clients that there is no second server to ask.
    """

    in_process = True

    def __init__(self, methods: Mapping[str, Method], *, unknown: Refuses | None = None) -> None:
        """Make a channel; best in the event loop in which the methods run.

        Args:
            methods: What can be called, by full name. It is read at each call,
                so it may be filled later.
            unknown: What answers, and records, calls of methods that do not
                exist; None: they are not recorded.
        """
        self._methods = methods
        self._unknown = unknown.refuse if unknown else _refuse
        self._running: set[Serving] = set()
        self._closed = False
        self._loop = _running_loop()

    def _serve(
        self, method: str, payload: bytes | None, *, streams: bool, timeout: float | None, metadata: Any
    ) -> Serving:
        if self._closed:
            raise grpc.aio.UsageError("Channel is closed.")
        loop = _running_loop()
        if self._loop is None:
            self._loop = loop
        elif self._loop is not loop:
            raise grpc.aio.UsageError("The channel's methods run in another event loop; call from there.")
        name = method.removeprefix("/")
        found = self._methods.get(name)
        if found is not None and found.server_streaming != streams:
            found = None  # the caller has another contract
        serving = Serving(name, found, self._unknown, timeout_s=timeout, metadata=named(metadata or ()))
        serving.start(payload)
        self._running.add(serving)
        serving.on_end(self._running.discard)
        return serving

    async def close(self, grace: float | None = None) -> None:
        """Take no more calls; those that run may finish within `grace` seconds."""
        self._closed = True
        if grace and self._running:
            await asyncio.wait([asyncio.ensure_future(call.wait()) for call in self._running], timeout=grace)
        for call in list(self._running):
            call.cancel()

    async def __aenter__(self) -> "LocalChannel":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """READY until it is closed."""
        return grpc.ChannelConnectivity.SHUTDOWN if self._closed else grpc.ChannelConnectivity.READY

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Wait until the state is another: for ever, unless it is another already."""
        if self.get_state() is last_observed_state:
            await asyncio.get_running_loop().create_future()

    async def channel_ready(self) -> None:
        """Return: it is ready."""

    def unary_unary(self, method: str, *codecs: Any, **named_codecs: Any) -> "_UnaryUnary":
        """Make the callable of a method."""
        return _UnaryUnary(self, method, *codecs, **named_codecs)

    def unary_stream(self, method: str, *codecs: Any, **named_codecs: Any) -> "_UnaryStream":
        """Make the callable of a method."""
        return _UnaryStream(self, method, *codecs, **named_codecs)

    def stream_unary(self, method: str, *codecs: Any, **named_codecs: Any) -> "_StreamUnary":
        """Make the callable of a method."""
        return _StreamUnary(self, method, *codecs, **named_codecs)

    def stream_stream(self, method: str, *codecs: Any, **named_codecs: Any) -> "_StreamStream":
        """Make the callable of a method."""
        return _StreamStream(self, method, *codecs, **named_codecs)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _refuse(call: Call) -> Failure:
    return FailureMaker({}, domain="bedplate", strict=False).from_exception(no_such_method(), call)


class _Callable:
    """One method on the channel."""

    streams_responses = False

    def __init__(
        self,
        channel: LocalChannel,
        method: str,
        request_serializer: Codec | None = None,
        response_deserializer: Codec | None = None,
        _registered_method: bool | None = False,
    ) -> None:
        self._channel = channel
        self._method = method
        self._encode: Codec = request_serializer or bytes
        self._decode: Codec = response_deserializer or bytes

    def _serve(self, payload: bytes | None, timeout: float | None, metadata: Any) -> Serving:
        return self._channel._serve(
            self._method, payload, streams=self.streams_responses, timeout=timeout, metadata=metadata
        )


class _StreamCallable(_Callable):
    """One method whose requests stream; its arguments may be given by position."""

    make: Callable[..., Any]

    def __call__(
        self,
        request_iterator: Any = None,
        timeout: float | None = None,
        metadata: Any = None,
        credentials: Any = None,
        wait_for_ready: bool | None = None,
        compression: grpc.Compression | None = None,
    ) -> Any:
        serving = self._serve(None, timeout, metadata)
        return self.make(serving, self._decode, self._encode, request_iterator)


class _UnaryUnary(_Callable, grpc.aio.UnaryUnaryMultiCallable):  # type: ignore[type-arg]
    def __call__(
        self, request: Any, *, timeout: float | None = None, metadata: Any = None, **_: Any
    ) -> UnaryUnaryCall:
        return UnaryUnaryCall(self._serve(self._encode(request), timeout, metadata), self._decode)


class _UnaryStream(_Callable, grpc.aio.UnaryStreamMultiCallable):  # type: ignore[type-arg]
    streams_responses = True

    def __call__(
        self, request: Any, *, timeout: float | None = None, metadata: Any = None, **_: Any
    ) -> UnaryStreamCall:
        return UnaryStreamCall(self._serve(self._encode(request), timeout, metadata), self._decode)


class _StreamUnary(_StreamCallable, grpc.aio.StreamUnaryMultiCallable):  # type: ignore[type-arg]
    make = StreamUnaryCall


class _StreamStream(_StreamCallable, grpc.aio.StreamStreamMultiCallable):  # type: ignore[type-arg]
    streams_responses = True
    make = StreamStreamCall

"""The methods of a channel: each call gets its deadline and metadata, and is hedged where it may be."""

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import grpc

from bedplate.client.hedged import HedgedCall
from bedplate.contract.promises import Hedge

if TYPE_CHECKING:
    from bedplate.client.channel import Channel


class _Callable:
    """One method on a channel; finds the channel underneath at each call, since it may be swapped."""

    def __init__(
        self, channel: "Channel", kind: str, method: str, codecs: tuple[Any, ...], named: dict[str, Any]
    ) -> None:
        self._channel = channel
        self._kind = kind
        self._method = method
        self._codecs = codecs
        self._named = named
        self._inner: grpc.aio.Channel | None = None
        self._call: Any = None

    def __call__(
        self,
        request: Any = None,
        timeout: float | None = None,
        metadata: Any = None,
        credentials: grpc.CallCredentials | None = None,
        wait_for_ready: bool | None = None,
        compression: grpc.Compression | None = None,
    ) -> Any:
        channel = self._channel
        if self._kind == "unary_unary" and (hedge := channel.hedge(self._method)) is not None:
            named = {
                "credentials": credentials,
                "wait_for_ready": wait_for_ready,
                "compression": compression,
            }
            return self._hedged(hedge, request, timeout, metadata, named)
        return self._found()(
            request,
            timeout=channel.timeout_s(self._method, timeout),
            metadata=channel.metadata(self._method, metadata),
            credentials=credentials,
            wait_for_ready=wait_for_ready,
            compression=compression,
        )

    def _hedged(
        self, hedge: Hedge, request: Any, timeout: float | None, metadata: Any, named: dict[str, Any]
    ) -> HedgedCall:
        channel = self._channel
        sent = channel.metadata(self._method, metadata)
        # Its owner may make another of it before the last attempt is written.
        request = deepcopy(request)

        def start(left_s: float | None, more: tuple[tuple[str, str], ...]) -> Any:
            return self._found()(request, timeout=left_s, metadata=(*sent, *more), **named)

        return HedgedCall(start, hedge, channel, channel.timeout_s(self._method, timeout))

    def _found(self) -> Any:
        inner = self._channel.current()
        if inner is not self._inner:
            self._call = getattr(inner, self._kind)(self._method, *self._codecs, **self._named)
            self._inner = inner
        return self._call


# grpcio's own classes take no type arguments at run time in 1.76, under which ours must load.


class UnaryUnary(_Callable, grpc.aio.UnaryUnaryMultiCallable):  # type: ignore[type-arg]
    """A method with one request and one response; hedged where its policy says so."""


class UnaryStream(_Callable, grpc.aio.UnaryStreamMultiCallable):  # type: ignore[type-arg]
    """A method whose responses stream."""


class StreamUnary(_Callable, grpc.aio.StreamUnaryMultiCallable):  # type: ignore[type-arg]
    """A method whose requests stream."""


class StreamStream(_Callable, grpc.aio.StreamStreamMultiCallable):  # type: ignore[type-arg]
    """A method of which both stream."""

"""The caller's side of a call within a process: what grpc.aio hands its callers."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Generator
from typing import Any

import grpc

from bedplate.transport.local_serving import Serving

Codec = Callable[[Any], Any]

_EOF = grpc.aio.EOF


class _LocalCall:
    """What every kind of call has for its caller. A call that is dropped is cancelled."""

    def __init__(self, serving: Serving, decode: Codec) -> None:
        self._serving = serving
        self._decode = decode

    def __del__(self) -> None:
        self._serving.cancel()

    def cancelled(self) -> bool:
        """Whether the caller cancelled it."""
        return self._serving.cancelled

    def done(self) -> bool:
        """Whether it has ended."""
        return self._serving.code is not None

    def time_remaining(self) -> float | None:
        """Seconds until the deadline; None without one."""
        return self._serving.time_remaining()

    def cancel(self) -> bool:
        """Give it up; False when it had ended."""
        return self._serving.cancel()

    def add_done_callback(self, callback: Callable[[Any], Any]) -> None:
        """Run a function of the call when it ends."""
        self._serving.on_end(lambda _: callback(self))

    async def initial_metadata(self) -> grpc.aio.Metadata:
        """What the server sent before its first response; waits for it."""
        return grpc.aio.Metadata(*await self._serving.wait_for_headers())

    async def trailing_metadata(self) -> grpc.aio.Metadata:
        """What the server sent at the end; waits for it."""
        await self._serving.wait()
        return grpc.aio.Metadata(*self._serving.trailers)

    async def code(self) -> grpc.StatusCode:
        """How it ended; waits for that."""
        return await self._serving.wait()

    async def details(self) -> str:
        """The sentence of its end; waits for that."""
        await self._serving.wait()
        return self._serving.details

    async def debug_error_string(self) -> str:
        """Where it ended; waits for that."""
        code = await self._serving.wait()
        return f"in process: {code.name}"

    async def wait_for_connection(self) -> None:
        """Return: there is none to wait for."""

    async def _receive(self) -> Any:
        """The next response; EOF after the last one of a call that ended well."""
        serving = self._serving
        try:
            item = await serving.responses.get()
            if item is _EOF:
                await serving.wait()
        except asyncio.CancelledError:
            serving.cancel()
            raise
        if serving.cancelled:
            raise asyncio.CancelledError
        if item is not _EOF:
            return self._decode(item)
        if serving.code is not grpc.StatusCode.OK:
            raise serving.error()
        return _EOF


class _OneResponse(_LocalCall):
    """The caller's side of a call with one response."""

    def __init__(self, serving: Serving, decode: Codec) -> None:
        super().__init__(serving, decode)
        self._response: Any = None

    def __await__(self) -> Generator[Any, None, Any]:
        return self._get().__await__()

    async def _get(self) -> Any:
        if self._response is None:
            response = await self._receive()
            # The response is there before the call has ended, as trailers come after messages.
            await self._receive()
            self._response = response
        return self._response


class _ManyResponses(_LocalCall):
    """The caller's side of a call whose responses stream."""

    def __init__(self, serving: Serving, decode: Codec) -> None:
        super().__init__(serving, decode)
        self._iterator: AsyncIterator[Any] | None = None

    def __aiter__(self) -> AsyncIterator[Any]:
        if self._iterator is None:
            self._iterator = self._iterate()
        return self._iterator

    async def _iterate(self) -> AsyncIterator[Any]:
        while (response := await self._receive()) is not _EOF:
            yield response

    async def read(self) -> Any:
        """The next response; EOF after the last."""
        return await self._receive()


class _ManyRequests(_LocalCall):
    """The caller's side of a call whose requests stream: from an iterator, or written one by one."""

    def __init__(self, serving: Serving, decode: Codec, encode: Codec, requests: Any) -> None:
        super().__init__(serving, decode)
        self._encode = encode
        self._feeding = requests is not None
        if requests is not None:
            task = asyncio.get_running_loop().create_task(_feed(serving, encode, requests))
            serving.on_end(lambda _: task.cancel())

    async def write(self, request: Any) -> None:
        """Send a request."""
        if self._feeding:
            raise grpc.aio.UsageError("The iterator and read/write APIs may not be mixed on a single RPC.")
        if self.done():
            raise asyncio.InvalidStateError("RPC already finished.")
        await self._serving.requests.put(self._encode(request))

    async def done_writing(self) -> None:
        """There are no more requests."""
        self._serving.requests.close()


async def _feed(serving: Serving, encode: Codec, requests: Any) -> None:
    """Send what an iterator gives, in the caller's context; one that raises cancels the call."""
    try:
        if isinstance(requests, AsyncIterable):
            async for request in requests:
                await serving.requests.put(encode(request))
        else:
            for request in requests:
                await serving.requests.put(encode(request))
    except asyncio.CancelledError:
        raise
    except Exception:
        # As grpcio does; bedplate's client keeps the exception and raises it.
        serving.cancel()
    serving.requests.close()


class UnaryUnaryCall(_OneResponse, grpc.aio.UnaryUnaryCall):  # type: ignore[type-arg]
    """One request, one response."""


class UnaryStreamCall(_ManyResponses, grpc.aio.UnaryStreamCall):  # type: ignore[type-arg]
    """One request, many responses."""


class StreamUnaryCall(_ManyRequests, _OneResponse, grpc.aio.StreamUnaryCall):  # type: ignore[type-arg]
    """Many requests, one response."""


class StreamStreamCall(_ManyRequests, _ManyResponses, grpc.aio.StreamStreamCall):  # type: ignore[type-arg]
    """Many requests, many responses."""

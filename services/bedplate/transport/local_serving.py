"""The server's side of a call within a process: the pipeline, in a task of its own."""

import asyncio
import contextvars
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import grpc
from google.protobuf.message import Message

from bedplate.contract.headers import PRINCIPAL
from bedplate.pipeline.call import Call
from bedplate.pipeline.compile import Method
from bedplate.pipeline.ends import split
from bedplate.pipeline.failure import Failure
from bedplate.transport.grpc_status import TRIED_AGAIN, Trailers, trailers
from bedplate.transport.metadata import APART

# Messages of a stream that wait for the other side before the writer waits.
AHEAD_MAX = 16

_CODES = {code.name: code for code in grpc.StatusCode}
_EOF = grpc.aio.EOF


class Pipe:
    """Messages of a stream on their way to the other side; holds a few, then the writer waits."""

    def __init__(self) -> None:
        self._items: deque[bytes] = deque()
        self._closed = False
        self._changed: asyncio.Future[None] | None = None

    async def put(self, item: bytes) -> None:
        """Add one; waits for room."""
        while len(self._items) >= AHEAD_MAX and not self._closed:
            await self._wait()
        if not self._closed:
            self._items.append(item)
            self._wake()

    async def get(self) -> Any:
        """The next one; EOF after the last."""
        while not self._items:
            if self._closed:
                return _EOF
            await self._wait()
        item = self._items.popleft()
        self._wake()
        return item

    def close(self) -> None:
        """There are no more; what is in it can still be had."""
        self._closed = True
        self._wake()

    async def _wait(self) -> None:
        if self._changed is None:
            self._changed = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._changed)

    def _wake(self) -> None:
        if self._changed is not None:
            self._changed.set_result(None)
            self._changed = None

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (item := await self.get()) is not _EOF:
            yield item


class Serving:
    """The server's side of a call.

    Attributes:
        requests: For a method whose requests stream.
        responses: The bytes of each response.
        headers: What the server sent before its first response.
        code: How it ended; None while it runs.
        details: The sentence of an end that is not OK.
        trailers: The metadata of such an end.
        cancelled: Whether the caller cancelled it.
    """

    def __init__(
        self,
        name: str,
        method: Method | None,
        unknown: Callable[[Call], Failure],
        *,
        timeout_s: float | None,
        metadata: Mapping[str, str | bytes],
    ) -> None:
        self._method = method
        self._unknown = unknown
        self._call = Call(
            method=name,
            door="local",
            decode=bytes if method is None else method.decode,  # type: ignore[arg-type]
            peer="local:",
            metadata=metadata,
            requested_timeout_s=timeout_s,
        )
        if PRINCIPAL in metadata:
            said = {name: value for name, value in metadata.items() if name in APART}
            self._call.metadata = {name: value for name, value in metadata.items() if name not in APART}
            self._call.vouch = lambda: said
        self.requests = Pipe()
        self.responses = Pipe()
        self.headers: tuple[tuple[str, str | bytes], ...] | None = None
        self.code: grpc.StatusCode | None = None
        self.details = ""
        self.trailers: Trailers = ()
        self.cancelled = False
        self._timeout_s = timeout_s
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None
        self._waiting: list[asyncio.Future[None]] = []
        self._on_end: list[Callable[[Serving], object]] = []

    def start(self, payload: bytes | None) -> None:
        """Begin; a payload of None stands for the stream of `requests`."""
        loop = asyncio.get_running_loop()
        if self._timeout_s is not None:
            # The pipeline answers before that; this is for work that does not stop when it is told to.
            self._timer = loop.call_later(max(self._timeout_s, 0.0), self._expire)
        source: Any = aiter(self.requests) if payload is None else payload
        self._task = loop.create_task(self._run(source), context=contextvars.Context())

    async def _run(self, payload: Any) -> None:
        method = self._method
        try:
            if method is None:
                raise self._unknown(self._call)
            if method.server_streaming:
                await method.deliver(self._call, payload, self._write)
            else:
                await self._write(await method.unary(self._call, payload))
        except Failure as failure:
            self._refuse(failure)
        except asyncio.CancelledError:
            self._end(grpc.StatusCode.CANCELLED, "The call was cancelled.")
        except Exception as error:
            assert method is not None
            self._refuse(method.refuse(self._call, error))
        else:
            self._begin()  # it may have had no response
            self._end(grpc.StatusCode.OK, metadata=split(self._call.response_headers)[1])
        finally:
            # What is no answer at all, such as KeyboardInterrupt, must not leave the caller hanging.
            self._end(grpc.StatusCode.INTERNAL, "The call ended without an answer.")

    def _refuse(self, failure: Failure) -> None:
        sentence, told = trailers(failure.status, failure.retry_after_s)
        if self.headers is None and failure.code in TRIED_AGAIN:
            told += split(self._call.response_headers)[0]
        else:
            self._begin()
        self._end(_CODES[failure.code], sentence, told + split(self._call.response_headers)[1])

    def _begin(self) -> None:
        if self.headers is None:
            self.headers = split(self._call.response_headers)[0]
            self._wake()

    async def _write(self, response: Message) -> None:
        self._begin()
        await self.responses.put(response.SerializeToString())

    def _expire(self) -> None:
        self._end(grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")
        self._stop()

    def cancel(self) -> bool:
        """Give the call up, as its caller; False when it had ended."""
        if self.code is not None:
            return False
        self.cancelled = True
        self._end(grpc.StatusCode.CANCELLED, "Locally cancelled by application!")
        self._stop()
        return True

    def _stop(self) -> None:
        if self._task is not None and not self._task.get_loop().is_closed():
            self._task.cancel()

    def _end(self, code: grpc.StatusCode, details: str = "", metadata: Trailers = ()) -> None:
        if self.code is not None:
            return
        self.code, self.details, self.trailers = code, details, metadata
        if self.headers is None:
            self.headers = ()
        if self._timer is not None:
            self._timer.cancel()
        self.requests.close()
        self.responses.close()
        self._wake()
        for callback in self._on_end:
            callback(self)

    def on_end(self, callback: "Callable[[Serving], object]") -> None:
        """Run a function when the call ends, or now when it has."""
        if self.code is None:
            self._on_end.append(callback)
        else:
            callback(self)

    async def wait(self) -> grpc.StatusCode:
        """Wait for the end; its code."""
        while self.code is None:
            await self._wait()
        return self.code

    async def wait_for_headers(self) -> tuple[tuple[str, str | bytes], ...]:
        """Wait for what the server sends before its first response."""
        while self.headers is None:
            await self._wait()
        return self.headers

    async def _wait(self) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        await future

    def _wake(self) -> None:
        for future in self._waiting:
            if not future.done():
                future.set_result(None)
        self._waiting.clear()

    def time_remaining(self) -> float | None:
        """Seconds until the caller's deadline; None when it named none."""
        if self._timeout_s is None:
            return None
        return max(self._call.started + self._timeout_s - time.monotonic(), 0.0)

    def error(self) -> BaseException:
        """What a caller gets for an end that is not OK."""
        assert self.code is not None
        if self.cancelled:
            return asyncio.CancelledError()
        return grpc.aio.AioRpcError(
            self.code,
            grpc.aio.Metadata(*(self.headers or ())),
            grpc.aio.Metadata(*self.trailers),
            details=self.details,
            debug_error_string=f"in process: {self.code.name}",
        )

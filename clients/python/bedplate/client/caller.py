"""Makes calls: ids, deadline, typed errors, and another try where nothing was started.

This is the one implementation; the typed clients, asynchronous and
synchronous, only give it names and types.
"""

import asyncio
import random
import time
import warnings
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable
from typing import Any, Generic, Self, TypeVar

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from bedplate.client import ids
from bedplate.client.channel import Channel
from bedplate.client.ending import Ending, answer
from bedplate.client.errors import (
    GONE_SENTENCE,
    CallError,
    Cancelled,
    ResourceExhausted,
    Unavailable,
    from_rpc_error,
)
from bedplate.client.throttle import Throttle
from bedplate.contract import scope
from bedplate.contract.policy import MethodPolicy, resolve
from bedplate.contract.promises import Deprecation
from bedplate.contract.redact import has_sensitive

# Rounds of a call that servers refuse before it starts, above the retries of
# gRPC core, while its deadline allows. Core counts such refusals against the
# retry budget: one server's stop uses it up for all callers of a channel (50
# callers on two servers: 16 to 28 failed calls, and none with these rounds).
ROUNDS_MAX = 50
# When a refusal does not say how long to wait, seconds.
ROUND_WAIT_S = 0.05

# Refusals of a call that was not started: by a server that is about to stop, and
# because an earlier attempt of the same call, whose answer was lost, still runs.
_REFUSED = frozenset({"DRAINING", "IDEMPOTENCY_IN_PROGRESS"})

R = TypeVar("R")
Requests = AsyncIterable[Message] | Iterable[Message]


class Rpc:
    """One method, ready to be called.

    Attributes:
        name: Its name in the service.
        policy: Its policy.
        request_class: Class of its request messages.
        streams_requests: Whether requests are a stream.
        streams_responses: Whether responses are a stream.
        throttles: What its calls met lately, by the criticality of what they are made for.
    """

    def __init__(self, channel: Channel, method: MethodDescriptor) -> None:
        self.name = method.name
        self.policy: MethodPolicy = resolve(method)
        self.request_class: type[Message] = GetMessageClass(method.input_type)
        self.response_class: type[Message] = GetMessageClass(method.output_type)
        self.streams_requests: bool = method.client_streaming
        self.streams_responses: bool = method.server_streaming
        self.discreet = has_sensitive(method.input_type)
        self.throttles: dict[str, Throttle] = {}
        self.fills_ids = ids.plan(method.input_type) is not None or ids.has_key(self.policy)
        kinds = {False: "unary", True: "stream"}
        make = getattr(channel, f"{kinds[self.streams_requests]}_{kinds[self.streams_responses]}")
        self.start: Callable[..., Any] = make(
            f"/{self.policy.method}",
            self.request_class.SerializeToString,
            self.response_class.FromString,
            _registered_method=True,
        )
        if self.policy.deprecation is not None:
            self.start = self._warning(self.start, self.policy.deprecation)

    def _warning(self, start: Callable[..., Any], promise: Deprecation) -> Callable[..., Any]:
        until = f" and answers until {promise.sunset}" if promise.sunset else ""
        text = f"{self.policy.method} is deprecated since {promise.since}{until}."

        def warned(*given: Any, **named: Any) -> Any:
            warnings.warn(text, DeprecationWarning, stacklevel=2)
            return start(*given, **named)

        return warned

    def throttle(self) -> Throttle:
        """What calls that matter as much as the current one met lately."""
        current = scope.CURRENT.get()
        level = current.criticality if current is not None else ""
        found = self.throttles.get(level)
        if found is None:
            found = self.throttles[level] = Throttle()
        return found

    def request(self, given: Message | None, fields: dict[str, Any]) -> Message:
        """The request message: the one that was given, or one made of fields (None: left out).

        Raises:
            TypeError: Both were given, or one has the wrong type. Names the field.
            ValueError: A field's value is out of its type's range. Names the field.
        """
        named = {name: value for name, value in fields.items() if value is not None}
        if given is None:
            try:
                return self.request_class(**named)
            except (TypeError, ValueError) as error:
                # What protobuf says of a value may show it.
                raise self._misfit(named, error) from (None if self.discreet else error)
        if named:
            raise TypeError(f"{self.name}: give the request, or its fields ({', '.join(named)}), not both")
        return self.check(given)

    def check(self, given: Any) -> Message:
        """The message, when it is one of the method's requests; otherwise TypeError."""
        if not isinstance(given, self.request_class):
            wanted = self.request_class.__name__
            raise TypeError(f"{self.name}: the request must be a {wanted}, not {type(given).__name__}")
        return given

    def _misfit(self, fields: dict[str, Any], error: Exception) -> Exception:
        for name, value in fields.items():
            try:
                self.request_class(**{name: value})
            except (TypeError, ValueError) as cause:
                what = f"{self.name}: {name} cannot be a {type(value).__name__} like this"
                kind = TypeError if isinstance(cause, TypeError) else ValueError
                return kind(f"{what}." if self.discreet else f"{what}: {cause}")
        return error


class Caller:
    """Calls the methods of one service over one channel."""

    def __init__(self, channel: Channel, service: ServiceDescriptor) -> None:
        channel.know(service)
        self.rpcs = {method.name: Rpc(channel, method) for method in service.methods}

    async def unary(self, rpc: Rpc, request: Message, timeout_s: float | None) -> Any:
        """The response to one request.

        Raises:
            CallError: The call did not succeed.
        """
        request = ids.filled(request, rpc.policy) if rpc.fills_ids else request
        return await _Rounds(rpc, timeout_s, request).run(
            lambda left_s: answer(rpc.start(request, timeout=left_s))
        )

    async def collect(self, rpc: Rpc, requests: Requests, timeout_s: float | None) -> Any:
        """The response to a stream of requests; as `unary`, but never sent twice."""
        source = _Source(rpc, requests)
        call = rpc.start(source, timeout=timeout_s)
        ending = Ending(call)
        try:
            return await answer(call)
        except grpc.aio.AioRpcError as error:
            raise from_rpc_error(await ending.of(error)) from error
        except Unavailable:
            if source.error is not None:
                raise source.error from None
            raise

    def stream(self, rpc: Rpc, request: Message, timeout_s: float | None) -> "AsyncStream[Any]":
        """The responses to one request."""
        request = ids.filled(request) if rpc.fills_ids else request
        return AsyncStream(rpc, lambda left_s: rpc.start(request, timeout=left_s), timeout_s, request)

    def converse(self, rpc: Rpc, requests: Requests, timeout_s: float | None) -> "AsyncStream[Any]":
        """The responses to a stream of requests."""
        source = _Source(rpc, requests)
        return AsyncStream(rpc, lambda left_s: rpc.start(source, timeout=left_s), timeout_s, source)


class AsyncStream(AsyncIterator[R], Generic[R]):
    """The responses of a call, one by one. The call starts at the first one asked for.

    Leave it early with `cancel`, or use it in an `async with`.
    """

    def __init__(
        self,
        rpc: Rpc,
        start: Callable[[float | None], Any],
        timeout_s: float | None,
        sent: "Message | _Source",
    ) -> None:
        self._rpc = rpc
        self._start = start
        self._timeout_s = timeout_s
        self._sent = sent
        self._call: Any = None
        self._responses: AsyncIterator[Any] | None = None
        self._ending: Ending | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._cancelled = False
        self._ended = False

    async def __anext__(self) -> R:
        if self._ended:
            raise StopAsyncIteration
        try:
            if self._responses is None:
                response: R = await self._first()
            else:
                response = await answer(self._responses.__anext__(), self._given_up)
            return response
        except StopAsyncIteration:
            self._ended = True
            raise
        except grpc.aio.AioRpcError as error:
            self._ended = True
            told = await self._ending.of(error) if self._ending is not None else error
            if told.code() is grpc.StatusCode.OK:
                raise StopAsyncIteration from None
            raise from_rpc_error(told) from error
        except CallError:
            self._ended = True
            if isinstance(self._sent, _Source) and self._sent.error is not None:
                raise self._sent.error from None
            raise

    async def _first(self) -> Any:
        if self._cancelled:
            raise self._given_up()

        async def attempt(left_s: float | None) -> Any:
            self._call, self._loop = self._start(left_s), asyncio.get_running_loop()
            if isinstance(self._sent, _Source):
                self._ending = Ending(self._call)
            self._responses = aiter(self._call)
            return await answer(self._responses.__anext__(), self._given_up)

        if isinstance(self._sent, _Source):
            return await attempt(self._timeout_s)
        return await _Rounds(self._rpc, self._timeout_s, self._sent).run(attempt)

    def _given_up(self) -> CallError:
        return Cancelled("You cancelled the stream.") if self._cancelled else Unavailable(GONE_SENTENCE)

    def cancel(self) -> None:
        """Give the call up; whoever waits for a response gets `Cancelled`."""
        self._cancelled = True
        if self._call is not None:
            self._call.cancel()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.cancel()

    def __del__(self) -> None:
        # grpcio (1.85) keeps a call that nobody reads until its deadline. The
        # collector may run on any thread.
        call, loop = self._call, self._loop
        if call is not None and not self._ended and loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(call.cancel)


class _Rounds:
    """Repeats a call while servers refuse it without having started it."""

    def __init__(self, rpc: Rpc, timeout_s: float | None, request: Message) -> None:
        self._rpc = rpc
        self._asked_s = timeout_s
        self._request = request

    async def run(self, attempt: Callable[[float | None], Awaitable[Any]]) -> Any:
        started, asked_s = time.monotonic(), self._asked_s
        throttle = self._rpc.throttle()
        for round_number in range(1, ROUNDS_MAX + 1):
            if throttle.refuses():
                raise self._held_back(throttle.wait_s)
            try:
                said = await attempt(asked_s)
                throttle.taken()
                return said
            except grpc.aio.AioRpcError as error:
                failure = from_rpc_error(error)
                failure.request = self._request
                if _is_overload(error, failure):
                    throttle.refused(failure.retry_after_s)
                else:
                    throttle.taken()
                wait_s = self._wait_s(error, failure)
                asked_s = started + self._whole_s() - time.monotonic() - (wait_s or 0.0)
                if wait_s is None or asked_s <= 0 or round_number == ROUNDS_MAX:
                    raise failure from error
            except Unavailable as failure:
                failure.request = self._request
                raise
            await asyncio.sleep(wait_s)
        raise AssertionError("the last round returns or raises")

    def _held_back(self, wait_s: float | None) -> CallError:
        failure = ResourceExhausted(
            "Servers lately refused most such calls, so this one was not made; call again later.",
            reason="OVERLOADED",
            domain="bedplate",
            facts={"by": "client"},
            retry_after_s=wait_s,
        )
        failure.request = self._request
        return failure

    def _whole_s(self) -> float:
        policy = self._rpc.policy
        return (
            policy.deadline_default_s if self._asked_s is None else min(self._asked_s, policy.deadline_max_s)
        )

    def _wait_s(self, error: grpc.aio.AioRpcError, failure: CallError) -> float | None:
        """How long to wait before another round; None: there is none."""
        refused = failure.reason in _REFUSED and failure.domain == "bedplate"
        again = self._rpc.policy.retry or self._rpc.policy.hedge
        # A server that stops ends calls with CANCELLED, which core does not take
        # for UNAVAILABLE.
        gone = (
            error.code() is grpc.StatusCode.CANCELLED and again is not None and "UNAVAILABLE" in again.codes
        )
        if not refused and not gone:
            return None
        wait_s = ROUND_WAIT_S if failure.retry_after_s is None else failure.retry_after_s
        return wait_s * random.uniform(0.5, 1.0)  # noqa: S311 - spreads callers, hides nothing


def _is_overload(error: grpc.aio.AioRpcError, failure: CallError) -> bool:
    """Whether a server had no room: it says so, or gRPC core cancelled the call before it came in."""
    says_so = failure.reason == "OVERLOADED" and failure.domain == "bedplate"
    return says_so or error.code() is grpc.StatusCode.CANCELLED


class _Source(AsyncIterator[Message]):
    """The requests of a stream, each with its ids; keeps what went wrong in making them.

    grpcio turns an exception of the iterator into a cancelled call.
    """

    def __init__(self, rpc: Rpc, requests: Requests) -> None:
        self._rpc = rpc
        self._items = requests if isinstance(requests, AsyncIterable) else _in_thread(requests)
        self._iterator = aiter(self._items)
        self.error: BaseException | None = None

    async def __anext__(self) -> Message:
        try:
            request = self._rpc.check(await anext(self._iterator))
            return ids.filled(request) if self._rpc.fills_ids else request
        except (StopAsyncIteration, asyncio.CancelledError):
            raise
        except BaseException as error:
            self.error = error
            raise


async def _in_thread(items: Iterable[Message]) -> AsyncIterator[Message]:
    """A plain iterator, asked on a thread, since it may block."""
    iterator, end = iter(items), object()
    while (item := await asyncio.to_thread(next, iterator, end)) is not end:
        yield item  # type: ignore[misc]

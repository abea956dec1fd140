"""The gRPC door: raw bytes in, raw bytes out. What is promised is the pipeline's.

Every method is served as one whose requests stream, so that the door reads the
first message itself, and not before it is decided that the caller may call:
grpcio would read it first, answer nothing at all to a unary call that ends
without one, and wait for one without a limit.
"""

import asyncio
import math
import time
from collections.abc import Mapping
from functools import partial
from typing import Any

import grpc
from google.protobuf.empty_pb2 import Empty

from bedplate.errors import Kind, Refusal
from bedplate.pipeline.call import Call, Decode
from bedplate.pipeline.compile import Method
from bedplate.pipeline.failure import Failure
from bedplate.pipeline.unknown import UnknownMethod
from bedplate.settings import Settings, parse_address
from bedplate.telemetry.recorder import Telemetry
from bedplate.transport.grpc_early import EarlyRefusal
from bedplate.transport.grpc_messages import Messages, Writer
from bedplate.transport.grpc_options import server_options
from bedplate.transport.grpc_server import is_guarded, make_server
from bedplate.transport.grpc_status import TRIED_AGAIN, Trailers, trailers
from bedplate.transport.grpc_strangers import STRANGER_S, Strangers
from bedplate.transport.metadata import Sent
from bedplate.transport.names import names_of_context

# How long calls that were told that the process stops may take to answer, seconds.
LAST_WORD_S = 1.0

# How often silent calls are looked for within the time that a first message may
# take: they end at most a quarter of it late.
LOOKS = 4

_CODES = {code.name: code for code in grpc.StatusCode}
_EOF = grpc.aio.EOF


class GrpcDoor(grpc.GenericRpcHandler):
    """Serves methods over gRPC.

    Attributes:
        address: Where it listens, `host:port`, once it was started.
        first_message_s: How long a call may take to show its first message, seconds.
        running: The calls that run.
        open: The methods that anyone may call.
        strangers: Calls of these that wait for their message.
        asks_early: Whether calls come here only after `early` had room for them.
    """

    def __init__(
        self,
        methods: Mapping[str, Method],
        settings: Settings,
        telemetry: Telemetry,
        *,
        credentials: grpc.ServerCredentials | None = None,
        early: EarlyRefusal | None = None,
    ) -> None:
        """Prepare a door.

        Args:
            methods: What it serves, by full name.
            settings: Address and limits.
            telemetry: Where calls of unknown methods are recorded.
            credentials: For TLS; None: plaintext.
            early: Refuses calls before anything is done for them; None: only the pipeline does.
        """
        self._methods = {f"/{name}": method for name, method in methods.items()}
        self.open = frozenset(method for method in methods.values() if _is_open(method))
        self.strangers = Strangers()
        self._unknown = UnknownMethod(telemetry)
        self._settings = settings
        self._credentials = credentials
        self._early = early
        self.first_message_s = settings.first_message_s
        # Calls in the order in which they came. It is also what is searched for
        # those that say nothing: a timer for each would cost 2 us a call.
        self.running: dict[_Arrival, None] = {}
        self._looking: asyncio.TimerHandle | None = None
        self._server: grpc.aio.Server | None = None
        self.address = ""
        self.asks_early = early is not None and is_guarded()

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: The address is taken, or is none of this machine's.
        """
        address = parse_address(self._settings.grpc_address)
        methods = self._methods.values()
        server = make_server(
            self,
            self._methods,
            server_options(self._settings, methods),
            early=self._early,
            calls_max=self._settings.load_calls,
        )
        try:
            if self._credentials is None:
                bound = server.add_insecure_port(str(address))
            else:
                bound = server.add_secure_port(str(address), self._credentials)
        except RuntimeError as error:
            raise OSError(
                f"cannot listen on {address} for gRPC: free the port, or set BEDPLATE_GRPC_ADDRESS to another"
            ) from error
        await server.start()
        self._look()
        self._server = server
        self.address = str(address._replace(port=bound))

    async def stop(self, grace_s: float) -> None:
        """Take no more calls, let those that run finish, and end the others with an answer.

        Returns when all have ended. Called again with a shorter grace, it stops sooner.
        """
        server = self._server
        if server is None:
            return
        stopping = asyncio.ensure_future(server.stop(grace_s + LAST_WORD_S))
        await asyncio.wait([stopping], timeout=grace_s)
        for arrival in list(self.running):
            arrival.stop()
        await stopping
        if self._looking is not None:
            self._looking.cancel()

    def _look(self) -> None:
        """End the calls that have waited for their first message too long."""
        oldest = time.monotonic() - self.first_message_s
        for arrival in list(self.running):
            if arrival.since > oldest:
                break
            if arrival.waits_since <= oldest:
                arrival.end_waiting(_silent(self.first_message_s))
        self.strangers.thin()
        self._looking = asyncio.get_running_loop().call_later(self.first_message_s / LOOKS, self._look)

    async def ended(self) -> None:
        """Wait until it has ended: it was stopped, or gRPC broke."""
        if self._server is not None:
            await self._server.wait_for_termination()

    def service(self, handler_call_details: Any) -> Any:
        """The handler of one call; grpcio asks in the task that runs the call."""
        method = self._methods.get(handler_call_details.method)
        if method is None:
            return _StreamHandler(partial(self._refuse_unknown, handler_call_details))
        if method.server_streaming:
            return _StreamHandler(_StreamArrival(self, method, handler_call_details))
        return _UnaryHandler(_UnaryArrival(self, method, handler_call_details))

    async def _refuse_unknown(self, details: Any, _requests: Any, context: Any) -> None:
        """Refuse a call of a method that there is none of, whatever it sends."""
        call = _call(details.method.removeprefix("/"), Empty.FromString, details, context)
        await _abort(context, self._unknown.refuse(call))


class _Arrival:
    """One call, from its headers to its end."""

    __slots__ = (
        "_context",
        "_details",
        "_door",
        "_method",
        "call",
        "ended",
        "since",
        "stopped",
        "task",
        "waits_since",
        "writer",
    )

    def __init__(self, door: GrpcDoor, method: Method, details: Any) -> None:
        self._door = door
        self._method = method
        self._details = details
        self.task: Any = asyncio.current_task()
        self.since = time.monotonic()
        self.waits_since = math.inf  # it waits for its first message; infinite: it does not
        self.ended: Refusal | None = None
        self.stopped = False
        self.call: Call | None = None
        self.writer: Writer | None = None
        self._context: Any = None
        door.running[self] = None

    def stop(self) -> None:
        """End the call: the process stops and its grace is over."""
        self.stopped = True
        if self.call is not None:
            self.call.stopped = True
        self.task.cancel()

    def end_waiting(self, why: Refusal) -> None:
        """End the call: its first message did not come."""
        if self.ended is None:
            self.ended = why
            self.task.cancel()

    def give_way(self) -> None:
        """See `Waits`."""
        self.end_waiting(_crowded())

    async def read(self) -> Any:
        """The request, or for a method whose requests stream an iterator of them.

        The pipeline asks for it once it is decided who calls and that they may,
        so that nobody else can make this process keep a message.

        Raises:
            Refusal: No message came in time, or none at all.
        """
        began = self.waits_since = time.monotonic()
        door, stranger = self._door, self._method in self._door.open
        if stranger:
            door.strangers.begin(self)
        try:
            first = await self._context.read()
        except asyncio.CancelledError:
            if self.ended is None or self.stopped:
                raise
            self.task.uncancel()
            raise self.ended from None
        finally:
            self.waits_since = math.inf
            if stranger:
                door.strangers.end(self)
        assert self.call is not None
        self.call.queued_s += time.monotonic() - began
        if self._method.client_streaming:
            return Messages(first, self._context)
        if first is _EOF:
            raise Refusal(Kind.INVALID, "MALFORMED_REQUEST", "The call ended without a message; send one.")
        return first

    async def _refuse(self, context: Any, error: BaseException) -> None:
        """Answer a call that ended with this; returns only when it was answered."""
        if isinstance(error, Failure):
            failure = error
        elif isinstance(error, Exception) and not isinstance(error, grpc.aio.BaseError):
            failure = self._method.refuse(self.call or self._new_call(context), error)
        else:
            raise error  # the caller is gone
        headers: Trailers = ()
        if self.call is not None and self.call.response_headers:
            writer = self.writer or Writer(self.call, context)
            if failure.code not in TRIED_AGAIN:
                await writer.begin()
            headers = writer.take_rest()
        await _abort(context, failure, headers)

    def _new_call(self, context: Any) -> Call:
        self._context = context
        call = self.call = _call(self._method.name, self._method.decode, self._details, context)
        call.stopped = self.stopped
        if self._door.asks_early:
            call.level = self._method.policy.criticality
        return call


class _UnaryArrival(_Arrival):
    """A call with one response."""

    __slots__ = ()

    def __await__(self) -> Any:
        """Never awaited: grpcio asks an awaitable no further questions about what it is (5 us)."""
        raise TypeError("a handler is called")

    async def __call__(self, _requests: Any, context: Any) -> bytes | None:
        """Run the call; grpcio sends what it returns."""
        try:
            call = self._new_call(context)
            response = await self._method.unary(call, None, self.read)
            if call.response_headers:
                await Writer(call, context).end()
            return response.SerializeToString()
        except BaseException as error:
            await self._refuse(context, error)
            return None
        finally:
            del self._door.running[self]


class _StreamArrival(_Arrival):
    """A call whose responses stream."""

    __slots__ = ()

    async def __call__(self, _requests: Any, context: Any) -> None:
        """Run the call, and send its responses as they come."""
        try:
            call = self._new_call(context)
            writer = self.writer = Writer(call, context)
            await self._method.deliver(call, None, writer.write, self.read)
            await writer.end()
        except BaseException as error:
            await self._refuse(context, error)
        finally:
            del self._door.running[self]


class _UnaryHandler:
    """What grpcio wants to know of a handler with one response; it asks for some of it three times."""

    __slots__ = ("stream_unary",)

    request_streaming = True
    response_streaming = False
    request_deserializer = None
    response_serializer = None

    def __init__(self, run: Any) -> None:
        self.stream_unary = run


class _StreamHandler:
    """The same of one whose responses stream; this one must be a coroutine function."""

    __slots__ = ("_run",)

    request_streaming = True
    response_streaming = True
    request_deserializer = None
    response_serializer = None

    def __init__(self, run: Any) -> None:
        self._run = run

    async def stream_stream(self, requests: Any, context: Any) -> None:
        """Run the call."""
        await self._run(requests, context)


def _is_open(method: Method) -> bool:
    auth = method.policy.auth
    return auth is None or auth.anonymous


def _silent(limit_s: float) -> Refusal:
    return Refusal(
        Kind.LATE,
        "DEADLINE_EXCEEDED",
        f"The call sent no message within {limit_s:g} s; send it right after the call begins.",
    )


def _crowded() -> Refusal:
    return Refusal(
        Kind.EXHAUSTED,
        "OVERLOADED",
        "Too many calls wait for their message; send it right after the call begins.",
        retry_after_s=STRANGER_S,
    )


async def _abort(context: Any, failure: Failure, headers: Trailers = ()) -> None:
    left_s = None if failure.retry_after_s is None else context.time_remaining()
    sentence, told = trailers(failure.status, failure.retry_after_s, left_s)
    await context.abort(_CODES[failure.code], sentence, told + headers)


def _call(name: str, decode: Decode, details: Any, context: Any) -> Call:
    timeout_s = context.time_remaining()
    sent = Sent(details.invocation_metadata)
    names = partial(names_of_context, context)
    # By place, since names cost as much as the call. The peer is asked for when
    # somebody wants to know: it costs 4 us.
    call = Call(name, "grpc", decode, context.peer, sent, timeout_s, timeout_s is not None, names)
    call.vouch = sent.apart
    return call

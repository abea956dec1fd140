"""The gRPC door: raw bytes in, raw bytes out. What is promised is the pipeline's.

Every method is served as one whose requests stream, so that the door reads the
first message itself: grpcio answers nothing at all to a unary call that ends
without one, and waits for one without a limit.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
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
from bedplate.transport.first_message import FirstMessages
from bedplate.transport.grpc_options import server_options
from bedplate.transport.grpc_status import trailers

# How long calls that were told that the process stops may take to answer, seconds.
LAST_WORD_S = 1.0

_CODES = {code.name: code for code in grpc.StatusCode}
_EOF = grpc.aio.EOF


class GrpcDoor(grpc.GenericRpcHandler):
    """Serves methods over gRPC.

    Attributes:
        address: Where it listens, `host:port`, once it was started.
    """

    def __init__(
        self,
        methods: Mapping[str, Method],
        settings: Settings,
        telemetry: Telemetry,
        *,
        credentials: grpc.ServerCredentials | None = None,
    ) -> None:
        """Prepare a door.

        Args:
            methods: What it serves, by full name.
            settings: Address and limits.
            telemetry: Where calls of unknown methods are recorded.
            credentials: For TLS; None: plaintext.
        """
        self._methods = {f"/{name}": method for name, method in methods.items()}
        self._unknown = UnknownMethod(telemetry)
        self._settings = settings
        self._credentials = credentials
        self._first = FirstMessages(settings.first_message_s)
        self._running: set[_Arrival] = set()
        self._server: grpc.aio.Server | None = None
        self.address = ""

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: The address is taken, or is none of this machine's.
        """
        address = parse_address(self._settings.grpc_address)
        methods = self._methods.values()
        server = grpc.aio.server(handlers=[self], options=server_options(self._settings, methods))
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
        self._first.start()
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
        for arrival in list(self._running):
            arrival.stop()
        await stopping
        self._first.stop()

    async def ended(self) -> None:
        """Wait until it has ended: it was stopped, or gRPC broke."""
        if self._server is not None:
            await self._server.wait_for_termination()

    def service(self, handler_call_details: Any) -> Any:
        """The handler of one call; grpcio asks in the task that runs the call."""
        method = self._methods.get(handler_call_details.method)
        if method is None:
            return _UnknownArrival(self._unknown, handler_call_details)
        arrival = _StreamArrival if method.server_streaming else _UnaryArrival
        return arrival(self, method, handler_call_details)


class _Arrival:
    """One call, from its headers to its end; what grpcio takes for its handler."""

    __slots__ = ("_call", "_details", "_door", "_method", "late", "stopped", "task")

    request_streaming = True
    response_streaming = False
    request_deserializer = None
    response_serializer = None

    def __init__(self, door: GrpcDoor, method: Method, details: Any) -> None:
        self._door = door
        self._method = method
        self._details = details
        self._call: Call | None = None
        self.late = False
        self.stopped = False
        task = asyncio.current_task()
        assert task is not None
        self.task: asyncio.Task[Any] = task
        door._running.add(self)
        door._first.add(self)

    def stop(self) -> None:
        """End the call: the process stops and its grace is over."""
        self.stopped = True
        if self._call is not None:
            self._call.stopped = True
        self.task.cancel()

    async def _payload(self, context: Any) -> Any:
        """The first message, or an iterator over all of them.

        Raises:
            Failure: It did not come.
        """
        first = self._door._first
        try:
            message = await context.read()
        except asyncio.CancelledError:
            if not self.late and not self.stopped:
                raise
            self.task.uncancel()
            raise self._refused(context) from None
        finally:
            first.discard(self)
        if self._method.client_streaming:
            return _messages(message, context)
        if message is _EOF:
            raise self._method.refuse(
                self._new_call(context),
                Refusal(Kind.INVALID, "MALFORMED_REQUEST", "The call ended without a message; send one."),
            )
        return message

    def _refused(self, context: Any) -> Failure:
        if self.stopped:
            refusal = Refusal(Kind.UNAVAILABLE, "DRAINING", "This server is about to stop; call again.")
        else:
            limit_s = self._door._settings.first_message_s
            refusal = Refusal(
                Kind.LATE,
                "DEADLINE_EXCEEDED",
                f"The call sent no message within {limit_s:g} s; send it right after the call begins.",
            )
        return self._method.refuse(self._new_call(context), refusal)

    def _new_call(self, context: Any) -> Call:
        call = self._call = _call(self._method.name, self._method.decode, self._details, context)
        return call

    def _failure(self, context: Any, error: Exception) -> Failure:
        if isinstance(error, Failure):
            return error
        if isinstance(error, grpc.aio.BaseError):
            raise error  # the caller is gone
        return self._method.refuse(self._call or self._new_call(context), error)


class _UnaryArrival(_Arrival):
    """A call with one response."""

    __slots__ = ()

    async def stream_unary(self, _requests: Any, context: Any) -> bytes | None:
        """Run the call; grpcio sends what it returns."""
        try:
            payload = await self._payload(context)
            call = self._new_call(context)
            response = await self._method.unary(call, payload)
            if call.response_headers:
                await context.send_initial_metadata(tuple(call.response_headers))
            return response.SerializeToString()
        except Exception as error:
            failure = self._failure(context, error)
        finally:
            self._door._running.discard(self)
        await _abort(context, failure)
        return None


class _StreamArrival(_Arrival):
    """A call whose responses stream."""

    __slots__ = ()

    response_streaming = True

    async def stream_stream(self, _requests: Any, context: Any) -> None:
        """Run the call, and send its responses as they come."""
        try:
            payload = await self._payload(context)
            call = self._new_call(context)
            await self._method.deliver(call, payload, _Writer(call, context).write)
            return
        except Exception as error:
            failure = self._failure(context, error)
        finally:
            self._door._running.discard(self)
        await _abort(context, failure)


class _UnknownArrival:
    """A call of a method that there is none of."""

    __slots__ = ("_details", "_unknown")

    request_streaming = True
    response_streaming = True
    request_deserializer = None
    response_serializer = None

    def __init__(self, unknown: UnknownMethod, details: Any) -> None:
        self._unknown = unknown
        self._details = details

    async def stream_stream(self, _requests: Any, context: Any) -> None:
        """Refuse it, whatever it sends."""
        call = _call(self._details.method.removeprefix("/"), Empty.FromString, self._details, context)
        await _abort(context, self._unknown.refuse(call))


class _Writer:
    """Sends the responses of one call, its headers before the first one."""

    __slots__ = ("_call", "_context", "_first")

    def __init__(self, call: Call, context: Any) -> None:
        self._call = call
        self._context = context
        self._first = True

    async def write(self, response: Any) -> None:
        """Send one response."""
        if self._first:
            self._first = False
            if self._call.response_headers:
                await self._context.send_initial_metadata(tuple(self._call.response_headers))
        await self._context.write(response.SerializeToString())


async def _abort(context: Any, failure: Failure) -> None:
    await context.abort(_CODES[failure.code], *trailers(failure.status, failure.retry_after_s))


def _call(name: str, decode: Decode, details: Any, context: Any) -> Call:
    metadata = details.invocation_metadata
    named = dict(metadata)
    if len(named) != len(metadata):
        named = _joined(metadata)
    timeout_s = context.time_remaining()
    return Call(
        method=name,
        door="grpc",
        decode=decode,
        peer=context.peer(),
        metadata=named,
        requested_timeout_s=timeout_s,
        door_cancels=timeout_s is not None,
    )


async def _messages(first: Any, context: Any) -> AsyncIterator[bytes]:
    message = first
    while message is not _EOF:
        yield message
        message = await context.read()


def _joined(metadata: Any) -> dict[str, str | bytes]:
    """What was sent twice is one value with commas, as HTTP has it.

    Two credentials thus become one that is not valid, not one of the two.
    """
    named: dict[str, str | bytes] = {}
    for key, value in metadata:
        if key not in named or isinstance(value, bytes):
            named[key] = value
        else:
            named[key] = f"{named[key]!s},{value}"
    return named

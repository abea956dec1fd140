"""A grpc.aio server that no caller can end.

grpcio 1.85 decodes the name of the method that is called, strictly, in the one
task that accepts calls: a request of anyone whose path is not UTF-8 ends that
task, and with it the server and all its calls. No setting of gRPC core refuses
such a path. So this server asks core for the calls of each method that it
serves, whose names need no decoding, and for all others together, whose names
it does not look at.

It stands on insides of grpcio that have no promise. Where they are missing, as
in 1.76 and 1.80, which decode the name in the call's own task, grpcio's server
is taken as it is. Tests hold that the pinned release has them.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import grpc
from grpc._cython import cygrpc as _cygrpc
from grpc.aio import _server

from bedplate.transport.grpc_waiting import Waiting

cygrpc: Any = _cygrpc

# What a call of a method that is not served is named.
UNNAMED = "/"

_NEEDED = (
    "SendInitialMetadataOperation",
    "_MethodResolver",
    "_handle_rpc",
    "_schedule_rpc_coro",
    "_send_error_status_from_server",
    "get_working_loop",
)


# Code, sentence and trailing metadata of an answer.
Refused = tuple[int, str, tuple[tuple[str, str | bytes], ...]]


class Early(Protocol):
    """Decides on calls of which nothing is known but the method."""

    def __call__(self, name: str) -> Refused | None:
        """What to refuse a call with; None: it may come in."""
        ...

    def watch(self, probe: Callable[[int, Callable[[int], None]], None]) -> None:
        """Take what asks core for so many calls of each busy method, and tells how many came."""
        ...


def is_guarded() -> bool:
    """Whether the installed grpcio has what this server stands on."""
    accepts = hasattr(cygrpc.AioServer, "_request_registered_call")
    return accepts and all(hasattr(cygrpc, name) for name in _NEEDED)


def make_server(
    handler: grpc.GenericRpcHandler,
    names: Iterable[str],
    options: Sequence[tuple[str, int]],
    *,
    early: Early | None = None,
    calls_max: int = 2**31,
) -> grpc.aio.Server:
    """A server whose calls all go to one handler.

    Args:
        handler: Finds what runs a call. Calls of methods that are not among the
            names may reach it under the name UNNAMED.
        names: The methods, `/package.Service/Method`.
        options: Channel arguments.
        early: Refuses calls before anything is done for them, with code,
            sentence and trailing metadata.
        calls_max: Calls at once; one more is refused without a reason.
    """
    if not is_guarded():
        return grpc.aio.server(handlers=[handler], options=options)
    loop = cygrpc.get_working_loop()
    accepting = _class()(loop, None, (handler,), (), tuple(options), None)
    accepting.calls_max = calls_max
    accepting.prepare(loop, handler, names, early)
    # As grpcio's own constructor leaves it, which would make an AioServer that is never freed.
    server: Any = _server.Server.__new__(_server.Server)
    server._loop, server._server = loop, accepting
    made: grpc.aio.Server = server
    return made


def _refuse(state: Any, refused: Refused, loop: asyncio.AbstractEventLoop) -> Any:
    """Answer a call without looking for its handler or reading its message.

    Headers and trailers go out as one frame, so that clients may retry.
    """
    code, sentence, trailers = refused
    headers = cygrpc.SendInitialMetadataOperation((), 0)
    return cygrpc._send_error_status_from_server(state, code, sentence, trailers, headers, loop)


def _class() -> Any:
    """The server's class; not at the module's level, for a grpcio that has other insides."""

    class Accepting(cygrpc.AioServer):  # type: ignore[misc]
        """Begins the calls itself; grpcio's own loop is left to wait for the end."""

        def prepare(self, loop: Any, handler: Any, names: Iterable[str], early: Early | None) -> None:
            self._own_loop = loop
            self._early = early
            self._resolver = cygrpc._MethodResolver([handler], {})
            self._tasks: set[asyncio.Task[None]] = set()
            stopped = (cygrpc.UsageError, cygrpc.InternalError, cygrpc._RequestCallError)
            self._waiting = Waiting(loop, self._accept, self._begin, stopped)
            if early is not None:
                early.watch(self._waiting.probe)
            self.add_registered_method_handlers(dict.fromkeys(names, handler))

        async def _request_registered_call(self, method: bytes) -> None:
            name = method.decode()
            while True:
                self._begin(name, await super()._request_registered_call(method))

        async def _request_call(self) -> None:
            while True:
                self._begin(UNNAMED, await super()._request_call())

        def _begin(self, name: str, state: Any) -> None:
            loop = self._own_loop
            if name != UNNAMED:
                self._waiting.note(name)
            refused = self._early(name) if self._early is not None else None
            if refused is not None:
                running = _refuse(state, refused, loop)
            else:
                crowded = len(self._tasks) >= self.calls_max
                running = cygrpc._handle_rpc(name, self._resolver, (), state, loop, crowded)
            task = loop.create_task(cygrpc._schedule_rpc_coro(running, state, loop, name))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        async def shutdown(self, grace: float | None) -> None:
            self._waiting.stop()
            await super().shutdown(grace)

        async def _accept(self, name: str) -> Any:
            return await super()._request_registered_call(name.encode())

    return Accepting

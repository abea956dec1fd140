"""The messages of a call over gRPC, as the pipeline takes and gives them."""

from collections.abc import AsyncIterator
from typing import Any, cast

import grpc

from bedplate.pipeline.call import Call
from bedplate.pipeline.ends import split
from bedplate.transport.grpc_status import Trailers

_EOF = grpc.aio.EOF


class Writer:
    """Sends the responses of one call, its headers before the first one and the rest at the end."""

    __slots__ = ("_call", "_context", "_first")

    def __init__(self, call: Call, context: Any) -> None:
        self._call = call
        self._context = context
        self._first = True

    async def begin(self) -> None:
        """Send the headers, unless they were sent."""
        if self._first:
            self._first = False
            headers = self._call.response_headers and split(self._call.response_headers)[0]
            if headers:
                await self._context.send_initial_metadata(headers)

    async def write(self, response: Any) -> None:
        """Send one response."""
        if self._first:
            await self.begin()
        await self._context.write(response.SerializeToString())

    async def end(self) -> None:
        """Say the rest; there may have been no response."""
        await self.begin()
        rest = self._call.response_headers and self.take_rest()
        if rest:
            self._context.set_trailing_metadata(rest)

    def take_rest(self) -> Trailers:
        """What was not sent, to be sent at the end."""
        headers, rest = split(self._call.response_headers)
        if self._first:
            self._first = False
            return headers + rest
        return rest


class Messages:
    """The raw messages of a call whose requests stream, the first of which is here."""

    __slots__ = ("_context", "_first")

    def __init__(self, first: Any, context: Any) -> None:
        self._first = first
        self._context = context

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        message, self._first = self._first, None
        if message is None:
            message = await self._context.read()
        if message is _EOF:
            self._first = _EOF
            raise StopAsyncIteration
        return cast(bytes, message)

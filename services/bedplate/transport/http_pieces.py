"""A response that a connection sends in pieces, as they are made."""

from typing import TYPE_CHECKING

from bedplate.gateway.exchange import Response
from bedplate.transport.http_arrival import Arrival

if TYPE_CHECKING:
    from bedplate.transport.http_connection import HttpConnection


class Pieces:
    """A response that is written in pieces; see `gateway.exchange.Sink`."""

    def __init__(self, connection: "HttpConnection", arrival: Arrival) -> None:
        self.started = False
        self._connection = connection
        self._arrival = arrival
        self._chunked = arrival.chunked
        self._closes = True
        self._cut = False

    def start(self, response: Response) -> None:
        """Send the head, and the response's body as the first piece."""
        self.started = True
        self._closes = self._connection.begin(self._arrival, response)
        self.send(response.body)

    def send(self, data: bytes) -> None:
        """Send a piece."""
        if data:  # an empty chunk would end the response
            self._connection.send(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    async def write(self, data: bytes) -> None:
        """Send a piece once there is room for it."""
        await self._connection.taken()
        self.send(data)

    def end(self) -> None:
        """Tell the caller that it was the last."""
        if self._cut:
            return
        if self._chunked:
            self._connection.send(b"0\r\n\r\n")
        self._connection.finish(close=self._closes)

    def cut(self) -> None:
        """Tell the caller that something is missing: the connection breaks off."""
        self._cut = True
        self._connection.abort()

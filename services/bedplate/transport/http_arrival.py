"""What a reader of HTTP/1 makes of bytes: requests that have come in, or the end of all reading."""

import enum

from bedplate.errors import Kind, Refusal
from bedplate.gateway.exchange import Request, Response


class State(enum.Enum):
    """What a connection waits for."""

    IDLE = enum.auto()  # a request
    HEAD = enum.auto()  # the rest of its head
    BODY = enum.auto()  # the rest of its body


class Arrival:
    """A request that is in, with its answer where that is known already.

    Attributes:
        request: The request; None for what was none.
        response: Its answer; None: the gateway is to be asked.
        keep: Whether another request may follow on the connection.
        chunked: Whether its caller takes a response in chunks (HTTP/1.1).
    """

    __slots__ = ("chunked", "keep", "request", "response")

    def __init__(
        self, request: Request | None, response: Response | None, keep: bool, chunked: bool = False
    ) -> None:
        self.chunked = chunked
        self.request = request
        self.response = response
        self.keep = keep


class Stop(Exception):  # noqa: N818 - ends the parser's work from inside its callbacks
    """Nothing more is read: the connection sends this response and closes."""

    def __init__(self, response: Response) -> None:
        super().__init__(response.status)
        self.response = response


def too_large(limit: int) -> Refusal:
    """The refusal of a body that is larger than it may be, bytes."""
    return Refusal(
        Kind.EXHAUSTED,
        "MESSAGE_TOO_LARGE",
        f"The request's body may have {limit} bytes; send less in one call.",
        limit_bytes=limit,
    )

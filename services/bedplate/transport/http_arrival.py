"""What a reader of HTTP/1 makes of bytes: requests that have come in, or the end of all reading."""

import enum

from bedplate.errors import Kind, Refusal
from bedplate.gateway.exchange import Request, Response

HEADERS_MAX = 100


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


def headers_too_large(limit: int) -> Refusal:
    """The refusal of a head that is larger than it may be, bytes, or has too many headers."""
    return Refusal(
        Kind.EXHAUSTED,
        "HTTP_HEADERS_TOO_LARGE",
        f"The request's head may have {limit} bytes and {HEADERS_MAX} headers; send less.",
        limit_bytes=limit,
    )


def too_slow(limit_s: float, what: str) -> Refusal:
    """The refusal of a request whose head or body, which `what` says, was not in in time."""
    return Refusal(
        Kind.LATE,
        "HTTP_TOO_SLOW",
        f"The request's {what} was not in within {limit_s:g} s; send it without pauses.",
    )


def crowded() -> Refusal:
    """The refusal of a body for which there is no memory."""
    return Refusal(
        Kind.UNAVAILABLE,
        "HTTP_CROWDED",
        "The server holds as much of unfinished requests as it may; call again later.",
        retry_after_s=1.0,
    )

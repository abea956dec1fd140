"""A request as an HTTP door hands it in, and the response that it gets back."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

from google.protobuf.message import Message

from bedplate.pipeline.call import Call

# Request headers that are lists: in several lines they are one (RFC 9110, 5.3). Any other stands once.
HEADERS_LISTED = frozenset(
    {
        "accept",
        "accept-encoding",
        "access-control-request-headers",
        "connect-accept-encoding",
        "content-encoding",
        "grpc-accept-encoding",
        "if-match",
        "if-none-match",
        "prefer",
    }
)

# The request headers that the gateway reads. All others are dropped at the
# door: what is not in this list reaches neither a stage nor a handler.
HEADERS_READ = HEADERS_LISTED | {
    "access-control-request-method",
    "authorization",
    "bedplate-criticality",
    "bedplate-environment",
    "connect-content-encoding",
    "connect-protocol-version",
    "connect-timeout-ms",
    "content-type",
    "grpc-encoding",
    "grpc-timeout",
    "idempotency-key",
    "last-event-id",
    "origin",
    "traceparent",
    "x-request-id",
    "x-server-timeout",
}


# No repr: the headers hold credentials, and what an exception shows is logged.
@dataclass(slots=True, eq=False, repr=False)
class Request:
    """One HTTP request.

    Attributes:
        method: In capitals, such as `GET`.
        path: As sent, escapes and all; begins with `/`, or is `*`.
        query: As sent, without the question mark.
        headers: Those of HEADERS_READ, by lower-case name.
        peer: Address of the caller, such as `ipv4:127.0.0.1:4711`.
        names: What the caller's certificate calls it; empty: it showed none.
        started: When its headers were in, `time.monotonic` seconds.
        body: The whole body; filled by the door once it is in.
        target: What `Gateway.open` found for it, for `Gateway.respond`.
        call: The call that it became, once it did.
        values: The text of the path's variables.
        encode: What writes the response, where that is not what is usual.
        notes: What features remember of it, by their own keys.
    """

    method: str
    path: str
    query: str
    headers: dict[str, str]
    peer: str
    started: float
    names: tuple[str, ...] = ()
    body: bytes = field(default=b"", init=False)
    target: Any = field(default=None, init=False)
    call: Call | None = field(default=None, init=False)
    values: tuple[str, ...] = field(default=(), init=False)
    encode: Callable[[Message], bytes] | None = field(default=None, init=False)
    notes: dict[str, Any] = field(default_factory=dict, init=False)


@dataclass(slots=True, eq=False, repr=False)
class Response:
    """One HTTP response; the door adds the status line, what all responses say, and what frames it.

    Attributes:
        own_policy: Whether it has a `content-security-policy` of its own.
        status: The HTTP status code.
        fields: Header lines, each ending with CRLF.
        body: The body; a door leaves it out for HEAD and keeps its length.
        message: The method's response; None where the call failed, or was none.
    """

    status: int
    fields: bytes
    body: bytes
    message: Message | None = None
    own_policy: ClassVar[bool] = False

    def add(self, name: str, value: str) -> None:
        """Add a header, whose value must hold no control characters."""
        self.fields += f"{name}: {value}\r\n".encode("latin-1")

    def set(self, name: str, value: str) -> None:
        """Add a header in place of those with its name; empty: take them away."""
        begin = f"{name}:".encode("latin-1")
        lines = [line for line in self.fields.splitlines(keepends=True) if not line.startswith(begin)]
        self.fields = b"".join(lines)
        if value:
            self.add(name, value)

    def get(self, name: str) -> str:
        """The value of a header; empty: there is none."""
        begin = f"{name}: ".encode("latin-1")
        for line in self.fields.splitlines():
            if line.startswith(begin):
                return line[len(begin) :].decode("latin-1")
        return ""


Page = Callable[[Request], Response]


class PageResponse(Response):
    """A page for people, which says itself what it loads."""

    __slots__ = ()

    own_policy = True


class Sink(Protocol):
    """Where a response goes that is written in pieces; a door gives it.

    Attributes:
        started: Whether the head is sent.
    """

    started: bool

    def start(self, response: Response) -> None:
        """Send the head; the body that it has is the first piece."""
        ...

    def send(self, data: bytes) -> None:
        """Send a piece without waiting for the caller to take what it has."""
        ...

    async def write(self, data: bytes) -> None:
        """Send a piece once the caller has taken most of what was sent."""
        ...

    def cut(self) -> None:
        """Break the connection off, so that the caller sees that something is missing."""
        ...


def header_lines(fields: Iterable[tuple[str, str]]) -> bytes:
    """Header lines of names and values, which must hold no control characters."""
    text = "".join(f"{name}: {value}\r\n" for name, value in fields)
    return text.encode("latin-1")

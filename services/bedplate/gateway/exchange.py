"""A request as an HTTP door hands it in, and the response that it gets back."""

from collections.abc import Iterable
from typing import Any

from bedplate.pipeline.call import Call

# The request headers that the gateway reads. All others are dropped at the
# door: what is not in this list reaches neither a stage nor a handler.
HEADERS_READ = frozenset(
    {
        "authorization",
        "bedplate-criticality",
        "bedplate-environment",
        "content-encoding",
        "content-type",
        "grpc-timeout",
        "traceparent",
        "x-request-id",
        "x-server-timeout",
    }
)


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
    """

    __slots__ = (
        "body",
        "call",
        "headers",
        "method",
        "names",
        "path",
        "peer",
        "query",
        "started",
        "target",
        "values",
    )

    def __init__(
        self,
        method: str,
        path: str,
        query: str,
        headers: dict[str, str],
        *,
        peer: str,
        started: float,
        names: tuple[str, ...] = (),
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.peer = peer
        self.names = names
        self.started = started
        self.body = b""
        self.target: Any = None
        self.call: Call | None = None
        self.values: tuple[str, ...] = ()


class Response:
    """One HTTP response; the door adds the status line, Date, Content-Length and Connection.

    Attributes:
        status: The HTTP status code.
        fields: Header lines, each ending with CRLF.
        body: The body; a door leaves it out for HEAD and keeps its length.
    """

    __slots__ = ("body", "fields", "status")

    def __init__(self, status: int, fields: bytes, body: bytes) -> None:
        self.status = status
        self.fields = fields
        self.body = body


def header_lines(fields: Iterable[tuple[str, str]]) -> bytes:
    """Header lines of names and values, which must hold no control characters."""
    text = "".join(f"{name}: {value}\r\n" for name, value in fields)
    return text.encode("latin-1")

"""Reads HTTP/1 requests off a connection, within bounds.

httptools (Node's llhttp, strict) reads the syntax; all bounds are here: bytes
and number of headers, how large a body the route takes, how much of a body
nobody wants, how many requests wait. What breaks the rules of HTTP ends the
connection, because nothing behind it can be trusted to begin where it seems to.
"""

import time
from collections import deque
from collections.abc import Callable
from typing import NoReturn

import httptools

from bedplate.errors import Kind, Refusal
from bedplate.gateway.app import Gateway
from bedplate.gateway.exchange import HEADERS_LISTED, HEADERS_READ, Request, Response
from bedplate.settings import Settings
from bedplate.transport.forwarded import Proxies
from bedplate.transport.http_arrival import Arrival, State, Stop, too_large
from bedplate.transport.http_target import HOST, path_and_query

HEADERS_MAX = 100
PIPELINE_MAX = 16  # requests that wait behind one that runs

# A body that nobody reads may be so large for the connection to stay open.
UNREAD_MAX_BYTES = 64 * 1024

# A chunked request may have so many bytes of framing for each byte it may carry.
FRAMING_FACTOR = 8

_FRAMING = ("connection", "content-length", "expect", "host", "transfer-encoding")
_KNOWN = {spelled.encode(): name for name in (*HEADERS_READ, *_FRAMING) for spelled in (name, name.title())}
_RARE = frozenset({"connection", "expect", "transfer-encoding"})  # what more is looked at
_LISTED = HEADERS_LISTED | {"connection", "forwarded", "x-forwarded-for"}

# What Connection usually says; other words are names of headers that were for the last hop only.
_PLAIN_CONNECTION = frozenset({"keep-alive", "close", "Keep-Alive", "Close"})

# Asked of its class, a member of an enum costs ten times a name of the module.
_IDLE, _HEAD, _BODY = State.IDLE, State.HEAD, State.BODY

# How every version of TLS begins: a record of the handshake.
_TLS_HELLO = b"\x16\x03"


class Reader:
    """Makes requests of bytes.

    Attributes:
        gateway: Finds routes and makes refusals.
        arrivals: The requests that are in, oldest first; the connection takes them out.
        state: What of the next request is there.
        due: When that must have ended, `time.monotonic` seconds; 0: no limit.
        closed: True once no further request is read.
        unread: True once bytes came that nobody read.
        held: Bytes of the unfinished body that are reserved with the door.
    """

    __slots__ = (
        "_began",
        "_body_bytes",
        "_came",
        "_chunks",
        "_done",
        "_early",
        "_head_lines",
        "_head_max",
        "_host",
        "_known",
        "_limit",
        "_lines",
        "_names",
        "_now",
        "_parser",
        "_peer",
        "_proceed",
        "_proxies",
        "_raw",
        "_request",
        "_reserve",
        "_settings",
        "_url",
        "_version",
        "arrivals",
        "closed",
        "due",
        "gateway",
        "held",
        "state",
        "unread",
    )

    def __init__(
        self,
        gateway: Gateway,
        settings: Settings,
        *,
        peer: str,
        accepted: float,
        names: tuple[str, ...] = (),
        proxies: Proxies | None = None,
        reserve: Callable[[int], bool],
        proceed: Callable[[], None],
    ) -> None:
        """Begin.

        Args:
            gateway: Finds routes and makes refusals.
            settings: The limits.
            peer: Address of the caller.
            accepted: When the connection was, before any handshake; `time.monotonic` seconds.
            names: What its certificate calls it.
            proxies: Set: it is a proxy that is believed when it tells whom it calls for.
            reserve: Asks for memory for so many bytes; False: there is none.
            proceed: Tells the caller to send its body, `100 Continue`.
        """
        self.gateway = gateway
        self._settings = settings
        self._peer = peer
        self._names = names
        self._proxies = proxies
        self._known = _KNOWN if proxies is None else {**_KNOWN, proxies.header.encode(): proxies.header}
        self._now = accepted  # when the piece that is read now came, `time.monotonic` seconds
        self._host = ""  # the last one that was looked at
        self._reserve = reserve
        self._proceed = proceed
        self._parser = httptools.HttpRequestParser(self)
        self._head_max = settings.http_header_bytes
        self._raw = 0  # bytes of the unfinished request, as they came
        self._came = 0  # the same and more: all of the pieces that it came in
        self._done = 0  # requests that are in, since ever
        self.arrivals: deque[Arrival] = deque()
        self.state = _IDLE
        self._began = accepted  # when the unfinished request did
        self.due = time.monotonic() + settings.http_header_s
        self.closed = False
        self.unread = False
        self.held = 0
        self._version = ""
        self._limit = 0  # how large the body may be, bytes
        self._head_lines = 0
        self._clear()

    def _clear(self) -> None:
        self._url = b""
        self._lines: list[tuple[bytes, bytes]] = []  # of the head, and the trailers behind a chunked body
        self._request: Request | None = None
        self._early: Response | None = None
        self._body_bytes = 0
        self._chunks: list[bytes] = []

    def wait(self, now: float) -> None:
        """Nothing runs and nothing is there: the connection is idle, from now on if it was not before."""
        if self.state is _IDLE and not self.due:
            self.due = now + self._settings.http_idle_s

    def feed(self, data: bytes) -> None:
        """Read on.

        Raises:
            Stop: The request is refused, and the connection with it.
        """
        if self.closed:
            self.unread = True
            return
        done, size = self._done, len(data)
        self._came += size
        self._now = time.monotonic()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # HTTP/1.1 is all that is spoken here, and what follows may be another protocol.
            self.closed = True
        except httptools.HttpParserCallbackError as error:
            cause = error.__context__
            if isinstance(cause, Stop):
                raise cause from None
            raise
        except httptools.HttpParserInvalidMethodError:
            if data.startswith(_TLS_HELLO):
                self._malformed("The connection begins with TLS, which is not spoken here; call by http://.")
            self._malformed("The HTTP method is unknown; use one of HTTP/1.1, in capitals.", 501)
        except httptools.HttpParserError:
            if not self.closed:
                self._malformed("This is no well-formed HTTP/1.1 request; RFC 9112 says how to write one.")
            self.unread = True  # it stands behind the connection's last request
        # Where in a piece the next request begins nobody says; it is counted from the next piece on.
        if self._done == done:
            self._raw += size
        else:
            self._raw, self._came = 0, 0 if self.state is _IDLE else size
        head_max = self._head_max
        if self.state is not _BODY:
            if self._raw > head_max:
                self._headers_too_large()
        elif self._raw > head_max + FRAMING_FACTOR * (self._limit + 1024):
            self._stop(too_large(self._limit))

    def late(self) -> None:
        """The request did not come in time.

        Raises:
            Stop: Always; the answer says so.
        """
        limit_s, what = self._settings.http_body_s, "body"
        if self.state is not _BODY:
            limit_s, what = self._settings.http_header_s, "head"
        self._stop(
            Refusal(
                Kind.LATE,
                "HTTP_TOO_SLOW",
                f"The request's {what} was not in within {limit_s:g} s; send it without pauses.",
            )
        )

    # What follows is called by the parser.

    def on_message_begin(self) -> None:
        """A request begins; empty lines before it do not count as its beginning."""
        self.state = _HEAD
        if self._done:  # the first began with its connection: who dawdles before it is slow too
            self._began = self._now
            self.due = self._began + self._settings.http_header_s
        self._raw = 0

    def on_url(self, url: bytes) -> None:
        """The target, or a piece of it."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header, or one trailer behind a chunked body, which is counted and dropped."""
        lines = self._lines
        lines.append((name, value))
        if len(lines) > HEADERS_MAX:
            self._headers_too_large()

    def on_headers_complete(self) -> None:
        """The head is in: find what it is for, and how large a body may follow."""
        headers = self._read_lines()
        version = self._version = self._parser.get_http_version()
        if version != "1.1" or not _RARE.isdisjoint(headers):
            self._check_head(version, headers)
        host = headers.get("host")
        if host != self._host or not host:
            self._check_host(version, host)
        http_method = self._parser.get_method().decode("ascii")
        try:
            path, query = path_and_query(self._url.decode("latin-1"), http_method)
        except ValueError as error:
            self._malformed(str(error))
        peer = self._peer
        if self._proxies is not None:
            peer = self._proxies.caller(peer, headers.pop(self._proxies.header, ""))
        request = self._request = Request(http_method, path, query, headers, peer, self._now, self._names)
        found = self.gateway.open(request)
        if isinstance(found, Response):
            self._early, self._limit = found, UNREAD_MAX_BYTES
        else:
            self._limit = found
        length = headers.get("content-length")
        if length is None and "transfer-encoding" not in headers:
            return
        if int(length or 0) > self._limit:
            self._body_too_large()
        self.state = _BODY
        self.due = self._began + self._settings.http_body_s
        if "expect" in headers and length != "0" and self._version == "1.1":
            if self._early is not None:
                raise Stop(self._early)  # the caller waits for this and will send no body
            if not self.arrivals:
                self._proceed()

    def on_body(self, chunk: bytes) -> None:
        """A piece of the body."""
        size = len(chunk)
        self._body_bytes += size
        if self._body_bytes > self._limit:
            self._body_too_large()
        if self._early is not None:
            return
        if not self._reserve(size):
            self._stop(
                Refusal(
                    Kind.UNAVAILABLE,
                    "HTTP_CROWDED",
                    "The server holds as much of unfinished requests as it may; call again later.",
                    retry_after_s=1.0,
                )
            )
        self.held += size
        self._chunks.append(chunk)

    def on_message_complete(self) -> None:
        """The request is in."""
        request = self._request
        assert request is not None
        if len(self._lines) > self._head_lines:
            self._check_size()
        request.body = b"".join(self._chunks)
        self.held = 0  # the connection releases what the request holds
        parser, current = self._parser, self._version == "1.1"
        keep = (
            current
            and parser.should_keep_alive()
            and not parser.should_upgrade()
            and len(self.arrivals) < PIPELINE_MAX
        )
        self.closed = not keep
        self.arrivals.append(Arrival(request, self._early, keep, current))
        self._done += 1
        self.state = _IDLE
        self.due = 0.0
        self._clear()

    def _read_lines(self) -> dict[str, str]:
        """Those headers that are read here or further on, by lower-case name."""
        lines, known_names = self._lines, self._known
        self._head_lines = len(lines)
        if self._came > self._head_max:
            self._check_size()
        headers: dict[str, str] = {}
        for name, value in lines:
            known = known_names.get(name) or known_names.get(name.lower())
            if known is None:
                continue
            text = value.decode("latin-1").strip(" \t")
            if known in headers:
                if known not in _LISTED:
                    self._malformed(f"The header {known} stands twice; send it once.")
                text = f"{headers[known]}, {text}"
            headers[known] = text
        return headers

    def _check_head(self, version: str, headers: dict[str, str]) -> None:
        if version not in ("1.1", "1.0"):
            self._malformed("Only HTTP/1.1 and HTTP/1.0 are spoken here.", 505)
        coding = headers.get("transfer-encoding")
        if coding is not None and (coding.lower() != "chunked" or version == "1.0"):
            self._malformed("The only transfer-encoding is chunked, and only in HTTP/1.1.")
        connection = headers.get("connection")
        if connection is not None and connection not in _PLAIN_CONNECTION:
            self._drop_named(connection, headers)
        if "expect" in headers and headers["expect"].lower() != "100-continue":
            self._malformed("The only thing to expect is 100-continue.", 417)

    def _check_host(self, version: str, host: str | None) -> None:
        if host is None:
            if version == "1.1":
                self._malformed("The header host is missing; send it.")
        elif not HOST.fullmatch(host):
            self._malformed("The header host is malformed; send a name or an address, and a port.")
        else:
            self._host = host

    def _drop_named(self, connection: str, headers: dict[str, str]) -> None:
        """Forget the headers that Connection names: they were for whoever was called before."""
        for word in connection.lower().split(","):
            name = word.strip(" \t")
            if name in _FRAMING:
                self._malformed(f"The header connection must not name {name}.")
            # A proxy that hands its caller's `connection` on must not forget for it whom it calls for.
            if self._proxies is None or name != self._proxies.header:
                headers.pop(name, None)

    def _body_too_large(self) -> NoReturn:
        if self._early is not None:
            raise Stop(self._early)
        self._stop(too_large(self._limit))

    def _check_size(self) -> None:
        """Refuse a head, with the trailers, that is too large."""
        if len(self._url) + sum([len(name) + len(value) + 4 for name, value in self._lines]) > self._head_max:
            self._headers_too_large()

    def _headers_too_large(self) -> NoReturn:
        limit = self._head_max
        self._stop(
            Refusal(
                Kind.EXHAUSTED,
                "HTTP_HEADERS_TOO_LARGE",
                f"The request's head may have {limit} bytes and {HEADERS_MAX} headers; send less.",
                limit_bytes=limit,
            )
        )

    def _malformed(self, sentence: str, status: int = 0) -> NoReturn:
        self._request = None
        self._stop(Refusal(Kind.INVALID, "HTTP_MALFORMED", sentence), status)

    def _stop(self, refusal: Refusal, status: int = 0) -> NoReturn:
        peer = self._request.peer if self._request is not None else self._peer
        raise Stop(self.gateway.refuse(self._request, refusal, peer=peer, status=status))

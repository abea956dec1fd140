"""Reads HTTP/1 requests off a connection, within bounds.

httptools (Node's llhttp, strict) reads the syntax, but that of plain requests
(`http_plain`). All bounds are here: bytes and number of headers, how large a body
the route takes, how much of a body nobody wants, how many requests wait. What
breaks the rules of HTTP ends the connection, because nothing behind it can be
trusted to begin where it seems to.
"""

import time
from collections import deque
from collections.abc import Callable
from typing import NoReturn

import httptools

from bedplate.errors import Kind, Refusal
from bedplate.gateway.app import Gateway
from bedplate.gateway.exchange import Request, Response
from bedplate.settings import Settings
from bedplate.transport.forwarded import Proxies
from bedplate.transport.http_arrival import (
    HEADERS_MAX,
    Arrival,
    State,
    Stop,
    crowded,
    headers_too_large,
    too_large,
    too_slow,
)
from bedplate.transport.http_head import (
    HOST,
    KNOWN,
    Malformed,
    check_host,
    check_rare,
    known_headers,
    path_and_query,
)
from bedplate.transport.http_plain import read as read_plain

PIPELINE_MAX = 16  # requests that wait behind one that runs

# A body that nobody reads may be so large for the connection to stay open.
UNREAD_MAX_BYTES = 64 * 1024

# A chunked request may have so many bytes of framing for each byte it may carry.
FRAMING_FACTOR = 8

_RARE = frozenset({"connection", "expect", "transfer-encoding"})  # what more is looked at

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
        "_forwarded",
        "_head_lines",
        "_head_max",
        "_host",
        "_known",
        "_limit",
        "_lines",
        "_missing",
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
        self._forwarded = proxies is not None and proxies.header == "x-forwarded-for"
        self._known = KNOWN if proxies is None else {**KNOWN, proxies.header.encode(): proxies.header}
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
        self._missing = 0  # bytes of the body of a plain request, which the parser does not see
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
        self._now = time.monotonic()
        if not self._came and self._read_plain(data):
            return
        done, size = self._done, len(data)
        self._came += size
        if self._missing:
            data = self._read_body(data)
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
        in_body = self.state is _BODY
        limit_s = self._settings.http_body_s if in_body else self._settings.http_header_s
        self._stop(too_slow(limit_s, "body" if in_body else "head"))

    def _read_plain(self, data: bytes) -> bool:
        """Read what begins with a plain request and not with the next one; False: the parser is to."""
        plain = read_plain(data, self._forwarded)
        if plain is None or (self.arrivals and len(self.arrivals) >= PIPELINE_MAX):
            return False
        http_method, path, query, headers, size, end = plain
        missing = end + size - len(data)
        host = headers["host"]
        if missing < 0 or (host != self._host and not HOST.fullmatch(host)):
            return False
        self._host = host
        request = self._open(http_method, path, query, headers)
        if size > self._limit:
            self._body_too_large()
        if missing:
            self._await_body(data, end, missing)
            return True
        if size and self._early is None:
            if not self._reserve(size):
                self._stop(crowded())
            request.body = data[end:]
        self.arrivals.append(Arrival(request, self._early, True, True))
        self._done += 1
        self.due = 0.0
        self._request = self._early = None
        return True

    def _await_body(self, data: bytes, end: int, missing: int) -> None:
        """The head of a plain request is in, and less than its body."""
        self.state = _BODY
        if self._done:
            self._began = self._now
        self.due = self._began + self._settings.http_body_s
        self._raw = self._came = len(data)
        self._missing = missing
        if len(data) > end:
            self.on_body(data[end:])

    def _read_body(self, data: bytes) -> bytes:
        """Take what belongs to the body of a plain request; what is behind it."""
        piece = data[: self._missing]
        self.on_body(piece)
        self._missing -= len(piece)
        if not self._missing:
            self._complete(True, True)
        return data[len(piece) :]

    def _open(self, http_method: str, path: str, query: str, headers: dict[str, str]) -> Request:
        """The head is in: find what it is for, and how large the body may be."""
        peer = self._peer
        if self._proxies is not None:
            peer = self._proxies.caller(peer, headers.pop(self._proxies.header, ""))
        request = self._request = Request(http_method, path, query, headers, peer, self._now, self._names)
        found = self.gateway.open(request)
        if isinstance(found, Response):
            self._early, self._limit = found, UNREAD_MAX_BYTES
        else:
            self._limit = found
        return request

    def _complete(self, keep: bool, current: bool) -> None:
        """The body is in; `keep`: another request may follow, `current`: it is of HTTP/1.1."""
        request = self._request
        assert request is not None
        request.body = b"".join(self._chunks)
        self.held = 0  # the connection releases what the request holds
        keep = keep and len(self.arrivals) < PIPELINE_MAX
        self.closed = not keep
        self.arrivals.append(Arrival(request, self._early, keep, current))
        self._done += 1
        self.state = _IDLE
        self.due = 0.0
        self._clear()

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
        lines = self._lines
        self._head_lines = len(lines)
        if self._came > self._head_max:
            self._check_size()
        version = self._version = self._parser.get_http_version()
        http_method = self._parser.get_method().decode("ascii")
        try:
            headers = known_headers(lines, self._known)
            if version != "1.1" or not _RARE.isdisjoint(headers):
                check_rare(version, headers, self._proxies.header if self._proxies is not None else "")
            host = headers.get("host")
            if host != self._host or not host:
                check_host(version, host)
                self._host = host or ""
            path, query = path_and_query(self._url.decode("latin-1"), http_method)
        except Malformed as error:
            self._malformed(str(error), error.status)
        self._open(http_method, path, query, headers)
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
            self._stop(crowded())
        self.held += size
        self._chunks.append(chunk)

    def on_message_complete(self) -> None:
        """The request is in."""
        if len(self._lines) > self._head_lines:
            self._check_size()
        parser, current = self._parser, self._version == "1.1"
        self._complete(current and parser.should_keep_alive() and not parser.should_upgrade(), current)

    def _body_too_large(self) -> NoReturn:
        if self._early is not None:
            raise Stop(self._early)
        self._stop(too_large(self._limit))

    def _check_size(self) -> None:
        """Refuse a head, with the trailers, that is too large."""
        if len(self._url) + sum([len(name) + len(value) + 4 for name, value in self._lines]) > self._head_max:
            self._headers_too_large()

    def _headers_too_large(self) -> NoReturn:
        self._stop(headers_too_large(self._head_max))

    def _malformed(self, sentence: str, status: int = 0) -> NoReturn:
        self._request = None
        self._stop(Refusal(Kind.INVALID, "HTTP_MALFORMED", sentence), status)

    def _stop(self, refusal: Refusal, status: int = 0) -> NoReturn:
        peer = self._request.peer if self._request is not None else self._peer
        raise Stop(self.gateway.refuse(self._request, refusal, peer=peer, status=status))

"""A caller over raw sockets: sends exactly these bytes and takes answers apart itself."""

import contextlib
import socket
from dataclasses import dataclass, field

# No answer within this means that there is none. Seconds.
PATIENCE_S = 20.0


class WireError(Exception):
    """What came is no HTTP answer, or none came."""


@dataclass(slots=True)
class Answer:
    """An answer.

    Attributes:
        status: The status.
        headers: Names in lower case, and values.
        body: The body, without chunks' framing.
        complete: Whether the body ended as its framing says.
        interim: Statuses of the interim answers before it.
    """

    status: int
    headers: list[tuple[str, str]]
    body: bytes = b""
    complete: bool = True
    interim: list[int] = field(default_factory=list)

    def all(self, name: str) -> list[str]:
        """All values of a header."""
        return [value for key, value in self.headers if key == name]

    def get(self, name: str) -> str:
        """A header's values, joined; empty: it is not there."""
        return ", ".join(self.all(name))


class Connection:
    """One connection."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._socket = socket.create_connection((host.strip("[]"), int(port)), PATIENCE_S)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""
        self._ended = False

    def close(self) -> None:
        """Close it."""
        self._socket.close()

    def send(self, data: bytes) -> None:
        """Send all; a server that answers early may have closed before it is through."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._socket.sendall(data)

    def at_end(self) -> bool:
        """Whether the server closes without saying more."""
        return not self._buffer and not self._more()

    def answer(self, *, head_only: bool = False, take: int = 0) -> Answer:
        """Read one answer.

        Args:
            head_only: It is to a HEAD, so that no body follows.
            take: Stop after so many lines of the body; 0: read all.

        Raises:
            WireError: None comes, or it is none.
        """
        interim: list[int] = []
        while True:
            found = self._head()
            if found.status >= 200 or found.status == 101:
                break
            interim.append(found.status)
        found.interim = interim
        if head_only or found.status in (204, 304):
            return found
        codings, lengths = found.all("transfer-encoding"), found.all("content-length")
        if codings and lengths:
            raise WireError("an answer has either a content-length or a transfer-encoding")
        if codings:
            self._chunked(found, take)
        elif lengths:
            found.complete = self._fill(int(lengths[0]))
            found.body, self._buffer = self._buffer[: int(lengths[0])], self._buffer[int(lengths[0]) :]
        else:
            while self._more():
                pass
            found.body, self._buffer = self._buffer, b""
        return found

    def _head(self) -> Answer:
        while b"\r\n\r\n" not in self._buffer:
            if not self._more():
                raise WireError(f"the connection ended before an answer; it said {self._buffer[:200]!r}")
        head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        parts = first.split(" ", 2)
        if len(parts) < 2 or not parts[0].startswith("HTTP/1.") or not parts[1].isdecimal():
            raise WireError(f"this is no status line: {first[:100]!r}")
        headers = []
        for line in lines:
            name, colon, value = line.partition(":")
            if not colon or name != name.strip():
                raise WireError(f"this is no header: {line[:100]!r}")
            headers.append((name.lower(), value.strip()))
        return Answer(int(parts[1]), headers)

    def _chunked(self, found: Answer, take: int) -> None:
        while not take or found.body.count(b"\n") < take:
            line = self._line()
            if line is None:
                found.complete = False
                return
            size = int(line.partition(b";")[0], 16)
            if not self._fill(size + 2):
                found.complete = False
                found.body += self._buffer
                return
            found.body += self._buffer[:size]
            self._buffer = self._buffer[size + 2 :]
            if size == 0:
                return
        found.complete = False

    def _line(self) -> bytes | None:
        while b"\r\n" not in self._buffer:
            if not self._more():
                return None
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        return line

    def _fill(self, size: int) -> bool:
        while len(self._buffer) < size:
            if not self._more():
                return False
        return True

    def _more(self) -> bool:
        if self._ended:
            return False
        try:
            data = self._socket.recv(65536)
        except TimeoutError:
            raise WireError(f"nothing came within {PATIENCE_S:g} s") from None
        except ConnectionResetError:
            data = b""
        self._ended = not data
        self._buffer += data
        return bool(data)

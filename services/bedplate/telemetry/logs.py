"""JSON lines, one an event, written in batches.

A formatted line costs 2 microseconds of CPU here; through the usual logging
libraries it costs 15 to 25, which is more than the rest of the pipeline.
"""

import atexit
import contextlib
import json
import logging
import os
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import orjson

from bedplate.contract.redact import scrub
from bedplate.contract.scope import CURRENT

# Lines wait at most this long, seconds.
FLUSH_S = 0.25
# Records are turned into lines this many at a time: code that runs 64 times in a
# row runs from warm caches and costs a third of what it costs between two calls,
# and 64 lines hold the event loop for a fifth of a millisecond.
BATCH = 64
# Lines that may wait for a slow disk, bytes; what comes on top is dropped.
WAITING_MAX = 16 * 1024 * 1024

# What grpcio calls an error when a caller goes away in the moment in which it is
# answered: nothing that anybody could mend, and the call has its own line.
_CALLER_LEFT = "ExecuteBatchError"

# Makes a whole line, with `time`, `level` and `event`, from when and what was recorded.
Make = Callable[[float, tuple[Any, ...]], dict[str, Any]]


class LogWriter:
    """Writes events as JSON lines to a stream, in batches, from any thread.

    Only its own thread touches the stream, so a slow disk stops no call. What
    cannot be written (a full disk, a closed pipe, too much waiting) is dropped
    and counted.

    Attributes:
        dropped: Lines that were lost.
    """

    def __init__(self, stream: IO[bytes], *, owned: bool = False) -> None:
        # A buffer of Python's keeps what a full disk did not take, or half of it, and
        # nobody could tell what was lost.
        self._given = stream  # which closes the other when nobody holds it
        self._stream: IO[bytes] = getattr(stream, "raw", stream)
        self._torn = False  # the last line has no end
        self._owned = owned
        # A deque's ends are safe from any thread without a lock.
        self._records: deque[tuple[float, Make, tuple[Any, ...]]] = deque()
        self._pieces: list[bytes] = []  # whole lines, some in each
        self._waiting = 0
        self._lock = threading.Lock()  # of what waits, and of what was lost
        self._making = threading.Lock()  # of lines from records
        self._output = threading.Lock()  # of the stream
        self._wake = threading.Event()
        self._urgent = threading.Event()
        self._closed = False
        self.dropped = 0
        self._thread = threading.Thread(target=self._run, name="bedplate-log", daemon=True)
        self._thread.start()
        atexit.register(self.flush)

    @classmethod
    def open(cls, target: str) -> "LogWriter":
        """A writer to standard error (`-`) or to the end of a file."""
        if target == "-":
            return cls(sys.stderr.buffer)
        path = Path(target)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # It names principals and peers, so it is its owner's to read.
        opened = os.open(path, os.O_APPEND | os.O_CREAT | os.O_WRONLY, 0o600)
        return cls(os.fdopen(opened, "ab", buffering=0), owned=True)

    def write(self, level: str, event: str, fields: dict[str, Any]) -> None:
        """Write one event; the fields' values are JSON values or are written as text.

        At level `error` it is on its way at once.
        """
        self.settle()
        line = {"time": time.time(), "level": level, "event": event, **fields}
        self._add([_encoded(line)])
        if level == "error":
            self.hurry()

    def record(self, make: Make, values: tuple[Any, ...]) -> None:
        """Write an event whose line is made later, with others, by `make(time, values)`.

        `make` runs once, on any thread, and never two at a time.
        """
        records = self._records
        records.append((time.time(), make, values))
        waiting = len(records)
        if waiting >= BATCH:
            self.settle()
        elif waiting == 1:
            self._wake.set()

    def hurry(self) -> None:
        """Have what waits written now, by the log's own thread."""
        self._wake.set()
        self._urgent.set()

    def flush(self) -> None:
        """Write what waits, now."""
        self.settle()
        with self._output:
            with self._lock:
                pieces, self._pieces, self._waiting = self._pieces, [], 0
            # Not joined: that would be as much memory again, which the kernel gives page by page.
            if lost := sum(map(self._put, pieces)):
                with self._lock:
                    self.dropped += lost

    def close(self) -> None:
        """Write what waits and end the thread."""
        self._closed = True
        self._wake.set()
        self._urgent.set()
        self._thread.join(timeout=2)
        self.flush()
        atexit.unregister(self.flush)
        if self._owned:
            self._stream.close()

    def _put(self, piece: bytes) -> int:
        """Write whole lines, and tell how many of them were lost."""
        # Half a line that a full disk took stays alone on its line.
        end = b"\n" if self._torn else b""
        text = memoryview(end + piece)
        begun = 0
        with contextlib.suppress(OSError, ValueError):
            while begun < len(text):
                taken = self._stream.write(text[begun:])
                if not taken:  # a full pipe that does not wait
                    break
                begun += taken
        if begun:
            self._torn = text[begun - 1] != ord("\n")
        return piece.count(b"\n", max(0, begun - len(end)))

    def settle(self) -> None:
        """Turn the records that wait into lines."""
        records = self._records
        lines = []
        with self._making:
            while records:
                at, make, values = records.popleft()
                try:
                    lines.append(_encoded(make(at, values)))
                except Exception:  # a record that cannot be written costs itself, not the log
                    with self._lock:
                        self.dropped += 1
            if lines:
                self._add(lines)

    def _add(self, lines: list[bytes]) -> None:
        # In one piece: each line alone lies in a kilobyte, which is what orjson begins with, and
        # protobuf has malloc give memory back (malloc_trim) so often that each was a new page.
        piece = b"\n".join([*lines, b""])
        with self._lock:
            if self._waiting + len(piece) > WAITING_MAX:
                self.dropped += len(lines)
                return
            first = not self._pieces
            self._pieces.append(piece)
            self._waiting += len(piece)
        if first:
            self._wake.set()

    def _run(self) -> None:
        """Write a batch a moment after its first line came; sleep while there is none."""
        while not self._closed:
            self._wake.wait()
            self._urgent.wait(FLUSH_S)
            self._wake.clear()
            self._urgent.clear()
            self.flush()


def _encoded(line: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(line, default=str)
    except TypeError:  # half of a surrogate pair, or a whole number above 64 bits
        return json.dumps(line, default=str).encode()


class BridgeHandler(logging.Handler):
    """Sends what libraries log through the standard library to a `LogWriter`."""

    def __init__(self, writer: LogWriter) -> None:
        super().__init__()
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        # grpcio fills its messages with what callers sent, such as a key that it could not read.
        message = str(record.msg) if record.name.startswith("grpc") else record.getMessage()
        # A handler may have put its request, or a part of it, into the message.
        request = getattr(CURRENT.get(), "request", None)
        fields: dict[str, Any] = {"logger": record.name, "message": scrub(message, request)}
        level = record.levelname.lower()
        if record.exc_info and record.exc_info[0] is not None:
            fields["error"] = record.exc_info[0].__name__
            if fields["error"] == _CALLER_LEFT:
                level = "info"
        self._writer.write(level, "library", fields)

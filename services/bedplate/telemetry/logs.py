"""JSON lines, one an event, written in batches.

A formatted line costs 2 microseconds of CPU here; through the usual logging
libraries it costs 15 to 25, which is more than the rest of the pipeline.
"""

import atexit
import logging
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any

import orjson

# Lines wait at most this long, seconds, and at most this many bytes.
FLUSH_S = 0.25
FLUSH_BYTES = 64 * 1024


class LogWriter:
    """Writes events as JSON lines to a stream, in batches, from any thread.

    Events at level `error` are written at once. What cannot be written (a full
    disk, a closed pipe) is dropped and counted: a log must not stop a call.
    """

    def __init__(self, stream: IO[bytes], *, owned: bool = False) -> None:
        self._stream = stream
        self._owned = owned
        self._lines: list[bytes] = []
        self._size = 0
        self._lock = threading.Lock()
        self._wake = threading.Event()
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
        path.parent.mkdir(parents=True, exist_ok=True)
        return cls(path.open("ab"), owned=True)

    def write(self, level: str, event: str, fields: dict[str, Any]) -> None:
        """Write one event; the fields' values are JSON values or are written as text."""
        line = orjson.dumps({"time": time.time(), "level": level, "event": event, **fields}, default=str)
        with self._lock:
            self._lines.append(line)
            self._size += len(line)
            urgent = level == "error" or self._size > FLUSH_BYTES
            first = len(self._lines) == 1
        if urgent:
            self.flush()
        elif first:
            self._wake.set()

    def flush(self) -> None:
        """Write what waits."""
        with self._lock:
            lines, self._lines, self._size = self._lines, [], 0
            if not lines:
                return
            try:
                self._stream.write(b"\n".join(lines) + b"\n")
                self._stream.flush()
            except (OSError, ValueError):
                self.dropped += len(lines)

    def close(self) -> None:
        """Write what waits and end the thread."""
        self._closed = True
        self._wake.set()
        self._thread.join(timeout=2)
        self.flush()
        atexit.unregister(self.flush)
        if self._owned:
            self._stream.close()

    def _run(self) -> None:
        """Write a batch a moment after its first line came; sleep while there is none."""
        while not self._closed:
            self._wake.wait()
            self._wake.clear()
            if not self._closed:
                time.sleep(FLUSH_S)
            self.flush()


class BridgeHandler(logging.Handler):
    """Sends what libraries log through the standard library to a `LogWriter`."""

    def __init__(self, writer: LogWriter) -> None:
        super().__init__()
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        fields: dict[str, Any] = {"logger": record.name, "message": record.getMessage()}
        if record.exc_info and record.exc_info[0] is not None:
            fields["error"] = record.exc_info[0].__name__
        self._writer.write(record.levelname.lower(), "library", fields)

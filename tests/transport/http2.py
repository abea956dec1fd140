"""A raw HTTP/2 client, for what no gRPC client would send."""

import asyncio
import base64
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.events
import h2.settings
from google.rpc import status_pb2

METHOD = "/tests.echo.v1.EchoService/Echo"
WAIT_S = 20.0


@dataclass
class Stream:
    """What came back on one stream."""

    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    error_code: int | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def code(self) -> int:
        """The gRPC code."""
        return int(self.headers["grpc-status"])

    @property
    def status(self) -> status_pb2.Status:
        """The status with its details."""
        text = self.headers["grpc-status-details-bin"]
        return status_pb2.Status.FromString(base64.b64decode(text + "=" * (-len(text) % 4)))


class Http2:
    """One connection."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, window: int | None
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._connection = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.streams: dict[int, Stream] = {}
        self.closed = asyncio.Event()
        self.settings: dict[int, int] = {}
        if window is not None:
            initial = h2.settings.SettingCodes.INITIAL_WINDOW_SIZE
            self._connection.local_settings = h2.settings.Settings(
                client=True, initial_values={initial: window}
            )
        self._connection.initiate_connection()
        self._flush()
        self._task = asyncio.create_task(self._receive())

    def call(
        self,
        path: str = METHOD,
        *,
        message: bytes | None = None,
        end: bool = True,
        extra: tuple[tuple[str, str], ...] = (),
    ) -> Stream:
        """Begin a call, with its message or without one."""
        number = self._connection.get_next_available_stream_id()
        stream = self.streams[number] = Stream()
        headers = (
            (":method", "POST"),
            (":scheme", "http"),
            (":path", path),
            (":authority", "test"),
            ("te", "trailers"),
            ("content-type", "application/grpc"),
            *extra,
        )
        self._connection.send_headers(number, headers, end_stream=message is None and end)
        if message is not None:
            self._connection.send_data(number, struct.pack(">BI", 0, len(message)) + message, end_stream=end)
        self._flush()
        return stream

    async def result(self, stream: Stream) -> Stream:
        """The stream once it ended."""
        await asyncio.wait_for(stream.ended.wait(), WAIT_S)
        return stream

    def send(self, stream: Stream, data: bytes) -> None:
        """Send raw bytes on a call."""
        self._connection.send_data(self._number(stream), data)
        self._flush()

    def reset(self, stream: Stream) -> None:
        """Cancel a call."""
        self._connection.reset_stream(self._number(stream), error_code=8)
        self._flush()

    def _number(self, stream: Stream) -> int:
        return next(number for number, known in self.streams.items() if known is stream)

    def _flush(self) -> None:
        self._writer.write(self._connection.data_to_send())

    async def _receive(self) -> None:
        while data := await self._reader.read(65536):
            for event in self._connection.receive_data(data):
                self._handle(event)
            self._flush()
        self.closed.set()
        for stream in self.streams.values():
            stream.ended.set()

    def _handle(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.RemoteSettingsChanged):
            self.settings |= {int(key): change.new_value for key, change in event.changed_settings.items()}
        stream = self.streams.get(getattr(event, "stream_id", None) or 0)
        if stream is None:
            return
        if isinstance(event, h2.events.ResponseReceived | h2.events.TrailersReceived):
            stream.headers |= {str(name): str(value) for name, value in event.headers}
        elif isinstance(event, h2.events.DataReceived):
            stream.body += event.data
            self._connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.StreamReset):
            stream.error_code = int(event.error_code)
            stream.ended.set()
        elif isinstance(event, h2.events.StreamEnded):
            stream.ended.set()

    async def close(self) -> None:
        """Close the connection."""
        self._writer.close()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


@asynccontextmanager
async def connect(address: str, *, window: int | None = None) -> AsyncIterator[Http2]:
    """A connection to `host:port`; `window` is how many bytes of an answer it takes."""
    host, _, port = address.rpartition(":")
    connection = Http2(*await asyncio.open_connection(host, int(port)), window)
    try:
        yield connection
    finally:
        await connection.close()

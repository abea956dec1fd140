"""A caller that sends bytes of its choice and reads whole HTTP/1.1 responses."""

import asyncio
import contextlib
import json
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from tests.gateway.shop import KEY

# No answer within this means that there is none. Seconds.
PATIENCE_S = 20.0


@dataclass(frozen=True, slots=True)
class Reply:
    """A response."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def __getitem__(self, name: str) -> str:
        (value,) = (value for key, value in self.headers if key == name)
        return value

    def has(self, name: str) -> bool:
        return any(key == name for key, _ in self.headers)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Wire:
    """One connection."""

    def __init__(self, address: str, *, tls: Any = None) -> None:
        self._address = address
        self._tls = tls
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    async def __aenter__(self) -> "Wire":
        host, _, port = self._address.rpartition(":")
        self._reader, self._writer = await asyncio.open_connection(host, int(port), ssl=self._tls)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def transport(self) -> asyncio.Transport:
        return self._writer.transport

    async def close(self) -> None:
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    def cut(self) -> None:
        """Reset the connection."""
        self._writer.transport.abort()

    async def send(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    async def reply(self, *, head_only: bool = False) -> Reply:
        async with asyncio.timeout(PATIENCE_S):
            head = await self._reader.readuntil(b"\r\n\r\n")
            lines = head.decode("latin-1").split("\r\n")
            headers = [
                (name.lower(), value)
                for name, _, value in (line.partition(": ") for line in lines[1:] if line)
            ]
            length = next((int(value) for name, value in headers if name == "content-length"), 0)
            body = b"" if head_only else await self._reader.readexactly(length)
        return Reply(int(lines[0].split(" ")[1]), headers, body)

    async def rest(self) -> bytes:
        """What comes until the server closes."""
        async with asyncio.timeout(PATIENCE_S):
            try:
                return await self._reader.read()
            except ConnectionResetError:
                return b""

    async def call(
        self,
        http_method: str,
        target: str,
        body: bytes | None = None,
        /,
        *,
        key: str | None = KEY,
        **headers: str,
    ) -> Reply:
        await self.send(request(http_method, target, body, key=key, **headers))
        return await self.reply(head_only=http_method == "HEAD")


def request(
    http_method: str, target: str, body: bytes | None = None, /, *, key: str | None = KEY, **headers: str
) -> bytes:
    """A request; header names are written with underscores."""
    lines = [f"{http_method} {target} HTTP/1.1", "host: test"]
    if key is not None:
        lines.append(f"authorization: Bearer {key}")
    if body is not None:
        lines.append(f"content-length: {len(body)}")
        headers.setdefault("content_type", "application/json")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items() if value != "-"]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")


async def call(address: str, http_method: str, target: str, *args: Any, **headers: Any) -> Reply:
    """Send one request on a connection of its own."""
    async with Wire(address) as wire:
        return await wire.call(http_method, target, *args, **headers)

"""Requests that are nearly right, by the thousand, at a server of its own process."""

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

# No answer within this is a hang. Seconds.
PATIENCE_S = 30.0

# A server that has answered and says nothing for so long has nothing more to say. Seconds.
SILENCE_S = 0.5

# What the server answers as its own fault because it is asked to.
MEANT = (b"fail", b"render", b"break")

# The one request of each connection that must be answered well, whatever came before.
PLAIN = b"GET /healthz HTTP/1.1\r\nhost: fuzz\r\n\r\n"

_PIECES = (
    *(
        b"\r\n",
        b"\n",
        b"\r",
        b"\0",
        b" ",
        b"\t",
        b":",
        b"%",
        b"%2F",
        b"%00",
        b"%zz",
        b"%FF",
        b"/",
        b"//",
        b"..",
    ),
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b'"',
        b"\\",
        b"\\u0000",
        b"\\ud800",
        b"null",
        b"-0",
        b"1e999",
        b"NaN",
        b"*",
        b"**",
    ),
    *(
        b"?",
        b"&",
        b"=",
        b"&&",
        b";",
        b"#",
        b"\x80",
        b"\xff\xfe",
        "é".encode(),
        b"0" * 40,
        b"9" * 40,
        b"[" * 90,
    ),
    *(b"content-length: 5\r\n", b"transfer-encoding: chunked\r\n", b"content-encoding: gzip\r\n"),
    *(b"accept: image/png\r\n", b"if-match: W/\r\n", b'idempotency-key: "\r\n', b"expect: 100-continue\r\n"),
    *(b"accept-encoding: br;q=x\r\n", b"grpc-timeout: 1n\r\n", b"x-forwarded-for: ,,\r\n", b"prefer: ;\r\n"),
)


@dataclass(slots=True)
class Result:
    """What came of it.

    Attributes:
        sent: Requests.
        statuses: How often each status was answered.
        closed: How often the server closed instead.
        wrong: Requests that were answered as if the server were at fault, with what came back.
        hung: Requests that were not answered.
        slowest_s: The longest wait for an answer, seconds.
    """

    sent: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    closed: int = 0
    wrong: list[tuple[bytes, bytes]] = field(default_factory=list)
    hung: list[bytes] = field(default_factory=list)
    slowest_s: float = 0.0


def mutate(data: bytes, others: list[bytes], rng: random.Random) -> bytes:
    """The request with one to four things changed."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 2, 3, 4))):
        at = rng.randrange(len(out) + 1)
        match rng.randrange(7):
            case 0 if out:
                out[at % len(out)] = rng.randrange(256)
            case 1:
                out[at:at] = rng.choice(_PIECES)
            case 2:
                del out[at : at + rng.randint(1, 8)]
            case 3:
                out[at:at] = out[at : at + rng.randint(1, 60)]
            case 4:
                other = rng.choice(others)
                begin = rng.randrange(len(other) + 1)
                out[at : at + rng.randint(0, 30)] = other[begin : begin + rng.randint(1, 60)]
            case 5:
                lines = bytes(out).split(b"\r\n")
                place = rng.randrange(len(lines))
                lines.insert(place, rng.choice(lines))
                out = bytearray(b"\r\n".join(lines))
            case _:
                out[at:at] = bytes(str(rng.choice((-1, 0, 1, 2**31, 2**63, 2**64, 10**30))), "ascii")
    return bytes(out)


async def hammer(address: str, seeds: list[bytes], *, count: int, connections: int, seed: int) -> Result:
    """Send so many requests over so many connections at a time; the same ones for the same seed."""
    result = Result()

    async def work(number: int) -> None:
        rng = random.Random(seed * 1000 + number)
        wire = _Wire(address)
        try:
            for _ in range(count // connections):
                data = rng.choice(seeds)
                if rng.random() < 0.9:
                    data = mutate(data, seeds, rng)
                await _one(wire, data, result)
        finally:
            wire.close()

    await asyncio.gather(*(work(number) for number in range(connections)))
    return result


async def _one(wire: "_Wire", data: bytes, result: Result) -> None:
    """Send a request with a plain one behind it: both are answered, or the connection ends."""
    result.sent += 1
    began = time.monotonic()
    answers = 0
    try:
        async with asyncio.timeout(PATIENCE_S):
            await wire.send(data + PLAIN)
            while True:
                if answers:
                    # The request may have taken the plain one for a part of it: then it is sent again.
                    await wire.ready_or(PLAIN)
                answer = await wire.answer()
                answers += 1
                result.statuses[answer.status] += 1
                if answer.status in (500, 502) and not any(meant in data for meant in MEANT):
                    result.wrong.append((data, answer.head + answer.body[:500]))
                if answer.plain:
                    break
    except (ConnectionError, asyncio.IncompleteReadError):
        result.closed += 1
        wire.close()
    except TimeoutError:
        result.hung.append(data)
        wire.close()
    result.slowest_s = max(result.slowest_s, time.monotonic() - began)


@dataclass(slots=True)
class _Answer:
    status: int
    head: bytes
    body: bytes

    @property
    def plain(self) -> bool:
        return self.body == b'{"status":"live"}'


class _Wire:
    """A connection that is made anew when it is gone."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._host, self._port = host, int(port)
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter | None = None
        self._begin = b""

    async def send(self, data: bytes) -> None:
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
        self._writer.write(data)
        await self._writer.drain()

    async def ready_or(self, data: bytes) -> None:
        """Wait for a byte of an answer; where none comes, send this."""
        try:
            async with asyncio.timeout(SILENCE_S):
                await self._fill()
        except TimeoutError:
            await self.send(data)

    async def _fill(self) -> None:
        self._begin += await self._reader.readexactly(1) if not self._begin else b""

    async def answer(self) -> _Answer:
        head = self._begin + await self._reader.readuntil(b"\r\n\r\n")
        self._begin = b""
        status = int(head.split(b" ", 2)[1])
        if status == 100:
            return await self.answer()
        fields = head.lower()
        if b"transfer-encoding: chunked" in fields:
            pieces = []
            while size := int(await self._reader.readuntil(b"\r\n"), 16):
                pieces.append((await self._reader.readexactly(size + 2))[:-2])
            await self._reader.readexactly(2)
            return _Answer(status, head, b"".join(pieces))
        length = 0
        for line in fields.split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        # The answer to HEAD has a length and no body: nothing can tell here, so HEAD is not sent.
        return _Answer(status, head, await self._reader.readexactly(length))

    def close(self) -> None:
        if self._writer is not None:
            self._writer.transport.abort()
            self._writer = None
            self._begin = b""


def rss_bytes(pid: int) -> int:
    """Memory that a process has in use."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * 4096


class _Whatever(dict[str, str]):
    """Stands for what a case would have kept of an answer before."""

    def __contains__(self, key: object) -> bool:
        return True

    def __missing__(self, key: str) -> str:
        return key


def seeds_of_cases() -> list[bytes]:
    """The requests of the conformance cases, small ones."""
    from tests.gateway.conformance import cases, server
    from tests.gateway.conformance.run import request_bytes

    saved = _Whatever()
    made = [
        request_bytes(exchange.asks, server.KEY, saved)
        for case in cases.read()
        for exchange in case.exchanges
    ]
    return [data for data in made if len(data) < 4096 and not data.startswith(b"HEAD")]

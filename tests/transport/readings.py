"""What a reader of HTTP/1 makes of pieces of bytes, so that two readings can be compared."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any
from unittest.mock import patch

from bedplate.gateway.app import Gateway
from bedplate.gateway.exchange import Response
from bedplate.settings import Settings
from bedplate.transport import http_plain, http_reader
from bedplate.transport.forwarded import Proxies
from bedplate.transport.http_arrival import Stop
from bedplate.transport.http_reader import Reader

_IDS = re.compile(rb"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Where a reader reads.

    Attributes:
        header_bytes: The bound of a head.
        room: How many bytes of bodies there is memory for.
        proxies: Those that are believed.
        answered: Whether each request is answered before the next piece comes.
    """

    header_bytes: int = 16_384
    room: int = 1 << 30
    proxies: Proxies | None = None
    answered: bool = True


USUAL = Circumstances()


class _Clock:
    """Stands still while a piece is read."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


def readings(
    gateway: Gateway, pieces: Iterable[bytes], *, plain: bool, where: Circumstances = USUAL
) -> list[Any]:
    """What came of each piece: the requests that are in, the refusal, and how the reader stands.

    Args:
        gateway: Finds the routes.
        pieces: What comes, each a second after the one before.
        plain: Whether plain requests are read without the parser.
        where: Limits and the like.
    """
    clock = _Clock()
    reserved = [0]

    def reserve(size: int) -> bool:
        if reserved[0] + size > where.room:
            return False
        reserved[0] += size
        return True

    read = http_plain.read if plain else _never_plain
    found: list[Any] = []
    with patch.object(http_reader, "time", clock), patch.object(http_reader, "read_plain", read):
        reader = Reader(
            gateway,
            _settings(where.header_bytes),
            peer="ipv4:192.0.2.1:1",
            accepted=clock.now - 1,
            proxies=where.proxies,
            reserve=reserve,
            proceed=lambda: found.append("continue"),
        )
        for piece in pieces:
            clock.now += 1
            try:
                reader.feed(piece)
            except Stop as stop:
                return [*found, _arrivals(reader), (reserved[0], reader.held), _answer(stop.response)]
            found.append((_arrivals(reader), reader.state, reader.due, reader.closed, reader.unread))
            found.append((reserved[0], reader.held))
            if where.answered:
                reader.arrivals.clear()
            if not (reader.due or reader.arrivals):
                reader.wait(clock.now)
    return found


_settings = cache(lambda header_bytes: Settings(http_header_bytes=header_bytes))


def _never_plain(data: bytes, forwarded_read: bool) -> None:
    """The parser is to read everything."""


def _arrivals(reader: Reader) -> list[Any]:
    return [
        (
            *(r.method, r.path, r.query, r.headers, r.peer, r.names, r.body, r.started, r.values),
            *(arrival.keep, arrival.chunked, arrival.response and _answer(arrival.response)),
        )
        for arrival in reader.arrivals
        if (r := arrival.request) is not None
    ]


def _answer(response: Response) -> Any:
    return response.status, _IDS.sub(b"", response.fields), _IDS.sub(b"", response.body)

"""The first request has its time from when its connection was accepted, handshake and silence included."""

import asyncio
import time
from pathlib import Path

import pytest

from bedplate.transport import http, http_connection, http_reader, http_tls
from tests.gateway.http_door import open_door
from tests.gateway.wire import Wire, request
from tests.transport.certificates import Authority

# Every caller who dawdles is gone within this. Seconds.
CLOSED_WITHIN_S = 30.0
# The limits are those of every server; only how often they are looked at is shorter, and that is by this.
LOOKED_AT_S = 0.01

BODY = b"{        }"


class Clock:
    """Stands for the `time` of the modules that count: it moves when it is told to."""

    def __init__(self) -> None:
        self.began_s = self.now_s = time.monotonic()

    def monotonic(self) -> float:
        return self.now_s

    def at(self, passed_s: float) -> None:
        """It is so long after the beginning."""
        self.now_s = self.began_s + passed_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    for module in (http, http_connection, http_reader, http_tls):
        monkeypatch.setattr(module, "time", made)
    monkeypatch.setattr(http, "SWEEP_MAX_S", LOOKED_AT_S)
    return made


@pytest.fixture(params=["plain", "tls"])
def authority(request: pytest.FixtureRequest, tmp_path: Path) -> Authority | None:
    return Authority(tmp_path) if request.param == "tls" else None


def settings_of(authority: Authority | None) -> dict[str, Path]:
    """What the door needs to speak TLS, where it shall."""
    if authority is None:
        return {}
    certificate, key = authority.issue("server")
    return {"tls_certificate": certificate, "tls_key": key}


async def secure(wire: Wire, authority: Authority) -> None:
    """Do the handshake on a connection that is there."""
    await wire._writer.start_tls(authority.trusted(), server_hostname="127.0.0.1")


def head() -> bytes:
    """A head whose arrival is told by 100 Continue."""
    whole = request("POST", "/v1/things", BODY, expect="100-continue")
    return whole.removesuffix(BODY)


async def test_who_dawdles_with_everything_is_gone_in_the_time_of_one(
    clock: Clock, authority: Authority | None
) -> None:
    async with open_door(**settings_of(authority)) as served, asyncio.timeout(20):
        async with Wire(served.address) as wire:
            while not served.door.connections:
                await asyncio.sleep(0)
            if authority is not None:
                clock.at(9.5)
                await secure(wire, authority)
            clock.at(9.8)
            await wire.send(head()[:10])
            clock.at(9.9)
            await wire.send(head()[10:])
            proceed = await wire.reply()
            clock.at(24.0)
            await wire.send(BODY[:5])
            clock.at(25.1)
            refused = await wire.reply()
            clock.at(CLOSED_WITHIN_S - 3.0)
            assert await wire.rest() == b""
        while served.door.connections:
            await asyncio.sleep(0)

    assert proceed.status == 100
    assert (refused.status, refused.json["reason"]) == (408, "HTTP_TOO_SLOW")


async def test_who_is_in_time_is_answered_though_nothing_was_quick(
    clock: Clock, authority: Authority | None
) -> None:
    settings = settings_of(authority)
    async with open_door(**settings) as served, Wire(served.address) as wire, asyncio.timeout(20):
        while not served.door.connections:
            await asyncio.sleep(0)
        if authority is not None:
            clock.at(9.5)
            await secure(wire, authority)
        clock.at(9.9)
        await wire.send(head())
        await wire.reply()
        clock.at(24.9)
        await wire.send(BODY)
        first = await wire.reply()
        # The next request has all of its time again.
        clock.at(40.0)
        await wire.send(head())
        await wire.reply()
        clock.at(64.0)
        await wire.send(BODY)
        second = await wire.reply()

    assert (first.status, second.status) == (200, 200)

"""Peers that keep no rules: nothing that they send ends the server, or puts their words into its log."""

import asyncio
import gzip
import struct

import h2.config
import h2.connection
import pytest

from bedplate.testing.serve import Served
from bedplate.transport.grpc_server import is_guarded
from tests.doors.asking import said
from tests.doors.bad import GET_LEDGER
from tests.doors.books import WRITER
from tests.doors.doors import DOORS, Doors
from tests.gateway.wire import Wire

pytestmark = pytest.mark.asyncio(loop_scope="module")

LIST = b"/bedplate.ledger.v1.LedgerService/ListLedgers"
PATIENCE_S = 20.0
FRAME = struct.pack(">BI", 0, 0)


async def exchange(address: str, headers: list[tuple[bytes, bytes]], data: bytes = FRAME) -> dict[str, str]:
    """One call with headers as they are given, none of them checked; what came back."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    peer = h2.connection.H2Connection(
        h2.config.H2Configuration(validate_outbound_headers=False, normalize_outbound_headers=False)
    )
    peer.initiate_connection()
    peer.send_headers(1, headers)
    for begin in range(0, len(data), peer.max_outbound_frame_size):
        piece = data[begin : begin + peer.max_outbound_frame_size]
        peer.send_data(1, piece, end_stream=begin + len(piece) == len(data))
    writer.write(peer.data_to_send())
    got: dict[str, str] = {}
    async with asyncio.timeout(PATIENCE_S):
        while "grpc-status" not in got and (received := await reader.read(65536)):
            for event in peer.receive_data(received):
                for name, value in getattr(event, "headers", None) or ():
                    got[bytes(name).decode()] = bytes(value).decode()
                if getattr(event, "error_code", None) is not None:
                    got["grpc-status"] = "reset"
            writer.write(peer.data_to_send())
    writer.close()
    return got


def head(path: bytes = LIST, *more: tuple[bytes, bytes]) -> list[tuple[bytes, bytes]]:
    """The headers of a call."""
    return [
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", path),
        (b":authority", b"t"),
        (b"te", b"trailers"),
        (b"content-type", b"application/grpc"),
        *more,
    ]


async def check_good(doors: Doors) -> None:
    """The server answers, at each door."""
    assert [(await ask(doors, said(GET_LEDGER, WRITER))).code for ask in DOORS.values()] == ["OK"] * len(
        DOORS
    )


@pytest.mark.parametrize(
    "path", [b"/a\xff/b", b"/\xc3", b"\xed\xa0\x80", b"/bedplate.ledger.v1.LedgerService/\xff", b"", b"a\0\n"]
)
async def test_a_path_that_names_nothing_ends_its_own_call_only(
    served: Served, doors: Doors, path: bytes
) -> None:
    got = await exchange(served.grpc_address, head(path))

    assert got["grpc-status"] == "12"
    assert got["grpc-message"] == "There is no such method here; check its name against the contract."
    await check_good(doors)


async def test_the_installed_grpcio_has_what_guards_against_such_paths() -> None:
    assert is_guarded()


async def test_a_header_that_cannot_be_read_is_not_in_the_log(served: Served, doors: Doors) -> None:
    secret = WRITER.encode() + b"\xff"

    got = await exchange(served.grpc_address, head(LIST, (b"authorization", b"Bearer " + secret)))

    assert got["grpc-status"] == "16"
    await check_good(doors)
    served.app.telemetry.log.flush()
    log = served.log.read_text()
    assert WRITER not in log
    assert "Bearer" not in log


COMPRESSED = struct.pack(">BI", 1, 7) + b"garbage"
BOMB = gzip.compress(bytes(40_000_000))
ODD = {
    "garbage for gzip": ([(b"grpc-encoding", b"gzip")], COMPRESSED),
    "compressed without an encoding": ([], COMPRESSED),
    "a small message that grows to 40 MB": (
        [(b"grpc-encoding", b"gzip")],
        struct.pack(">BI", 1, len(BOMB)) + BOMB,
    ),
    "a message of 4 GiB": ([], struct.pack(">BI", 0, 2**32 - 1) + b"abc"),
    "half a frame": ([], b"\0\0\0"),
    "a hundred messages": ([], FRAME * 100),
    "no base64": ([(b"x-bin", b"!!!!")], FRAME),
    "two timeouts": ([(b"grpc-timeout", b"1S"), (b"grpc-timeout", b"-1S")], FRAME),
    "a thousand headers": ([(b"x-%d" % number, b"v") for number in range(1_000)], FRAME),
    "a header of zeros": ([(b"x-zero", b"\0\0")], FRAME),
}


@pytest.mark.parametrize("what", ODD)
async def test_an_odd_call_is_ended_and_the_server_goes_on(served: Served, doors: Doors, what: str) -> None:
    headers, data = ODD[what]
    key = (b"authorization", b"Bearer " + WRITER.encode())

    got = await exchange(served.grpc_address, head(LIST, key, *headers), data)

    assert "grpc-status" in got
    await check_good(doors)


TARGETS = {
    b"http://elsewhere/v1/ledgers": 200,
    b"https://elsewhere:99999/v1/ledgers?page_size=1": 200,
    b"http://": 400,
    b"//v1/ledgers": 404,
    b"/v1//ledgers": 404,
    b"/v1/ledgers/": 404,
    b"/v1/../v1/ledgers": 404,
    b"/v1/%2e%2e/healthz": 404,
    b"/reference/../../../../etc/passwd": 404,
    b"/reference/%2e%2e%2f%2e%2e%2fetc%2fpasswd": 404,
    b"/v1/ledgers/a%00b": 400,
    b"/v1/ledgers/a%2fb": 400,
    b"/v1/ledgers?page_token=%ED%A0%80": 400,
    b"/v1/ledgers?" + b"a." * 1_000 + b"a=1": 400,
    b"/v1/ledgers?" + b"&".join(b"x%d=1" % number for number in range(1_500)): 400,
    b"/v1/ledgers?page_size=" + b"9" * 5_000: 400,
    b"/v1/rates/EUR/USD:convert?amount=1e999999": 400,
    b"/v1/rates/EUR/USD?date=0000-00-00": 400,
}


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target[:40].decode())
async def test_an_odd_target_is_found_or_refused_and_leads_nowhere_else(
    served: Served, doors: Doors, target: bytes
) -> None:
    async with Wire(served.http_address) as wire:
        lines = [b"GET " + target + b" HTTP/1.1", b"host: x", b"authorization: Bearer " + WRITER.encode()]
        await wire.send(b"\r\n".join([*lines, b"", b""]))
        reply = await wire.reply()

    assert reply.status == TARGETS[target]
    await check_good(doors)

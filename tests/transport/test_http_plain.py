"""A plain request is read without the parser, and as the parser reads it."""

import itertools
import random
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bedplate.gateway.app import Gateway
from bedplate.gateway.exchange import HEADERS_LISTED, HEADERS_READ
from bedplate.settings import Settings
from bedplate.telemetry.logs import LogWriter
from bedplate.telemetry.recorder import Telemetry
from bedplate.transport import http_head, http_plain, http_reader
from bedplate.transport.forwarded import Proxies
from tests.gateway import shop
from tests.gateway.fuzz import hammer
from tests.gateway.http_door import Log
from tests.transport.readings import Circumstances, readings

POST = (
    b"POST /v1/things?name=a HTTP/1.1\r\nhost: a.example:80\r\nauthorization: Bearer shop-key\r\n"
    b"content-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
)
GET = b"GET /v1/things/a HTTP/1.1\r\nHost: x\r\nUser-Agent: a b\r\nAccept: */*\r\nX-Request-ID: 1\r\n\r\n"
BROWSER = (
    b"PUT /v1/things/a/part HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\nContent-Length: 5\r\n"
    b"User-Agent: Mozilla/5.0 (X11)\r\nContent-Type: application/json\r\nAccept: */*\r\n"
    b"Origin: https://a.example\r\nSec-Fetch-Mode: cors\r\nReferer: https://a.example/b\r\n"
    b"Accept-Encoding: gzip, br\r\nAccept-Language: de,en;q=0.9\r\nCookie: a=b; c=d\r\n\r\n{ }\r\n"
)
PROXY = (
    b"DELETE /v1/things/a HTTP/1.1\r\nhost: x\r\nX-Forwarded-For: 198.51.100.7, 192.0.2.9\r\n"
    b"X-Forwarded-Proto: https\r\nX-Real-IP: 198.51.100.7\r\ntraceparent: 00-a-b-01\r\n"
    b'Idempotency-Key: "a"\r\ncontent-length: 0\r\n\r\n'
)
SMALL = b"POST /v1/small HTTP/1.1\r\nhost: x\r\ncontent-length: 65\r\n\r\n" + b" " * 63 + b"{}"
NOWHERE = b"POST /nowhere HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc"
LARGE = b"POST /nowhere HTTP/1.1\r\nhost: x\r\ncontent-length: 70000\r\n\r\n" + b" " * 70_000
LONG = GET.replace(b"a b", b"a" * 900)
PLAIN = [POST, GET, BROWSER, PROXY, SMALL, NOWHERE, LONG]

ODD = [
    *(b"GET /v1/things/a HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",),
    *(b"GET /v1/things/a HTTP/1.0\r\nhost: x\r\n\r\n", b"GET /v1/things/a HTTP/1.1\r\n\r\n", b"\r\n", b"\r"),
    *(b"GET /v1/things/a HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", b"GET /v1/things/a", b"x", b"{}"),
]
BELIEVED = Proxies(["192.0.2.0/24"])
ELSEWHERE = Proxies(["192.0.2.0/24"], "forwarded")
USUAL = Circumstances()
CIRCUMSTANCES = [
    USUAL,
    Circumstances(answered=False),
    Circumstances(proxies=BELIEVED),
    Circumstances(proxies=ELSEWHERE),
    Circumstances(header_bytes=1024),
    Circumstances(room=4),
]
# What may stand for something in HTTP, and some that may not.
BYTES = b'\x00\t\n\x0b\r\x1f !"#%&(),-./0159:;<=>?@AKZ[\\]^_`akz{|}~\x7f\x80\xa0\xff'


@pytest.fixture(scope="module")
def gateway() -> Any:
    log = LogWriter(Log())
    # Its thread draws random ids when it likes, which hypothesis takes for a strategy's doing.
    log.close()
    telemetry = Telemetry(log=log)
    return Gateway(shop.methods(shop.Handlers(), telemetry, Settings()).values(), telemetry)


def same(gateway: Gateway, pieces: list[bytes], where: Circumstances = USUAL) -> list[Any]:
    found = readings(gateway, pieces, plain=True, where=where)
    assert found == readings(gateway, pieces, plain=False, where=where), pieces
    return found


def is_plain(data: bytes) -> bool:
    return http_plain.read(data, False) is not None


def cut(data: bytes) -> list[bytes]:
    """Head and body in a piece each."""
    end = data.find(b"\r\n\r\n") + 4
    return [data[:end], data[end:]]


@pytest.mark.parametrize("request_bytes", PLAIN)
def test_what_everybody_sends_is_plain(request_bytes):
    assert is_plain(request_bytes)


@pytest.mark.parametrize("where", CIRCUMSTANCES)
@pytest.mark.parametrize("request_bytes", [*PLAIN, LARGE])
def test_a_plain_request_becomes_what_the_parser_makes_of_it(gateway, request_bytes, where):
    for pieces in (
        [request_bytes],
        [request_bytes, request_bytes],
        cut(request_bytes),
        [*cut(request_bytes), *cut(request_bytes)],
        [b"\r\n", request_bytes],
        [b"\r", request_bytes],
        [request_bytes + request_bytes],
        [request_bytes[:-1], request_bytes[-1:] + request_bytes],
        [cut(request_bytes)[0], cut(request_bytes)[1] + request_bytes[:9], request_bytes[9:]],
        [request_bytes] * 20,
    ):
        same(gateway, pieces, where)


def test_a_plain_request_is_not_shown_to_the_parser(gateway):
    with patch.object(http_reader.httptools, "HttpRequestParser") as parser:
        found = readings(gateway, [POST, *cut(POST), GET], plain=True)

    assert parser.return_value.feed_data.call_count == 1  # with nothing, behind the body that came alone
    assert len([1 for arrivals, *_ in found[::2] if arrivals]) == 3


@pytest.mark.parametrize("request_bytes", [POST, GET, PROXY])
def test_one_byte_more_less_or_other_makes_no_difference(gateway, request_bytes):
    head_size = len(cut(request_bytes)[0])
    for at in range(head_size + 1):
        before, behind = request_bytes[:at], request_bytes[at:]
        same(gateway, [before + behind[1:]])
        for byte in BYTES:
            for changed in (before + bytes([byte]) + behind[1:], before + bytes([byte]) + behind):
                # What neither reads as plain, both show to the parser.
                if is_plain(changed):
                    same(gateway, [changed, request_bytes])


def test_each_byte_that_a_plain_request_may_have_anywhere_the_parser_takes(gateway):
    for byte in range(256):
        one = bytes([byte])
        for changed in (
            GET.replace(b"things/a", b"things/a" + one),
            GET.replace(b"things/a", b"things/a?b" + one),
            GET.replace(b"a b", b"a" + one + b"b"),
            GET.replace(b"a b", one),
            GET.replace(b"Host: x", b"Host: x" + one),
        ):
            same(gateway, [changed])


NAMES = sorted({*HEADERS_READ, *http_head.FRAMING, *http_plain.UNREAD, "proxy-connection"})


@pytest.mark.parametrize("name", NAMES)
def test_a_header_of_any_name_once_and_twice_is_as_the_parser_says(gateway, name):
    for spelled in (name, name.title(), name.upper(), name.replace("-", "_")):
        for value in (b"close", b"keep-alive", b"1", b"1.1.1.1", b"a, b", b"", b" a", b"a ", b"\ta"):
            line = spelled.encode() + b": " + value + b"\r\n"
            for lines in (line, line + line, line + line.lower()):
                head = b"GET /v1/things/a HTTP/1.1\r\nhost: x\r\n" + lines + b"\r\n"
                for where in (USUAL, Circumstances(proxies=BELIEVED)):
                    same(gateway, [head, GET], where)


@pytest.mark.parametrize(
    "line", ["BREW /", "get /", "CONNECT x:1", "TRACE /", "PRI *", "OPTIONS *", "HEAD /x?"]
)
def test_a_method_is_as_the_parser_says(gateway, line):
    same(gateway, [f"{line} HTTP/1.1\r\nhost: x\r\n\r\n".encode(), GET])


def test_a_request_without_a_host_is_as_the_parser_says(gateway):
    same(gateway, [GET.replace(b"Host: x\r\n", b"")])


@pytest.mark.parametrize(
    "length", ["0", "00", "02", "2", "+2", "2 ", "1", "3", "2, 2", "-0", "1_0", "9" * 25]
)
def test_a_length_is_as_the_parser_says(gateway, length):
    same(gateway, [POST.replace(b"length: 2", b"length: " + length.encode()), b"{}", GET])


def test_no_setting_bounds_a_head_to_less_than_a_plain_one():
    minimum = Settings.model_fields["http_header_bytes"].metadata[0].ge

    assert minimum >= http_plain.PLAIN_MAX


@pytest.mark.parametrize("size", [900, 980, 1_000, 1_010, 1_024, 1_040, 1_100])
def test_a_head_of_about_the_most_bytes_is_as_the_parser_says(gateway, size):
    same(gateway, [GET.replace(b"a b", b"a" * (size - len(GET))), GET], Circumstances(header_bytes=1_024))


def test_what_is_skipped_is_read_by_nobody():
    read = {*HEADERS_READ, *HEADERS_LISTED, *http_head.FRAMING, "forwarded", "x-forwarded-for"}

    assert read.isdisjoint(http_plain.UNREAD)
    assert {"upgrade", "proxy-connection", "keep-alive"}.isdisjoint(http_plain.UNREAD)


def test_the_cases_of_conformance_read_the_same(gateway):
    plain = 0
    for data in hammer.seeds_of_cases():
        plain += is_plain(data)
        for pieces in ([data], cut(data), [data, GET]):
            same(gateway, pieces)

    assert plain > 300


@settings(max_examples=500, deadline=None)
@given(
    st.lists(st.sampled_from([*PLAIN, *PLAIN, *ODD]), min_size=1, max_size=4),
    st.integers(0, 2**32),
    st.lists(st.integers(0, 1500), max_size=6),
    st.sampled_from(CIRCUMSTANCES),
)
def test_requests_with_anything_changed_and_cut_anywhere_read_the_same(gateway, parts, seed, cuts, where):
    rng = random.Random(seed)
    parts = [hammer.mutate(part, PLAIN, rng) if rng.random() < 0.4 else part for part in parts]

    same(gateway, parts, where)
    same(gateway, [piece for part in parts for piece in cut(part) if piece], where)

    whole = b"".join(parts)
    places = sorted({0, len(whole), *(at for at in cuts if at < len(whole))})
    same(gateway, [whole[a:b] for a, b in itertools.pairwise(places)], where)

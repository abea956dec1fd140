"""Any bytes, in any pieces, are requests or one refusal, and the pieces make no difference."""

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bedplate.gateway.app import Gateway
from bedplate.settings import Settings
from bedplate.telemetry.logs import LogWriter
from bedplate.telemetry.recorder import Telemetry
from bedplate.transport.http_arrival import Stop
from bedplate.transport.http_reader import Reader
from tests.gateway import shop
from tests.gateway.http_door import Log

FRAGMENTS = [
    *(
        b"GET ",
        b"POST ",
        b"HEAD ",
        b"OPTIONS ",
        b"BREW ",
        b"/v1/things/a",
        b"/v1/things",
        b"/nowhere",
        b"*",
        b"?",
    ),
    *(
        b" HTTP/1.1\r\n",
        b" HTTP/1.0\r\n",
        b" HTTP/2.0\r\n",
        b"host: x\r\n",
        b"\r\n",
        b"\n",
        b"\r",
        b" ",
        b":",
    ),
    *(
        b"content-length: 2\r\n",
        b"content-length: 0\r\n",
        b"Content-Length: 99999999999\r\n",
        b"{}",
        b"0\r\n",
    ),
    *(
        b"transfer-encoding: chunked\r\n",
        b"2\r\n{}\r\n",
        b"1;x\r\na\r\n",
        b"expect: 100-continue\r\n",
        b"\x00",
    ),
    *(
        b"connection: close\r\n",
        b"connection: upgrade\r\nupgrade: h2c\r\n",
        b"x: y\r\n",
        b"\xff",
        b"%zz",
        b"#",
    ),
    *(b"GET /v1/things/a HTTP/1.1\r\nhost: x\r\n", b"POST /v1/things HTTP/1.1\r\nhost: x\r\n", b"\r\n\r\n"),
]
CHUNKED = b"POST /v1/things HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"


@pytest.fixture(scope="module")
def gateway() -> Any:
    log = LogWriter(Log())
    # Its thread draws random ids when it likes, which hypothesis takes for a strategy's doing.
    log.close()
    telemetry = Telemetry(log=log)
    methods = shop.methods(shop.Handlers(), telemetry, Settings())
    return Gateway(methods.values(), telemetry)


def read(gateway: Gateway, pieces: list[bytes]) -> list[Any]:
    """What came of the bytes: the requests that are in, the refusal, and how it stands at the end."""
    reader = Reader(
        gateway, Settings(), peer="", accepted=0.0, reserve=lambda size: True, proceed=lambda: None
    )
    found: list[Any] = []
    try:
        for piece in pieces:
            reader.feed(piece)
    except Stop as stop:
        found.append(stop.response.status)
        reader.closed = True
    requests = [
        (a.request.method, a.request.path, a.request.query, dict(a.request.headers), a.request.body, a.keep)
        for a in reader.arrivals
        if a.request is not None
    ]
    return [*requests, *found, reader.closed, reader.state if not reader.closed else None]


@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from(FRAGMENTS) | st.binary(max_size=4), max_size=25), st.integers(1, 40))
@example([CHUNKED, CHUNKED], 1)
@example([b"GET /v1/things/a HTTP/1.1\r\nhost: x\r\n\r\n", b"nonsense\r\n\r\n"], 3)
def test_the_pieces_make_no_difference(gateway, fragments, size):
    whole = b"".join(fragments)
    pieces = [whole[at : at + size] for at in range(0, len(whole), size)]

    assert read(gateway, [whole] if whole else []) == read(gateway, pieces)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 2 * len(CHUNKED) - 1), st.integers(0, 255))
def test_a_request_with_one_byte_changed_is_a_request_or_refused(gateway, place, byte):
    whole = bytearray(CHUNKED + CHUNKED)
    whole[place] = byte

    *found, closed, _ = read(gateway, [bytes(whole)])

    refusals = [status for status in found if isinstance(status, int)]
    assert len(refusals) <= 1
    assert all(400 <= status < 600 and status != 500 for status in refusals)
    assert closed or not refusals

"""What breaks the rules of HTTP/1.1 is answered once, and nothing behind it is believed."""

import pytest

from tests.gateway.http_door import Open, open_door
from tests.gateway.wire import Wire, request

HOST = b"host: x\r\n"
KEY = b"authorization: Bearer shop-key\r\n"
SMUGGLED = b"GET /v1/things/smuggled HTTP/1.1\r\nhost: x\r\n" + KEY + b"\r\n"


@pytest.fixture
async def served():
    async with open_door() as opened:
        yield opened


def post(headers: bytes, body: bytes = b"", version: bytes = b"1.1") -> bytes:
    return (
        b"POST /v1/things HTTP/"
        + version
        + b"\r\n"
        + HOST
        + KEY
        + b"content-type: application/json\r\n"
        + headers
        + b"\r\n"
        + body
    )


CHUNKED = b"transfer-encoding: chunked\r\n"
MALFORMED = {
    "length and chunked": post(b"content-length: 2\r\n" + CHUNKED, b"2\r\n{}\r\n0\r\n\r\n"),
    "chunked and length": post(CHUNKED + b"content-length: 2\r\n", b"2\r\n{}\r\n0\r\n\r\n"),
    "two lengths": post(b"content-length: 2\r\ncontent-length: 2\r\n", b"{}"),
    "a list of lengths": post(b"content-length: 2, 2\r\n", b"{}"),
    "a signed length": post(b"content-length: +2\r\n", b"{}"),
    "a negative length": post(b"content-length: -2\r\n", b"{}"),
    "a length in hex": post(b"content-length: 0x2\r\n", b"{}"),
    "an empty length": post(b"content-length: \r\n", b"{}"),
    "a length beyond 64 bits": post(b"content-length: 18446744073709551618\r\n", b"{}"),
    "another coding": post(b"transfer-encoding: gzip\r\n", b"{}"),
    "a coding before chunked": post(b"transfer-encoding: gzip, chunked\r\n", b"2\r\n{}\r\n0\r\n\r\n"),
    "a coding after chunked": post(b"transfer-encoding: chunked, gzip\r\n", b"2\r\n{}\r\n0\r\n\r\n"),
    "chunked twice": post(CHUNKED + CHUNKED, b"2\r\n{}\r\n0\r\n\r\n"),
    "nearly chunked": post(b"transfer-encoding: xchunked\r\n", b"2\r\n{}\r\n0\r\n\r\n"),
    "identity": post(b"transfer-encoding: identity\r\n", b"{}"),
    "chunked with a tab of another kind": post(b"transfer-encoding:\x0bchunked\r\n", b"2\r\n{}\r\n0\r\n\r\n"),
    "chunked in HTTP/1.0": post(CHUNKED, b"2\r\n{}\r\n0\r\n\r\n", b"1.0"),
    "a chunk size with a prefix": post(CHUNKED, b"0x2\r\n{}\r\n0\r\n\r\n"),
    "a chunk size beyond 64 bits": post(CHUNKED, b"10000000000000002\r\n{}\r\n0\r\n\r\n"),
    "a chunk size with a bare line feed": post(CHUNKED, b"2\n{}\n0\n\n"),
    "a chunk longer than its size": post(CHUNKED, b"1\r\n{}\r\n0\r\n\r\n"),
    "a length among the trailers": post(CHUNKED, b"2\r\n{}\r\n0\r\ncontent-length: 5\r\n\r\n"),
    "a folded header": post(b"x: a\r\n b\r\n"),
    "a bare line feed": b"GET /v1/things/a HTTP/1.1\nhost: x\n\n",
    "a bare carriage return": post(b"x: a\rb: c\r\n"),
    "a space before the colon": post(b"content-length : 2\r\n", b"{}"),
    "a space before the first header": b"GET /v1/things/a HTTP/1.1\r\n host: x\r\n\r\n",
    "a zero in a value": post(b"x: a\x00b\r\n"),
    "a zero in a name": post(b"x\x00: a\r\n"),
    "an empty name": post(b": a\r\n"),
    "no colon": post(b"x\r\n"),
    "no host": b"GET /v1/things/a HTTP/1.1\r\n" + KEY + b"\r\n",
    "two hosts": post(b"host: y\r\n"),
    "two credentials": post(b"authorization: Bearer other\r\n"),
    "two content types": post(b"content-type: text/plain\r\n"),
    "two timeouts": post(b"grpc-timeout: 1S\r\nGrpc-Timeout: 2S\r\n"),
    "a space in the target": b"GET /v1/things/a b HTTP/1.1\r\n" + HOST + b"\r\n",
    "bytes in the target": b"GET /v1/things/\xc3\xa9 HTTP/1.1\r\n" + HOST + b"\r\n",
    "a control character in the target": b"GET /v1/things/\x01 HTTP/1.1\r\n" + HOST + b"\r\n",
    "a fragment in the target": b"GET /v1/things/a#b HTTP/1.1\r\n" + HOST + b"\r\n",
    "a target that is no path": b"GET v1/things/a HTTP/1.1\r\n" + HOST + b"\r\n",
    "a tunnel": b"CONNECT x:80 HTTP/1.1\r\n" + HOST + b"\r\n",
    "an unknown version": b"GET /v1/things/a HTTP/1.2\r\n" + HOST + b"\r\n",
    "a preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}


@pytest.mark.parametrize("case", MALFORMED)
async def test_a_malformed_request_is_answered_400_and_the_connection_closed(served: Open, case: str):
    async with Wire(served.address) as wire:
        await wire.send(MALFORMED[case] + SMUGGLED)
        reply = await wire.reply()
        rest = await wire.rest()

    assert (reply.status, reply["connection"]) == (400, "close")
    assert reply.json["reason"] == "HTTP_MALFORMED"
    assert rest == b""
    assert served.handlers.entered == []


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"BREW /pot HTTP/1.1\r\nhost: x\r\n\r\n", 501),
        (b"get /v1/things HTTP/1.1\r\nhost: x\r\n\r\n", 501),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
        (b"GET / HTTP/2.0\r\nhost: x\r\n\r\n", 505),
        (b"GET /\r\n\r\n", 505),
        (post(b"expect: miracles\r\ncontent-length: 2\r\n"), 417),
    ],
    ids=["unknown method", "lower case", "TLS without TLS", "HTTP/2", "HTTP/0.9", "expectation"],
)
async def test_what_is_not_spoken_here_is_told_so(served: Open, sent: bytes, status: int):
    async with Wire(served.address) as wire:
        await wire.send(sent)
        reply = await wire.reply()
        rest = await wire.rest()

    assert (reply.status, reply["connection"], rest) == (status, "close", b"")


async def test_requests_before_a_malformed_one_are_answered(served: Open):
    async with Wire(served.address) as wire:
        await wire.send(request("GET", "/v1/things/a") + request("GET", "/v1/things/b") + b"nonsense\r\n\r\n")
        replies = [await wire.reply() for _ in range(3)]
        rest = await wire.rest()

    assert [reply.status for reply in replies] == [200, 200, 501]
    assert rest == b""


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50])
async def test_requests_in_any_pieces_are_the_same_requests(served: Open, size: int):
    whole = post(CHUNKED, b'a\r\n{"limit": \r\n3;x=y\r\n12}\r\n0\r\nx-trailer: a\r\n\r\n') + request(
        "GET", "/v1/things/b"
    )
    async with Wire(served.address) as wire:
        for at in range(0, len(whole), size):
            await wire.send(whole[at : at + size])
        first, second = await wire.reply(), await wire.reply()

    assert first.json["thing"] == {"limit": 12}
    assert second.json["thing"] == {"name": "b"}
    assert "x-trailer" not in first.json["metadata"]


async def test_requests_are_answered_in_their_order(served: Open):
    targets = ["/v1/things/0", "/healthz", "/v1/things/2", "/nowhere", "/v1/things/4"]
    async with Wire(served.address) as wire:
        await wire.send(b"".join(request("GET", target) for target in targets))
        replies = [await wire.reply() for _ in targets]

    assert [reply.status for reply in replies] == [200, 200, 200, 404, 200]
    assert [reply.json["thing"]["name"] for reply in replies[::2]] == ["0", "2", "4"]


async def test_what_follows_the_last_request_is_not_read(served: Open):
    async with Wire(served.address) as wire:
        await wire.send(request("GET", "/v1/things/a", connection="close") + SMUGGLED)
        reply = await wire.reply()
        rest = await wire.rest()

    assert (reply.status, reply["connection"], rest) == (200, "close", b"")
    assert served.handlers.entered == ["GetThing"]


async def test_an_upgrade_is_answered_as_http_1_and_closed(served: Open):
    async with Wire(served.address) as wire:
        upgrade = request("GET", "/v1/things/a", connection="Upgrade, HTTP2-Settings", upgrade="h2c")
        await wire.send(upgrade + b"PRI * HTTP/2.0\r\n\r\n")
        reply = await wire.reply()
        rest = await wire.rest()

    assert (reply.status, reply["connection"], rest) == (200, "close", b"")


async def test_http_1_0_is_answered_and_closed(served: Open):
    async with Wire(served.address) as wire:
        await wire.send(b"GET /v1/things/a HTTP/1.0\r\nconnection: keep-alive\r\n" + KEY + b"\r\n")
        reply = await wire.reply()
        rest = await wire.rest()

    assert (reply.status, reply["connection"], rest) == (200, "close", b"")


async def test_who_expects_a_word_before_the_body_gets_it(served: Open):
    async with Wire(served.address) as wire:
        await wire.send(post(b"expect: 100-continue\r\ncontent-length: 2\r\n"))
        proceed = await wire.reply()
        await wire.send(b"{}")
        reply = await wire.reply()

    assert (proceed.status, reply.status) == (100, 200)


@pytest.mark.parametrize(
    ("target", "length", "status"),
    [("/v1/things", 100_000_000, 413), ("/nowhere", 2, 404), ("/healthz", 2, 405)],
)
async def test_who_expects_a_word_and_would_be_refused_is_told_before_the_body(
    served: Open, target: str, length: int, status: int
):
    async with Wire(served.address) as wire:
        head = f"POST {target} HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\n"
        await wire.send(f"{head}content-length: {length}\r\n\r\n".encode())
        reply = await wire.reply()
        rest = await wire.rest()

    assert (reply.status, reply["connection"], rest) == (status, "close", b"")


async def test_a_small_body_that_nobody_wants_does_not_cost_the_connection(served: Open):
    async with Wire(served.address) as wire:
        refused = await wire.call("POST", "/nowhere", bytes(64 * 1024))
        again = await wire.call("GET", "/v1/things/a")
        chunked = await wire.call("GET", "/healthz", b"x")

    assert (refused.status, again.status, chunked.status) == (404, 200, 200)


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_large_body_that_nobody_wants_does(served: Open, chunked: bool):
    size = 64 * 1024 + 1
    async with Wire(served.address) as wire:
        if chunked:
            await wire.send(
                b"POST /nowhere HTTP/1.1\r\nhost: x\r\n" + CHUNKED + b"\r\n%x\r\n" % size + bytes(size)
            )
        else:
            await wire.send(request("POST", "/nowhere", bytes(size)))
        reply = await wire.reply()
        rest = await wire.rest()

    assert (reply.status, reply["connection"], rest) == (404, "close", b"")

"""Nobody can hold the server: every wait has an end, and everything held a bound."""

import asyncio

import pytest

from bedplate.transport import http as http_door
from bedplate.transport.http_arrival import HEADERS_MAX
from bedplate.transport.http_reader import PIPELINE_MAX
from tests.gateway.http_door import open_door
from tests.gateway.wire import Wire, request

SOON = 0.05  # seconds; the tests wait for what then happens, not for the time


async def test_a_connection_that_says_nothing_is_closed():
    async with open_door(http_header_s=SOON) as served, Wire(served.address) as wire:
        assert await wire.rest() == b""


@pytest.mark.parametrize(
    "part", [b"G", b"GET /v1/things/a HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nhost: x\r\nx: "]
)
async def test_a_head_that_does_not_end_is_refused(part):
    async with open_door(http_header_s=SOON) as served, Wire(served.address) as wire:
        await wire.send(part)
        reply = await wire.reply()
        rest = await wire.rest()

    assert (reply.status, reply["connection"], rest) == (408, "close", b"")
    assert reply.json["reason"] == "HTTP_TOO_SLOW"


async def test_a_head_that_drips_is_refused_though_it_moves():
    settings = {"http_header_s": SOON, "http_header_bytes": 1024 * 1024}
    async with open_door(**settings) as served, Wire(served.address) as wire:
        await wire.send(b"GET / HTTP/1.1\r\nx: ")
        reply = asyncio.ensure_future(wire.reply())
        while not reply.done():
            await wire.send(b"y")
            await asyncio.sleep(0)

    assert (await reply).status == 408


@pytest.mark.parametrize("target", ["/v1/things", "/nowhere"])
@pytest.mark.parametrize("framing", ["content-length: 10", "transfer-encoding: chunked"])
async def test_a_body_that_does_not_come_is_refused(framing, target):
    async with open_door(http_body_s=SOON) as served, Wire(served.address) as wire:
        await wire.send(f"POST {target} HTTP/1.1\r\nhost: x\r\n{framing}\r\n\r\n5".encode())
        reply = await wire.reply()
        rest = await wire.rest()

    assert (reply.status, reply["connection"], rest) == (408, "close", b"")


async def test_an_idle_connection_is_closed_without_a_word():
    async with open_door(http_idle_s=SOON) as served, Wire(served.address) as wire:
        assert (await wire.call("GET", "/v1/things/a")).status == 200
        assert await wire.rest() == b""


@pytest.mark.parametrize("fresh", [True, False])
async def test_empty_lines_are_no_request_and_keep_no_connection_open(fresh):
    settings = {"http_idle_s": SOON, "http_header_s": SOON if fresh else 10}
    async with open_door(**settings) as served, Wire(served.address) as wire:
        if not fresh:
            assert (await wire.call("GET", "/v1/things/a")).status == 200
        rest = asyncio.ensure_future(wire.rest())
        for _ in range(1_000_000):
            if rest.done():
                break
            try:
                await wire.send(b"\r\n")
            except ConnectionError:
                break
            await asyncio.sleep(0)

        assert (await rest)[:12] in (b"", b"HTTP/1.1 431")


async def test_a_call_that_runs_is_not_idle():
    async with open_door(http_idle_s=SOON, http_header_s=SOON, http_body_s=SOON) as served:
        looked = asyncio.Event()

        async def outlast(request, call):
            async with Wire(served.address) as other:
                await other.rest()  # as long as it takes an idle connection to be closed
            looked.set()

        served.handlers.before = outlast
        async with Wire(served.address) as wire:
            reply = await wire.call("GET", "/v1/things/a")

    assert looked.is_set()
    assert reply.status == 200


def head_of(size: int) -> bytes:
    """A request whose target and headers, as they are counted, have this many bytes."""
    filler = b"a" * (size - len(b"/healthz") - len(b"hostx") - 4 - len(b"x-filler") - 4)
    return b"GET /healthz HTTP/1.1\r\nhost: x\r\nx-filler: " + filler + b"\r\n\r\n"


async def test_a_head_may_have_so_many_bytes():
    async with open_door(http_header_bytes=1024) as served, Wire(served.address) as wire:
        await wire.send(head_of(1024))
        assert (await wire.reply()).status == 200
        await wire.send(head_of(1025))
        reply = await wire.reply()
        rest = await wire.rest()

    assert (reply.status, reply["connection"], rest) == (431, "close", b"")
    assert reply.json["reason"] == "HTTP_HEADERS_TOO_LARGE"


@pytest.mark.parametrize(
    "part", [b"GET /" + b"a" * 2000, b"GET / HTTP/1.1\r\nx: " + b"a" * 2000, b"\r\n" * 1000]
)
async def test_a_head_is_refused_before_it_is_whole(part):
    async with open_door(http_header_bytes=1024) as served, Wire(served.address) as wire:
        await wire.send(part)
        reply = await wire.reply()

    assert reply.status == 431


@pytest.mark.parametrize(("size", "status"), [(1024, 200), (1025, 431)])
async def test_a_head_that_begins_in_the_piece_of_the_request_before_may_have_as_many(size, status):
    head = head_of(size)
    async with open_door(http_header_bytes=1024) as served, Wire(served.address) as wire:
        await wire.send(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n" + head[:700])
        assert (await wire.reply()).status == 200
        await wire.send(head[700:])
        reply = await wire.reply()

    assert reply.status == status


async def test_a_head_may_have_so_many_headers():
    async with open_door() as served, Wire(served.address) as wire:
        some = b"x: y\r\n" * (HEADERS_MAX - 1)
        await wire.send(b"GET /healthz HTTP/1.1\r\nhost: x\r\n" + some + b"\r\n")
        assert (await wire.reply()).status == 200
        await wire.send(b"GET /healthz HTTP/1.1\r\nhost: x\r\nx: y\r\n" + some + b"\r\n")
        assert (await wire.reply()).status == 431


async def test_trailers_count_as_headers():
    async with open_door() as served, Wire(served.address) as wire:
        await wire.send(
            b"POST /v1/things HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n"
            + b"x: y\r\n" * 200
        )
        reply = await wire.reply()

    assert reply.status == 431
    assert served.handlers.entered == []


async def test_the_bytes_of_trailers_count_too():
    async with open_door(http_header_bytes=1024) as served, Wire(served.address) as wire:
        await wire.send(
            b"POST /v1/things HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx: "
            + b"y" * 1024
            + b"\r\n\r\n"
        )
        reply = await wire.reply()

    assert reply.status == 431
    assert served.handlers.entered == []


@pytest.mark.parametrize("size", [64, 65])
async def test_a_chunked_body_is_bounded_as_it_comes(size):
    async with open_door() as served, Wire(served.address) as wire:
        await wire.send(
            b"POST /v1/small HTTP/1.1\r\nhost: x\r\nauthorization: Bearer shop-key\r\n"
            b"content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n2\r\n{}\r\n"
            + b"1\r\n \r\n"
            * (size - 2)
        )
        if size == 64:
            await wire.send(b"0\r\n\r\n")
        reply = await wire.reply()

    assert reply.status == (200 if size == 64 else 413)


async def test_framing_around_a_small_body_is_bounded_too():
    async with open_door(http_header_bytes=1024) as served, Wire(served.address) as wire:
        await wire.send(b"POST /v1/small HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1;")
        await wire.send(b"x" * 20_000)
        reply = await wire.reply()

    assert (reply.status, reply.json["reason"]) == (413, "MESSAGE_TOO_LARGE")


async def test_there_are_so_many_connections_and_no_more():
    async with open_door(http_connections=2) as served:
        async with Wire(served.address) as one, Wire(served.address) as two:
            assert (await one.call("GET", "/v1/things/a")).status == 200
            assert (await two.call("GET", "/v1/things/a")).status == 200
            async with Wire(served.address) as three:
                refused = await three.reply()
                assert await three.rest() == b""
            metrics = (await two.call("GET", "/metrics")).body.decode()
            await one.close()
            while served.door.connections > 1:
                await asyncio.sleep(0)
        async with Wire(served.address) as four:
            assert (await four.call("GET", "/v1/things/a")).status == 200

    assert (refused.status, refused["connection"], refused["retry-after"]) == (503, "close", "1")
    assert refused.json["reason"] == "HTTP_CROWDED"
    assert "bedplate_http_connections 2.0" in metrics


async def test_unfinished_bodies_hold_so_much_memory_and_no_more(monkeypatch):
    monkeypatch.setattr(http_door, "HELD_MAX_BYTES", 100)
    start = (
        b"POST /v1/things HTTP/1.1\r\nhost: x\r\nauthorization: Bearer shop-key\r\n"
        b"content-type: application/json\r\n"
    )
    async with open_door() as served:
        async with Wire(served.address) as one, Wire(served.address) as two:
            await one.send(start + b"content-length: 81\r\n\r\n" + b" " * 80)
            while served.door.held < 80:
                await asyncio.sleep(0)
            refused = await two.call("POST", "/v1/things", b" " * 19 + b"{}")
            await one.send(b"x")
            taken = await one.reply()
        async with Wire(served.address) as three:
            again = await three.call("POST", "/v1/things", b" " * 98 + b"{}")
        held = served.door.held

    assert (refused.status, refused.json["reason"]) == (503, "HTTP_CROWDED")
    assert taken.status == 400
    assert again.status == 200
    assert held == 0


async def test_so_many_requests_wait_behind_one_that_runs():
    async with open_door() as served, Wire(served.address) as wire:
        count = PIPELINE_MAX + 20
        await wire.send(b"".join(request("GET", f"/v1/things/{number}") for number in range(count)))
        replies = [await wire.reply()]
        while not replies[-1].has("connection"):
            replies.append(await wire.reply())
        rest = await wire.rest()

    assert PIPELINE_MAX < len(replies) < count
    assert [reply.json["thing"]["name"] for reply in replies] == [
        str(number) for number in range(len(replies))
    ]
    assert rest == b""


async def test_a_caller_that_does_not_take_its_responses_is_cut_off():
    async with open_door(http_body_s=SOON, http_idle_s=600) as served, asyncio.timeout(30):

        async def swell(request, call):
            request.display_name = "x" * 30_000_000

        served.handlers.before = swell
        async with Wire(served.address) as wire:
            await wire.send(request("GET", "/v1/open/a"))
            while served.door.connections == 0:
                await asyncio.sleep(0)
            while served.door.connections:
                await asyncio.sleep(0)

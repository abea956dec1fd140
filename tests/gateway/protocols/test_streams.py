"""Streams of responses by Connect and gRPC-Web: messages, their end, and what breaks off."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bedplate.errors import Kind, Refusal
from bedplate.gateway.beside import codings
from tests.gateway.chunks import read_chunk, read_head
from tests.gateway.protocols.contract import (
    COMPRESS_BYTES,
    PATH,
    Ask,
    Opened,
    Told,
    end_of,
    frame,
    frames,
    status_of,
    trailers,
    web,
)
from tests.gateway.wire import Wire, request

CONNECT, WEB, TEXT = "application/connect+proto", "application/grpc-web+proto", "application/grpc-web-text"


def asked(count: int, **fields: Any) -> bytes:
    return frame(Ask(name="a", count=count, **fields).SerializeToString())


@pytest.mark.parametrize("count", [0, 1, 3])
async def test_all_messages_come_and_then_the_end(rpc: Opened, count: int) -> None:
    by_connect = await rpc.call("Count", asked(count), CONNECT, connect_protocol_version="1")
    by_web = await rpc.call("Count", asked(count), WEB)

    messages, end = end_of(by_connect)
    assert [Told.FromString(data).count for data in messages] == list(range(count))
    assert end == {}
    messages, told = web(by_web)
    assert [Told.FromString(data).count for data in messages] == list(range(count))
    assert told == {"grpc-status": "0"}
    assert (by_connect["content-type"], by_web["content-type"]) == (CONNECT, WEB)


async def test_messages_may_be_json(rpc: Opened) -> None:
    ask = frame(b'{"name": "a", "count": 2}')
    messages, end = end_of(await rpc.call("Count", ask, "application/connect+json"))
    by_web, _ = web(await rpc.call("Count", ask, "application/grpc-web+json"))

    assert [json.loads(data).get("count", 0) for data in messages] == [0, 1]
    assert end == {}
    assert len(by_web) == 2


async def test_every_piece_of_text_is_base64_of_its_own(rpc: Opened) -> None:
    async with Wire(rpc.address) as wire:
        body = base64.b64encode(asked(2))
        await wire.send(request("POST", f"{PATH}Count", body, content_type=TEXT))
        await read_head(wire)
        pieces = []
        while piece := await read_chunk(wire):
            pieces.append(base64.b64decode(piece, validate=True))

    assert [flags for piece in pieces for flags, _ in frames(piece)] == [0, 0, 0x80]


async def test_the_end_tells_of_a_failure_midway_and_what_the_handler_said(rpc: Opened) -> None:
    async def fail(request: Any, call: Any) -> None:
        if len(rpc.handlers.calls) % 3 == 0:
            call.response_headers += [("trailer-x-last", "1"), ("trailer-x-last", "2")]
            raise Refusal(Kind.UNAVAILABLE, "DRAINING", "Come again.")

    rpc.handlers.before = fail
    messages, end = end_of(await rpc.call("Count", asked(5), CONNECT))
    by_web, told = web(await rpc.call("Count", asked(5), WEB))

    assert (len(messages), len(by_web)) == (2, 2)
    assert (end["error"]["code"], end["error"]["message"]) == ("unavailable", "Come again.")
    assert end["metadata"] == {"x-last": ["1", "2"]}
    assert (told["grpc-status"], told["x-last"]) == ("14", "2")


@pytest.mark.parametrize(
    ("body", "code", "number"),
    [
        (b"", "unimplemented", 12),
        (asked(1) + asked(1), "unimplemented", 12),
        (asked(1)[:-1], "invalid_argument", 3),
        (frame(b"", 2), "invalid_argument", 3),
        (frame(b"\xff"), "invalid_argument", 3),
    ],
)
async def test_what_is_not_one_message_is_refused(rpc: Opened, body: bytes, code: str, number: int) -> None:
    messages, end = end_of(await rpc.call("Count", body, CONNECT))
    by_web, told = web(await rpc.call("Count", body, WEB))

    assert (messages, by_web, rpc.handlers.calls) == ([], [], [])
    assert end["error"]["code"] == code
    assert told["grpc-status"] == str(number)


async def test_a_refusal_before_the_first_message_has_the_form_of_an_end(rpc: Opened) -> None:
    reply = await rpc.call("Count", asked(1), CONNECT, key=None)

    assert end_of(reply)[1]["error"]["code"] == "unauthenticated"
    assert not reply.has("www-authenticate")
    assert reply["content-type"] == CONNECT


async def test_a_stream_is_called_in_envelopes_only(rpc: Opened) -> None:
    reply = await rpc.call("Count", b"{}", "application/json")

    assert (reply.status, reply.json["reason"]) == (415, "CONTENT_TYPE_UNSUPPORTED")
    assert "application/connect+json" in reply["accept-post"]


@pytest.mark.parametrize("name", [*codings.WRITES])
@pytest.mark.parametrize(
    ("content_type", "encoding", "accepted"),
    [
        (CONNECT, "connect-content-encoding", "connect-accept-encoding"),
        (WEB, "grpc-encoding", "grpc-accept-encoding"),
    ],
)
async def test_messages_may_be_compressed(
    rpc: Opened, name: str, content_type: str, encoding: str, accepted: str
) -> None:
    ask = Ask(name="a" * 10 * COMPRESS_BYTES, count=2).SerializeToString()
    headers = {encoding.replace("-", "_"): name, accepted.replace("-", "_"): name}
    reply = await rpc.call("Count", frame(codings.WRITES[name].write(ask), 1), content_type, **headers)

    *messages, _ = frames(reply.body)
    assert reply[encoding] == name
    assert [flags for flags, _ in messages] == [1, 1]
    assert {Told.FromString(codings.READS[name](data, 10_000)).name for _, data in messages} == {
        "a" * 10 * COMPRESS_BYTES
    }


async def test_a_response_without_a_json_form_ends_the_call_as_our_fault(rpc: Opened) -> None:
    ask = Ask(count=2)
    ask.detail.type_url, ask.detail.value = "type.googleapis.com/nobody.knows.It", b"\x01"
    body = frame(ask.SerializeToString())

    by_bytes = await rpc.call("Count", body, CONNECT)
    unary = await rpc.call("Echo", body, "application/grpc-web+proto")

    assert len(end_of(by_bytes)[0]) == 2
    assert len(web(unary)[0]) == 1

    async def attach(request: Any, call: Any) -> None:
        request.detail.CopyFrom(ask.detail)

    rpc.handlers.before = attach
    end = end_of(await rpc.call("Count", frame(b'{"count": 2}'), "application/connect+json"))[1]
    told = web(await rpc.call("Echo", frame(b"{}"), "application/grpc-web+json"))[1]
    whole = await rpc.call("Echo", b"{}", "application/json")

    assert (end["error"]["code"], told["grpc-status"], whole.json["code"]) == ("internal", "13", "internal")
    assert "nobody.knows" not in json.dumps(end) + str(status_of(told)) + whole.body.decode()


async def test_a_caller_that_goes_away_ends_its_call(rpc: Opened) -> None:
    began, ended = asyncio.Event(), asyncio.Event()

    async def stay(request: Any, call: Any) -> None:
        if len(rpc.handlers.calls) < 2:
            return
        began.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    rpc.handlers.before = stay
    async with Wire(rpc.address) as wire:
        await wire.send(request("POST", f"{PATH}Count", asked(3), content_type=CONNECT))
        await read_head(wire)
        await read_chunk(wire)
        await began.wait()
        wire.cut()
        async with asyncio.timeout(10):
            await ended.wait()


async def test_a_deadline_ends_a_stream_with_its_code(rpc: Opened) -> None:
    async def stay(request: Any, call: Any) -> None:
        if len(rpc.handlers.calls) % 2 == 0:
            await asyncio.Event().wait()

    rpc.handlers.before = stay
    messages, end = end_of(await rpc.call("Count", asked(3), CONNECT, connect_timeout_ms="50"))
    by_web, told = web(await rpc.call("Count", asked(3), WEB, grpc_timeout="50m"))

    assert (len(messages), end["error"]["code"]) == (1, "deadline_exceeded")
    assert (len(by_web), told["grpc-status"]) == (1, "4")


async def test_a_malformed_wait_is_refused_and_is_no_fault(rpc: Opened) -> None:
    end = end_of(await rpc.call("Count", asked(1), CONNECT, connect_timeout_ms="x"))[1]

    assert end["error"]["code"] == "invalid_argument"
    assert '"level":"error"' not in rpc.logged()


async def test_one_connection_serves_calls_of_every_sort(rpc: Opened) -> None:
    async with Wire(rpc.address) as wire:
        for _ in range(2):
            await wire.send(request("POST", f"{PATH}Count", asked(2), content_type=CONNECT))
            await read_head(wire)
            body = b"".join([piece async for piece in _chunks(wire)])
            assert len([*frames(body)]) == 3
            reply = await wire.call("POST", f"{PATH}Echo", asked(1), content_type=WEB)
            assert len(web(reply)[0]) == 1
            assert (await wire.call("POST", "/v1/echo", b"{}")).status == 200


async def _chunks(wire: Wire) -> AsyncIterator[bytes]:
    while piece := await read_chunk(wire):
        yield piece


def test_trailers_are_one_line_each() -> None:
    assert trailers(b"grpc-status: 0\r\nx: 1\r\n") == {"grpc-status": "0", "x": "1"}

"""gRPC-Web, one message each way."""

import base64
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bedplate.errors import Kind, Refusal
from bedplate.gateway.beside import codings
from bedplate.gateway.beside.compress import COMPRESSED_MAX_BYTES
from bedplate.gateway.exchange import Request
from bedplate.gateway.protocols.dialect import DIALECTS
from bedplate.gateway.protocols.envelope import coded, message
from bedplate.gateway.protocols.told import grpc_trailers
from bedplate.pipeline.failure import Failure, make_status
from tests.gateway.protocols.contract import (
    COMPRESS_BYTES,
    SMALL_BYTES,
    Ask,
    Opened,
    Secret,
    Told,
    frame,
    frames,
    status_of,
    trailers,
    web,
)

WEB, TEXT = "application/grpc-web", "application/grpc-web-text"
ASK = Ask(name="a", count=2).SerializeToString()


async def test_a_message_and_trailers_come_back_for_a_message(rpc: Opened) -> None:
    for content_type in (WEB, f"{WEB}+proto"):
        reply = await rpc.call("Echo", frame(ASK), content_type, x_grpc_web="1")
        (message,), told = web(reply)

        assert reply["content-type"] == content_type
        assert Told.FromString(message).name == "a"
        assert told == {"grpc-status": "0"}
        assert reply["x-trace-id"]


async def test_messages_may_be_json(rpc: Opened) -> None:
    reply = await rpc.call("Echo", frame(b'{"name": "a"}'), f"{WEB}+json")
    (message,), _ = web(reply)

    assert b'"name":"a"' in message


@pytest.mark.parametrize("suffix", ["", "+proto"])
async def test_all_of_it_may_be_text(rpc: Opened, suffix: str) -> None:
    reply = await rpc.call("Echo", base64.b64encode(frame(ASK)), TEXT + suffix)
    (message,), told = web(reply)

    assert reply["content-type"] == TEXT + suffix
    assert Told.FromString(message).name == "a"
    assert told["grpc-status"] == "0"


async def test_text_may_come_in_pieces_with_their_own_padding(rpc: Opened) -> None:
    data = frame(ASK)
    body = b"".join(base64.b64encode(data[at : at + 4]) for at in range(0, len(data), 4))

    _, told = web(await rpc.call("Echo", body, TEXT))
    assert told["grpc-status"] == "0"


async def test_text_may_come_in_lines(rpc: Opened) -> None:
    body = base64.encodebytes(frame(Ask(name="a" * 200).SerializeToString())).replace(b"\n", b"\r\n")

    assert web(await rpc.call("Echo", body, TEXT))[1]["grpc-status"] == "0"


@pytest.mark.parametrize(
    ("content_type", "accept", "answered"),
    [
        (WEB, TEXT, TEXT),
        (f"{WEB}+proto", f"{TEXT}", f"{TEXT}+proto"),
        (TEXT, WEB, WEB),
        (TEXT, "*/*", TEXT),
        (WEB, "application/grpc-web", WEB),
    ],
)
async def test_an_answer_is_text_where_its_caller_takes_that(
    rpc: Opened, content_type: str, accept: str, answered: str
) -> None:
    body = base64.b64encode(frame(ASK)) if "-text" in content_type else frame(ASK)
    reply = await rpc.call("Echo", body, content_type, accept=accept)

    assert reply["content-type"] == answered
    assert len(web(reply)[0]) == 1


def test_text_in_more_pieces_than_anybody_sends_is_refused_before_it_is_cut_up() -> None:
    # A list of as many pieces would be 40 times the body, and 0.4 s of everybody's time.
    body = b"AA==" * 250_000
    asked = Request("POST", "/", "", {}, "", 0.0)
    asked.body = body
    tracemalloc.start()
    try:
        with pytest.raises(Refusal) as refused:
            message(asked, DIALECTS[TEXT], 1 << 20)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert refused.value.reason == "MALFORMED_REQUEST"
    assert peak < len(body)


@pytest.mark.parametrize("name", ["identity", "Identity"])
async def test_a_message_marked_as_compressed_with_nothing_is_refused(rpc: Opened, name: str) -> None:
    _, told = web(await rpc.call("Echo", frame(ASK, 1), WEB, grpc_encoding=name))

    assert told["grpc-status"] == "3"


@pytest.mark.parametrize(
    ("body", "code", "reason"),
    [
        (b"", 12, "MESSAGE_COUNT_WRONG"),
        (frame(ASK) + frame(ASK), 12, "MESSAGE_COUNT_WRONG"),
        (frame(ASK) + b"x", 12, "MESSAGE_COUNT_WRONG"),
        (b"\0\0\0", 3, "MALFORMED_REQUEST"),
        (frame(ASK)[:-1], 3, "MALFORMED_REQUEST"),
        (b"\0\xff\xff\xff\xff" + ASK, 3, "MALFORMED_REQUEST"),
        (frame(ASK, 2), 3, "MALFORMED_REQUEST"),
        (frame(ASK, 0x80), 3, "MALFORMED_REQUEST"),
        (frame(ASK, 1), 3, "MALFORMED_REQUEST"),
        (frame(b"\xff\xff"), 3, "MALFORMED_REQUEST"),
    ],
)
async def test_what_is_no_message_is_refused(rpc: Opened, body: bytes, code: int, reason: str) -> None:
    reply = await rpc.call("Echo", body, WEB)
    messages, told = web(reply)

    assert messages == []
    assert told["grpc-status"] == str(code)
    assert reason.encode() in status_of(told).details[0].value
    assert rpc.handlers.calls == []


@pytest.mark.parametrize("body", [b"AAAA*", b"A", b"====", b"AA=A"])
async def test_text_that_is_no_base64_is_refused(rpc: Opened, body: bytes) -> None:
    _, told = web(await rpc.call("Echo", body, TEXT))

    assert told["grpc-status"] == "3"


async def test_a_refusal_is_told_in_trailers(rpc: Opened) -> None:
    async def refuse(request: Any, call: Any) -> None:
        call.response_headers += [("trailer-x-last", "1"), ("x-first", "2")]
        raise Refusal(Kind.UNAVAILABLE, "DRAINING", "Come again, 100 %: ä\n.", retry_after_s=1.5)

    rpc.handlers.before = refuse
    reply = await rpc.call("Echo", frame(ASK), WEB)
    messages, told = web(reply)

    assert messages == []
    assert told["grpc-status"] == "14"
    assert told["grpc-message"] == "Come again, 100 %25: %C3%A4%0A."
    assert told["grpc-retry-pushback-ms"] == "1500"
    assert told["x-last"] == "1"
    assert reply["x-first"] == "2"
    assert status_of(told).message == "Come again, 100 %: ä\n."


async def test_a_missing_key_is_told_in_trailers(rpc: Opened) -> None:
    reply = await rpc.call("Echo", b"\xff", WEB, key=None)

    assert web(reply)[1]["grpc-status"] == "16"
    assert not reply.has("www-authenticate")


@pytest.mark.parametrize("content_type", [f"{WEB}+thrift", "application/grpc", f"{TEXT}x"])
async def test_other_content_types_are_no_call(rpc: Opened, content_type: str) -> None:
    reply = await rpc.call("Echo", frame(ASK), content_type)

    assert (reply.status, reply.json["reason"]) == (415, "CONTENT_TYPE_UNSUPPORTED")


async def test_a_caller_says_how_long_it_waits(rpc: Opened) -> None:
    await rpc.call("Echo", frame(ASK), WEB, grpc_timeout="2500m")
    _, told = web(await rpc.call("Echo", frame(ASK), WEB, grpc_timeout="x"))

    assert [call.requested_timeout_s for call in rpc.handlers.calls] == [2.5]
    assert told["grpc-status"] == "3"


@pytest.mark.parametrize("name", [*codings.WRITES])
async def test_messages_may_be_compressed(rpc: Opened, name: str) -> None:
    ask = Ask(name="a" * 10 * COMPRESS_BYTES).SerializeToString()
    body = frame(codings.WRITES[name].write(ask), 1)

    reply = await rpc.call("Echo", body, WEB, grpc_encoding=name, grpc_accept_encoding=f"identity, {name}")
    (flags, data), (_, last) = frames(reply.body)

    assert (reply["grpc-encoding"], flags) == (name, 1)
    assert not reply.has("content-encoding")
    assert Told.FromString(codings.READS[name](data, 10_000)).name == "a" * 10 * COMPRESS_BYTES
    assert trailers(last) == {"grpc-status": "0"}


async def test_small_messages_and_secrets_are_not_compressed(rpc: Opened) -> None:
    small = await rpc.call("Echo", frame(ASK), WEB, grpc_accept_encoding="gzip")
    secret = await rpc.call(
        "Secrets", frame(Ask(count=1000).SerializeToString()), WEB, grpc_accept_encoding="gzip"
    )

    assert len(web(small)[0]) == 1
    assert not secret.has("grpc-encoding")
    assert len(Secret.FromString(web(secret)[0][0]).secret) == 1000


def test_a_message_that_would_hold_everybody_up_is_not_compressed() -> None:
    gzip = codings.WRITES["gzip"]

    assert coded(bytes(COMPRESSED_MAX_BYTES), gzip, 1)[0] == 1
    assert coded(bytes(COMPRESSED_MAX_BYTES + 1), gzip, 1)[0] == 0


@pytest.mark.parametrize(
    "headers", [{"grpc_encoding": "snappy"}, {"content_encoding": "gzip"}], ids=["unknown", "of HTTP"]
)
async def test_an_unknown_compression_is_unimplemented(rpc: Opened, headers: dict[str, str]) -> None:
    reply = await rpc.call("Echo", frame(ASK), WEB, **headers)

    told = web(reply)[1]
    assert told["grpc-status"] == "12"
    assert "gzip" in told["grpc-message"]


@pytest.mark.parametrize("content_type", [WEB, TEXT])
async def test_a_message_may_have_as_many_bytes_as_the_contract_says(rpc: Opened, content_type: str) -> None:
    async def code(size: int) -> str:
        body = frame(Ask(name="a" * (size - 2)).SerializeToString())
        sent = base64.b64encode(body) if content_type == TEXT else body
        return web(await rpc.call("Small", sent, content_type))[1]["grpc-status"]

    assert await code(SMALL_BYTES) == "0"
    assert await code(SMALL_BYTES + 1) == "8"
    assert await code(SMALL_BYTES * 3) == "8"


@given(st.text())
def test_any_sentence_is_told_in_ascii(sentence: str) -> None:
    clean = sentence.encode(errors="replace").decode()
    told = trailers(grpc_trailers(None, Failure(make_status("ABORTED", clean, []), reason="X")))

    assert told["grpc-status"] == "10"
    assert status_of(told).message == clean

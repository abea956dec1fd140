"""Connect, one message each way: what comes in, what goes out, and what is refused."""

import asyncio
import base64
import gzip
import json
from typing import Any

import pytest
from google.rpc import code_pb2, error_details_pb2

from bedplate.errors import Kind, Refusal
from bedplate.gateway.beside import codings
from bedplate.gateway.protocols.told import connect_error
from bedplate.pipeline.failure import Failure, make_status
from tests.gateway.protocols.contract import COMPRESS_BYTES, SMALL_BYTES, Ask, Opened, Secret, Told
from tests.gateway.shop import WEAK_KEY

JSON, PROTO = "application/json", "application/proto"

# By Connect's specification.
STATUSES = {
    "canceled": 499,
    "unknown": 500,
    "invalid_argument": 400,
    "deadline_exceeded": 504,
    "not_found": 404,
    "already_exists": 409,
    "permission_denied": 403,
    "resource_exhausted": 429,
    "failed_precondition": 400,
    "aborted": 409,
    "out_of_range": 400,
    "unimplemented": 501,
    "internal": 500,
    "unavailable": 503,
    "data_loss": 500,
    "unauthenticated": 401,
}


def reason_of(told: dict[str, Any]) -> str:
    """The reason of an error, out of its binary detail."""
    packed = next(d["value"] for d in told["details"] if d["type"] == "google.rpc.ErrorInfo")
    data = base64.b64decode(packed + "=" * (-len(packed) % 4))
    return error_details_pb2.ErrorInfo.FromString(data).reason


@pytest.mark.parametrize(
    "content_type",
    [JSON, "Application/JSON", "application/json; charset=utf-8", 'application/json;charset="UTF-8"'],
)
async def test_json_comes_back_for_json(rpc: Opened, content_type: str) -> None:
    reply = await rpc.call("Echo", b'{"name": "a", "count": 2}', content_type)

    assert (reply.status, reply["content-type"]) == (200, JSON)
    assert reply.json["name"] == "a"
    assert reply.json["count"] == 2
    assert reply["x-trace-id"]
    assert reply["cache-control"] == "no-store"


async def test_bytes_come_back_for_bytes(rpc: Opened) -> None:
    reply = await rpc.call("Echo", Ask(name="a", pad=b"\x00\xff").SerializeToString(), PROTO)

    told = Told.FromString(reply.body)
    assert (reply.status, reply["content-type"]) == (200, PROTO)
    assert (told.name, told.pad) == ("a", b"\x00\xff")


@pytest.mark.parametrize("content_type", [JSON, PROTO])
async def test_no_body_is_a_message_without_fields(rpc: Opened, content_type: str) -> None:
    assert (await rpc.call("Echo", b"", content_type)).status == 200


async def test_the_json_is_protobufs_whatever_the_policy_says_of_http(rpc: Opened) -> None:
    reply = await rpc.call("Viewed", b'{"name": "a"}', JSON)
    over_json = await rpc.call("/v1/viewed", b'{"name": "a"}', JSON)

    assert "count" not in reply.json
    assert over_json.json["count"] == 0


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"nam": "a"}', "nam: There is no such field; did you mean name?"),
        (b'{"count": "x"}', "count: "),
        (b'{"name": "a", "name": "b"}', "name: "),
        (b'{"name": "a"} x', ""),
        (b"[]", ""),
        (b"\xff", ""),
    ],
)
async def test_json_is_taken_as_strictly_as_everywhere(rpc: Opened, body: bytes, said: str) -> None:
    reply = await rpc.call("Echo", body, JSON)

    assert (reply.status, reply["content-type"], reply.json["code"]) == (400, JSON, "invalid_argument")
    assert reply.json["message"].startswith(said)
    assert rpc.handlers.calls == []


async def test_a_lenient_method_passes_unknown_fields_over(rpc: Opened) -> None:
    reply = await rpc.call("Lenient", b'{"nam": "a", "name": "b"}', JSON)

    assert (reply.status, reply.json["name"]) == (200, "b")


async def test_bytes_that_are_no_message_are_refused(rpc: Opened) -> None:
    reply = await rpc.call("Echo", b"\xff\xff", PROTO)

    assert (reply.status, reason_of(reply.json)) == (400, "MALFORMED_REQUEST")


async def test_a_refusal_is_told_as_connect_tells_errors(rpc: Opened) -> None:
    async def refuse(request: Any, call: Any) -> None:
        raise Refusal(Kind.UNAVAILABLE, "DRAINING", "Come again: ä.", retry_after_s=1.5)

    rpc.handlers.before = refuse
    reply = await rpc.call("Echo", b"{}", JSON)

    assert (reply.status, reply["content-type"], reply["retry-after"]) == (503, JSON, "2")
    told = reply.json
    assert (told["code"], told["message"]) == ("unavailable", "Come again: ä.")
    info, retry = told["details"]
    assert (info["type"], info["debug"]["reason"]) == ("google.rpc.ErrorInfo", "DRAINING")
    assert (retry["type"], retry["debug"]) == ("google.rpc.RetryInfo", {"retryDelay": "1.500s"})
    assert reason_of(told) == "DRAINING"
    assert not any("=" in detail["value"] for detail in told["details"])


@pytest.mark.parametrize(("name", "status"), STATUSES.items())
async def test_every_code_has_its_name_and_its_status(rpc: Opened, name: str, status: int) -> None:
    code = "CANCELLED" if name == "canceled" else name.upper()

    async def fail(request: Any, call: Any) -> None:
        raise Failure(make_status(code, "So it is.", []), reason="TESTED")

    rpc.handlers.before = fail
    reply = await rpc.call("Echo", b"{}", JSON)

    assert (reply.status, reply.json) == (status, {"code": name, "message": "So it is."})
    assert set(STATUSES) == {
        "canceled" if known == "CANCELLED" else known.lower()
        for known in code_pb2.Code.DESCRIPTOR.values_by_name
        if known != "OK"
    }


async def test_what_goes_wrong_inside_is_told_by_its_number_only(rpc: Opened) -> None:
    async def break_(request: Any, call: Any) -> None:
        raise RuntimeError("postgresql://user:password@host")

    rpc.handlers.before = break_
    reply = await rpc.call("Echo", b"{}", JSON)

    assert (reply.status, reply.json["code"]) == (500, "internal")
    assert b"password" not in reply.body
    (info,) = [d["debug"] for d in reply.json["details"] if d["type"] == "google.rpc.ErrorInfo"]
    assert info["metadata"]["error_id"] in rpc.logged()


def test_a_detail_of_an_unknown_type_is_told_without_its_json() -> None:
    status = make_status("NOT_FOUND", "", [])
    status.details.add(type_url="type.googleapis.com/nobody.knows.It", value=b"\x01")

    told = connect_error(Failure(status, reason="X"))

    assert told["details"] == [{"type": "nobody.knows.It", "value": "AQ"}]


# Who may call, and in which order it is looked at.


async def test_the_key_is_looked_at_before_the_body(rpc: Opened) -> None:
    missing = await rpc.call("Echo", b"\xff", PROTO, key=None)
    wrong = await rpc.call("Echo", b"\xff", PROTO, key="wrong")
    weak = await rpc.call("Echo", b"\xff", PROTO, key=WEAK_KEY)

    assert (missing.status, missing.json["code"]) == (401, "unauthenticated")
    assert missing["www-authenticate"].startswith("Bearer")
    assert reason_of(wrong.json) == "CREDENTIAL_INVALID"
    assert (weak.status, reason_of(weak.json)) == (403, "SCOPE_MISSING")


async def test_no_header_of_the_callers_reaches_a_handler_that_is_not_on_the_list(rpc: Opened) -> None:
    reply = await rpc.call(
        "Echo",
        b"{}",
        JSON,
        bedplate_tenant="other",
        bedplate_principal="root",
        x_forwarded_for="1.2.3.4",
        x_own="1",
        trailer_x="1",
        connect_protocol_version="1",
        connect_timeout_ms="1000",
    )

    assert set(reply.json["metadata"]) == {"authorization"}


async def test_limits_are_counted_and_told_as_everywhere(rpc: Opened) -> None:
    replies = [await rpc.call("Rated", b"{}", JSON) for _ in range(3)]

    assert [reply.status for reply in replies] == [200, 200, 429]
    assert all(reply.has("ratelimit") for reply in replies)
    assert replies[2].json["code"] == "resource_exhausted"
    assert int(replies[2]["retry-after"]) >= 1


# Headers of the protocol.


@pytest.mark.parametrize(
    "content_type",
    [
        "-",
        "",
        "text/plain",
        "application/connect+json",
        "application/grpc",
        "application/json; charset=latin-1",
        "application/jsonl",
        "a/b" * 99,
    ],
)
async def test_other_content_types_are_no_call(rpc: Opened, content_type: str) -> None:
    reply = await rpc.call("Echo", b"{}", content_type)

    assert (reply.status, reply.json["reason"]) == (415, "CONTENT_TYPE_UNSUPPORTED")
    assert "application/proto" in reply["accept-post"]
    assert "application/connect+proto" not in reply["accept-post"]


async def test_only_version_1_is_spoken(rpc: Opened) -> None:
    assert (await rpc.call("Echo", b"{}", JSON, connect_protocol_version="1")).status == 200
    reply = await rpc.call("Echo", b"{}", JSON, connect_protocol_version="2")

    assert (reply.status, reason_of(reply.json)) == (400, "HTTP_MALFORMED")


@pytest.mark.parametrize(
    ("headers", "asked_s"),
    [
        ({}, None),
        ({"connect_timeout_ms": "2500"}, 2.5),
        ({"connect_timeout_ms": "9999999999"}, 9999999.999),
        ({"x_server_timeout": "3"}, 3.0),
    ],
)
async def test_a_caller_says_how_long_it_waits(
    rpc: Opened, headers: dict[str, str], asked_s: float | None
) -> None:
    await rpc.call("Echo", b"{}", JSON, **headers)

    (call,) = rpc.handlers.calls
    assert call.requested_timeout_s == asked_s
    assert call.deadline - call.started <= 30


@pytest.mark.parametrize(
    "headers",
    [
        {"connect_timeout_ms": "1.5"},
        {"connect_timeout_ms": "-1"},
        {"connect_timeout_ms": ""},
        {"connect_timeout_ms": "12345678901"},
        {"connect_timeout_ms": "1", "grpc_timeout": "1S"},
        {"connect_timeout_ms": "1", "x_server_timeout": "1"},
    ],
)
async def test_a_malformed_wait_is_refused(rpc: Opened, headers: dict[str, str]) -> None:
    reply = await rpc.call("Echo", b"{}", JSON, **headers)

    assert (reply.status, reason_of(reply.json)) == (400, "HTTP_MALFORMED")
    assert "connect-timeout-ms" in reply.json["message"]
    assert rpc.handlers.calls == []


async def test_a_call_ends_when_its_caller_has_waited_long_enough(rpc: Opened) -> None:
    async def stay(request: Any, call: Any) -> None:
        await asyncio.Event().wait()

    rpc.handlers.before = stay
    late = await rpc.call("Echo", b"{}", JSON, connect_timeout_ms="30")
    at_once = await rpc.call("Echo", b"{}", JSON, connect_timeout_ms="0")

    assert [(r.status, r.json["code"]) for r in (late, at_once)] == [(504, "deadline_exceeded")] * 2


async def test_a_query_is_refused_where_the_body_is_all(rpc: Opened) -> None:
    strict = await rpc.call("/tests.rpc.v1.RpcService/Echo?count=1", b"{}", JSON)
    lenient = await rpc.call("/tests.rpc.v1.RpcService/Lenient?count=1", b"{}", JSON)

    assert (strict.status, reason_of(strict.json)) == (400, "HTTP_MALFORMED")
    assert lenient.status == 200
    assert "count" not in lenient.json


# Metadata of answers.


async def test_what_a_handler_says_for_the_end_is_told_as_trailers(rpc: Opened) -> None:
    async def tell(request: Any, call: Any) -> None:
        call.response_headers += [("x-first", "1"), ("x-bytes-bin", b"\x00\xff"), ("trailer-x-last", "2")]
        call.response_headers += [("trailer-x-last", "3"), ("trailer-x-last-bin", b"\x01")]
        call.response_headers += [
            ("trailer-server", "secret"),
            ("server", "secret"),
            ("trailer-x-bad", "a\r\nb: c"),
        ]

    rpc.handlers.before = tell
    reply = await rpc.call("Echo", b"{}", JSON)

    told = [
        (name, value) for name, value in reply.headers if name.startswith(("trailer-", "x-first", "x-bytes"))
    ]
    assert sorted(told) == [
        ("trailer-x-last", "2"),
        ("trailer-x-last", "3"),
        ("trailer-x-last-bin", "AQ"),
        ("x-bytes-bin", "AP8"),
        ("x-first", "1"),
    ]
    assert b"secret" not in json.dumps(reply.headers).encode()
    assert not reply.has("trailer-x-bad")


# Compression.


@pytest.mark.parametrize("name", [*codings.WRITES])
@pytest.mark.parametrize("content_type", [JSON, PROTO])
async def test_requests_and_answers_may_be_compressed(rpc: Opened, name: str, content_type: str) -> None:
    ask = Ask(name="a" * 10 * COMPRESS_BYTES)
    body = ask.SerializeToString() if content_type == PROTO else json.dumps({"name": ask.name}).encode()
    coding = codings.WRITES[name]

    reply = await rpc.call(
        "Echo", coding.write(body), content_type, content_encoding=name, accept_encoding=name
    )

    assert (reply.status, reply["content-encoding"]) == (200, name)
    plain = codings.READS[name](reply.body, 1_000_000)
    told = Told.FromString(plain).name if content_type == PROTO else json.loads(plain)["name"]
    assert told == ask.name


async def test_an_unknown_compression_is_unimplemented(rpc: Opened) -> None:
    reply = await rpc.call("Echo", b"{}", JSON, content_encoding="snappy")

    assert (reply.status, reply.json["code"]) == (501, "unimplemented")
    assert reason_of(reply.json) == "COMPRESSION_UNSUPPORTED"
    assert "gzip" in reply["accept-encoding"]


async def test_a_body_that_unpacks_to_too_much_is_refused(rpc: Opened) -> None:
    body = gzip.compress(Ask(pad=bytes(SMALL_BYTES)).SerializeToString())
    reply = await rpc.call("Small", body, PROTO, content_encoding="gzip")

    assert (reply.status, reason_of(reply.json)) == (429, "MESSAGE_TOO_LARGE")


async def test_answers_with_secrets_are_not_compressed(rpc: Opened) -> None:
    ask = Ask(count=10 * COMPRESS_BYTES).SerializeToString()
    reply = await rpc.call("Secrets", ask, PROTO, accept_encoding="gzip")

    assert not reply.has("content-encoding")
    assert Secret.FromString(reply.body).secret == "s" * 10 * COMPRESS_BYTES


@pytest.mark.parametrize("content_type", [JSON, PROTO])
async def test_a_message_may_have_as_many_bytes_as_the_contract_says(rpc: Opened, content_type: str) -> None:
    def sized(size: int) -> bytes:
        if content_type == PROTO:
            return Ask(name="a" * (size - 2)).SerializeToString()
        return b'{"name":"%b"}' % (b"a" * (size - 11))

    assert len(sized(SMALL_BYTES)) == SMALL_BYTES
    assert (await rpc.call("Small", sized(SMALL_BYTES), content_type)).status == 200
    over = await rpc.call("Small", sized(SMALL_BYTES + 1), content_type)
    far_over = await rpc.call("Small", sized(SMALL_BYTES * 3), content_type)
    for reply in (over, far_over):
        assert (reply.status, reason_of(reply.json)) == (429, "MESSAGE_TOO_LARGE")
        assert f"may have {SMALL_BYTES} bytes" in reply.json["message"]

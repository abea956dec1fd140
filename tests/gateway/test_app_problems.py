"""How calls over HTTP fail: each problem, its status, and what it tells nobody."""

import asyncio

import pytest

from bedplate.errors import Kind, Refusal, Violation
from tests.gateway.wire import Wire, call


async def test_a_problem_says_everything_in_the_shape_of_rfc_9457(served):
    reply = await call(served.address, "GET", "/v1/things?limit=x&qqq=1", x_request_id="mine")

    body = reply.json
    assert reply.status == body["status"] == 400
    assert reply["x-request-id"] == "mine"
    assert reply["x-trace-id"] == body["trace_id"]
    assert body["type"] == "/problems/INVALID_REQUEST"
    assert body["title"] == "Invalid request"
    assert body["detail"].startswith("limit: ")
    assert (body["code"], body["reason"], body["domain"]) == (
        "INVALID_ARGUMENT",
        "INVALID_REQUEST",
        "bedplate",
    )
    assert [v["field"] for v in body["violations"]] == ["limit", "qqq"]
    assert all(set(v) == {"field", "description", "rule"} for v in body["violations"])
    assert [d["@type"].rpartition(".")[2] for d in body["details"]] == ["ErrorInfo", "BadRequest"]
    assert "error_id" not in body


async def test_a_refusal_of_a_service_carries_its_facts_and_when_to_come_back(served):
    async def refuse(request, call):
        raise Refusal(
            Kind.STATE,
            "SOLD_OUT",
            "There are none left.",
            violations=[Violation("name", "Take another.", "shop.stock")],
            retry_after_s=1.2,
            left=0,
        )

    served.handlers.before = refuse
    reply = await call(served.address, "GET", "/v1/things/a")

    body = reply.json
    assert (reply.status, reply["retry-after"]) == (400, "2")
    assert (body["reason"], body["domain"]) == ("SOLD_OUT", "shop.tests")
    assert (body["metadata"], body["retry_after"]) == ({"left": "0"}, 1.2)
    assert body["violations"] == [{"field": "name", "description": "Take another.", "rule": "shop.stock"}]
    page = (await call(served.address, "GET", body["type"])).json
    assert page["meanings"][0]["help"] == "Take another."


@pytest.mark.parametrize(
    ("kind", "reason", "status"),
    [
        (Kind.INVALID, "INVALID_REQUEST", 400),
        (Kind.UNKNOWN_CALLER, "CREDENTIAL_INVALID", 401),
        (Kind.FORBIDDEN, "SCOPE_MISSING", 403),
        (Kind.NOT_FOUND, "ROUTE_NOT_FOUND", 404),
        (Kind.EXHAUSTED, "OVERLOADED", 429),
        (Kind.CANCELLED, "CANCELLED", 499),
        (Kind.INTERNAL, "INTERNAL", 500),
        (Kind.UNSUPPORTED, "METHOD_NOT_FOUND", 501),
        (Kind.UNAVAILABLE, "DEPENDENCY_UNAVAILABLE", 503),
        (Kind.LATE, "DEADLINE_EXCEEDED", 504),
    ],
)
async def test_each_code_has_its_status(served, kind, reason, status):
    async def refuse(request, call):
        raise Refusal(kind, reason, "No.")

    served.handlers.before = refuse
    async with Wire(served.address) as wire:
        reply = await wire.call("GET", "/v1/things/a")
        assert (await wire.call("GET", "/healthz")).status == 200

    assert (reply.status, reply.json["status"], reply.json["code"]) == (status, status, kind.value)


async def test_a_fault_answers_an_error_id_and_nothing_else(served):
    async def fail(request, call):
        raise RuntimeError("postgresql://user:secret@host")

    served.handlers.before = fail
    reply = await call(served.address, "GET", "/v1/things/a")

    assert reply.status == 500
    assert len(reply.json["error_id"]) == 16
    assert b"secret" not in reply.body
    assert b"RuntimeError" not in reply.body
    assert reply.json["error_id"] in served.logged()


async def test_a_response_without_a_json_form_is_a_fault(served):
    async def spoil(request, call):
        request.detail.type_url = "type.googleapis.com/no.such.Type"

    served.handlers.before = spoil
    reply = await call(served.address, "GET", "/v1/things/a")

    assert (reply.status, reply.json["reason"]) == (500, "INTERNAL")
    assert b"no.such.Type" not in reply.body
    assert reply.json["error_id"] in served.logged()


@pytest.mark.parametrize(
    ("key", "challenge"),
    [(None, 'Bearer realm="bedplate"'), ("wrong", 'Bearer realm="bedplate", error="invalid_token"')],
)
async def test_a_401_carries_a_challenge_of_rfc_6750(served, key, challenge):
    reply = await call(served.address, "GET", "/v1/things/a", key=key)

    assert (reply.status, reply["www-authenticate"]) == (401, challenge)


async def test_a_method_for_anyone_needs_no_key(served):
    assert (await call(served.address, "GET", "/v1/open/a", key=None)).status == 200


async def test_a_415_says_what_is_taken(served):
    reply = await call(served.address, "POST", "/v1/things", b"{}", content_type="application/xml")

    assert (reply.status, reply["accept"]) == (415, "application/json")


BAD_BODIES = [
    *(b"{", b" ", b"[]", b"null", b'"x"', b"{} x", b"{}{}", b"\xef\xbb\xbf{}", b'{"name": "\xff"}', b"\x00"),
    *(b'{"name": "a", "name": "b"}', b'{"displayName": "a", "display_name": "b"}', b'{"limit": 2147483648}'),
    *(b'{"limit": "x"}', b'{"limit": 1.5}', b'{"nme": 1}', b'{"colour": "GREEN"}', b'{"name": 1}'),
    *(b"[" * 100_000, b'{"part":' * 5_000, b'{"part":' * 101 + b"{}" + b"}" * 101, b'{"limit": NaN}'),
    *(b'{"name": "\\ud800"}', b'{"at": "yesterday"}', b'{"left": "a", "right": 1}', b"{'name': 1}"),
]


@pytest.mark.parametrize("body", BAD_BODIES, ids=range(len(BAD_BODIES)))
async def test_a_bad_body_is_the_callers_to_mend(served, body):
    async with Wire(served.address) as wire:
        reply = await wire.call("POST", "/v1/things", body)
        again = await wire.call("POST", "/v1/things", b'{"limit": 1}')

    assert reply.status == 400
    assert reply.json["reason"] in ("MALFORMED_REQUEST", "INVALID_REQUEST")
    assert reply.json["detail"]
    assert again.status == 200


async def test_ten_megabytes_are_refused_with_an_answer(served):
    async with Wire(served.address) as wire:
        sending = asyncio.ensure_future(
            wire.send(
                b"POST /v1/things HTTP/1.1\r\nhost: x\r\ncontent-length: 10485760\r\n\r\n" + bytes(10485760)
            )
        )
        reply = await wire.reply()
        await asyncio.wait([sending])

    assert (reply.status, reply["connection"]) == (413, "close")
    assert reply.json["reason"] == "MESSAGE_TOO_LARGE"

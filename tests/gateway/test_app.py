"""What callers of the HTTP door see: routes, refusals, headers, the process's own pages."""

import asyncio
import json
import re

import pytest

from bedplate.contract.policy import PolicyError
from bedplate.errors import Kind, Refusal, Violation
from bedplate.gateway import app, headers
from bedplate.gateway.exchange import HEADERS_READ
from bedplate.gateway.routes import Binding
from bedplate.settings import Settings
from bedplate.telemetry.logs import LogWriter
from bedplate.telemetry.recorder import Telemetry
from tests.gateway import shop
from tests.gateway.http_door import Log
from tests.gateway.shop import WEAK_KEY
from tests.gateway.wire import Wire, call

# The order of refusal, checked with requests that are wrong in every later way too.
BAD_BODY = b"{"


async def test_a_call_goes_through_and_answers_json(served):
    reply = await call(served.address, "GET", "/v1/things/a%20b")

    assert reply.status == 200
    assert reply["content-type"] == "application/json"
    assert reply.json["method"] == "GetThing"
    assert reply.json["thing"] == {"name": "a b"}


@pytest.mark.parametrize(
    ("http_method", "target", "body", "method"),
    [
        ("GET", "/v1/things", None, "ListThings"),
        ("GET", "/v1/boxes/3/things", None, "ListThings"),
        ("POST", "/v1/things", b"{}", "CreateThing"),
        ("POST", "/v1/things/a:mark", b"{}", "MarkThing"),
        ("PUT", "/v1/things/a/part", b"{}", "PutPart"),
        ("PATCH", "/v1/racks/1/parts/2", b"{}", "PatchPart"),
        ("DELETE", "/v1/things/a", None, "DeleteThing"),
        ("PURGE", "/v1/things/a", None, "PurgeThing"),
        ("PROPFIND", "/v1/any/a", None, "AnyThing"),
        ("GET", "/v1/files/a/b", None, "GetFile"),
        ("GET", "/v1/files/a/b:read", None, "ReadFile"),
        ("GET", "/v1/partner", None, "PartnerThing"),
        ("GET", "http://elsewhere/v1/things/a?limit=1", None, "GetThing"),
    ],
)
async def test_every_sort_of_rule_is_answered(served, http_method, target, body, method):
    reply = await call(served.address, http_method, target, body)

    assert (reply.status, reply.json["method"]) == (200, method)


async def test_a_response_body_rule_answers_the_field_alone(served):
    reply = await call(served.address, "GET", "/v1/things/a/tags?tags=x&tags=y")

    assert reply.json == ["x", "y"]


@pytest.mark.parametrize("target", ["/v1/inner", "/v1/nothing", "/", "/v1/things/", "//v1/things"])
async def test_what_has_no_route_is_not_found(served, target):
    reply = await call(served.address, "GET", target)

    assert reply.status == 404
    assert reply["content-type"] == "application/problem+json"
    assert reply.json["reason"] == "ROUTE_NOT_FOUND"
    assert reply.json["type"] == "/problems/ROUTE_NOT_FOUND"


@pytest.mark.parametrize(
    ("http_method", "target", "allow"),
    [
        ("PATCH", "/v1/things/a", "DELETE, GET, HEAD, OPTIONS, PURGE"),
        ("GET", "/v1/small", "OPTIONS, POST"),
        ("POST", "/healthz", "GET, HEAD, OPTIONS"),
        ("POST", "/problems/INTERNAL", "GET, HEAD, OPTIONS"),
    ],
)
async def test_another_method_is_not_allowed_and_the_right_ones_are_named(served, http_method, target, allow):
    reply = await call(served.address, http_method, target)

    assert (reply.status, reply["allow"]) == (405, allow)
    assert reply.json["reason"] == "HTTP_METHOD_NOT_ALLOWED"


@pytest.mark.parametrize(
    ("target", "allow"),
    [("/v1/things", "GET, HEAD, OPTIONS, POST"), ("/healthz", "GET, HEAD, OPTIONS"), ("*", "OPTIONS")],
)
async def test_options_lists_the_methods_and_calls_nothing(served, target, allow):
    async with Wire(served.address) as wire:
        reply = await wire.call("OPTIONS", target, key=None)
        again = await wire.call("GET", "/healthz")

    assert (reply.status, reply["allow"], reply.body) == (204, allow, b"")
    assert not reply.has("content-length")
    assert again.status == 200
    assert served.handlers.entered == []


async def test_head_is_get_without_the_body(served):
    async with Wire(served.address) as wire:
        got = await wire.call("GET", "/v1/things/a", x_request_id="one")
        head = await wire.call("HEAD", "/v1/things/a", x_request_id="one")
        missing = await wire.call("HEAD", "/nowhere")
        last = await wire.call("GET", "/v1/things/b")

    assert (head.status, head["content-length"]) == (200, got["content-length"])
    assert missing.status == 404
    assert last.json["thing"]["name"] == "b"


async def test_the_order_of_refusal_is_that_of_every_door(served):
    async def refused(target="/v1/things/a:mark", body=BAD_BODY, **headers):
        return (await call(served.address, "POST", target, body, **headers)).json["reason"]

    assert await refused("/nowhere", key=None) == "ROUTE_NOT_FOUND"
    assert await refused(key=None, x_server_timeout="0") == "DEADLINE_EXCEEDED"
    assert await refused(key=None, content_type="text/plain") == "CREDENTIAL_MISSING"
    assert await refused(key="wrong", content_type="text/plain") == "CREDENTIAL_INVALID"
    assert await refused(key=WEAK_KEY, content_type="text/plain") == "SCOPE_MISSING"
    assert await refused(content_type="text/plain") == "CONTENT_TYPE_UNSUPPORTED"
    assert await refused() == "MALFORMED_REQUEST"
    assert await refused(body=b'{"limit": "x"}') == "INVALID_REQUEST"
    served.gate.draining = True
    assert await refused(key=None) == "DRAINING"
    assert served.handlers.entered == []


async def test_a_body_too_large_is_refused_before_anything_else_is_known(served):
    reply = await call(served.address, "POST", "/v1/small", b" " * 65, key=None)

    assert (reply.status, reply.json["reason"]) == (413, "MESSAGE_TOO_LARGE")
    assert reply.json["metadata"] == {"limit_bytes": "64"}
    assert (await call(served.address, "POST", "/v1/small", b" " * 62 + b"{}")).status == 200


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


async def test_responses_are_not_to_be_stored_or_guessed_at(served):
    for target in ("/v1/things/a", "/nowhere", "/healthz", "/problems/INTERNAL", "/metrics"):
        reply = await call(served.address, "GET", target)
        assert reply["cache-control"] == "no-store", target
        assert reply["x-content-type-options"] == "nosniff", target


SPELLINGS = [
    *("grpc-metadata-tenant", "Grpc-Metadata-X-Bedplate-Tenant", "grpcgateway-authorization", "grpc-tenant"),
    *("x-bedplate-principal", "X-BEDPLATE-TENANT", "bedplate-tenant", "x-forwarded-user", "x-user-bin"),
    *("grpc-previous-rpc-attempts", "grpc-status-details-bin", "x-envoy-original-path", "cookie", "x_tenant"),
    *("host-override", "x-http-method-override", "te", "forwarded", "user-agent"),
]


@pytest.mark.parametrize("name", SPELLINGS)
async def test_no_header_but_those_of_the_list_reaches_a_handler(served, name):
    async with Wire(served.address) as wire:
        await wire.send(
            f"GET /v1/things/a HTTP/1.1\r\nhost: x\r\n{name}: other\r\nauthorization: Bearer shop-key\r\n"
            "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"
            "x-request-id: mine\r\ngrpc-timeout: 2S\r\n\r\n".encode()
        )
        reply = await wire.reply()

    assert reply.status == 200
    assert set(reply.json["metadata"]) == {"authorization", "traceparent", "x-request-id"}
    assert reply["x-trace-id"] == "0af7651916cd43dd8448eb211c80319c"


@pytest.mark.parametrize("value", ["", "a b", "a\tb", "x" * 129, "é", '"', "a,b", "<script>"])
async def test_a_request_id_that_is_not_plain_is_ours_instead(served, value):
    reply = await call(served.address, "GET", "/v1/things/a", x_request_id=value)

    assert reply.status == 200
    assert reply["x-request-id"] == reply["x-trace-id"]
    assert "x-request-id" not in reply.json["metadata"]


async def test_handlers_set_headers_within_bounds(served):
    async def label(request, call):
        call.response_headers += [
            ("x-stock", "3"),
            ("etag", '"1"'),
            ("x-break", "a\r\nset-cookie: b"),
            ("set-cookie", "a"),
            ("content-length", "1"),
            ("x-trace-id", "forged"),
            ("x-bytes-bin", b"1"),
            ("grpc-status", "0"),
        ]

    served.handlers.before = label
    reply = await call(served.address, "GET", "/v1/things/a")

    assert (reply["x-stock"], reply["etag"]) == ("3", '"1"')
    assert not any(reply.has(name) for name in ("set-cookie", "x-break", "x-bytes-bin", "grpc-status"))
    assert reply["x-trace-id"] != "forged"


TIMEOUTS = {
    ("grpc_timeout", "3S"): 3.0,
    ("grpc_timeout", "2500m"): 2.5,
    ("grpc_timeout", "99999999u"): 30.0,  # 100 s, which is more than the contract's maximum
    ("grpc_timeout", "1H"): 30.0,
    ("x_server_timeout", "2"): 2.0,
    ("x_server_timeout", "2.5"): 2.5,
    ("x_server_timeout", "99999999"): 30.0,
    ("x_request_id", "none"): 5.0,
}


@pytest.mark.parametrize("header", TIMEOUTS)
async def test_the_caller_says_how_long_it_waits(served, header):
    remaining_s: list[float] = []

    async def look(request, call):
        remaining_s.append(call.remaining_s())

    served.handlers.before = look
    reply = await call(served.address, "GET", "/v1/things/a", **{header[0]: header[1]})

    assert reply.status == 200
    assert TIMEOUTS[header] - 1.0 < remaining_s[0] <= TIMEOUTS[header]


@pytest.mark.parametrize(
    "headers",
    [
        *(
            {"grpc_timeout": value}
            for value in ("", "3", "S", "123456789S", "-1S", "1.5S", "3s", "3 S", "1S,1S")
        ),
        *(
            {"x_server_timeout": value}
            for value in ("", "-1", "+1", "1s", "1e3", ".5", "1.", "inf", "nan", "1_0")
        ),
        {"grpc_timeout": "1S", "x_server_timeout": "1"},
    ],
)
async def test_a_timeout_that_cannot_be_read_is_refused(served, headers):
    reply = await call(served.address, "GET", "/v1/things/a", **headers)

    assert (reply.status, reply.json["reason"]) == (400, "HTTP_MALFORMED")
    assert "timeout" in reply.json["detail"]


async def test_a_call_that_takes_too_long_answers_504(served):
    ended = asyncio.Event()

    async def hang(request, call):
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    served.handlers.before = hang
    reply = await call(served.address, "GET", "/v1/things/a", grpc_timeout="50m")

    assert (reply.status, reply.json["reason"]) == (504, "DEADLINE_EXCEEDED")
    assert ended.is_set()


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


async def test_the_process_says_that_it_lives_and_whether_it_wants_callers(served):
    assert (await call(served.address, "GET", "/healthz", key=None)).json == {"status": "live"}
    assert (await call(served.address, "GET", "/readyz", key=None)).json == {"status": "ready"}

    served.ready = False

    assert (await call(served.address, "GET", "/healthz", key=None)).status == 200
    assert (await call(served.address, "GET", "/readyz", key=None)).status == 503


async def test_metrics_count_calls_by_method_door_and_code(served):
    await call(served.address, "GET", "/v1/things/a")
    await call(served.address, "GET", "/v1/things/a", key="wrong")
    await call(served.address, "GET", "/nowhere/at/all")
    reply = await call(served.address, "GET", "/metrics", key=None)

    text = reply.body.decode()
    assert reply["content-type"].startswith("text/plain")
    method = 'method="tests.shop.v1.ShopService/GetThing"'
    assert f'bedplate_calls_total{{code="OK",door="http",{method}}} 1.0' in text
    assert f'bedplate_calls_total{{code="UNAUTHENTICATED",door="http",{method}}} 1.0' in text
    assert "/nowhere" not in text


async def test_every_refusal_and_call_is_one_log_line_without_the_key(served):
    await call(served.address, "GET", "/v1/things/a")
    await call(served.address, "GET", "/nowhere")
    await call(served.address, "GET", "/healthz")

    lines = [json.loads(line) for line in served.logged().splitlines()]
    assert [(line["method"].rpartition("/")[2], line["code"]) for line in lines] == [
        ("GetThing", "OK"),
        ("unknown", "NOT_FOUND"),
    ]
    assert lines[0]["peer"].startswith("ipv4:127.0.0.1:")
    assert "shop-key" not in served.logged().replace("key:shop-key", "")


async def test_the_reference_is_served_with_all_it_needs(served):
    document = await call(served.address, "GET", "/openapi.json", key=None)
    page = await call(served.address, "GET", "/reference", key=None)

    assert "/v1/things/{name}" in document.json["paths"]
    assert "/v1/inner" not in document.json["paths"]
    assert page["content-type"].startswith("text/html")
    assert "default-src 'none'" in page["content-security-policy"]
    needed = re.findall(r'(?:src|href)="(/[^"]+)"', page.body.decode())
    assert needed
    for target in needed:
        assert (await call(served.address, "GET", target, key=None)).status == 200, target


def test_a_contract_cannot_take_the_servers_own_paths(monkeypatch):
    methods = shop.methods(shop.Handlers(), telemetry := Telemetry(log=LogWriter(Log())), Settings())
    taken = Binding("GET", "/healthz", "", "")
    monkeypatch.setattr(app, "bindings", lambda method: iter([taken] if method.name == "GetThing" else []))

    with pytest.raises(PolicyError, match=r"GetThing: the path /healthz is the server's own"):
        app.Gateway(methods.values(), telemetry, ready=lambda: True)
    telemetry.log.close()


def test_a_bad_template_stops_the_start_and_names_its_method(monkeypatch):
    methods = shop.methods(shop.Handlers(), telemetry := Telemetry(log=LogWriter(Log())), Settings())
    bad = Binding("GET", "/v1/{name", "", "")
    monkeypatch.setattr(app, "bindings", lambda method: iter([bad] if method.name == "GetThing" else []))

    with pytest.raises(
        PolicyError, match=r"tests\.shop\.v1\.ShopService/GetThing: the template '/v1/\{name'"
    ):
        app.Gateway(methods.values(), telemetry, ready=lambda: True)
    telemetry.log.close()


def test_what_becomes_metadata_is_read_at_the_door():
    assert set(headers.METADATA) <= HEADERS_READ

"""What callers of the HTTP door see: routes, the order of refusal, the process's own pages."""

import json
import re

import pytest

from bedplate.contract.bindings import Binding
from bedplate.contract.policy import PolicyError
from bedplate.gateway import app, pages
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
        app.Gateway(methods.values(), telemetry, pages=pages.pages(telemetry, lambda: True))
    telemetry.log.close()


def test_a_bad_template_stops_the_start_and_names_its_method(monkeypatch):
    methods = shop.methods(shop.Handlers(), telemetry := Telemetry(log=LogWriter(Log())), Settings())
    bad = Binding("GET", "/v1/{name", "", "")
    monkeypatch.setattr(app, "bindings", lambda method: iter([bad] if method.name == "GetThing" else []))

    with pytest.raises(
        PolicyError, match=r"tests\.shop\.v1\.ShopService/GetThing: the template '/v1/\{name'"
    ):
        app.Gateway(methods.values(), telemetry)
    telemetry.log.close()

"""Heads of requests: what is one list, what is for the last hop only, and what names no server."""

import pytest

from tests.gateway.http_door import Open, open_door
from tests.gateway.wire import Wire, request

SMUGGLED = request("GET", "/v1/things/smuggled")


@pytest.fixture
async def served():
    async with open_door() as opened:
        yield opened


def get(*lines: str, target: str = "/v1/things/a", host: str = "x") -> bytes:
    return "\r\n".join(
        [f"GET {target} HTTP/1.1", f"host: {host}", "authorization: Bearer shop-key", *lines, "", ""]
    ).encode("latin-1")


async def answer(served: Open, sent: bytes) -> int:
    async with Wire(served.address) as wire:
        await wire.send(sent)
        return (await wire.reply()).status


@pytest.mark.parametrize(
    ("one", "other", "status"),
    [
        ("accept: text/html", "accept: application/json", 200),
        ("accept: text/html", "accept: text/plain", 406),
        ("Accept-Encoding: gzip;q=0", "accept-encoding: identity", 200),
        ('if-none-match: "a"', 'if-none-match: "b"', 200),
        ("connection: keep-alive", "connection: x-other", 200),
        ("prefer: return=minimal", "prefer: respond-async", 200),
        ("x-request-id: a", "x-request-id: b", 400),
        ("idempotency-key: a", "idempotency-key: a", 400),
        ("traceparent: a", "traceparent: b", 400),
        ("origin: https://a.example", "origin: https://b.example", 400),
        ("x-server-timeout: 1", "x-server-timeout: 1", 400),
        ("content-type: application/json", "content-type: application/json", 400),
        ("expect: 100-continue", "expect: 100-continue", 400),
        # What nobody reads may stand as often as it likes.
        ("x-forwarded-for: a", "x-forwarded-for: b", 200),
        ("cookie: a", "cookie: b", 200),
    ],
)
async def test_a_list_on_several_lines_is_one_and_all_else_stands_once(served, one, other, status):
    assert await answer(served, get(one, other)) == status


@pytest.mark.parametrize(
    ("connection", "status"),
    [
        ("authorization", 401),
        ("close, Authorization", 401),
        ("keep-alive,\tAUTHORIZATION ,x", 401),
        ("x-request-id", 200),
        ("te, upgrade, http2-settings", 200),
        (",, ,", 200),
        ("content-length", 400),
        ("close, transfer-encoding", 400),
        ("host", 400),
    ],
)
async def test_what_connection_names_was_for_the_last_hop(served, connection, status):
    assert await answer(served, get(f"connection: {connection}")) == status


HOSTS = {
    **dict.fromkeys(["x", "localhost:8080", "127.0.0.1:1", "[::1]", "[::1]:8080", "a-b.c_d.example"], 200),
    **dict.fromkeys(
        ["", " ", "a b", "a,b", "a/b", "a@b", "a?b", "a#b", "x:y", "x:", "[::1", "::1", "\xe9"], 400
    ),
    **dict.fromkeys(["x:123456", "x%00", "<x>", "a\\b", "http://x"], 400),
}


@pytest.mark.parametrize("host", HOSTS)
async def test_a_host_is_a_name_or_an_address(served, host):
    async with Wire(served.address) as wire:
        await wire.send(get(host=host) + SMUGGLED)
        first = await wire.reply()
        rest = b"" if first.status == 200 else await wire.rest()

    assert (first.status, rest) == (HOSTS[host], b"")
    assert ("GetThing" in served.handlers.entered) is (first.status == 200)


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("http://x/v1/things/a", 200),
        ("HTTPS://elsewhere.example:443/v1/things/a?limit=1", 200),
        ("http://x", 404),
        ("http://x?/v1/things/a", 404),
        ("http:///v1/things/a", 400),
        ("http://user:secret@x/v1/things/a", 400),
        ("http://a b/v1/things/a", 400),
        ("ftp://x/v1/things/a", 400),
        ("file:///v1/things/a", 400),
        ("x://x/v1/things/a", 400),
        ("x:80", 400),
        ("*", 400),
        ("*/v1/things/a", 400),
        ("//x/v1/things/a", 404),
        ("/v1/things/http://x/", 404),
    ],
)
async def test_a_full_url_is_one_of_this_server(served, target, status):
    assert await answer(served, get(target=target)) == status


async def test_a_star_asks_what_the_server_can(served):
    sent = get(target="*").replace(b"GET", b"OPTIONS", 1)

    assert await answer(served, sent) == 204


@pytest.mark.parametrize(("method", "status"), [("TRACE", 405), ("CONNECT", 405), ("SEARCH", 405)])
async def test_methods_that_nobody_serves_echo_nothing(served, method, status):
    async with Wire(served.address) as wire:
        await wire.send(get("x-secret: s3cret").replace(b"GET", method.encode(), 1))
        reply = await wire.reply()

    assert reply.status == status
    assert b"s3cret" not in reply.body
    assert served.handlers.entered == []


@pytest.mark.parametrize(
    "line",
    [
        *("grpc-metadata-bedplate-tenant: evil", "Grpc-Metadata-Authorization: Bearer shop-key"),
        *(
            "bedplate-principal: evil",
            "Bedplate-Tenant: evil",
            "BEDPLATE-SCOPES: evil",
            "bedplate_tenant: evil",
        ),
        *("bedplate-tenant-bin: ZXZpbA==", "x-bedplate-tenant: evil", "grpcgateway-bedplate-tenant: evil"),
        *("grpc-previous-rpc-attempts: evil", "grpc-status-details-bin: ZXZpbA", "te: evil", "x-evil: evil"),
        *("cookie: tenant=evil", "forwarded: for=evil", "x-forwarded-for: evil", "x-real-ip: evil"),
        *("x-forwarded-host: evil", "x-http-method-override: DELETE", "x-method-override: DELETE"),
    ],
)
async def test_no_spelling_of_a_header_becomes_what_only_the_platform_says(served, line):
    async with Wire(served.address) as wire:
        await wire.send(get(line))
        reply = await wire.reply()

    told = {"authorization"}
    assert (reply.status, reply.json["method"]) == (200, "GetThing")
    assert set(reply.json["metadata"]) <= told
    assert "evil" not in str(reply.json)


@pytest.mark.parametrize("line", [":authority: evil", ":path: /v1/things/b", "bedplate tenant: evil"])
async def test_names_that_are_none_are_refused(served, line):
    assert await answer(served, get(line)) == 400

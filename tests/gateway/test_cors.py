"""Pages of other origins call what the contract lets them call, and see nothing of the rest."""

import pytest

from bedplate.gateway.exchange import HEADERS_READ
from tests.gateway.http_door import Open, open_door
from tests.gateway.wire import Reply, Wire

SHOP = "https://shop.example.com"
ALLOWED = "access-control-allow-origin"


async def ask(served: Open, path: str, method: str, **headers: str) -> Reply:
    """What a browser asks beforehand."""
    async with Wire(served.address) as wire:
        return await wire.call("OPTIONS", path, key=None, access_control_request_method=method, **headers)


def cors(reply: Reply) -> dict[str, str]:
    return {name: value for name, value in reply.headers if name.startswith("access-control-")}


async def test_a_page_that_the_contract_names_may_call(served: Open):
    asked = await ask(
        served, "/v1/pages/a", "POST", origin=SHOP, access_control_request_headers="authorization,if-match"
    )
    async with Wire(served.address) as wire:
        reply = await wire.call("POST", "/v1/pages/a", b"{}", origin=SHOP)

    may = {ALLOWED: SHOP, "access-control-allow-credentials": "true"}
    listed = asked["access-control-allow-headers"]
    assert (asked.status, asked.body) == (204, b"")
    assert cors(asked) == may | {
        "access-control-allow-methods": "POST",
        "access-control-max-age": "60",
        "access-control-allow-headers": listed,
    }
    assert "origin" in asked["vary"]
    assert reply.status == 200
    assert cors(reply) == may | {"access-control-expose-headers": reply["access-control-expose-headers"]}
    assert ("vary", "origin") in reply.headers
    assert served.handlers.entered == ["PageThing"]


async def test_pages_may_send_whatever_the_gateway_reads_of_them_and_nothing_else(served: Open):
    asked = await ask(served, "/v1/pages/a", "POST", origin=SHOP, access_control_request_headers="x-evil")

    listed = set(asked["access-control-allow-headers"].split(", "))
    assert {"authorization", "content-type", "idempotency-key", "if-match", "x-server-timeout"} <= listed
    assert listed < HEADERS_READ
    assert not {"origin", "accept-encoding", "x-evil", "x-forwarded-for"} & listed


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "https://shop.example.com:443",
        "https://shop.example.com.evil.example",
        "https://evil-shop.example.com",
        "https://shop.example.com, https://evil.example",
        "HTTPS://SHOP.EXAMPLE.COM",
        "http://shop.example.com",
        "*",
        "https://shop.example.com/",
        "",
    ],
)
async def test_a_page_of_another_origin_is_told_nothing(served: Open, origin: str):
    asked = await ask(served, "/v1/pages/a", "POST", origin=origin)
    async with Wire(served.address) as wire:
        reply = await wire.call("POST", "/v1/pages/a", b"{}", origin=origin)

    assert (asked.status, cors(asked)) == (204, {})
    assert (reply.status, cors(reply)) == (200, {})
    assert ("vary", "origin") in reply.headers


@pytest.mark.parametrize("origin", ["https://anywhere.example", "null"])
async def test_what_is_for_all_pages_names_none(served: Open, origin: str):
    asked = await ask(served, "/v1/pages/a", "GET", origin=origin)
    async with Wire(served.address) as wire:
        reply = await wire.call("GET", "/v1/pages/a", key=None, origin=origin)

    assert asked[ALLOWED] == reply[ALLOWED] == "*"
    assert not reply.has("access-control-allow-credentials")
    assert {"etag", "location", "retry-after", "x-request-id"} <= set(
        reply["access-control-expose-headers"].split(", ")
    )


async def test_a_caller_that_is_no_page_gets_no_word_of_it_but_caches_are_told(served: Open):
    async with Wire(served.address) as wire:
        reply = await wire.call("GET", "/v1/pages/a")

    assert cors(reply) == {}
    assert ("vary", "origin") in reply.headers


async def test_each_method_of_a_path_has_its_own_pages(served: Open):
    answers = [await ask(served, "/v1/pages/a", method, origin=SHOP) for method in ("POST", "GET", "DELETE")]

    assert [reply.status for reply in answers] == [204] * 3
    assert [cors(reply).get(ALLOWED) for reply in answers] == [SHOP, "*", None]
    assert [cors(reply).get("access-control-allow-methods") for reply in answers] == ["POST", "GET", None]


async def test_head_is_asked_for_as_get_is(served: Open):
    asked = await ask(served, "/v1/pages/a", "HEAD", origin=SHOP)

    assert (asked[ALLOWED], asked["access-control-allow-methods"]) == ("*", "HEAD")


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/v1/pages/a", "PATCH", 204),
        ("/v1/pages/a", "post", 204),
        ("/v1/pages/a", "", 204),
        ("/v1/things/a", "GET", 204),
        ("/nowhere", "GET", 404),
        ("/healthz", "GET", 204),
        ("/v1/anypages/a", "a b", 204),
        ("/v1/anypages/a", "GET, POST", 204),
    ],
)
async def test_what_no_contract_opens_stays_closed(served: Open, path: str, method: str, status: int):
    asked = await ask(served, path, method, origin=SHOP)

    assert (asked.status, cors(asked)) == (status, {})


async def test_asking_is_never_calling(served: Open):
    asked = await ask(served, "/v1/anypages/a", "PATCH", origin=SHOP)

    assert (asked.status, asked["access-control-allow-methods"]) == (204, "PATCH")
    assert served.handlers.entered == []


@pytest.mark.parametrize(
    ("status", "sent"),
    [
        (401, {"key": None}),
        (403, {"key": "shop-key-without-scopes"}),
        (400, {"grpc_timeout": "soon"}),
        (415, {"content_type": "text/plain"}),
        (504, {"grpc_timeout": "0S"}),
    ],
)
async def test_a_page_sees_why_its_call_failed(served: Open, status: int, sent: dict[str, str]):
    async with Wire(served.address) as wire:
        reply = await wire.call("POST", "/v1/pages/a", b"{}", origin=SHOP, **sent)

    assert (reply.status, reply[ALLOWED]) == (status, SHOP)
    assert "www-authenticate" in reply["access-control-expose-headers"]


async def test_a_page_sees_that_its_body_is_too_large_or_too_slow(served: Open):
    head = f"POST /v1/pages/a HTTP/1.1\r\nhost: x\r\norigin: {SHOP}\r\ncontent-length: "
    async with Wire(served.address) as wire:
        await wire.send(f"{head}100000000\r\n\r\n".encode())
        large = await wire.reply()
    async with open_door(http_body_s=0.05) as slow, Wire(slow.address) as wire:
        await wire.send(f"{head}10\r\n\r\n".encode())
        late = await wire.reply()

    assert [(reply.status, reply[ALLOWED]) for reply in (large, late)] == [(413, SHOP), (408, SHOP)]


async def test_the_servers_own_pages_are_for_pages_of_its_own(served: Open):
    async with Wire(served.address) as wire:
        replies = [
            await wire.call("GET", path, origin=SHOP)
            for path in ("/healthz", "/metrics", "/openapi.json", "/problems/ROUTE_NOT_FOUND", "/nowhere")
        ]

    assert [cors(reply) for reply in replies] == [{}] * 5


async def test_a_handler_opens_nothing(served: Open):
    async def before(request, call):
        call.response_headers.append(("access-control-allow-origin", "https://evil.example"))
        call.response_headers.append(("access-control-allow-credentials", "true"))

    served.handlers.before = before
    async with Wire(served.address) as wire:
        opened = await wire.call("GET", "/v1/pages/a", origin=SHOP)
        closed = await wire.call("GET", "/v1/things/a", origin=SHOP)

    assert (opened[ALLOWED], cors(closed)) == ("*", {})

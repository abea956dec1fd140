"""Which methods are called by name, by whom, and from where."""

import json

import pytest

from tests.gateway.library import Library
from tests.gateway.protocols.contract import PATH, Ask, Opened, frame, open_rpc, web
from tests.gateway.wire import Reply, Wire, call

JSON, WEB = "application/json", "application/grpc-web"


@pytest.mark.parametrize("name", ["Hidden", "Unbound", "Collect", "Nothing", "echo", "Echo/", ""])
async def test_what_has_no_rule_or_is_not_visible_is_not_there(rpc: Opened, name: str) -> None:
    for content_type, body in ((JSON, b"{}"), (WEB, frame(b""))):
        reply = await rpc.call(name, body, content_type)
        assert (reply.status, reply.json["reason"]) == (404, "ROUTE_NOT_FOUND")


async def test_a_rule_for_the_same_path_is_the_rules(rpc: Opened) -> None:
    reply = await rpc.call("Own", b'{"nam": 1}', JSON)

    assert (reply.status, reply["content-type"]) == (400, "application/problem+json")


async def test_a_deployment_may_want_none_of_it() -> None:
    async with open_rpc(http_protocols=False) as opened:
        assert (await opened.call("Echo", b"{}", JSON)).status == 404
        assert (await opened.call("/v1/echo", b"{}", JSON)).status == 200
        assert (await opened.call("Own", b"{}", JSON)).status == 200


@pytest.mark.parametrize(
    ("name", "allowed"), [("Echo", "OPTIONS, POST"), ("Read", "GET, HEAD, OPTIONS, POST")]
)
async def test_other_http_methods_are_told_which_there_are(rpc: Opened, name: str, allowed: str) -> None:
    reply = await call(rpc.address, "DELETE", PATH + name)

    assert (reply.status, reply["allow"]) == (405, allowed)


async def test_pages_of_other_origins_call_as_the_policy_says(rpc: Opened) -> None:
    async def ask(name: str, origin: str) -> Reply:
        return await call(
            rpc.address,
            "OPTIONS",
            PATH + name,
            key=None,
            origin=origin,
            access_control_request_method="POST",
            access_control_request_headers="connect-protocol-version",
        )

    reply = await ask("Echo", "https://a.example")
    listed = reply["access-control-allow-headers"].split(", ")
    assert (reply.status, reply["access-control-allow-methods"]) == (204, "POST")
    assert {
        *("authorization", "connect-protocol-version", "connect-timeout-ms", "content-type"),
        *("grpc-timeout", "x-grpc-web", "x-user-agent"),
    } <= {*listed}
    assert not (await ask("Echo", "https://b.example")).has("access-control-allow-origin")
    assert not (await ask("Read", "https://a.example")).has("access-control-allow-origin")


async def test_pages_see_answers_and_refusals_alike(rpc: Opened) -> None:
    bodies = ((JSON, b"{}"), (JSON, b"x"), (WEB, frame(b"")), (WEB, b""), ("text/plain", b"x"))
    for content_type, body in bodies:
        reply = await rpc.call("Echo", body, content_type, origin="https://a.example")
        assert reply["access-control-allow-origin"] == "https://a.example"
        assert reply["vary"] == "origin"
        assert "x-trace-id" in reply["access-control-expose-headers"]


async def test_calls_are_logged_by_their_method_and_without_what_they_hold(rpc: Opened) -> None:
    await rpc.call("Echo", frame(Ask(name="hunter2").SerializeToString()), WEB)

    lines = [json.loads(line) for line in rpc.logged().splitlines()]
    (line,) = [line for line in lines if line.get("method") == "tests.rpc.v1.RpcService/Echo"]
    assert line["code"] == "OK"
    assert "hunter2" not in rpc.logged()


@pytest.mark.parametrize("content_type", [JSON, WEB, "application/grpc-web-text", "application/proto"])
async def test_bodies_of_every_sort_are_never_our_fault(rpc: Opened, content_type: str) -> None:
    seeds = [
        b"",
        b"\0",
        b"\xff" * 9,
        frame(b"x"),
        frame(b"{}", 1),
        b"AAAAAAA=",
        b"{",
        b'{"count": 1e400}',
        b"\x80" * 99,
    ]
    async with Wire(rpc.address) as wire:
        for body in seeds:
            for headers in ({}, {"content_encoding": "gzip"}, {"grpc_encoding": "gzip"}, {"accept": "\xff"}):
                reply = await wire.call(
                    "POST", f"{PATH}Echo", body, **{"content_type": content_type, **headers}
                )
                assert reply.status not in (500, 503)
                if reply.status == 200 and "grpc-web" in content_type:
                    assert web(reply)[1]["grpc-status"] not in ("13", "2")
    assert '"level":"error"' not in rpc.logged()


async def test_an_idempotency_key_is_the_request_id_of_calls_by_name_too(library: Library) -> None:
    body, target = b'{"book": {"title": "emma"}}', "/tests.library.v1.LibraryService/CreateBook"
    async with Wire(library.address) as wire:
        first, again = [await wire.call("POST", target, body, idempotency_key='"k"') for _ in range(2)]
        other = await wire.call("POST", target, b"{}", idempotency_key='"k"')
        both = await wire.call("POST", target, b'{"requestId": "a"}', idempotency_key='"k"')

    assert (first.status, again.status, again["idempotent-replayed"]) == (200, 200, "true")
    assert again.json == first.json
    assert (other.status, other.json["code"]) == (409, "already_exists")
    assert (both.status, both.json["code"]) == (400, "invalid_argument")


async def test_an_idempotency_key_that_nobody_keeps_is_refused(rpc: Opened) -> None:
    by_connect = await rpc.call("Echo", b"{}", JSON, idempotency_key="k")
    by_web = await rpc.call("Echo", frame(b""), WEB, idempotency_key="k")

    assert by_connect.status == 400
    assert web(by_web)[1]["grpc-status"] == "3"
    assert rpc.handlers.calls == []

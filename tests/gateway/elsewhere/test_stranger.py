"""In front of a plain gRPC server of others, whose contract says no promises."""

import asyncio
import json

import pytest

from tests.gateway.elsewhere import stranger
from tests.gateway.elsewhere.edge import open_edge
from tests.gateway.wire import PATIENCE_S, Wire

BOOK = {
    "name": "Emma",
    "pages": "474",
    "attributes": {"binding": {"kind": "cloth", "tears": [1, None, True]}},
    "note": [1.5, "x"],
    "notes": [None, {"a": {}}, "b"],
    "extra": {"@type": "type.googleapis.com/stranger.v1.Fine", "cents": 3},
    "printed": "1815-12-23T00:00:00Z",
    "shelves": ["A", 3],
}


async def test_a_call_is_made_of_a_request_and_its_answer_comes_back_as_json(edge):
    reply = await edge.get("/v1/books/Emma%20Woodhouse")

    assert reply.status == 200
    assert reply.json["name"] == "Emma Woodhouse"
    assert reply.json["pages"] == "1"


async def test_free_values_and_packed_messages_of_a_contract_that_is_read_at_run_time_go_both_ways(edge):
    reply = await edge.ask("POST", "/v1/books", json.dumps(BOOK).encode())

    assert reply.status == 200
    assert reply.json == BOOK


async def test_a_method_without_an_http_rule_is_not_found(edge):
    reply = await edge.ask("POST", "/stranger.v1.LibraryService/Inner", b"{}")

    assert reply.status == 404


async def test_callers_see_those_headers_of_an_answer_that_are_for_them(edge):
    reply = await edge.get("/v1/books/Emma")

    assert reply["x-shelf"] == "3"
    assert reply["etag"] == '"7"'
    assert not reply.has("internal-host")


async def test_the_server_is_told_who_calls_from_where_and_nothing_else(edge):
    reply = await edge.get(
        "/v1/seen",
        authorization="Basic dTpw",
        cookie="a=b",
        x_forwarded_for="10.9.9.9",
        bedplate_principal="root",
        x_internal="1",
        x_request_id="id-7",
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        bedplate_criticality="sheddable",
        bedplate_environment="staging",
    )

    seen = reply.json["metadata"]
    assert seen.pop("traceparent").startswith("00-0af7651916cd43dd8448eb211c80319c-")
    assert seen.pop("user-agent").startswith("bedplate-gateway/")
    assert seen == {
        "authorization": "Basic dTpw",
        "x-request-id": "id-7",
        "bedplate-criticality": "sheddable",
        "bedplate-environment": "staging",
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-host": "test",
        "x-forwarded-proto": "http",
    }
    assert reply["x-trace-id"] == "0af7651916cd43dd8448eb211c80319c"


async def test_a_trusted_proxy_in_front_tells_the_address_that_is_handed_on(behind, contract):
    async with open_edge(behind, contract, trusted_proxies="127.0.0.1") as edge:
        seen = (await edge.get("/v1/seen", x_forwarded_for="10.1.1.1, 203.0.113.9")).json["metadata"]

    assert seen["x-forwarded-for"] == "203.0.113.9"


async def test_the_trace_goes_on_below_the_gateways_own_span(edge):
    above = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    seen = (await edge.get("/v1/seen", traceparent=above)).json["metadata"]

    assert seen["traceparent"] != above


async def test_a_credential_that_no_metadata_can_hold_is_refused(edge):
    reply = await edge.get("/v1/seen", authorization="Bearer caf\xe9")

    assert reply.status == 400
    assert reply.json["reason"] == "HTTP_MALFORMED"


@pytest.mark.parametrize(
    ("asked", "low", "high"),
    [({}, 20.0, 30.0), ({"x_server_timeout": "9"}, 4.0, 9.0), ({"grpc_timeout": "9H"}, 290.0, 300.0)],
)
async def test_the_server_has_the_callers_time_less_what_the_way_back_takes(edge, asked, low, high):
    reply = await edge.get("/v1/seen", **asked)

    assert low < reply.json["remainingS"] < high


async def test_a_server_that_does_not_answer_in_time_is_told_to_stop(edge, library):
    reply = await edge.get("/v1/wait/a", grpc_timeout="100m")

    assert reply.status == 504
    assert reply.json["reason"] == "DEADLINE_EXCEEDED"
    async with asyncio.timeout(PATIENCE_S):
        await library.cancelled.wait()


async def test_a_caller_that_goes_away_takes_its_call_along(edge, library):
    async with Wire(edge.edge.http_address) as wire:
        await wire.send(b"GET /v1/wait/a HTTP/1.1\r\nhost: test\r\n\r\n")
        async with asyncio.timeout(PATIENCE_S):
            await library.waiting.wait()

    async with asyncio.timeout(PATIENCE_S):
        await library.cancelled.wait()


async def test_a_stream_of_answers_comes_as_they_are_made(edge, library):
    async with Wire(edge.edge.http_address) as wire:
        await wire.send(
            b"GET /v1/books:watch?count=3 HTTP/1.1\r\nhost: test\r\naccept: application/x-ndjson\r\n"
            b"connection: close\r\n\r\n"
        )
        async with asyncio.timeout(PATIENCE_S):
            await library.waiting.wait()
        library.answer.set()
        whole = (await wire.rest()).decode()

    assert whole.startswith("HTTP/1.1 200")
    assert [f"book {number}" in whole for number in range(3)] == [True] * 3


async def test_a_caller_that_leaves_a_stream_ends_it(edge, library):
    async with Wire(edge.edge.http_address) as wire:
        await wire.send(b"GET /v1/books:watch?count=3 HTTP/1.1\r\nhost: test\r\n\r\n")
        async with asyncio.timeout(PATIENCE_S):
            await library.waiting.wait()

    async with asyncio.timeout(PATIENCE_S):
        await library.cancelled.wait()


async def test_the_reference_tells_what_there_is(edge):
    found = (await edge.get("/openapi.json")).json

    assert found["info"]["title"] == "stranger.v1"
    assert "passed over" in found["info"]["description"]
    assert set(found["paths"]) >= {"/v1/books/{name}", "/v1/books", "/v1/seen"}
    assert found["paths"]["/v1/books"]["post"]["description"].startswith("Answers the book that came.")


async def test_the_metrics_count_calls_by_the_servers_methods(edge):
    await edge.get("/v1/books/Emma")

    text = (await edge.get("/metrics")).body.decode()

    assert 'method="stranger.v1.LibraryService/GetBook"' in text
    assert "bedplate_upstream_serving" in text


async def test_contracts_that_the_server_tells_itself_serve_as_those_of_a_file(library):
    async with (
        stranger.library_server(library, reflect=True) as address,
        open_edge(address, "reflect") as edge,
    ):
        reply = await edge.ask("POST", "/v1/books", json.dumps(BOOK).encode())

    assert reply.status == 200
    assert reply.json == BOOK

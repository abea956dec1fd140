"""What callers are told when the server behind answers no message."""

import asyncio
import socket

import pytest

from tests.gateway.elsewhere import stranger
from tests.gateway.elsewhere.edge import open_edge
from tests.gateway.wire import PATIENCE_S


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
    return port


@pytest.mark.parametrize(
    ("how", "status"),
    [
        ("NOT_FOUND", 404),
        ("INVALID_ARGUMENT", 400),
        ("ALREADY_EXISTS", 409),
        ("ABORTED", 409),
        ("PERMISSION_DENIED", 403),
        ("UNAUTHENTICATED", 401),
        ("FAILED_PRECONDITION", 400),
        ("OUT_OF_RANGE", 400),
        ("UNIMPLEMENTED", 501),
        ("RESOURCE_EXHAUSTED", 429),
    ],
)
async def test_a_code_without_details_is_its_own_reason_and_its_text_is_told(edge, how, status):
    reply = await edge.get(f"/v1/fail/{how}")

    assert reply.status == status
    assert reply.json["reason"] == reply.json["code"] == how
    assert reply.json["detail"] == f"The library says {how}."
    assert reply.json["domain"] == "stranger.v1"


@pytest.mark.parametrize("how", ["UNKNOWN", "INTERNAL", "DATA_LOSS", "BUG"])
async def test_what_a_server_says_of_its_own_faults_is_in_the_log_and_not_in_the_answer(edge, how):
    reply = await edge.get(f"/v1/fail/{how}")

    assert reply.status == 500
    assert reply.json["reason"] == "INTERNAL"
    assert b"hunter2" not in reply.body
    assert b"library says" not in reply.body
    [line] = [line for line in edge.logged("upstream") if "error_id" in line]
    assert line["error_id"] == reply.json["error_id"]
    assert ("hunter2" if how == "BUG" else f"The library says {how}.") in line["said"]


async def test_details_are_handed_on_as_they_came_and_stacks_are_not(edge):
    reply = await edge.get("/v1/fail/DETAILS")

    assert reply.status == 400
    assert reply.json["detail"] == "It is lent."
    assert reply.json["reason"] == "BOOK_LENT"
    assert reply.json["domain"] == "library.example"
    assert reply.json["metadata"] == {"until": "May"}
    assert reply["retry-after"] == "3"
    assert {"@type": "type.googleapis.com/stranger.v1.Fine", "cents": 250} in reply.json["details"]
    assert b"store.py" not in reply.body


@pytest.mark.parametrize("how", ["ODD_CHALLENGE", "BARE_CHALLENGE"])
async def test_what_a_server_says_of_a_challenge_is_no_header_unless_it_can_be_one(edge, how):
    reply = await edge.get(f"/v1/fail/{how}")

    assert reply.status == 401
    assert reply.json["reason"] == "STEP_UP_REQUIRED"
    assert reply["www-authenticate"] == 'Bearer realm="bedplate", error="invalid_token"'
    assert not reply.has("x-split")


async def test_violations_without_a_reason_are_told_with_the_code_as_reason(edge):
    reply = await edge.get("/v1/fail/VIOLATIONS")

    assert reply.json["reason"] == "INVALID_ARGUMENT"
    assert reply.json["violations"] == [{"field": "name", "description": "Too long.", "rule": ""}]


@pytest.mark.parametrize("how", ["NOT_FOUND", "DETAILS", "BUG"])
async def test_the_type_of_every_problem_is_a_page_that_there_is(edge, how):
    reply = await edge.get(f"/v1/fail/{how}")

    kind = reply.json["type"]
    assert kind == "about:blank" or (await edge.get(kind)).status == 200


@pytest.mark.parametrize(
    ("how", "reasons"),
    [("UNAUTHENTICATED", ["UNAUTHENTICATED", "ADDRESS_LIMITED"]), ("STEP_UP", ["STEP_UP_REQUIRED"] * 2)],
)
async def test_only_callers_whom_the_server_does_not_know_use_their_address_budget_up(
    behind, contract, how, reasons
):
    async with open_edge(behind, contract, address_rate=0.001, address_burst=5) as edge:
        replies = [await edge.get(f"/v1/fail/{how}") for _ in range(2)]

    assert [reply.json["reason"] for reply in replies] == reasons
    assert replies[0].status == 401
    assert replies[0]["www-authenticate"].startswith("Bearer")


async def test_an_answer_that_is_none_of_the_contracts_is_the_servers_fault(edge, library):
    library.raw = b"\x0a\xff"

    reply = await edge.get("/v1/books/Emma")

    assert reply.status == 503
    assert reply.json["reason"] == "UPSTREAM_UNAVAILABLE"


async def test_an_answer_that_is_too_large_is_told_as_such(edge, library):
    library.raw = b"\x0a" + b"\x80\x80\xc0\x02" + b"x" * (5 * 1024 * 1024)

    reply = await edge.get("/v1/books/Emma")

    assert reply.json["reason"] == "MESSAGE_TOO_LARGE"
    assert reply.json["metadata"] == {"limit_bytes": str(4 * 1024 * 1024)}


async def test_a_request_that_is_too_large_for_the_server_is_told_as_such(contract, library):
    async with (
        stranger.library_server(library, receive_bytes=10) as address,
        open_edge(address, contract) as edge,
    ):
        reply = await edge.ask("POST", "/v1/books", b'{"name": "Pride and Prejudice"}')

    assert reply.status == 413
    assert reply.json["reason"] == "MESSAGE_TOO_LARGE"
    assert "takes no request as large" in reply.json["detail"]


async def test_nobody_behind_is_told_at_once_and_no_address_is(contract, library):
    port = free_port()
    async with open_edge(f"127.0.0.1:{port}", contract) as edge:
        reply = await edge.get("/v1/books/Emma")
        ready = await edge.get("/readyz")
        live = await edge.get("/healthz")

    assert reply.status == 503
    assert reply.json["reason"] == "UPSTREAM_UNAVAILABLE"
    assert reply.json["metadata"] == {"made": "no"}
    assert reply["retry-after"] == "1"
    assert str(port).encode() not in reply.body
    assert (ready.status, live.status) == (503, 200)


async def test_a_server_that_comes_back_is_found_again(contract, library):
    port = free_port()
    async with open_edge(f"127.0.0.1:{port}", contract) as edge:
        async with stranger.library_server(library, port=port):
            await edge.until_ready()
            before = await edge.get("/v1/books/Emma")
        async with asyncio.timeout(PATIENCE_S):
            while (await edge.get("/readyz")).status == 200:
                await asyncio.sleep(0.01)
        between = await edge.get("/v1/books/Emma")
        async with stranger.library_server(library, port=port):
            await edge.until_ready()
            after = await edge.get("/v1/books/Emma")

    assert [before.status, between.status, after.status] == [200, 503, 200]


async def test_a_server_that_goes_away_with_a_call_leaves_its_outcome_unknown(contract, library):
    async with stranger.library_server(library) as address, open_edge(address, contract) as edge:
        asked = asyncio.create_task(edge.get("/v1/wait/a"))
        async with asyncio.timeout(PATIENCE_S):
            await library.waiting.wait()
        await library.stop()
        reply = await asked

    assert reply.status == 503
    assert reply.json["reason"] == "OUTCOME_UNKNOWN"

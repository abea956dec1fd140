"""Connect and gRPC-Web in front of servers elsewhere."""

import json

import pytest

from bedplate.services.ledger.service import SERVICE as LEDGER
from bedplate.testing.serve import KEY, serve
from tests.faults.platform import ROOT
from tests.gateway.elsewhere.edge import open_edge
from tests.gateway.elsewhere.stranger import message
from tests.gateway.protocols.contract import answer, end_of, frame, status_of, web
from tests.gateway.wire import Wire, request

SHIPPED = ROOT / "generated" / "descriptors" / "bedplate.binpb"
JSON, WEB = "application/json", "application/grpc-web+proto"
LIBRARY, BOOKS = "/stranger.v1.LibraryService/", "/bedplate.ledger.v1.LedgerService/"


async def ask(edge, path, body, content_type, **headers):
    async with Wire(edge.edge.http_address) as wire:
        given = {"key": None, "content_type": content_type, **headers}
        await wire.send(request("POST", path, body, **given))
        return await answer(wire)


async def test_a_server_of_others_is_called_by_name(edge):
    by_json = await ask(edge, f"{LIBRARY}GetBook", b'{"name": "moby", "unknown": 1}', JSON)
    book = message("GetBookRequest")(name="moby").SerializeToString()
    by_web = await ask(edge, f"{LIBRARY}GetBook", frame(book), WEB)
    inner = await ask(edge, f"{LIBRARY}Inner", b"{}", JSON)

    assert (by_json.status, by_json.json["name"], by_json["x-shelf"]) == (200, "moby", "3")
    assert message("Book").FromString(web(by_web)[0][0]).name == "moby"
    assert not by_web.has("internal-host")
    assert inner.status == 404


async def test_what_it_says_at_its_end_comes_at_the_end(edge):
    body = frame(message("GetBookRequest")(name="moby").SerializeToString())
    by_json = await ask(edge, f"{LIBRARY}GetBook", b'{"name": "moby"}', JSON)
    told = web(await ask(edge, f"{LIBRARY}GetBook", body, WEB))[1]

    assert by_json["trailer-x-last"] == "9"
    assert told == {"grpc-status": "0", "x-last": "9"}
    assert not [name for name, _ in by_json.headers if "internal" in name]


async def test_its_failures_come_with_their_details_and_without_its_insides(edge):
    lent = await ask(edge, f"{LIBRARY}Fail", b'{"how": "DETAILS"}', JSON)
    body = frame(message("FailRequest")(how="DETAILS").SerializeToString())
    told = web(await ask(edge, f"{LIBRARY}Fail", body, WEB))[1]
    bug = await ask(edge, f"{LIBRARY}Fail", b'{"how": "BUG"}', JSON)

    assert (lent.status, lent.json["code"], lent.json["message"]) == (
        400,
        "failed_precondition",
        "It is lent.",
    )
    kinds = [detail["type"] for detail in lent.json["details"]]
    assert kinds == ["google.rpc.ErrorInfo", "google.rpc.RetryInfo", "stranger.v1.Fine"]
    assert lent.json["details"][2]["debug"] == {"cents": 250}
    assert told["grpc-status"] == "9"
    assert [detail.type_url.rpartition("/")[2] for detail in status_of(told).details] == kinds
    assert (bug.status, bug.json["code"]) == (500, "internal")
    assert b"hunter2" not in bug.body


async def test_it_is_told_who_calls_from_where_and_nothing_else(edge):
    reply = await ask(
        edge, f"{LIBRARY}Seen", b"{}", JSON, key="theirs", bedplate_tenant="other", connect_timeout_ms="2000"
    )

    seen = reply.json["metadata"]
    assert (seen["authorization"], seen["x-forwarded-for"]) == ("Bearer theirs", "127.0.0.1")
    assert seen["x-forwarded-proto"] == "http"
    assert not {"bedplate-tenant", "connect-timeout-ms"} & {*seen}
    assert 1 < reply.json["remainingS"] <= 2


async def test_its_streams_come_message_by_message(edge, library):
    library.answer.set()
    reply = await ask(edge, f"{LIBRARY}WatchBooks", frame(b'{"count": 3}'), "application/connect+json")

    messages, end = end_of(reply)
    assert [json.loads(data)["name"] for data in messages] == ["book 0", "book 1", "book 2"]
    assert end == {}


@pytest.fixture
async def ledger():
    async with (
        serve([LEDGER], load_shedding=False) as served,
        open_edge(served.grpc_address, SHIPPED) as edge,
    ):
        yield edge


async def test_a_server_of_ours_is_called_by_name_with_its_promises(ledger):
    made = await ask(
        ledger, f"{BOOKS}CreateLedger", b'{"ledger_id": "a", "display_name": "A"}', JSON, key=KEY
    )
    wrong = await ask(ledger, f"{BOOKS}CreateLedger", b'{"ledger_idd": "a"}', JSON, key=KEY)
    nobody = await ask(ledger, f"{BOOKS}CreateLedger", b"{}", JSON)
    async with Wire(ledger.edge.http_address) as wire:
        by_get = await wire.call("GET", f"{BOOKS}ListLedgers?encoding=json&message=%7B%7D", key=KEY)

    assert (made.status, wrong.status) == (200, 400)
    assert "did you mean ledgerId?" in wrong.json["message"]
    assert (nobody.status, nobody.json["code"]) == (401, "unauthenticated")
    assert [found["ledgerId"] for found in by_get.json["ledgers"]] == ["a"]

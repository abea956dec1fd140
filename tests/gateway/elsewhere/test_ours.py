"""In front of servers of our own, whose contracts say what they promise."""

import asyncio
import json

import pytest

from bedplate.contract.policy import PolicyError
from bedplate.services.ledger.service import SERVICE as LEDGER
from bedplate.testing.serve import KEY, serve
from tests.faults.platform import ROOT
from tests.gateway.elsewhere.edge import open_edge
from tests.gateway.wire import PATIENCE_S, Wire

SHIPPED = ROOT / "generated" / "descriptors" / "bedplate.binpb"
CALLERS = 20


@pytest.fixture
async def behind():
    async with serve([LEDGER], load_shedding=False) as served:
        yield served


@pytest.fixture
async def ledger(behind):
    async with open_edge(behind.grpc_address, SHIPPED) as opened:
        yield opened


def made(ledger_id: str) -> bytes:
    return json.dumps({"ledger_id": ledger_id, "display_name": "A"}).encode()


async def test_calls_come_through_with_the_callers_own_key(ledger):
    created = await ledger.ask("POST", "/v1/ledgers", made("a"), key=KEY)
    listed = await ledger.get("/v1/ledgers", key=KEY)

    assert (created.status, created["location"]) == (201, "/v1/ledgers/a")
    assert [found["ledgerId"] for found in listed.json["ledgers"]] == ["a"]


async def test_refusals_of_the_server_are_told_as_it_tells_them(ledger):
    await ledger.ask("POST", "/v1/ledgers", made("a"), key=KEY)

    absent = await ledger.get("/v1/ledgers/none", key=KEY)
    invalid = await ledger.ask("POST", "/v1/ledgers", made("No Name"), key=KEY)

    assert (absent.status, absent.json["reason"]) == (404, "LEDGER_NOT_FOUND")
    assert (await ledger.get(absent.json["type"])).status == 200
    assert (invalid.status, invalid.json["reason"]) == (400, "INVALID_REQUEST")
    assert [found["field"] for found in invalid.json["violations"]] == ["ledger_id"]


async def test_a_contract_with_promises_is_taken_strictly_before_the_server_is_asked(ledger):
    reply = await ledger.ask("POST", "/v1/ledgers", b'{"ledger_idd": "a"}', key=KEY)

    assert reply.status == 400
    assert "did you mean" in reply.json["violations"][0]["description"]


async def test_what_is_internal_is_not_found(ledger):
    for target in ("/v1/overrides", "/bedplate.admin.v1.AdminService/ListOverrides"):
        assert (await ledger.get(target, key=KEY)).status == 404


async def test_tries_with_wrong_keys_count_for_the_address_at_the_edge(behind):
    async with open_edge(behind.grpc_address, SHIPPED, address_rate=0.001, address_burst=10) as edge:
        reasons = [
            (await edge.get("/v1/ledgers", key=f"wrong-{number}")).json["reason"] for number in range(3)
        ]

    assert reasons == ["CREDENTIAL_INVALID", "CREDENTIAL_INVALID", "ADDRESS_LIMITED"]


async def test_whoever_means_another_environment_is_refused_at_the_edge(behind):
    async with open_edge(behind.grpc_address, SHIPPED, environment="staging") as edge:
        reply = await edge.get("/v1/ledgers", key=KEY, bedplate_environment="production")

    assert (reply.status, reply.json["reason"]) == (400, "ENVIRONMENT_MISMATCH")


async def test_a_gateway_that_drains_refuses_with_a_reason(ledger):
    ledger.edge._gate.draining = True

    reply = await ledger.get("/v1/ledgers", key=KEY)

    assert (reply.status, reply.json["reason"]) == (503, "DRAINING")


async def test_no_call_fails_when_one_of_two_servers_stops(ledger):
    statuses: dict[int, int] = {}
    over = asyncio.Event()

    async def hammer(edge):
        async with Wire(edge.edge.http_address) as wire:
            while not over.is_set():
                reply = await wire.call("GET", "/v1/ledgers", key=KEY)
                statuses[reply.status] = statuses.get(reply.status, 0) + 1

    async with serve([LEDGER], load_shedding=False) as stays:
        async with serve([LEDGER], load_shedding=False) as goes:
            target = f"ipv4:{stays.grpc_address},{goes.grpc_address}"
            edge = open_edge(target, SHIPPED)
            opened = await edge.__aenter__()
            callers = [asyncio.create_task(hammer(opened)) for _ in range(CALLERS)]
            async with asyncio.timeout(PATIENCE_S):
                while goes.app.telemetry.begun < 100 or stays.app.telemetry.begun < 100:
                    await asyncio.sleep(0.01)
        over.set()
        await asyncio.gather(*callers)
        await edge.__aexit__(None, None, None)

    assert set(statuses) == {200}


def tightened(tmp_path, longest):
    path = tmp_path / "policy.toml"
    path.write_text(f'["bedplate.ledger.v1.LedgerService/ListLedgers"]\ndeadline.max = "{longest}s"\n')
    return path


async def test_a_deployment_tightens_what_the_contract_promises(behind, tmp_path):
    file = tightened(tmp_path, 1)
    async with open_edge(behind.grpc_address, SHIPPED, policy_file=file) as edge:
        promised = (await edge.get("/openapi.json")).json["paths"]["/v1/ledgers"]["get"]

    assert promised["x-bedplate-policy"]["deadline_max_s"] == 1


async def test_a_deployment_that_would_loosen_it_does_not_start(behind, tmp_path):
    file = tightened(tmp_path, 9999)
    with pytest.raises(PolicyError, match="would loosen"):
        async with open_edge(behind.grpc_address, SHIPPED, policy_file=file):
            pass

"""How the gateway elsewhere ends, and which part of the order of refusal it runs."""

import asyncio

from bedplate.gateway.elsewhere.method import EDGE_STAGES
from bedplate.pipeline.order import STAGES
from tests.gateway.elsewhere.edge import open_edge
from tests.gateway.wire import PATIENCE_S


async def test_a_call_that_runs_is_answered_before_the_end(edge, library):
    asked = asyncio.create_task(edge.get("/v1/wait/a"))
    async with asyncio.timeout(PATIENCE_S):
        await library.waiting.wait()

    stopping = asyncio.create_task(edge.edge.stop())
    while edge.edge.ready:
        await asyncio.sleep(0)
    library.answer.set()
    reply = await asked
    await stopping

    assert reply.status == 200
    assert reply["connection"] == "close"


async def test_a_call_that_outlasts_the_end_is_told_that_its_outcome_is_unknown(behind, contract, library):
    async with open_edge(behind, contract, stop_grace_s=0.05) as edge:
        asked = asyncio.create_task(edge.get("/v1/wait/a"))
        async with asyncio.timeout(PATIENCE_S):
            await library.waiting.wait()

        await edge.edge.stop()
        reply = await asked

    assert reply.status == 503
    assert reply.json["reason"] == "OUTCOME_UNKNOWN"
    async with asyncio.timeout(PATIENCE_S):
        await library.cancelled.wait()


async def test_who_waits_for_the_end_of_an_edge_learns_of_it(edge):
    waiting = asyncio.create_task(edge.edge.ended())

    await edge.edge.stop()

    async with asyncio.timeout(PATIENCE_S):
        await waiting


def test_the_edges_stages_come_in_the_order_of_refusal():
    known = [stage for stage in EDGE_STAGES if stage in STAGES]
    names = [stage.__module__.rpartition(".")[2] for stage in STAGES]
    ours = [stage.__module__.rpartition(".")[2] for stage in EDGE_STAGES]

    assert known == [stage for stage in STAGES if stage in known]
    # The one of its own is the rate by address, which stands where all rates do.
    at = EDGE_STAGES.index(next(stage for stage in EDGE_STAGES if stage not in STAGES))
    before, after = EDGE_STAGES[at - 1], EDGE_STAGES[at + 1]
    assert STAGES.index(before) < names.index("rate") < STAGES.index(after)
    for kept_behind in ("authenticate", "authorise", "validate", "relation", "replay", "audit", "cache"):
        assert kept_behind not in ours

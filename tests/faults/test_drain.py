"""SIGTERM under load: who was let in gets an answer, who was not tries another server."""

import asyncio
import signal
from pathlib import Path

import pytest

from bedplate.client.errors import CallError
from bedplate.clients.ledger import AsyncLedgerClient
from bedplate.ledger.v1 import ledger_pb2
from tests.faults.books import ACCOUNTS, LEDGER, Books
from tests.faults.platform import Platform

CALLERS = 50
POST = "bedplate.ledger.v1.LedgerService/PostTransactions"


def entries(amount_minor: int) -> list[ledger_pb2.Entry]:
    """A balanced pair."""
    return [
        ledger_pb2.Entry(account_id=ACCOUNTS[0], side=ledger_pb2.SIDE_DEBIT, amount_minor=amount_minor),
        ledger_pb2.Entry(account_id=ACCOUNTS[1], side=ledger_pb2.SIDE_CREDIT, amount_minor=amount_minor),
    ]


async def post(client: AsyncLedgerClient, name: str) -> None:
    """Post one transaction under a name."""
    transaction = ledger_pb2.Transaction(transaction_id=name, entries=entries(7))
    await client.post_transactions(ledger_id=LEDGER, transactions=[transaction])


@pytest.mark.timeout(180)
async def test_a_caller_sees_only_ok_or_unavailable_while_the_server_drains(tmp_path: Path) -> None:
    with Platform(tmp_path / "data") as platform:
        async with Books(platform.grpc_address, platform.key) as books:
            await books.open()
        acknowledged: set[str] = set()
        codes: set[str] = set()
        under_way = asyncio.Event()

        async def caller(number: int) -> None:
            async with AsyncLedgerClient(platform.grpc_address, key=platform.key) as client:
                for turn in range(10_000):
                    name = f"caller-{number}-{turn}"
                    try:
                        await post(client, name)
                    except CallError as error:
                        codes.add(error.code)
                        return
                    acknowledged.add(name)
                    if len(acknowledged) > 2 * CALLERS:
                        under_way.set()

        callers = [asyncio.create_task(caller(number)) for number in range(CALLERS)]
        await asyncio.wait_for(under_way.wait(), 60)
        platform.send(signal.SIGTERM)
        await asyncio.wait_for(asyncio.gather(*callers), 60)

        assert await asyncio.to_thread(platform.stop) == 0
        assert codes <= {"UNAVAILABLE"}
        await asyncio.to_thread(platform.start)
        async with Books(platform.grpc_address, platform.key) as books:
            posted = set(await books.posted_ids())
        # What was done was answered: the handler of an unanswered call never started.
        assert posted == acknowledged


@pytest.mark.timeout(240)
async def test_with_two_processes_no_retryable_call_fails_when_one_stops(
    postgresql_url: str, tmp_path: Path
) -> None:
    with (
        Platform(tmp_path / "one", database_url=postgresql_url) as one,
        Platform(tmp_path / "two", database_url=postgresql_url) as two,
    ):
        (tmp_path / "two" / "keys.json").write_bytes((tmp_path / "one" / "keys.json").read_bytes())
        await asyncio.to_thread(two.stop)
        await asyncio.to_thread(two.start)
        target = f"ipv4:{one.grpc_address},{two.grpc_address}"
        async with Books(one.grpc_address, one.key) as books:
            await books.open()
        done = 0
        stop = asyncio.Event()
        under_way = asyncio.Event()

        async def caller(client: AsyncLedgerClient, number: int) -> None:
            nonlocal done
            turn = 0
            while not stop.is_set():
                turn += 1
                await post(client, f"caller-{number}-{turn}")
                done += 1
                if done > 100:
                    under_way.set()

        async with AsyncLedgerClient(target, key=one.key) as client:
            callers = [asyncio.create_task(caller(client, number)) for number in range(10)]
            await asyncio.wait_for(under_way.wait(), 60)
            for platform in (one, two):
                assert await asyncio.to_thread(platform.stop) == 0
                await asyncio.to_thread(platform.start)
                # The next one stops when this one has work again, as in a rolling update.
                while await asyncio.to_thread(platform.metric, "bedplate_calls_total", POST) < 50:
                    for task in callers:
                        if task.done():
                            task.result()
            stop.set()
            await asyncio.wait_for(asyncio.gather(*callers), 60)

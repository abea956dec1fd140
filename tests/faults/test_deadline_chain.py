"""HTTP, ledger, rates, with rates stalled: every hop stops at the deadline."""

import asyncio
import json
import signal
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from bedplate.ledger.v1 import ledger_pb2
from tests.faults.books import ACCOUNTS, LEDGER, Books
from tests.faults.platform import Platform

DEADLINE_S = 0.3
# How late an answer may be. The best of a few tries is judged: the machine may be busy.
LATE_S = 0.05
TRIES = 5


def get_converted(platform: Platform) -> tuple[int, str, float]:
    """Ask for a converted balance with a deadline; the status, the reason, and how long it took."""
    url = (
        f"{platform.http_url}/v1/ledgers/{LEDGER}/accounts/{ACCOUNTS[0]}/balance"
        "?convertTo.currency.code=USD&convertTo.currency.scale=2&convertTo.lastKnown=true"
    )
    request = urllib.request.Request(
        url, headers={"authorization": f"Bearer {platform.key}", "x-server-timeout": str(DEADLINE_S)}
    )
    began = time.monotonic()
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, "", time.monotonic() - began
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)["reason"], time.monotonic() - began


def running_calls(platform: Platform) -> float:
    """How many calls of its services the process says it is running."""
    return platform.metric("bedplate_calls_in_flight", 'method="bedplate.')


async def prepare(platform: Platform) -> None:
    """A ledger with a posted transaction."""
    async with Books(platform.grpc_address, platform.key) as books:
        await books.open()
        await books.call(
            "PostTransactions",
            ledger_pb2.PostTransactionsRequest(ledger_id=LEDGER, transactions=[books.transaction(1)]),
        )


@pytest.mark.timeout(180)
async def test_every_hop_stops_at_the_deadline_when_rates_is_stalled(tmp_path: Path) -> None:
    with Platform(tmp_path / "rates", "serve", "rates") as rates:
        upstreams = {"BEDPLATE_UPSTREAMS": f"rates={rates.grpc_address}"}
        (tmp_path / "ledger").mkdir()
        (tmp_path / "ledger" / "keys.json").write_bytes((tmp_path / "rates" / "keys.json").read_bytes())
        with Platform(tmp_path / "ledger", "serve", "ledger", environment=upstreams, key=rates.key) as ledger:
            await prepare(ledger)
            # Once while rates answers, so that the connection is there.
            status, reason, _ = await asyncio.to_thread(get_converted, ledger)
            assert (status, reason) == (400, "RATE_NOT_AVAILABLE")

            rates.send(signal.SIGSTOP)
            try:
                answers = [await asyncio.to_thread(get_converted, ledger) for _ in range(TRIES)]
                still_running = await asyncio.to_thread(running_calls, ledger)
            finally:
                rates.send(signal.SIGCONT)

            assert {(status, reason) for status, reason, _ in answers} == {(504, "DEADLINE_EXCEEDED")}
            took = sorted(took for _, _, took in answers)
            assert took[0] < DEADLINE_S + LATE_S, took
            assert took[-1] < DEADLINE_S + 2, took
            assert still_running == 0
            rates.wait_ready()
            # What it had been sent before it stood still, it begins now, and ends at once.
            async with asyncio.timeout(10):
                while await asyncio.to_thread(running_calls, rates):
                    pass


@pytest.mark.timeout(120)
async def test_the_chain_answers_in_one_process_and_in_two(tmp_path: Path) -> None:
    """The same call, the same answer, whichever way rates is reached."""
    with Platform(tmp_path / "all") as platform:
        await prepare(platform)
        status, reason, _ = await asyncio.to_thread(get_converted, platform)
        assert (status, reason) == (400, "RATE_NOT_AVAILABLE")

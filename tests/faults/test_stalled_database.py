"""A caller, two services in two processes, and a database that stands still: all of it stops in time."""

import asyncio
import json
import sqlite3
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import psycopg
import pytest
import sqlalchemy as sa
from google.rpc import error_details_pb2, status_pb2

from tests.faults import teller
from tests.faults.books import Books
from tests.faults.platform import ROOT, Platform

DEADLINE_S = 0.3
# How late an answer may be. The best of a few tries is judged: the machine may be busy.
LATE_S = 0.05
Pay = Callable[[int], Awaitable[tuple[str, str]]]
POST = "bedplate.ledger.v1.LedgerService/PostTransactions"


@dataclass(slots=True)
class Chain:
    """The two processes.

    Attributes:
        front: The one that is called.
        ledger: The one that it calls, with the database.
        database_url: Where that is.
    """

    front: Platform
    ledger: Platform
    database_url: str

    async def over_http(self, number: int) -> tuple[str, str]:
        """Pay over HTTP; code and reason of the answer."""
        return await asyncio.to_thread(self._post, number)

    def _post(self, number: int) -> tuple[str, str]:
        request = urllib.request.Request(
            f"{self.front.http_url}/v1/pay",
            data=json.dumps({"transactionId": f"tx-{number}"}).encode(),
            headers={
                "authorization": f"Bearer {self.front.key}",
                "content-type": "application/json",
                "x-server-timeout": str(DEADLINE_S),
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=5):
                return "OK", ""
        except urllib.error.HTTPError as error:
            with error:
                problem = json.load(error)
            return problem["code"], problem["reason"]

    async def over_grpc(self, number: int, timeout_s: float = DEADLINE_S) -> tuple[str, str]:
        """Pay over gRPC; the same."""
        async with grpc.aio.insecure_channel(self.front.grpc_address) as channel:
            await channel.channel_ready()
            pay: Any = channel.unary_unary(
                f"/{teller.METHOD}",
                teller.PayRequest.SerializeToString,
                teller.PayResponse.FromString,
            )
            try:
                await pay(
                    teller.PayRequest(transaction_id=f"tx-{number}"),
                    timeout=timeout_s,
                    metadata=(("authorization", f"Bearer {self.front.key}"),),
                )
            except grpc.aio.AioRpcError as error:
                return error.code().name, _reason(error)
        return "OK", ""

    def took_ms(self, platform: Platform, method: str) -> list[float]:
        """How long the calls of a method took that ended as late in a process, by its log."""
        lines = [json.loads(line) for line in platform.read_output().splitlines() if line.startswith("{")]
        calls = [line for line in lines if line.get("event") == "call" and line["method"] == method]
        return [line["ms"] for line in calls if line["code"] not in ("OK", "CANCELLED")]


def _reason(error: grpc.aio.AioRpcError) -> str:
    for name, value in error.trailing_metadata() or ():
        if name == "grpc-status-details-bin":
            for packed in status_pb2.Status.FromString(value).details:
                info = error_details_pb2.ErrorInfo()
                if packed.Unpack(info):
                    return info.reason
    return ""


@contextmanager
def stalled(database_url: str) -> Iterator[Callable[[], int]]:
    """Hold what every posting needs; tells how many statements wait for it at the server."""
    if database_url.startswith("sqlite"):
        path = sa.make_url(database_url).database
        assert path is not None
        holder = sqlite3.connect(path, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        try:
            yield lambda: 0
        finally:
            holder.execute("ROLLBACK")
            holder.close()
        return
    with psycopg.connect(database_url) as session, psycopg.connect(database_url, autocommit=True) as eye:
        session.execute("LOCK TABLE ledger_accounts IN ACCESS EXCLUSIVE MODE")
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
            "AND datname = current_database()"
        )
        yield lambda: eye.execute(waiting).fetchone()[0]  # type: ignore[index]
        session.rollback()


async def until(condition: Callable[[], Awaitable[bool]], within_s: float) -> float:
    """Wait for what another process does and tells nobody; how long it took, seconds."""
    began = time.monotonic()
    while not await condition():
        assert time.monotonic() - began < within_s, "it did not happen"
        await asyncio.sleep(0.005)
    return time.monotonic() - began


@pytest.fixture
def chain(tmp_path: Path, database_url: str) -> Iterator[Chain]:
    """A teller and a ledger, each in a process of its own."""
    with Platform(tmp_path / "ledger", "serve", "ledger", database_url=database_url) as ledger:
        (tmp_path / "teller").mkdir()
        (tmp_path / "teller" / "keys.json").write_bytes((tmp_path / "ledger" / "keys.json").read_bytes())
        with Platform(
            tmp_path / "teller",
            command=(sys.executable, "-m", "tests.faults.teller"),
            environment={
                "BEDPLATE_UPSTREAMS": f"ledger={ledger.grpc_address}",
                "PYTHONPATH": str(ROOT),
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            key=ledger.key,
        ) as front:
            yield Chain(front, ledger, database_url)


@pytest.mark.timeout(180)
async def test_every_hop_stops_at_the_deadline_and_nothing_is_committed_after_it(chain: Chain) -> None:
    async with Books(chain.ledger.grpc_address, chain.ledger.key) as books:
        await books.open()
        await hold_up(chain, chain.over_http, range(1, 7))
        await hold_up(chain, chain.over_grpc, range(11, 17))
        await hang_up(chain, 20)
        posted = sorted(await books.posted_ids())

    assert posted == ["tx-1", "tx-11", "tx-16", "tx-6"]
    for platform, method in ((chain.front, teller.METHOD), (chain.ledger, POST)):
        ms = chain.took_ms(platform, method)
        assert ms, f"{method} left no line"
        assert min(ms) < (DEADLINE_S + LATE_S) * 1000, (method, ms)
        assert await asyncio.to_thread(platform.metric, "bedplate_calls_in_flight", method) == 0


async def hold_up(chain: Chain, pay: Pay, numbers: range) -> None:
    """Pay before, during and after a stall; only the first and the last number come through."""
    first, *during, last = numbers
    assert await pay(first) == ("OK", "")  # so that the connections are there

    answers, took, quiet = [], [], []
    with stalled(chain.database_url) as waiting:

        async def none_waits() -> bool:
            return waiting() == 0

        async def slots_are_free() -> bool:
            return await asyncio.to_thread(chain.ledger.metric, "bedplate_database_running") == 0

        for number in during:
            began = time.monotonic()
            answers.append(await pay(number))
            took.append(time.monotonic() - began)
            quiet.append(await until(none_waits, 5))
        # While it still stands: the slots do not wait for the database to come back.
        await until(slots_are_free, 10)

    assert await pay(last) == ("OK", "")
    assert {code for code, _ in answers} == {"DEADLINE_EXCEEDED"}
    assert {reason for _, reason in answers} <= {"DEADLINE_EXCEEDED", ""}  # core's own answer has none
    assert min(took) < DEADLINE_S + LATE_S, took
    assert min(quiet) < LATE_S, quiet


async def hang_up(chain: Chain, number: int) -> None:
    """A caller that goes away ends the calls behind it and their statement, long before any deadline."""

    async def runs() -> bool:
        return await asyncio.to_thread(chain.ledger.metric, "bedplate_database_running") == 1

    async def is_over() -> bool:
        calls = await asyncio.to_thread(chain.ledger.metric, "bedplate_calls_in_flight", POST)
        return calls == 0 and waiting() == 0 and not await runs()

    with stalled(chain.database_url) as waiting:
        call = asyncio.ensure_future(chain.over_grpc(number, timeout_s=20.0))
        await until(runs, 5)
        call.cancel()
        await asyncio.wait([call])
        await until(is_over, 5)

"""What listing and adding up cost over a million entries on PostgreSQL.

Run `python -m tests.services.ledger.million` for the table in
docs/performance.md; `make soak` holds the figures to what is promised.
"""

import asyncio
import random
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import sqlalchemy as sa

from bedplate.data import Database
from bedplate.data.migrate import migrate
from bedplate.data.page import CursorValue, PageTokens, fingerprint
from bedplate.data.postgresql import with_driver
from bedplate.ledger.v1 import ledger_pb2 as pb
from bedplate.services.ledger.service import SERVICE
from bedplate.testing.databases import PostgresServer
from tests.services.ledger.crowd import SECOND_US, START_US, fill
from tests.services.ledger.office import PAGE_KEY, Caller, Office

ACCOUNTS = 2_000
TRANSACTIONS = 500_000
ENTRIES = 2 * TRANSACTIONS
HOLDS = 10_000
BRANCHES = 20
TENANT = "tenant-0123456789abcdef"
ROUNDS = 41
PAGE_MAX_MS = 20.0
SUMS_MAX_MS = 100.0

# Account paths, and how many entries they add up: of all accounts, of one type,
# and of one branch of it.
SUMMED = {"**": ENTRIES, "assets:**": ENTRIES // 5, "assets:branch-3:*": ENTRIES // 5 // BRANCHES}


@dataclass(frozen=True)
class Figure:
    """What was measured of one kind of call, in milliseconds as its caller waits.

    Attributes:
        name: The kind.
        p50_ms: Half of the calls took no longer.
        p99_ms: Nearly all took no longer.
        max_ms: What is promised of p50; 0: nothing.
    """

    name: str
    p50_ms: float
    p99_ms: float
    max_ms: float


@asynccontextmanager
async def million() -> AsyncIterator[Caller]:
    """A caller whose ledger `main` has a million entries, in a PostgreSQL of its own."""
    # As PostgreSQL comes, but that it does not wait for the disk. What autovacuum
    # does is done by hand, once.
    server = PostgresServer(settings={"shared_buffers": "128MB"})
    server.start()
    try:
        url = server.create_database()
        assert SERVICE.schema is not None
        migrate(url, SERVICE.name, SERVICE.schema)
        engine = sa.create_engine(
            with_driver(sa.make_url(url)),
            poolclass=sa.NullPool,
            isolation_level="AUTOCOMMIT",
            execution_options={"no_parameters": True},
        )
        with engine.connect() as connection:
            connection.exec_driver_sql("SET session_replication_role = replica")
            fill(
                connection,
                TENANT,
                accounts=ACCOUNTS,
                transactions=TRANSACTIONS,
                holds=HOLDS,
                branches=BRANCHES,
            )
            connection.exec_driver_sql("VACUUM ANALYZE")
        database = Database.open(url)
        office = Office(database)
        try:
            yield office.caller(TENANT)
        finally:
            office.telemetry.log.close()
            await database.close()
    finally:
        server.stop()


async def measure(caller: Caller, rounds: int = ROUNDS) -> list[Figure]:
    """Every list at places all over the ledger, and every sum, now and as of times all over it."""
    chance = random.Random(1)
    figures = []
    for size in (100, 1000):
        for name, call in _pages(caller, chance, size).items():
            # The default size is what is promised; the largest is told beside it.
            limit = PAGE_MAX_MS if size == 100 else 0.0
            figures.append(await _timed(f"{name}, {size} a page", call, limit, rounds))
    for path, entries in SUMMED.items():
        named = f"AggregateBalances {path} ({entries:,})"
        for name, call in _sums(caller, chance, path).items():
            limit = SUMS_MAX_MS if name == "now" or path != "**" else 0.0
            figures.append(await _timed(f"{named}, {name}", call, limit, rounds))
    return figures


Calling = Callable[[], Awaitable[object]]


def _pages(caller: Caller, chance: random.Random, size: int) -> dict[str, Calling]:
    ledger, tokens = caller.ledger, PageTokens(PAGE_KEY)

    def anywhere(
        request: pb.ListEntriesRequest
        | pb.ListTransactionsRequest
        | pb.ListAccountsRequest
        | pb.ListHoldsRequest,
        *cursor: CursorValue,
    ) -> str:
        principal = caller.principal
        query = fingerprint(request)
        return tokens.encode(cursor, query=query, tenant=principal.tenant, principal=principal.id)

    def entries(account_id: str = "") -> Calling:
        async def call() -> None:
            request = pb.ListEntriesRequest(ledger_id="main", account_id=account_id, page_size=size)
            request.page_token = anywhere(request, chance.randrange(TRANSACTIONS * 9 // 10), 0)
            page = await ledger.list_entries(request).page()
            assert len(page.entries) == size or account_id

        return call

    async def transactions() -> None:
        request = pb.ListTransactionsRequest(ledger_id="main", page_size=size)
        request.page_token = anywhere(request, chance.randrange(TRANSACTIONS * 9 // 10))
        assert len((await ledger.list_transactions(request).page()).transactions) == size

    def accounts(path: str) -> Calling:
        async def call() -> None:
            request = pb.ListAccountsRequest(ledger_id="main", account_path=path, page_size=size)
            first = chance.choice(["assets", "equity", "income"])
            request.page_token = anywhere(request, f"{first}:branch-1")
            assert (await ledger.list_accounts(request).page()).accounts

        return call

    async def holds() -> None:
        request = pb.ListHoldsRequest(ledger_id="main", page_size=size)
        request.page_token = anywhere(request, f"hold-{chance.randrange(1, 9)}")
        assert len((await ledger.list_holds(request).page()).holds) == size

    return {
        "ListEntries": entries(),
        "ListEntries of an account": entries("assets:branch-3:15"),
        "ListTransactions": transactions,
        "ListAccounts": accounts(""),
        "ListAccounts *:branch-7:*": accounts("*:branch-7:*"),
        "ListHolds": holds,
    }


def _sums(caller: Caller, chance: random.Random, path: str) -> dict[str, Calling]:
    def calling(axis: "pb.TimeAxis.ValueType | None", share: tuple[float, float]) -> Calling:
        async def call() -> None:
            as_of = None
            if axis is not None:
                second = chance.uniform(*share) * TRANSACTIONS
                as_of = pb.AsOf(axis=axis)
                as_of.time.FromMicroseconds(START_US + int(second) * SECOND_US)
            asked = caller.ledger.aggregate_balances(
                ledger_id="main", account_path=path, group_depth=2, as_of=as_of
            )
            assert (await asked.page()).groups

        return call

    return {
        "now": calling(None, (0, 0)),
        "created in the last 5 %": calling(pb.TIME_AXIS_CREATED, (0.95, 1)),
        "created at any time": calling(pb.TIME_AXIS_CREATED, (0, 1)),
        "effective at any time": calling(pb.TIME_AXIS_EFFECTIVE, (0, 1)),
    }


async def _timed(name: str, call: Calling, max_ms: float, rounds: int) -> Figure:
    for _ in range(6):  # psycopg prepares what runs for the sixth time
        await call()
    took_ms = []
    for _ in range(rounds):
        began = time.perf_counter()
        await call()
        took_ms.append((time.perf_counter() - began) * 1000)
    return Figure(name, statistics.median(took_ms), statistics.quantiles(took_ms, n=100)[98], max_ms)


async def _main() -> None:
    async with million() as caller:
        print("| call | p50 ms | p99 ms | promised p50 |\n|---|---:|---:|---:|")
        for figure in await measure(caller):
            promised = f"under {figure.max_ms:.0f}" if figure.max_ms else ""
            print(f"| {figure.name} | {figure.p50_ms:.1f} | {figure.p99_ms:.1f} | {promised} |")


if __name__ == "__main__":
    asyncio.run(_main())

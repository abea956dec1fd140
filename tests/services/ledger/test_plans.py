"""How the databases read: by an index, whatever is listed or added up, with statistics and without."""

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from bedplate.data import Database
from bedplate.data.migrate import migrate
from bedplate.data.postgresql import is_postgresql, with_driver
from bedplate.ledger.v1 import ledger_pb2 as pb
from bedplate.services.ledger.service import SERVICE
from bedplate.testing.databases import PostgresServer, sqlite_url
from tests.services.ledger.crowd import SECOND_US, START_US, fill
from tests.services.ledger.office import Caller, Office

TENANTS = [f"tenant-{number}" for number in range(10)]
TENANT = TENANTS[4]
PATHS = ["", "assets:**", "assets:branch-1:*", "*:branch-1:*", "*:*:7", "income:*:**", "assets:branch-1:5"]
MIDDLE_S = START_US // SECOND_US + 1_000

# What SQLite may scan: lists that a statement makes or is given, and no table.
MADE = {"json_each", "named", "held", "debited", "credited", "both_sides", "(subquery)"}
SCAN = re.compile(r"^SCAN (?!CONSTANT ROW|\d+ CONSTANT ROW)(\S+)")


# Of a table that fits a page or two, a scan is the shortest way.
_MORE = """
INSERT INTO ledger_ledgers (tenant_id, ledger_id, display_name, create_time_us, head_sequence, head_time_us)
    SELECT 'tenant-' || n % 500, 'ledger-' || n, '', 1, 0, 1 FROM generate_series(1, 5000) n;
INSERT INTO ledger_failures
    (tenant_id, ledger_id, kind, failed_id, content, reason, sentence, field, facts, create_time_us)
    SELECT 'tenant-' || n % 500, 'main', 1, 'tx-' || n, '', 'LIMIT_EXCEEDED', '', '', '', n
    FROM generate_series(1, 5000) n
"""


def _fill(connection: sa.Connection, tenants: list[str]) -> None:
    for tenant in tenants:
        fill(connection, tenant, accounts=100, transactions=2_000, holds=300, branches=4)


@pytest.fixture(scope="module")
def postgresql_books(postgres_server: PostgresServer) -> Iterator[str]:
    """A database with books of ten tenants, about which PostgreSQL has statistics."""
    url = postgres_server.create_database()
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
        _fill(connection, TENANTS)
        connection.exec_driver_sql(_MORE)
        connection.exec_driver_sql("VACUUM ANALYZE")
    yield url
    postgres_server.drop_database(url)


@pytest.fixture
async def asked_postgresql(postgresql_books: str) -> AsyncIterator["Asked"]:
    """All that listing and adding up asks PostgreSQL."""
    async for each in _asked(postgresql_books):
        yield each


@pytest.fixture
async def asked_sqlite(tmp_path: Path) -> AsyncIterator["Asked"]:
    """All that listing and adding up asks SQLite."""
    url = sqlite_url(tmp_path)
    assert SERVICE.schema is not None
    migrate(url, SERVICE.name, SERVICE.schema)
    with sa.create_engine(url, poolclass=sa.NullPool).connect() as connection:
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        _fill(connection, [TENANT])
        connection.commit()
    async for each in _asked(url):
        yield each


class Asked:
    """Statements that ran, each once, with values that one run had."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.statements: dict[str, Any] = {}

    @contextmanager
    def noting(self) -> Iterator[None]:
        """Note what runs within the block."""

        def note(connection, cursor, statement, parameters, context, executemany):
            self.statements.setdefault(statement, parameters)

        sa.event.listen(sa.Engine, "before_cursor_execute", note)
        try:
            yield
        finally:
            sa.event.remove(sa.Engine, "before_cursor_execute", note)

    def plans(self, explain: str) -> dict[str, str]:
        """What the database says it would do."""
        url = sa.make_url(self.url)
        url = with_driver(url) if is_postgresql(url) else url
        with sa.create_engine(url, poolclass=sa.NullPool).connect() as connection:
            return {
                statement: "\n".join(
                    row[-1] for row in connection.exec_driver_sql(f"{explain} {statement}", values)
                )
                for statement, values in self.statements.items()
            }

    def generic_plans(self) -> dict[str, str]:
        """What PostgreSQL would do for a prepared statement, whatever the values."""
        engine = sa.create_engine(
            with_driver(sa.make_url(self.url)),
            poolclass=sa.NullPool,
            execution_options={"no_parameters": True},
        )
        found = {}
        with engine.connect() as connection:
            for statement in self.statements:
                names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", statement)))
                text = re.sub(
                    r"%\((\w+)\)s", lambda name, names=names: f"${names.index(name[1]) + 1}", statement
                )
                rows = connection.exec_driver_sql(f"EXPLAIN (GENERIC_PLAN) {text}")
                found[statement] = "\n".join(row[0] for row in rows)
        return found


async def _asked(url: str) -> AsyncIterator[Asked]:
    database = Database.open(url)
    office = Office(database)
    asked = Asked(url)
    with asked.noting():
        await _read_everything(office.caller(TENANT))
    yield asked
    office.telemetry.log.close()
    await database.close()


async def _read_everything(caller: Caller) -> None:
    """Every list, a first page and one after it, and every sum, now and as of a time on both axes."""
    ledger, main, account = caller.ledger, {"ledger_id": "main"}, "assets:branch-1:5"
    own = {"account_id": account}
    lists = [
        (ledger.list_ledgers, {"page_size": 1}),
        *((ledger.list_accounts, main | {"account_path": path, "page_size": 1}) for path in PATHS),
        (ledger.list_transactions, main | {"page_size": 5}),
        (ledger.list_entries, main | {"page_size": 5}),
        (ledger.list_entries, main | own | {"page_size": 5}),
        (ledger.list_holds, main | {"page_size": 5}),
        (ledger.list_holds, main | own | {"page_size": 1}),
    ]
    for method, fields in lists:
        first = await method(**fields).page()
        if first.next_page_token:
            await method(**fields, page_token=first.next_page_token).page()
    times = [None] + [
        pb.AsOf(time={"seconds": MIDDLE_S + late}, axis=axis)
        for axis in (pb.TIME_AXIS_CREATED, pb.TIME_AXIS_EFFECTIVE)
        for late in (-100, 100)
    ]
    for as_of in times:
        await ledger.get_balance(**main, account_id=account, as_of=as_of)
        await ledger.get_trial_balance(**main, as_of=as_of)
        for path in PATHS:
            await ledger.aggregate_balances(**main, account_path=path, group_depth=2, as_of=as_of).page()
    assert [each async for each in ledger.stream_entries(**main, after_sequence=1_990)]


def scans_postgresql(plan: str) -> list[str]:
    """The tables that a plan reads as a whole."""
    return re.findall(r"Seq Scan on (ledger_\w+)", plan)


def scans_sqlite(plan: str) -> list[str]:
    """The tables that a plan reads as a whole."""
    found = [SCAN.match(line) for line in plan.splitlines()]
    return [each[1] for each in found if each and re.sub(r"-\d+", "", each[1]) not in MADE]


async def test_postgresql_reads_no_table_as_a_whole(asked_postgresql):
    assert len(asked_postgresql.statements) > 40

    for plans in (asked_postgresql.plans("EXPLAIN"), asked_postgresql.generic_plans()):
        for statement, plan in plans.items():
            assert not scans_postgresql(plan), f"{statement}\n{plan}"


async def test_sqlite_reads_no_table_as_a_whole(asked_sqlite):
    assert len(asked_sqlite.statements) > 40

    for statement, plan in asked_sqlite.plans("EXPLAIN QUERY PLAN").items():
        assert not scans_sqlite(plan), f"{statement}\n{plan}"


# What reads entries and holds of accounts, and by which indexes alone.
OF_ACCOUNTS = {
    r"\baccount_id = .*ledger_entries|ledger_entries.*\baccount_id = ": "ledger_entries_sums",
    r"ledger_holds .*debit_account_id = ": "ledger_holds_debit",
    r"ledger_holds .*credit_account_id = ": "ledger_holds_credit",
}


async def test_what_is_asked_of_accounts_is_read_by_account(asked_postgresql, asked_sqlite):
    """Other indexes have the order that is asked for, too, among the rows of all other accounts."""
    every = [
        list(asked_postgresql.plans("EXPLAIN").items()),
        list(asked_postgresql.generic_plans().items()),
        list(asked_sqlite.plans("EXPLAIN QUERY PLAN").items()),
    ]

    for plans in every:
        for pattern, index in OF_ACCOUNTS.items():
            found = [(statement, plan) for statement, plan in plans if re.search(pattern, statement)]
            assert len(found) >= 2
            for statement, plan in found:
                assert index in plan, f"{statement}\n{plan}"


async def test_a_table_that_is_read_as_a_whole_would_be_seen(asked_postgresql, asked_sqlite):
    everything = "SELECT SUM(amount_minor) FROM ledger_entries e WHERE amount_minor > 5"
    for asked in (asked_postgresql, asked_sqlite):
        asked.statements = {everything: {}}

    assert scans_postgresql(asked_postgresql.plans("EXPLAIN")[everything]) == ["ledger_entries"]
    assert scans_postgresql(asked_postgresql.generic_plans()[everything]) == ["ledger_entries"]
    assert scans_sqlite(asked_sqlite.plans("EXPLAIN QUERY PLAN")[everything]) == ["e"]


async def test_sums_as_of_a_time_are_read_from_the_index_alone(asked_postgresql):
    plans = [
        plan
        for statement, plan in asked_postgresql.plans("EXPLAIN").items()
        if "LATERAL" in statement and "ledger_entries e" in statement
    ]

    assert len(plans) >= 6
    for plan in plans:
        assert "Index Only Scan using ledger_entries_sums on ledger_entries" in plan, plan

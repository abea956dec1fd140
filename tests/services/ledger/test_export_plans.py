"""An export reads by indexes, a page at a time."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from bedplate.data import Database
from bedplate.data.postgresql import with_driver
from bedplate.testing.databases import PostgresServer
from tests.services.ledger.bookkeeping import Bookkeeper
from tests.services.ledger.conftest import migrated
from tests.services.ledger.exchange import export
from tests.services.ledger.test_plans import Asked, scans_postgresql

LEDGERS, EACH = 4, 1_500

_BOOKS = """
INSERT INTO ledger_ledgers
    (tenant_id, ledger_id, display_name, create_time_us, head_sequence, head_time_us, has_failures)
    SELECT 'tenant', 'ledger-' || l, '', 1, 0, 100000, TRUE FROM generate_series(1, :ledgers) l;
INSERT INTO ledger_currencies SELECT 'tenant', 'ledger-' || l, 'EUR', 2 FROM generate_series(1, :ledgers) l;
INSERT INTO ledger_accounts
    SELECT 'tenant', 'ledger-' || l, 'account-' || n, 1, 1, 'EUR', 2, FALSE, FALSE, '', 1, 0, 0, '{}',
        CASE WHEN n % 5 = 0 THEN 9 * n END
    FROM generate_series(1, :ledgers) l, generate_series(1, :each) n;
INSERT INTO ledger_holds
    SELECT 'tenant', 'ledger-' || l, 'hold-' || n, 'account-1', 'account-2', 1, 'EUR', '', '{}', 10 * n,
        CASE WHEN n % 2 = 0 THEN 10 * n + 4 END, CASE WHEN n % 2 = 0 THEN 4 ELSE 3 END, 10 * n + 4, 0, NULL
    FROM generate_series(1, :ledgers) l, generate_series(1, :each) n;
INSERT INTO ledger_failures
    SELECT 'tenant', 'ledger-' || l, 2, 'failed-' || n, '["account-1","account-2",1,null,"",[]]',
        'LIMIT_EXCEEDED', '', '', '[]', 10 * n
    FROM generate_series(1, :ledgers) l, generate_series(1, :each) n;
"""


@pytest.fixture(scope="module")
def filled(postgres_server: PostgresServer) -> Iterator[str]:
    """A database with ledgers of one tenant, about which PostgreSQL has no statistics yet."""
    url = migrated(postgres_server.create_database())
    books = _BOOKS.replace(":ledgers", str(LEDGERS)).replace(":each", str(EACH))
    run(url, books)
    yield url
    postgres_server.drop_database(url)


def run(url: str, statements: str) -> None:
    engine = sa.create_engine(
        with_driver(sa.make_url(url)),
        poolclass=sa.NullPool,
        isolation_level="AUTOCOMMIT",
        execution_options={"no_parameters": True},
    )
    with engine.connect() as connection:
        connection.exec_driver_sql(statements)


async def test_an_export_reads_no_table_as_a_whole_with_statistics_and_without(filled: str):
    asked = Asked(filled)
    database = Database.open(filled)
    with asked.noting():
        records = await export(Bookkeeper(database, "tenant", "ledger-2"))
    await database.close()
    plans = [asked.plans("EXPLAIN"), asked.generic_plans()]
    run(filled, "ANALYZE")
    plans += [asked.plans("EXPLAIN"), asked.generic_plans()]

    assert len(records) == 1 + EACH + EACH + EACH + EACH + EACH // 5 + 1
    listed = [each for each in asked.statements if "ORDER BY" in each and "ledger_transactions" not in each]
    assert len(listed) == 6
    for statement in listed:
        for plan in plans:
            assert not scans_postgresql(plan[statement]), f"{statement}\n{plan[statement]}"

"""What the tables keep by themselves, and how they are read."""

import asyncio

import pytest
import sqlalchemy as sa

from bedplate.data import Database
from bedplate.data.postgresql import with_driver
from bedplate.services.ledger.domain import AccountType, Currency
from bedplate.services.ledger.posting import post
from bedplate.services.ledger.store import books, journal
from tests.services.ledger.bookkeeping import EUR, LEDGER, NOW_US, Bookkeeper, account, transfer

POSTED_TABLES = {
    "ledger_transactions": "description = 'changed'",
    "ledger_entries": "amount_minor = amount_minor + 1",
}


@pytest.fixture
async def keeper(ledger_database: Database) -> Bookkeeper:
    """A ledger with one transaction."""
    keeper = await Bookkeeper(ledger_database).open(account("bank"), account("cash"))
    await keeper.post(transfer("tx-1", "bank", "cash", 5))
    return keeper


async def run(database: Database, sql: str) -> None:
    await database.transact(lambda connection: connection.exec_driver_sql(sql))


async def refuses(keeper: Bookkeeper, sql: str) -> None:
    """The database refuses the statement, and everything is as it was."""
    before = await keeper.transactions()

    with pytest.raises(sa.exc.DBAPIError) as refused:
        await run(keeper.database, sql)

    assert "what was posted never changes" in str(refused.value.orig)
    assert await keeper.transactions() == before


@pytest.mark.parametrize("table", POSTED_TABLES)
async def test_lg_04_what_was_posted_cannot_be_updated(keeper, table):
    await refuses(keeper, f"UPDATE {table} SET {POSTED_TABLES[table]} WHERE tenant_id = '{keeper.tenant_id}'")


@pytest.mark.parametrize("table", POSTED_TABLES)
async def test_lg_04_what_was_posted_cannot_be_deleted(keeper, table):
    await refuses(keeper, f"DELETE FROM {table} WHERE tenant_id = '{keeper.tenant_id}'")


@pytest.mark.parametrize("table", POSTED_TABLES)
async def test_lg_04_what_was_posted_cannot_be_written_over(keeper, table):
    copy = f"SELECT * FROM {table} WHERE tenant_id = '{keeper.tenant_id}'"
    if keeper.database.dialect == "sqlite":
        await refuses(keeper, f"INSERT OR REPLACE INTO {table} {copy}")
    else:
        change = "tenant_id = EXCLUDED.tenant_id"
        await refuses(
            keeper,
            f"INSERT INTO {table} {copy} ON CONFLICT ON CONSTRAINT {table}_pkey DO UPDATE SET {change}",
        )


async def test_lg_04_another_transaction_cannot_take_the_id_of_one_that_was_posted(keeper):
    names = "tenant_id, ledger_id, sequence, transaction_id, entry_count, effective_us, description"
    other = f"""
        ({names}, create_time_us)
        SELECT tenant_id, ledger_id, sequence + 1, transaction_id, entry_count, 0, 'other', 0
        FROM ledger_transactions WHERE tenant_id = '{keeper.tenant_id}'
    """
    if keeper.database.dialect == "sqlite":
        await refuses(keeper, f"INSERT OR REPLACE INTO ledger_transactions {other}")
    else:
        key = "(tenant_id, transaction_id, ledger_id)"
        change = "sequence = EXCLUDED.sequence"
        await refuses(
            keeper, f"INSERT INTO ledger_transactions {other} ON CONFLICT {key} DO UPDATE SET {change}"
        )


@pytest.mark.parametrize("table", POSTED_TABLES)
async def test_lg_04_posted_tables_cannot_be_emptied(keeper, table):
    emptied = "DELETE FROM" if keeper.database.dialect == "sqlite" else "TRUNCATE"
    cascade = "" if keeper.database.dialect == "sqlite" else "CASCADE"

    await refuses(keeper, f"{emptied} {table} {cascade}")


async def test_an_account_with_entries_cannot_be_deleted(keeper):
    with pytest.raises(sa.exc.IntegrityError):
        await run(keeper.database, f"DELETE FROM ledger_accounts WHERE tenant_id = '{keeper.tenant_id}'")


async def test_many_callers_that_create_one_account_create_one(keeper):
    def create(connection: sa.Connection) -> bool:
        scale = books.ensure_currency(connection, keeper.tenant_id, LEDGER, Currency("USD", 2))
        assert scale == 2
        return books.insert_account(connection, keeper.tenant_id, LEDGER, account("new", Currency("USD", 2)))

    created = await asyncio.gather(*(keeper.database.transact(create) for _ in range(20)))

    assert sorted(created) == [False] * 19 + [True]


async def test_a_currency_keeps_the_scale_it_was_first_used_with(keeper):
    scale = await keeper.database.transact(
        lambda connection: books.ensure_currency(connection, keeper.tenant_id, LEDGER, Currency("EUR", 5))
    )

    assert scale == EUR.scale


async def test_ids_sort_by_their_bytes_on_both_databases(keeper):
    await keeper.open(*(account(name) for name in ("Zoo", "_a", "a:b", "a.b", "a-b", "a", "B", "a1")))

    listed = await keeper.database.read(
        lambda connection: books.list_accounts(
            connection, keeper.tenant_id, LEDGER, types=AccountType, after="", limit=100
        )
    )

    ids = [each.account_id for each in listed]
    assert ids == sorted(ids)
    assert len(ids) == 10


async def test_a_reader_that_sees_the_end_of_the_ledger_sees_all_up_to_it(keeper):
    """Places are given in the order of commits: nothing appears below the end later on."""

    async def read() -> None:
        def work(connection: sa.Connection) -> tuple[int, int]:
            head = books.find_head(connection, keeper.tenant_id, LEDGER)
            assert head is not None
            found = journal.list_transactions(
                connection, keeper.tenant_id, LEDGER, after=0, limit=1000, entries_max=10_000
            )
            return head.sequence, len(found)

        while not posted.is_set():
            sequence, count = await keeper.database.read(work)
            assert count == sequence

    posted = asyncio.Event()
    reading = asyncio.ensure_future(read())
    await keeper.post_all_at_once([transfer(f"more-{n}", "bank", "cash", 1) for n in range(100)])
    posted.set()
    await reading


SEED = """
INSERT INTO ledger_ledgers VALUES ('plans', 'main', '', 1, 20000, 1);
INSERT INTO ledger_currencies VALUES ('plans', 'main', 'EUR', 2);
INSERT INTO ledger_accounts
    SELECT 'plans', 'main', 'a-' || n, 1, 1, 'EUR', 2, false, false, '', 1, 1, 1
    FROM generate_series(1, 20000) n;
INSERT INTO ledger_transactions
    SELECT 'plans', 'main', n, 'tx-' || n, 2, 1, '', 1 FROM generate_series(1, 20000) n;
INSERT INTO ledger_entries
    SELECT 'plans', 'main', n, i, 'a-' || n, 1, 1, 'EUR'
    FROM generate_series(1, 20000) n, generate_series(0, 1) i;
"""


def test_lookups_read_few_rows_even_before_postgresql_has_statistics(ledger_postgresql_url):
    """Without statistics the planner read the whole ledger for each lookup and each entry."""

    def rows_read() -> int:
        query = """SELECT sum(idx_tup_fetch + seq_tup_read) FROM pg_stat_xact_user_tables
                   WHERE relname IN ('ledger_transactions', 'ledger_entries', 'ledger_accounts')"""
        return int(connection.exec_driver_sql(query).scalar_one())

    engine = sa.create_engine(with_driver(sa.make_url(ledger_postgresql_url)), poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.execution_options(no_parameters=True).exec_driver_sql(SEED)
        seeded = rows_read()

        found = journal.find_transactions(connection, "plans", LEDGER, ["tx-17", "tx-16000"])
        listed = journal.list_entries(
            connection, "plans", LEDGER, account_id="", after=(16_000, 0), until=20_000, limit=20
        )
        of_account = journal.list_entries(
            connection, "plans", LEDGER, account_id="a-7", after=(0, 0), until=20_000, limit=20
        )
        post(connection, "plans", LEDGER, [transfer("new", "a-1", "a-2", 1)], NOW_US)
        read = rows_read() - seeded
        batch = [transfer(f"new-{n}", f"a-{n}", f"a-{n + 1}", 1) for n in range(1, 500)]
        post(connection, "plans", LEDGER, batch, NOW_US)
        read_for_batch = rows_read() - seeded - read
        connection.rollback()

    assert len(found) == 2
    assert len(listed) == 20
    assert [each.sequence for each in of_account] == [7, 7]
    assert read < 200
    assert read_for_batch < 50_000, "one pass over the accounts may be cheaper, one for each row is not"

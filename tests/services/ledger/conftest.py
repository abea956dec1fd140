"""What tests of the ledger share."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from bedplate.data import Database
from bedplate.data.migrate import migrate
from bedplate.services.ledger.service import SERVICE
from bedplate.services.rates.service import SERVICE as RATES
from bedplate.testing.databases import PostgresServer, sqlite_url
from tests.services.ledger.exchange import Records, export, full
from tests.services.ledger.office import Office


def migrated(url: str) -> str:
    """The same, with the tables of the ledger and of the rates service."""
    for service in (SERVICE, RATES):
        assert service.schema is not None
        migrate(url, service.name, service.schema)
    return url


@pytest.fixture(scope="session")
def ledger_postgresql_url(postgres_server: PostgresServer) -> str:
    """A PostgreSQL database with the ledger's tables, for all tests: each has a tenant of its own."""
    return migrated(postgres_server.create_database())


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database with the ledger's tables, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        return migrated(sqlite_url(tmp_path))
    shared: str = request.getfixturevalue("ledger_postgresql_url")
    return shared


@pytest.fixture
def other_url(ledger_url: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database with the ledger's tables that is of the other kind than `ledger_url`."""
    if ledger_url.startswith("postgresql"):
        return migrated(sqlite_url(tmp_path))
    shared: str = request.getfixturevalue("ledger_postgresql_url")
    return shared


@pytest.fixture
async def ledger_database(ledger_url: str) -> AsyncIterator[Database]:
    """The same, open; on PostgreSQL with 12 connections."""
    opened = Database.open(ledger_url, pool=12 if ledger_url.startswith("postgresql") else 0)
    yield opened
    await opened.close()


@pytest.fixture
def count_statements() -> Callable[[], AbstractContextManager[list[str]]]:
    """Collects the statements that run within a `with` block, whichever the database."""

    @contextmanager
    def counting() -> Iterator[list[str]]:
        seen: list[str] = []

        def note(connection, cursor, statement, parameters, context, executemany):
            seen.append(statement)

        sa.event.listen(sa.Engine, "before_cursor_execute", note)
        try:
            yield seen
        finally:
            sa.event.remove(sa.Engine, "before_cursor_execute", note)

    return counting


@pytest.fixture
def office(ledger_database: Database) -> Iterator[Office]:
    """The ledger and the rates service behind the whole pipeline, on each database."""
    made = Office(ledger_database)
    yield made
    made.telemetry.log.close()


@pytest.fixture
async def sqlite_office(tmp_path: Path) -> AsyncIterator[Office]:
    """The same on SQLite only, for what does not depend on the database."""
    database = Database.open(migrated(sqlite_url(tmp_path)))
    made = Office(database)
    yield made
    made.telemetry.log.close()
    await database.close()


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Records]:
    """A SQLite database, and the records of a ledger in it with one of everything."""
    url = migrated(sqlite_url(tmp_path_factory.mktemp("exported")))

    async def make() -> Records:
        database = Database.open(url)
        records = await export(await full(database))
        await database.close()
        return records

    return url, asyncio.run(make())

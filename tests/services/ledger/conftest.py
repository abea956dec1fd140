"""What tests of the ledger share."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

import bedplate.services.ledger
from bedplate.data import Database
from bedplate.data.migrate import migrate
from bedplate.testing.databases import PostgresServer, sqlite_url

SCHEMA = Path(bedplate.services.ledger.__file__).parent / "schema"


@pytest.fixture(scope="session")
def ledger_postgresql_url(postgres_server: PostgresServer) -> str:
    """A PostgreSQL database with the ledger's tables, for all tests: each has a tenant of its own."""
    url = postgres_server.create_database()
    migrate(url, "ledger", SCHEMA)
    return url


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database with the ledger's tables, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        url = sqlite_url(tmp_path)
        migrate(url, "ledger", SCHEMA)
        return url
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

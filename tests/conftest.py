"""What tests of several folders share."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from bedplate.data import Database
from bedplate.testing.databases import PostgresServer, sqlite_url


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One PostgreSQL server for each test process. A test that harms it makes its own."""
    server = PostgresServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def postgresql_url(postgres_server: PostgresServer) -> Iterator[str]:
    """An empty PostgreSQL database."""
    url = postgres_server.create_database()
    yield url
    postgres_server.drop_database(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        return sqlite_url(tmp_path)
    url: str = request.getfixturevalue("postgresql_url")
    return url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """An open, empty database, once on SQLite and once on PostgreSQL."""
    opened = Database.open(database_url, pool=4)
    yield opened
    await opened.close()

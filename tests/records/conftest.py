"""One database for the tests of a file, once on each engine; each test has a tenant of its own."""

import asyncio
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from bedplate.data import Database
from bedplate.data.migrate import migrate
from bedplate.records import tables
from bedplate.testing.databases import sqlite_url
from tests.records.shop import Shop

_tenants = count(1)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    """A database with the till's tables and the platform's."""
    server = None
    if request.param == "sqlite":
        url = sqlite_url(tmp_path_factory.mktemp("till"))
    else:
        server = request.getfixturevalue("postgres_server")
        url = server.create_database()
    database = Database.open(url, pool=8)
    migrate(database, tables.NAME, tables.SCHEMA)
    migrate(database, "till", Path(__file__).parent / "schema")
    yield database
    asyncio.run(database.close())
    if server is not None:
        server.drop_database(url)


@pytest.fixture
def shop(shared: Database) -> Iterator[Shop]:
    """A process with a tenant of its own."""
    made = Shop(shared, f"tenant-{next(_tenants)}")
    yield made
    made.telemetry.log.close()


@pytest.fixture
def other(shop: Shop) -> Iterator[Shop]:
    """Another process of the same tenant, on the same database and with the same time."""
    made = Shop(shop.database, shop.tenant, clock=shop.clock)
    yield made
    made.telemetry.log.close()

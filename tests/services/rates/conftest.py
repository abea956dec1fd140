"""What tests of the rates service share."""

import itertools
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
import pytest_asyncio

from bedplate.auth.principal import Principal
from bedplate.clients.rates import AsyncRatesClient
from bedplate.services.rates.service import SERVICE
from bedplate.testing.databases import sqlite_url
from bedplate.testing.serve import Served, serve

SCOPES = frozenset({"rates.read", "rates.write"})
TENANTS_MAX = 400

_numbers = itertools.count()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def module_database_url(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A database for all tests of a module, once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        yield sqlite_url(tmp_path_factory.mktemp("rates"))
        return
    server = request.getfixturevalue("postgres_server")
    url = server.create_database()
    yield url
    server.drop_database(url)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(module_database_url: str) -> AsyncIterator[Served]:
    """The rates service with all its doors."""
    principals = {f"key-{n}": Principal(f"key:{n}", f"tenant-{n}", SCOPES) for n in range(TENANTS_MAX)}
    async with serve([SERVICE], database_url=module_database_url, principals=principals) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="module")
async def connect(served: Served) -> AsyncIterator[Callable[[], AsyncRatesClient]]:
    """Makes callers, each of a tenant of its own which has no rates yet."""
    made = []

    def make() -> AsyncRatesClient:
        made.append(AsyncRatesClient(served.grpc_address, key=f"key-{next(_numbers)}"))
        return made[-1]

    yield make
    for client in made:
        await client.close()


@pytest_asyncio.fixture(loop_scope="module")
async def client(connect: Callable[[], AsyncRatesClient]) -> AsyncRatesClient:
    """A caller."""
    return connect()


@pytest_asyncio.fixture(loop_scope="module")
async def stranger(connect: Callable[[], AsyncRatesClient]) -> AsyncRatesClient:
    """A caller of another tenant, with the same rights."""
    return connect()

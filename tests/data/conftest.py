"""Fixtures of the database tests."""

from collections.abc import AsyncIterator

import pytest

from bedplate.data import Database
from tests.data.signals import run


@pytest.fixture
async def items(database: Database) -> Database:
    """A database with an empty table `item`."""
    await database.transact(
        run("CREATE TABLE item (id INTEGER PRIMARY KEY, count INTEGER NOT NULL DEFAULT 0)")
    )
    return database


@pytest.fixture
async def narrow(database_url: str) -> AsyncIterator[Database]:
    """A database with one connection to write, room for 3 to wait, and a table `item`."""
    opened = Database.open(database_url, pool=1, queue=3)
    await opened.transact(run("CREATE TABLE item (id INTEGER PRIMARY KEY, count INTEGER NOT NULL DEFAULT 0)"))
    yield opened
    await opened.close()

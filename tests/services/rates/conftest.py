"""What tests of the rates service share."""

import asyncio

import pytest

from bedplate.data import Database
from bedplate.data.migrate import migrate
from bedplate.services.rates.service import SERVICE


@pytest.fixture
async def rates_database(database: Database) -> Database:
    """A database with the rates tables, once on SQLite and once on PostgreSQL."""
    assert SERVICE.schema is not None
    await asyncio.to_thread(migrate, database, SERVICE.name, SERVICE.schema)
    return database

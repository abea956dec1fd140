"""One server for the tests of a file, with books in it and callers of every sort."""

import logging
from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from bedplate.auth.principal import Principal
from bedplate.services.ledger.service import SERVICE
from bedplate.services.rates.service import SERVICE as RATES
from bedplate.testing.serve import Served, serve
from tests.doors.books import (
    NOBODY,
    READER,
    SCOPES,
    SPENT_READER,
    SPENT_TENANT,
    SPENT_WRITER,
    STRANGER,
    WRITER,
    open_books,
)
from tests.doors.doors import Doors

PRINCIPALS = {
    WRITER: Principal("key:writer", "tenant-books", frozenset(SCOPES)),
    READER: Principal("key:reader", "tenant-books", frozenset({"ledger.read"})),
    STRANGER: Principal("key:stranger", "tenant-other", frozenset(SCOPES)),
    SPENT_WRITER: Principal("key:spent-writer", SPENT_TENANT, frozenset(SCOPES)),
    SPENT_READER: Principal("key:spent-reader", SPENT_TENANT, frozenset({"ledger.read"})),
}
SECRETS = (*PRINCIPALS, NOBODY, "Bearer", "Traceback")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def served() -> AsyncIterator[Served]:
    """A server with the ledger and the rates."""
    async with serve([SERVICE, RATES], principals=PRINCIPALS) as running:
        await open_books(running)
        yield running


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def doors(served: Served) -> AsyncIterator[Doors]:
    """The ways into it."""
    opened = Doors(served)
    yield opened
    await opened.close()


@pytest.fixture
def discreet(served: Served, caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Nothing that the test makes the server write tells a secret or a traceback."""
    served.app.telemetry.log.flush()
    begin = served.log.stat().st_size
    yield
    served.app.telemetry.log.flush()
    written = served.log.read_bytes()[begin:].decode()
    for text in (written, caplog.text):
        for secret in SECRETS:
            assert secret not in text
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []

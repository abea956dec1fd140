"""What the tests of this folder wait on, and the calls that they pretend to be in."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from bedplate.contract.scope import CURRENT

UNTIL_MAX_S = 20.0

# Runs until it is stopped.
FOREVER = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
    "postgresql": "SELECT pg_sleep(60)",
}


@dataclass
class FakeCall:
    deadline: float
    pending: list[Callable[[Any], None]] = field(default_factory=list)
    traceparent: str = ""
    outcome: Any = None


@contextmanager
def in_call(timeout_s: float = 10.0) -> Iterator[FakeCall]:
    """Pretend to work for a call."""
    call = FakeCall(time.monotonic() + timeout_s)
    token = CURRENT.set(call)
    try:
        yield call
    finally:
        CURRENT.reset(token)


async def until(condition: Callable[[], object]) -> None:
    """Wait for what another thread or the server does and tells nobody."""
    limit = time.monotonic() + UNTIL_MAX_S
    while not condition():
        assert time.monotonic() < limit, "it did not happen"
        await asyncio.sleep(0.002)


def run(statement: str, **values: object) -> Callable[[sa.Connection], None]:
    """A unit of work of one statement."""

    def work(connection: sa.Connection) -> None:
        connection.execute(sa.text(statement), values)

    return work


def scalars(statement: str) -> Callable[[sa.Connection], list[Any]]:
    """A unit of work that reads one column."""

    def work(connection: sa.Connection) -> list[Any]:
        return list(connection.execute(sa.text(statement)).scalars())

    return work

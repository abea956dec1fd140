"""Transactions beside those of the current call."""

from collections.abc import Callable
from typing import Protocol, TypeVar

import sqlalchemy as sa

from bedplate.contract.scope import CURRENT

# Longest that such a transaction may take, seconds: a call whose deadline is only
# observed has no end.
APART_MAX_S = 30.0

T = TypeVar("T")
Work = Callable[[sa.Connection], T]


class Store(Protocol):
    """The part of `Database` that is needed."""

    async def read(self, work: Work[T], *, timeout_s: float | None = None) -> T:
        """See `Database.read`."""
        ...

    async def transact(
        self, work: Work[T], *, serializable: bool | None = None, timeout_s: float | None = None
    ) -> T:
        """See `Database.transact`."""
        ...


async def transact_apart(database: Store, work: Work[T], *, timeout_s: float) -> T:
    """Run a unit of work without the current call's records and deadline.

    Args:
        database: Where.
        work: A plain function of a connection.
        timeout_s: Seconds it may take; no more than APART_MAX_S count.

    Raises:
        Refusal: As `Database.transact` says.
    """
    token = CURRENT.set(None)
    try:
        return await database.transact(work, timeout_s=min(timeout_s, APART_MAX_S))
    finally:
        CURRENT.reset(token)

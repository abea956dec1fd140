"""What handlers share: what they work with, and what must be there."""

from collections.abc import Callable
from typing import TypeVar

import sqlalchemy as sa

from bedplate.clock import Clock
from bedplate.contract import reasons
from bedplate.data import Database
from bedplate.data.page import PageTokens
from bedplate.errors import Refusal
from bedplate.ledger.v1 import ledger_pb2 as pb
from bedplate.pipeline.failure import FailureMaker
from bedplate.services.ledger import domain, expiry
from bedplate.services.ledger.domain import Balance, Head
from bedplate.services.ledger.rates import Rates
from bedplate.services.ledger.store import books

T = TypeVar("T")


class Desk:
    """What a handler works with."""

    def __init__(self, database: Database, page_tokens: PageTokens, rates: Rates, clock: Clock) -> None:
        self._database = database
        self._page_tokens = page_tokens
        self._rates = rates
        self._clock = clock
        self._failures = FailureMaker(reasons.of_file(pb.DESCRIPTOR), domain="ledger.bedplate", strict=True)

    async def _post(
        self,
        work: Callable[[sa.Connection], T],
        tenant_id: str,
        ledger_id: str,
        now_us: int,
        *,
        rehearse: bool = False,
    ) -> T:
        """Run what posts to a ledger, or what only tells what it would post.

        When very many holds have expired, they are given back first, in
        transactions of their own, so that a call which runs out of time has
        brought the next one nearer. A refusal that is remembered is committed
        before it is raised.
        """
        if rehearse:
            return await self._database.read(work)
        while True:
            try:
                answer = await self._database.transact(
                    lambda connection: domain.kept(lambda: work(connection))
                )
            except Refusal as refusal:
                if refusal.reason != "HOLDS_EXPIRING":
                    raise
            else:
                if isinstance(answer, Refusal):
                    raise answer
                return answer
            await self._database.transact(
                lambda connection: expiry.expire(connection, tenant_id, ledger_id, now_us)
            )


def require_head(connection: sa.Connection, tenant_id: str, ledger_id: str) -> Head:
    """Where the ledger ends; it must be there."""
    head = books.find_head(connection, tenant_id, ledger_id)
    if head is None:
        raise domain.ledger_not_found(ledger_id)
    return head


def require_account(connection: sa.Connection, tenant_id: str, ledger_id: str, account_id: str) -> Balance:
    """An account and its sums; it must be there."""
    balance = books.find_balance(connection, tenant_id, ledger_id, account_id)
    if balance is None:
        require_head(connection, tenant_id, ledger_id)
        raise domain.account_not_found(account_id, "account_id")
    return balance

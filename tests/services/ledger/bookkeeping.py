"""Short words for tests: accounts, transactions, posting, and audits of what is stored."""

import asyncio
import uuid
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import sqlalchemy as sa

from bedplate.data import Database
from bedplate.errors import Refusal
from bedplate.services.ledger import expiry, holding
from bedplate.services.ledger.closing import close
from bedplate.services.ledger.domain import (
    Account,
    AccountType,
    Balance,
    Capture,
    Currency,
    Entry,
    Hold,
    Ledger,
    Mode,
    NewHold,
    NewTransaction,
    Outcome,
    Side,
    Transaction,
    kept,
)
from bedplate.services.ledger.posting import Reversal, post, reverse
from bedplate.services.ledger.store import books, holds, journal

T = TypeVar("T")

EUR = Currency("EUR", 2)
JPY = Currency("JPY", 0)
LEDGER = "main"
NOW_US = 1_800_000_000_000_000


def account(account_id: str, currency: Currency = EUR, *, limit: str = "") -> Account:
    """An account; limit: `debits` (must not exceed credits), `credits`, or none."""
    return Account(
        account_id,
        AccountType.LIABILITY,
        Side.CREDIT,
        currency,
        limit == "debits",
        limit == "credits",
        "",
        NOW_US,
    )


def transfer(transaction_id: str, debit: str, credit: str, amount_minor: int) -> NewTransaction:
    """A transaction of two entries."""
    return NewTransaction(
        transaction_id,
        (Entry(debit, Side.DEBIT, amount_minor), Entry(credit, Side.CREDIT, amount_minor)),
    )


@dataclass(frozen=True)
class Bookkeeper:
    """Works on one ledger of one tenant in a database; without `tenant_id` it is a new one."""

    database: Database
    tenant_id: str = field(default_factory=lambda: f"tenant-{uuid.uuid4().hex}")
    ledger_id: str = LEDGER

    async def open(self, *accounts: Account) -> "Bookkeeper":
        """Create the ledger and accounts."""

        def work(connection: sa.Connection) -> None:
            books.insert_ledger(connection, self.tenant_id, Ledger(self.ledger_id, "", NOW_US))
            for each in accounts:
                books.ensure_currency(connection, self.tenant_id, self.ledger_id, each.currency)
                books.insert_account(connection, self.tenant_id, self.ledger_id, each)

        await self.database.transact(work)
        return self

    async def commit(self, work: Callable[[sa.Connection], T]) -> T:
        """Run a unit of work; a refusal that is remembered is committed before it is raised."""
        answer = await self.database.transact(lambda connection: kept(lambda: work(connection)))
        if isinstance(answer, Refusal):
            raise answer
        return answer

    async def post(
        self, *transactions: NewTransaction, mode: Mode = Mode.ATOMIC, now_us: int = NOW_US
    ) -> tuple[Outcome, ...]:
        """Post a batch in a transaction of its own."""

        def work(connection: sa.Connection) -> tuple[Outcome, ...]:
            return post(connection, self.tenant_id, self.ledger_id, transactions, now_us, mode=mode)

        return await self.commit(work)

    async def reverse(self, transaction_id: str, reversal_id: str, *, now_us: int = NOW_US) -> Outcome:
        """Reverse a transaction in a transaction of its own."""

        def work(connection: sa.Connection) -> Outcome:
            reversal = Reversal(transaction_id, reversal_id)
            return reverse(connection, self.tenant_id, self.ledger_id, reversal, now_us)

        return await self.commit(work)

    async def hold(
        self,
        hold_id: str,
        debit: str,
        credit: str,
        amount_minor: int,
        *,
        expire_us: int | None = None,
        now_us: int = NOW_US,
    ) -> tuple[Hold, bool]:
        """Set an amount aside in a transaction of its own."""
        wanted = NewHold(hold_id, debit, credit, amount_minor, expire_us)

        def work(connection: sa.Connection) -> tuple[Hold, bool]:
            return holding.create(connection, self.tenant_id, self.ledger_id, wanted, now_us)

        return await self.commit(work)

    async def capture(
        self, hold_id: str, transaction_id: str, amount_minor: int | None = None, *, now_us: int = NOW_US
    ) -> tuple[Outcome, Hold]:
        """Capture a hold in a transaction of its own."""
        wanted = Capture(hold_id, transaction_id, amount_minor)

        def work(connection: sa.Connection) -> tuple[Outcome, Hold]:
            return holding.capture(connection, self.tenant_id, self.ledger_id, wanted, now_us)

        return await self.commit(work)

    async def release(self, hold_id: str, *, now_us: int = NOW_US) -> Hold:
        """Release a hold in a transaction of its own."""

        def work(connection: sa.Connection) -> Hold:
            return holding.release(connection, self.tenant_id, self.ledger_id, hold_id, now_us)

        return await self.commit(work)

    async def expire(self, *, now_us: int) -> int:
        """Give back what has expired, in a transaction of its own; how many holds that were."""

        def work(connection: sa.Connection) -> int:
            return expiry.expire(connection, self.tenant_id, self.ledger_id, now_us)[1]

        return await self.commit(work)

    async def stored_hold(self, hold_id: str) -> Hold:
        """A hold as it is noted."""

        def work(connection: sa.Connection) -> Hold:
            return holds.find_holds(connection, self.tenant_id, self.ledger_id, [hold_id])[hold_id]

        return await self.database.read(work)

    async def current_balance(self, account_id: str, now_us: int) -> Balance:
        """An account's balance as a caller reads it at a time."""

        def work(connection: sa.Connection) -> Balance:
            head = books.find_head(connection, self.tenant_id, self.ledger_id)
            assert head is not None
            found = expiry.current_balances(
                connection, self.tenant_id, self.ledger_id, head, [account_id], now_us, lock=False
            )
            return found[account_id]

        return await self.database.read(work)

    async def close(self, account_id: str, *, now_us: int = NOW_US) -> Account:
        """Close an account in a transaction of its own."""

        def work(connection: sa.Connection) -> Account:
            return close(connection, self.tenant_id, self.ledger_id, account_id, now_us)

        return await self.commit(work)

    async def post_all_at_once(self, transactions: Sequence[NewTransaction]) -> list[Outcome | BaseException]:
        """Post each in a transaction of its own, all at the same time."""
        results = await asyncio.gather(*(self.post(each) for each in transactions), return_exceptions=True)
        return [result if isinstance(result, BaseException) else result[0] for result in results]

    async def balance(self, account_id: str) -> Balance:
        """An account's balance, as it is kept."""

        def work(connection: sa.Connection) -> Balance:
            found = books.find_balance(connection, self.tenant_id, self.ledger_id, account_id)
            assert found is not None
            return found

        return await self.database.read(work)

    async def transactions(self) -> list[Transaction]:
        """All that was posted."""
        return await self.database.read(
            lambda connection: journal.list_transactions(
                connection, self.tenant_id, self.ledger_id, after=0, limit=100_000, entries_max=10**9
            )
        )

    async def audit(self) -> int:
        """Check what must hold of any ledger at any time; how many transactions it has.

        LG-01: every transaction balances in every currency. LG-02: so do all
        accounts together after every transaction. LG-03: the balances that are
        kept are those that the entries add up to. Places have no gap, times
        never go backwards, and no transaction is there twice.
        """
        transactions = await self.transactions()
        kept = await self.database.read(
            lambda connection: books.list_accounts(
                connection, self.tenant_id, self.ledger_id, types=AccountType, after="", limit=100_000
            )
        )
        sums: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        running: dict[str, int] = defaultdict(int)
        for transaction in transactions:
            own: dict[str, int] = defaultdict(int)
            for entry in transaction.entries:
                sums[entry.account_id][entry.side - 1] += entry.amount_minor
                signed = entry.amount_minor if entry.side is Side.DEBIT else -entry.amount_minor
                own[entry.currency_code] += signed
                running[entry.currency_code] += signed
            assert not any(own.values()), f"LG-01: {transaction} does not balance"
            assert not any(running.values()), f"LG-02: after {transaction} the ledger does not balance"
        for each in kept:
            balance = await self.balance(each.account_id)
            folded = tuple(sums[each.account_id])
            assert (balance.debits_minor, balance.credits_minor) == folded, f"LG-03: {each.account_id}"
        assert [each.sequence for each in transactions] == list(range(1, len(transactions) + 1))
        times = [each.create_time_us for each in transactions]
        assert times == sorted(times)
        assert len({each.transaction_id for each in transactions}) == len(transactions)
        return len(transactions)

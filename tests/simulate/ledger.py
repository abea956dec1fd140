"""Scenarios of the ledger: its real store and rules, in a simulated database and a server that crashes."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import cache

import sqlalchemy as sa

from bedplate.errors import Refusal
from bedplate.services.ledger.domain import Ledger, NewTransaction, Outcome
from bedplate.services.ledger.posting import Reversal, post, reverse
from bedplate.services.ledger.service import SERVICE
from bedplate.services.ledger.store import books
from bedplate.testing.simulate import (
    Process,
    Sabotage,
    SimulatedDatabase,
    Template,
    Unreachable,
    World,
)
from tests.services.ledger.bookkeeping import EUR, LEDGER, NOW_US, Bookkeeper, account, transfer
from tests.services.ledger.reference import ReferenceLedger

TENANT = "tenant"
CLIENTS = 3
WISHES = 3  # of each client
STEPS = 300  # in which crashes happen
# The purses are fought over: few accounts, amounts near what is in them.
ACCOUNTS = {"bank": "", "fees": "", "purse": "debits", "purse-2": "debits"}
REFERENCE_ACCOUNTS = {name: ("EUR", limit) for name, limit in ACCOUNTS.items()}
FIRST = [transfer(f"first-{name}", "bank", name, 100) for name in ("purse", "purse-2")]
AGAIN = {"OUTCOME_UNKNOWN", "DEADLINE_EXCEEDED", "OVERLOADED", "DEPENDENCY_UNAVAILABLE"}

# What must hold at every instant: sums that are kept are those of the entries,
# limits hold, and both sides are equal.
_WRONG_ACCOUNTS = """
    SELECT a.account_id, a.debits_minor, a.credits_minor, sums.debits, sums.credits
    FROM ledger_accounts a LEFT JOIN (
        SELECT account_id, SUM(amount_minor * (side = 1)) AS debits, SUM(amount_minor * (side = 2)) AS credits
        FROM ledger_entries GROUP BY account_id
    ) sums ON sums.account_id = a.account_id
    WHERE a.debits_minor <> COALESCE(sums.debits, 0) OR a.credits_minor <> COALESCE(sums.credits, 0)
        OR (a.debits_must_not_exceed_credits AND sums.debits > sums.credits)
"""
_DIFFERENCE = "SELECT COALESCE(SUM(debits_minor - credits_minor), 0) FROM ledger_accounts"


@cache
def template() -> Template:
    """The ledger's tables, with accounts, and 100 in each purse."""
    assert SERVICE.schema is not None

    def fill(connection: sa.Connection) -> None:
        books.insert_ledger(connection, TENANT, Ledger(LEDGER, "", NOW_US))
        books.ensure_currency(connection, TENANT, LEDGER, EUR)
        for name, limit in ACCOUNTS.items():
            books.insert_account(connection, TENANT, LEDGER, account(name, EUR, limit=limit))
        post(connection, TENANT, LEDGER, FIRST, NOW_US)

    return Template.migrated("ledger", SERVICE.schema).fill(fill)


@dataclass
class Answers:
    """What callers were told.

    Attributes:
        asked: All transactions that anybody asked for, by id.
        acknowledged: Those that a caller was told are posted, with what was told.
        refused: Ids that the ledger refused to the only one who asked for them.
    """

    asked: dict[str, list[NewTransaction]] = field(default_factory=dict)
    acknowledged: list[tuple[str, Outcome]] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)


def posting(*, sabotage: Sabotage | None = None, serial: bool = False) -> Callable[[World], Awaitable[None]]:
    """A scenario: callers post, repeat and reverse while the server crashes and answers are lost."""

    async def ledger(world: World) -> None:
        database = SimulatedDatabase(world, template(), sabotage=sabotage, serial=serial)
        database.always(check_books)
        server = Process(world, "ledger", lost=0.05)
        for _ in range(world.random.randrange(4)):
            world.at_some_step(server.bounce, within=STEPS)
        answers = Answers()
        clients = [Client(world, database, server, answers, number) for number in range(CLIENTS)]

        async with asyncio.TaskGroup() as group:
            for client in clients:
                group.create_task(client.run(), name=f"client-{client.number}")
        await server.stop()

        await audit(database, answers)

    return ledger


def check_books(connection: sa.Connection) -> None:
    """LG-02, LG-03 and LG-08, at one instant."""
    wrong = connection.exec_driver_sql(_WRONG_ACCOUNTS).all()
    assert not wrong, f"sums differ from the entries, or a limit is broken: {wrong}"
    assert connection.exec_driver_sql(_DIFFERENCE).scalar_one() == 0, "the trial balance is not zero"


async def audit(database: SimulatedDatabase, answers: Answers) -> None:
    """Nothing acknowledged is lost, nothing is there twice, and the reference model agrees."""
    keeper = Bookkeeper(database, TENANT)  # type: ignore[arg-type]
    await keeper.audit()
    stored = {each.transaction_id: each for each in await keeper.transactions()}
    for transaction_id, outcome in answers.acknowledged:
        assert stored.get(transaction_id) == outcome.transaction, f"{transaction_id} was acknowledged"
    assert not answers.refused & set(stored), "refused, and posted all the same"
    reference = ReferenceLedger(REFERENCE_ACCOUNTS)
    for each in sorted(stored.values(), key=lambda each: each.sequence):
        lines = [(e.account_id, e.side.name.lower(), e.amount_minor) for e in each.entries]
        assert reference.post(each.transaction_id, lines) == "posted"
        wanted = [asked.entries for asked in answers.asked.get(each.transaction_id, [])]
        lean = tuple((e.account_id, e.side, e.amount_minor) for e in each.entries)
        known = [tuple((e.account_id, e.side, e.amount_minor) for e in entries) for entries in wanted]
        assert lean in known or each.reverses_id or each in FIRST or each.sequence <= len(FIRST)
    for name in ACCOUNTS:
        balance = await keeper.balance(name)
        assert (balance.debits_minor, balance.credits_minor) == reference.sums(name)
    assert database.deadlocks == 0, "LG-12"


@dataclass
class Client:
    """Somebody who wants a few things posted, and asks with the same id until there is an answer."""

    world: World
    database: SimulatedDatabase
    server: Process
    answers: Answers
    number: int

    async def run(self) -> None:
        """Ask for one thing after the other."""
        for wish in range(WISHES):
            chance = self.world.random.random()
            if chance < 0.2:
                await self.reverse(f"client-{self.number}-reversal-{wish}")
            elif chance < 0.4:
                await self.post(self.draw(f"shared-{self.world.random.randrange(2)}"), shared=True)
            else:
                await self.post(self.draw(f"client-{self.number}-{wish}"), shared=False)

    def draw(self, transaction_id: str) -> NewTransaction:
        """A transfer, mostly out of a purse."""
        debit, credit = self.world.random.choice(
            [("purse", "fees"), ("purse", "purse-2"), ("purse-2", "purse"), ("bank", "purse")]
        )
        return transfer(transaction_id, debit, credit, self.world.random.choice([30, 60, 100]))

    async def post(self, transaction: NewTransaction, *, shared: bool) -> None:
        """Post it."""
        self.answers.asked.setdefault(transaction.transaction_id, []).append(transaction)

        async def handler() -> Outcome:
            now_us = self.world.clock()
            outcomes = await self.database.transact(
                lambda connection: post(connection, TENANT, LEDGER, [transaction], now_us)
            )
            return outcomes[0]

        await self.ask(transaction.transaction_id, handler, shared=shared)

    async def reverse(self, reversal_id: str) -> None:
        """Reverse what another client may be reversing, too."""
        original = self.world.random.choice(["first-purse", "shared-0", "shared-1"])

        async def handler() -> Outcome:
            now_us = self.world.clock()
            wanted = Reversal(original, reversal_id)
            return await self.database.transact(
                lambda connection: reverse(connection, TENANT, LEDGER, wanted, now_us)
            )

        await self.ask(reversal_id, handler, shared=False)

    async def ask(
        self, transaction_id: str, handler: Callable[[], Awaitable[Outcome]], *, shared: bool
    ) -> None:
        """Ask until there is an answer."""
        while True:
            try:
                outcome = await self.server.call(handler)
            except Unreachable:
                pass
            except Refusal as refusal:
                if refusal.reason not in AGAIN:
                    self.world.note(f"{transaction_id} is refused: {refusal.reason}")
                    if not shared:
                        self.answers.refused.add(transaction_id)
                    return
            else:
                self.world.note(f"{transaction_id} is acknowledged")
                self.answers.acknowledged.append((transaction_id, outcome))
                return
            await asyncio.sleep(self.world.random.random())

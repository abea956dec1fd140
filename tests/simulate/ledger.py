"""Scenarios of the ledger: its real store and rules, in a simulated database and a server that crashes."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import cache
from typing import TypeVar

import sqlalchemy as sa

from bedplate.errors import Refusal
from bedplate.services.ledger import expiry, holding
from bedplate.services.ledger.domain import (
    Capture,
    Hold,
    HoldState,
    Ledger,
    NewHold,
    NewTransaction,
    Outcome,
    Transaction,
)
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

T = TypeVar("T")

TENANT = "tenant"
CLIENTS = 3
WISHES = 3  # of each client
STEPS = 300  # in which crashes happen
# The purses are fought over: few accounts, amounts near what is in them.
ACCOUNTS = {"bank": "", "fees": "", "purse": "debits", "purse-2": "debits"}
REFERENCE_ACCOUNTS = {name: ("EUR", limit) for name, limit in ACCOUNTS.items()}
FIRST = [transfer(f"first-{name}", "bank", name, 100) for name in ("purse", "purse-2")]
SHARED_HOLDS = ["hold-0", "hold-1"]
AGAIN = {"OUTCOME_UNKNOWN", "DEADLINE_EXCEEDED", "OVERLOADED", "DEPENDENCY_UNAVAILABLE", "HOLDS_EXPIRING"}
SWEEP_S = 0.5
# A run begins at 1,000 s of the virtual clock.
FIRST_EXPIRES_US = (1_800_000_000 + 1_001) * 1_000_000

# What must hold at every instant: sums that are kept are those of the entries
# and of the holds that are pending, and limits hold for both together.
_WRONG_ACCOUNTS = """
    WITH sums AS (
        SELECT account_id, debits_minor, credits_minor, debits_pending_minor, credits_pending_minor,
            debits_must_not_exceed_credits AS limited,
            (SELECT COALESCE(SUM(amount_minor), 0) FROM ledger_entries e
                WHERE e.account_id = a.account_id AND side = 1) AS debits,
            (SELECT COALESCE(SUM(amount_minor), 0) FROM ledger_entries e
                WHERE e.account_id = a.account_id AND side = 2) AS credits,
            (SELECT COALESCE(SUM(amount_minor), 0) FROM ledger_holds h
                WHERE h.debit_account_id = a.account_id AND state = 1) AS debits_pending,
            (SELECT COALESCE(SUM(amount_minor), 0) FROM ledger_holds h
                WHERE h.credit_account_id = a.account_id AND state = 1) AS credits_pending
        FROM ledger_accounts a
    )
    SELECT * FROM sums WHERE debits_minor <> debits OR credits_minor <> credits
        OR debits_pending_minor <> debits_pending OR credits_pending_minor <> credits_pending
        OR (limited AND debits + debits_pending > credits)
"""
_WRONG_HOLDS = """
    SELECT h.hold_id, h.state, h.captured_minor, COUNT(t.transaction_id), SUM(e.amount_minor)
    FROM ledger_holds h LEFT JOIN ledger_transactions t ON t.captures_id = h.hold_id
    LEFT JOIN ledger_entries e ON e.sequence = t.sequence AND e.side = 1
    GROUP BY h.hold_id HAVING COUNT(t.transaction_id) <> (h.state = 2)
        OR COALESCE(SUM(e.amount_minor), 0) <> h.captured_minor
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
        holds: Holds as they were told to be.
        reasons: Why anything was refused.
    """

    asked: dict[str, list[NewTransaction]] = field(default_factory=dict)
    acknowledged: list[tuple[str, Outcome]] = field(default_factory=list)
    refused: set[str] = field(default_factory=set)
    holds: list[Hold] = field(default_factory=list)
    reasons: set[str] = field(default_factory=set)


def posting(
    *, sabotage: Sabotage | None = None, serial: bool = False, seen: set[str] | None = None
) -> Callable[[World], Awaitable[None]]:
    """A scenario: callers post, hold, capture, release, reverse and repeat; crashes and lost answers."""

    async def ledger(world: World) -> None:
        database = SimulatedDatabase(world, template(), sabotage=sabotage, serial=serial)
        database.always(check_books)
        server = Process(world, "ledger", lost=0.05)

        async def sweep() -> None:
            while True:
                await asyncio.sleep(SWEEP_S)
                with contextlib.suppress(Refusal):
                    await expiry.sweep(database, world.clock())  # type: ignore[arg-type]

        server.start(sweep)
        for _ in range(world.random.randrange(4)):
            world.at_some_step(server.bounce, within=STEPS)
        answers = Answers()
        clients = [Client(world, database, server, answers, number) for number in range(CLIENTS)]

        async with asyncio.TaskGroup() as group:
            for client in clients:
                group.create_task(client.run(), name=f"client-{client.number}")
        await server.stop()

        await audit(database, answers)
        if seen is not None:
            seen.update(answers.reasons, database.look(_states))

    return ledger


def _states(connection: sa.Connection) -> list[str]:
    found = connection.exec_driver_sql("SELECT DISTINCT state FROM ledger_holds").scalars()
    return [HoldState(state).name for state in found]


def check_books(connection: sa.Connection) -> None:
    """LG-02, LG-03, LG-08 and LG-09, at one instant."""
    wrong = connection.exec_driver_sql(_WRONG_ACCOUNTS).all()
    assert not wrong, f"sums differ from entries or holds, or a limit is broken: {wrong}"
    wrong = connection.exec_driver_sql(_WRONG_HOLDS).all()
    assert not wrong, f"a hold is not resolved as it says: {wrong}"
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
        lines = lines_of(each)
        assert reference.post(each.transaction_id, lines) == "posted"
        if each.reverses_id:
            other = {"debit": "credit", "credit": "debit"}
            mirrored = [(name, other[side], amount) for name, side, amount in lines]
            assert mirrored == lines_of(stored[each.reverses_id]), "LG-10"
        else:
            asked = [*FIRST, *answers.asked.get(each.transaction_id, [])]
            assert lines in [lines_of(one) for one in asked], f"nobody asked for {each}"
    for name in ACCOUNTS:
        balance = await keeper.balance(name)
        assert (balance.debits_minor, balance.credits_minor) == reference.sums(name)
    for told in answers.holds:
        kept = await keeper.stored_hold(told.asked.hold_id)
        # A hold only ever goes from pending to one of the others.
        assert kept == told or (kept.asked == told.asked and told.state is HoldState.PENDING), (kept, told)
    assert database.deadlocks == 0, "LG-12"


def lines_of(transaction: NewTransaction | Transaction) -> list[tuple[str, str, int]]:
    """Entries as the reference model has them."""
    return [(each.account_id, each.side.name.lower(), each.amount_minor) for each in transaction.entries]


@dataclass
class Client:
    """Somebody who wants a few things done, and asks with the same id until there is an answer."""

    world: World
    database: SimulatedDatabase
    server: Process
    answers: Answers
    number: int

    async def run(self) -> None:
        """Ask for one thing after the other."""
        for wish in range(WISHES):
            own = f"client-{self.number}-{wish}"
            kind = self.world.random.choice(
                ["post", "post", "shared", "reverse", "hold", "capture", "release"]
            )
            if kind == "post":
                await self.post(own)
            elif kind == "shared":
                await self.post(f"shared-{self.world.random.randrange(2)}", shared=True)
            elif kind == "reverse":
                await self.reverse(own)
            else:
                await self.hold(self.world.random.choice(SHARED_HOLDS))
                if kind == "capture":
                    await self.capture(own)
                elif kind == "release":
                    await self.release()

    async def post(self, transaction_id: str, *, shared: bool = False) -> None:
        """Post a transfer, mostly out of a purse."""
        debit, credit = self.world.random.choice(
            [("purse", "fees"), ("purse", "purse-2"), ("purse-2", "purse"), ("bank", "purse")]
        )
        wanted = transfer(transaction_id, debit, credit, self.world.random.choice([30, 60, 100]))
        self.note_asked(wanted)

        def work(connection: sa.Connection, now_us: int) -> Outcome:
            return post(connection, TENANT, LEDGER, [wanted], now_us)[0]

        self.settle(transaction_id, await self.ask(transaction_id, work), shared=shared)

    async def reverse(self, reversal_id: str) -> None:
        """Reverse what another client may be reversing, too."""
        original = self.world.random.choice(["first-purse", "shared-0", "shared-1"])

        def work(connection: sa.Connection, now_us: int) -> Outcome:
            return reverse(connection, TENANT, LEDGER, Reversal(original, reversal_id), now_us)

        self.settle(reversal_id, await self.ask(reversal_id, work))

    async def hold(self, hold_id: str) -> None:
        """Set an amount aside, which others may set aside under the same id."""
        number = SHARED_HOLDS.index(hold_id)
        # The same whoever asks: the first expires while it is fought over.
        wanted = NewHold(hold_id, "purse", "fees", 60, FIRST_EXPIRES_US if number == 0 else None)

        def work(connection: sa.Connection, now_us: int) -> Hold:
            return holding.create(connection, TENANT, LEDGER, wanted, now_us)[0]

        told = await self.ask(f"{hold_id} by {self.number}", work)
        if told is not None:
            self.answers.holds.append(told)

    async def capture(self, transaction_id: str) -> None:
        """Capture one of the holds, or a part of it."""
        wanted = Capture(
            self.world.random.choice(SHARED_HOLDS), transaction_id, self.world.random.choice([None, 20, 60])
        )
        self.note_asked(transfer(transaction_id, "purse", "fees", wanted.amount_minor or 60))

        def work(connection: sa.Connection, now_us: int) -> tuple[Outcome, Hold]:
            return holding.capture(connection, TENANT, LEDGER, wanted, now_us)

        told = await self.ask(transaction_id, work)
        if told is not None:
            self.answers.holds.append(told[1])
        self.settle(transaction_id, told and told[0])

    async def release(self) -> None:
        """Release one of the holds."""
        hold_id = self.world.random.choice(SHARED_HOLDS)

        def work(connection: sa.Connection, now_us: int) -> Hold:
            return holding.release(connection, TENANT, LEDGER, hold_id, now_us)

        told = await self.ask(f"release of {hold_id} by {self.number}", work)
        if told is not None:
            self.answers.holds.append(told)

    def note_asked(self, wanted: NewTransaction) -> None:
        """Somebody asks for this."""
        self.answers.asked.setdefault(wanted.transaction_id, []).append(wanted)

    def settle(self, transaction_id: str, outcome: Outcome | None, *, shared: bool = False) -> None:
        """Remember what was told."""
        if outcome is not None:
            self.answers.acknowledged.append((transaction_id, outcome))
        elif not shared:
            self.answers.refused.add(transaction_id)

    async def ask(self, what: str, work: Callable[[sa.Connection, int], T]) -> T | None:
        """Ask until there is an answer; None: it was refused."""

        async def handler() -> T:
            now_us = self.world.clock()
            return await self.database.transact(lambda connection: work(connection, now_us))

        while True:
            try:
                told = await self.server.call(handler)
            except Unreachable:
                pass
            except Refusal as refusal:
                self.answers.reasons.add(refusal.reason)
                if refusal.reason not in AGAIN:
                    self.world.note(f"{what} is refused: {refusal.reason}")
                    return None
            else:
                self.world.note(f"{what} is acknowledged")
                return told
            await asyncio.sleep(self.world.random.random())

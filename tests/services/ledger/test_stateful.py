"""Random histories of everything that changes a ledger, against the reference model, on both databases."""

import asyncio
from collections.abc import Coroutine
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from bedplate.data import Database
from bedplate.errors import Refusal
from bedplate.services.ledger.domain import HoldState
from tests.services.ledger.bookkeeping import NOW_US, Bookkeeper
from tests.services.ledger.reference import ReferenceLedger
from tests.services.ledger.test_model import ACCOUNTS, AMOUNTS, NAMES, TRANSACTION, accounts, new, told

TRANSACTION_IDS = st.integers(0, 6).map("tx-{}".format)
HOLD_IDS = st.integers(0, 5).map("hold-{}".format)
LIFETIMES = st.none() | st.integers(-1, 4)

# What happens makes the time of the ledger itself a microsecond later at most, so
# that this much longer steps keep the two clocks together.
UNIT_US = 1000


class History(RuleBasedStateMachine):
    """What callers do to one ledger, and what the reference says of it."""

    runner: asyncio.Runner
    database: Database

    def __init__(self) -> None:
        super().__init__()
        self.reference = ReferenceLedger(ACCOUNTS, now=NOW_US)
        self.keeper: Bookkeeper = self.run(Bookkeeper(self.database).open(*accounts()))

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(work)

    def says(self, work: Coroutine[Any, Any, Any]) -> Any:
        """What the ledger answers: its value, or the reason of its refusal."""
        try:
            return self.run(work)
        except Refusal as refusal:
            return refusal.reason

    @property
    def now(self) -> int:
        return self.reference.now

    @rule(transaction=TRANSACTION)
    def post(self, transaction):
        expected = self.reference.post(*transaction)

        answer = self.says(self.keeper.post(new(*transaction), now_us=self.now))

        assert (answer if isinstance(answer, str) else told(answer[0])) == expected

    @rule(original=TRANSACTION_IDS, reversal=TRANSACTION_IDS)
    def reverse(self, original, reversal):
        expected = self.reference.reverse(original, reversal)

        answer = self.says(self.keeper.reverse(original, reversal, now_us=self.now))

        assert (answer if isinstance(answer, str) else told(answer)) == expected

    @rule(name=st.sampled_from([*ACCOUNTS]), sure=st.integers(1, 6))
    def close(self, name, sure):
        """Seldom, or nothing more could be posted."""
        if sure > 1:
            return
        expected = self.reference.close(name)

        answer = self.says(self.keeper.close(name, now_us=self.now))

        assert (answer if isinstance(answer, str) else "closed") == expected

    @rule(hold_id=HOLD_IDS, debit=NAMES, credit=NAMES, amount=AMOUNTS, lifetime=LIFETIMES)
    def hold(self, hold_id, debit, credit, amount, lifetime):
        expires = None if lifetime is None else self.now + lifetime * UNIT_US
        expected = self.reference.hold(hold_id, debit, credit, amount, expires)

        answer = self.says(
            self.keeper.hold(hold_id, debit, credit, amount, expire_us=expires, now_us=self.now)
        )

        assert (answer if isinstance(answer, str) else ("held", "replayed")[answer[1]]) == expected

    @rule(
        hold_id=HOLD_IDS,
        transaction_id=st.integers(0, 9).map("tx-{}".format),
        amount=st.none() | AMOUNTS,
    )
    def capture(self, hold_id, transaction_id, amount):
        expected = self.reference.capture(hold_id, transaction_id, amount)

        answer = self.says(self.keeper.capture(hold_id, transaction_id, amount, now_us=self.now))

        assert (answer if isinstance(answer, str) else told(answer[0])) == expected

    @rule(hold_id=HOLD_IDS)
    def release(self, hold_id):
        expected = self.reference.release(hold_id)

        answer = self.says(self.keeper.release(hold_id, now_us=self.now))

        assert (answer if isinstance(answer, str) else "released") == expected

    @rule(steps=st.integers(1, 3))
    def wait(self, steps):
        self.reference.now += steps * UNIT_US

    @rule()
    def sweep(self):
        self.run(self.keeper.expire(now_us=self.now))

    @invariant()
    def balances_agree(self):
        for name in ("purse", "loan", "cash"):
            balance = self.run(self.keeper.current_balance(name, self.now))
            assert (balance.debits_minor, balance.credits_minor) == self.reference.sums(name)
            pending = (balance.debits_pending_minor, balance.credits_pending_minor)
            assert pending == self.reference.pending(name)

    def teardown(self) -> None:
        assert self.run(self.keeper.audit()) == len(self.reference.posted)
        for hold_id, expected in self.reference.holds.items():
            hold = self.run(self.keeper.stored_hold(hold_id)).at(self.now)
            assert hold.state is HoldState[expected.state_at(self.now).upper()]


def test_lg_01_to_13_every_history_ends_as_the_reference_model_says(ledger_url):
    """LG-01, 02, 03, 05, 06, 08, 09, 10, 11 at once, on one ledger for each history."""
    with asyncio.Runner() as runner:

        async def opened() -> Database:
            return Database.open(ledger_url)

        database = runner.run(opened())
        machine = type("History", (History,), {"runner": runner, "database": database})
        try:
            run_state_machine_as_test(
                machine,
                settings=settings(
                    max_examples=25,
                    stateful_step_count=30,
                    deadline=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            runner.run(database.close())

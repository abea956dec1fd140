"""Listing and adding up over a million entries, as quickly as is promised."""

import pytest

from bedplate.ledger.v1 import ledger_pb2 as pb
from tests.services.ledger.million import TRANSACTIONS, Caller, measure, million
from tests.services.ledger.test_plans import Asked, scans_postgresql

# What is never read as a whole, although all of it is this ledger's. Accounts
# and holds are when all of them are asked for.
LARGE = {"ledger_entries", "ledger_transactions"}


@pytest.mark.soak
@pytest.mark.timeout(600)
async def test_a_page_and_the_sums_of_a_path_are_quick_among_a_million_entries():
    async with million() as caller:
        asked = Asked(str(caller.office.database.connect_url))
        with asked.noting():
            figures = await measure(caller)
        await _sums_are_right(caller)
        scanned = {
            table
            for plans in (asked.plans("EXPLAIN"), asked.generic_plans())
            for plan in plans.values()
            for table in scans_postgresql(plan)
        }

    slow = [figure for figure in figures if figure.max_ms and figure.p50_ms >= figure.max_ms]
    assert not slow
    assert not scanned & LARGE


async def _sums_are_right(caller: Caller) -> None:
    """All that was written is told, now and on both axes."""
    every_amount = sum(1 + n % 10_000 for n in range(TRANSACTIONS))
    for as_of in (None, *(pb.AsOf(time={"seconds": 4_000_000_000}, axis=axis) for axis in (1, 2))):
        page = await caller.ledger.aggregate_balances(ledger_id="main", as_of=as_of).page()
        assert [each.debits_minor for each in page.groups] == [str(every_amount)]
        assert page.groups[0].net_debits_minor == "0"

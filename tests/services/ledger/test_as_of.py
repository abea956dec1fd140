"""Balances and the trial balance as of a time, on both axes and both databases."""

import dataclasses
import random

import pytest

from bedplate.client.errors import InvalidArgument, NotFound
from bedplate.data import Database
from bedplate.errors import Refusal
from bedplate.ledger.v1 import ledger_pb2 as pb
from bedplate.services.ledger.domain import AsOf, Axis, Balance, CurrencyTotal, Side
from bedplate.services.ledger.store import books, history
from tests.services.ledger.bookkeeping import JPY, NOW_US, Bookkeeper, account, transfer
from tests.services.ledger.office import Office
from tests.services.ledger.test_handlers import open_books, refused
from tests.services.ledger.test_handlers import transfer as sent

NAMES = ("bank", "cash", "purse", "yen", "yen2")


@pytest.fixture
async def keeper(ledger_database: Database) -> Bookkeeper:
    """A ledger of two currencies."""
    return await Bookkeeper(ledger_database).open(
        account("bank"),
        account("cash"),
        account("purse", limit="debits"),
        account("yen", JPY),
        account("yen2", JPY),
    )


async def balance_at(keeper: Bookkeeper, name: str, time_us: int, axis: Axis = Axis.CREATED) -> Balance:
    def work(connection):
        head = books.find_head(connection, keeper.tenant_id, keeper.ledger_id)
        now = books.find_balance(connection, keeper.tenant_id, keeper.ledger_id, name)
        as_of = AsOf(time_us, axis)
        return history.balance_at(connection, keeper.tenant_id, keeper.ledger_id, head, now, as_of)

    return await keeper.database.read(work)


async def totals_at(keeper: Bookkeeper, time_us: int, axis: Axis) -> tuple[list[CurrencyTotal], int]:
    def work(connection):
        head = books.find_head(connection, keeper.tenant_id, keeper.ledger_id)
        return history.totals_at(connection, keeper.tenant_id, keeper.ledger_id, head, AsOf(time_us, axis))

    return await keeper.database.read(work)


async def post_at_random(keeper: Bookkeeper, count: int) -> None:
    """Transactions whose effective times lie all about, some of one time, the clock going back at times."""
    chance = random.Random(2)
    for number in range(count):
        pair = chance.choice([("bank", "cash"), ("cash", "bank"), ("yen", "yen2")])
        amount = chance.choice([1, 7, 2**55])
        transaction = transfer(f"tx-{number}", *pair, amount)
        if chance.random() < 0.7:
            transaction = dataclasses.replace(transaction, effective_us=NOW_US + chance.randrange(-9, 9))
        await keeper.post(transaction, now_us=NOW_US + number + chance.choice([-5, 0, 0, 3]))


@pytest.mark.parametrize("axis", list(Axis))
async def test_lg_02_16_as_of_every_time_the_sums_are_those_of_the_entries_and_balance(keeper, axis):
    await post_at_random(keeper, 40)
    transactions = await keeper.transactions()

    for time_us in range(NOW_US - 11, NOW_US + 50, 3):
        seen = [
            each
            for each in transactions
            if (each.create_time_us if axis is Axis.CREATED else each.effective_us) <= time_us
        ]
        totals, sequence = await totals_at(keeper, time_us, axis)
        assert all(total.debits_minor == total.credits_minor for total in totals), "LG-02"
        assert [total.currency.code for total in totals] == ["EUR", "JPY"]
        assert sequence == (len(seen) if axis is Axis.CREATED else 40), "LG-16: times grow with places"
        for total in totals:
            amounts = [
                e.amount_minor
                for each in seen
                for e in each.entries
                if e.side is Side.DEBIT and e.currency_code == total.currency.code
            ]
            assert total.debits_minor == sum(amounts)
        for name in ("bank", "yen"):
            balance = await balance_at(keeper, name, time_us, axis)
            folded = [
                sum(
                    e.amount_minor
                    for each in seen
                    for e in each.entries
                    if (e.account_id, e.side) == (name, side)
                )
                for side in Side
            ]
            assert [balance.debits_minor, balance.credits_minor] == folded, "LG-03"


async def test_what_was_pending_is_told_as_of_then(keeper):
    await keeper.hold("released", "bank", "cash", 1, now_us=NOW_US + 10)
    await keeper.hold("captured", "bank", "cash", 2, now_us=NOW_US + 20)
    await keeper.hold("expired", "bank", "cash", 4, expire_us=NOW_US + 50, now_us=NOW_US + 30)
    await keeper.release("released", now_us=NOW_US + 40)
    await keeper.capture("captured", "tx", 1, now_us=NOW_US + 60)

    at = {
        step: await balance_at(keeper, "bank", NOW_US + step) for step in (9, 10, 25, 30, 40, 49, 50, 59, 61)
    }

    pending = {step: balance.debits_pending_minor for step, balance in at.items()}
    assert pending == {9: 0, 10: 1, 25: 3, 30: 7, 40: 6, 49: 6, 50: 2, 59: 2, 61: 0}
    assert {step: balance.debits_minor for step, balance in at.items() if balance.debits_minor} == {61: 1}
    assert (await balance_at(keeper, "cash", NOW_US + 30)).credits_pending_minor == 7


async def test_lg_14_limits_are_judged_in_the_order_of_posting_whatever_the_effective_time(keeper):
    await keeper.post(transfer("in", "bank", "purse", 10))

    backdated = dataclasses.replace(transfer("out", "purse", "bank", 10), effective_us=NOW_US - 100)
    await keeper.post(backdated)

    then = await balance_at(keeper, "purse", NOW_US - 50, Axis.EFFECTIVE)
    assert then.balance_minor == -10, "by effect it was beyond its limit for a while"
    assert (await balance_at(keeper, "purse", NOW_US, Axis.EFFECTIVE)).balance_minor == 0
    late = dataclasses.replace(transfer("more", "purse", "bank", 1), effective_us=NOW_US + 10**9)
    with pytest.raises(Refusal, match="may be debited 0 more"):
        await keeper.post(late)


async def test_as_of_over_the_contract(office: Office):
    caller = await open_books(office.caller())
    ledger = caller.ledger
    first = sent("tx-1", 5)
    first.effective_time.FromJsonString("2020-01-01T00:00:00Z")
    posted = await ledger.post_transactions(ledger_id="main", transactions=[first])
    await ledger.post_transactions(ledger_id="main", transactions=[sent("tx-2", 7)])
    created = posted.results[0].transaction.create_time
    early = pb.AsOf(time=first.effective_time, axis=pb.TIME_AXIS_EFFECTIVE)

    async def balance(as_of: pb.AsOf) -> int:
        got = await ledger.get_balance(ledger_id="main", account_id="cash", as_of=as_of)
        return got.balance.balance_minor

    assert await balance(pb.AsOf(time=created)) == 5
    assert await balance(early) == 5
    assert await balance(pb.AsOf(time=first.effective_time)) == 0
    trial = await ledger.get_trial_balance(ledger_id="main", as_of=early)
    assert (trial.balanced, trial.totals[0].debits_minor, trial.sequence) == (True, "5", 2)
    trial = await ledger.get_trial_balance(ledger_id="main", as_of=pb.AsOf(time=created))
    assert (trial.balanced, trial.totals[0].debits_minor, trial.sequence) == (True, "5", 1)


@pytest.mark.parametrize(
    ("as_of", "field"),
    [
        (pb.AsOf(), "as_of.time"),
        (pb.AsOf(time={"seconds": 2**60}), "as_of.time"),
        (pb.AsOf(time={"seconds": 1}, axis=9), "as_of.axis"),
    ],
)
async def test_an_as_of_that_is_no_time_is_refused_with_its_field(sqlite_office, as_of, field):
    ledger = (await open_books(sqlite_office.caller())).ledger

    for call in (
        ledger.get_balance(ledger_id="main", account_id="cash", as_of=as_of),
        ledger.get_trial_balance(ledger_id="main", as_of=as_of),
    ):
        await refused(call, InvalidArgument, "INVALID_REQUEST", field)


async def test_as_of_of_what_is_not_there_says_so(sqlite_office):
    ledger = (await open_books(sqlite_office.caller())).ledger
    as_of = pb.AsOf(time={"seconds": 1})

    for call in (
        ledger.get_balance(ledger_id="none", account_id="cash", as_of=as_of),
        ledger.get_trial_balance(ledger_id="none", as_of=as_of),
    ):
        await refused(call, NotFound, "LEDGER_NOT_FOUND", "ledger_id")
    await refused(
        ledger.get_balance(ledger_id="main", account_id="none", as_of=as_of),
        NotFound,
        "ACCOUNT_NOT_FOUND",
        "account_id",
    )

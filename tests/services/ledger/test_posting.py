"""The ledger's invariants, by the ids under which they are known, on both databases."""

import asyncio
import dataclasses
import random
import time
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from bedplate.data import Database
from bedplate.errors import Refusal
from bedplate.services.ledger.domain import Entry, Mode, NewTransaction, Outcome, Side
from bedplate.services.ledger.posting import post
from tests.services.ledger.bookkeeping import JPY, NOW_US, Bookkeeper, account, transfer

FIRST = NewTransaction(
    "tx-1",
    (
        Entry("cash", Side.DEBIT, 70),
        Entry("bank", Side.DEBIT, 30),
        Entry("sales", Side.CREDIT, 100),
    ),
    effective_us=NOW_US - 5,
    description="three coffees",
    metadata=(("order", "17"), ("till", "2")),
)


@pytest.fixture
async def keeper(ledger_database: Database) -> Bookkeeper:
    """A ledger with some accounts of two currencies."""
    return await Bookkeeper(ledger_database).open(
        account("bank"), account("cash"), account("sales"), account("yen", JPY), account("yen2", JPY)
    )


def refusal_of(outcome: Outcome | BaseException) -> Refusal:
    refusal = outcome.refusal if isinstance(outcome, Outcome) else outcome
    assert isinstance(refusal, Refusal), outcome
    return refusal


async def test_lg_01_02_03_books_balance_after_random_transactions_of_two_currencies(keeper):
    chance = random.Random(7)
    batch = []
    for number in range(300):
        debit, credit = chance.sample(("bank", "cash", "sales"), 2)
        transaction = transfer(f"tx-{number}", debit, credit, chance.randrange(1, 10**12))
        if chance.random() < 0.3:
            yen, yen2 = chance.sample(("yen", "yen2"), 2)
            entries = (*transaction.entries, *transfer("", yen, yen2, chance.randrange(1, 10**9)).entries)
            transaction = dataclasses.replace(transaction, entries=entries)
        batch.append(transaction)

    for start in range(0, 300, 50):
        await keeper.post(*batch[start : start + 50])

    assert await keeper.audit() == 300


async def test_lg_01_an_unbalanced_transaction_leaves_nothing(keeper):
    unbalanced = NewTransaction("tx", (Entry("cash", Side.DEBIT, 2), Entry("bank", Side.CREDIT, 1)))

    with pytest.raises(Refusal) as refused:
        await keeper.post(unbalanced)

    assert refused.value.reason == "UNBALANCED_TRANSACTION"
    assert refused.value.facts == {"currency_code": "EUR", "debits_minor": "2", "credits_minor": "1"}
    assert await keeper.audit() == 0


async def test_lg_01_amounts_of_two_currencies_do_not_balance_each_other(keeper):
    with pytest.raises(Refusal) as refused:
        await keeper.post(transfer("tx", "cash", "yen", 5))

    assert refused.value.reason == "UNBALANCED_TRANSACTION"


async def test_lg_05_fifty_callers_with_one_id_have_one_effect_and_one_answer(keeper):
    outcomes = await keeper.post_all_at_once([FIRST] * 50)

    transactions = {outcome.transaction for outcome in outcomes}
    assert len(transactions) == 1
    assert sorted(outcome.replayed for outcome in outcomes) == [False] + [True] * 49
    assert await keeper.audit() == 1


async def test_lg_05_a_replay_answers_as_the_first_call_did_however_late(keeper):
    (first,) = await keeper.post(FIRST)
    await keeper.post(transfer("other", "bank", "cash", 9))

    (again,) = await keeper.post(FIRST, now_us=NOW_US + 10**9)

    assert again.replayed
    assert again.transaction == first.transaction
    assert await keeper.audit() == 2


async def test_lg_05_a_transaction_without_effective_time_can_be_repeated_later(keeper):
    transaction = transfer("tx", "bank", "cash", 9)
    await keeper.post(transaction)

    (again,) = await keeper.post(transaction, now_us=NOW_US + 10**9)

    assert again.replayed
    assert again.transaction is not None
    assert again.transaction.effective_us == NOW_US


async def test_lg_05_of_two_contents_under_one_id_at_once_one_is_posted_and_all_others_are_refused(keeper):
    other = dataclasses.replace(FIRST, description="four coffees")

    outcomes = await keeper.post_all_at_once([FIRST, other] * 10)

    refused = [outcome for outcome in outcomes if not isinstance(outcome, Outcome)]
    assert len(refused) == 10
    assert {refusal_of(each).reason for each in refused} == {"TRANSACTION_EXISTS"}
    assert await keeper.audit() == 1


def entry(index: int, **changes: object) -> Callable[[NewTransaction], NewTransaction]:
    def change(transaction: NewTransaction) -> NewTransaction:
        entries = list(transaction.entries)
        entries[index] = dataclasses.replace(entries[index], **changes)
        return dataclasses.replace(transaction, entries=tuple(entries))

    return change


def field(**changes: object) -> Callable[[NewTransaction], NewTransaction]:
    return lambda transaction: dataclasses.replace(transaction, **changes)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        (entry(0, account_id="bank"), "entries[0].account_id"),
        (entry(1, side=Side.CREDIT), "entries[1].side"),
        (entry(2, amount_minor=101), "entries[2].amount_minor"),
        (field(entries=FIRST.entries[:2]), "entries"),
        (field(effective_us=NOW_US - 4), "effective_time"),
        (field(effective_us=None), "effective_time"),
        (field(description="three teas"), "description"),
        (field(metadata=()), "metadata"),
        (field(metadata=(("order", "18"), ("till", "2"))), "metadata"),
        (field(reverses_id="tx-0"), "reverses_id"),
        (lambda one: field(metadata=())(field(description="")(one)), "description"),
        (lambda one: field(description="")(entry(1, amount_minor=7)(one)), "entries[1].amount_minor"),
    ],
)
async def test_lg_06_another_content_under_the_id_is_refused_with_the_first_field_that_differs(
    keeper, change, path
):
    await keeper.post(FIRST)

    with pytest.raises(Refusal) as refused:
        await keeper.post(transfer("before", "bank", "cash", 1), change(FIRST))

    refusal = refused.value
    assert refusal.reason == "TRANSACTION_EXISTS"
    assert refusal.facts == {"field": f"transactions[1].{path}", "transaction_id": "tx-1"}
    assert [violation.field for violation in refusal.violations] == [f"transactions[1].{path}"]
    assert await keeper.audit() == 1


async def test_lg_08_of_a_hundred_withdrawals_of_60_from_100_exactly_one_succeeds(ledger_database):
    keeper = await Bookkeeper(ledger_database).open(account("outside"), account("purse", limit="debits"))
    await keeper.post(transfer("deposit", "outside", "purse", 100))

    outcomes = await keeper.post_all_at_once(
        [transfer(f"withdrawal-{number}", "purse", "outside", 60) for number in range(100)]
    )

    refusals = [refusal_of(outcome) for outcome in outcomes if not isinstance(outcome, Outcome)]
    assert len(refusals) == 99
    assert {refusal.reason for refusal in refusals} == {"LIMIT_EXCEEDED"}
    assert {refusal.facts["available_minor"] for refusal in refusals} == {"40"}
    assert (await keeper.balance("purse")).balance_minor == 40
    assert await keeper.audit() == 2


@pytest.mark.parametrize(
    ("limit", "fill", "drain"),
    [
        ("debits", ("outside", "purse"), ("purse", "outside")),
        ("credits", ("purse", "outside"), ("outside", "purse")),
    ],
)
async def test_lg_08_a_limit_holds_to_the_last_unit_and_within_a_batch(ledger_database, limit, fill, drain):
    keeper = await Bookkeeper(ledger_database).open(account("outside"), account("purse", limit=limit))

    outcomes = await keeper.post(
        transfer("too-early", *drain, 1),
        transfer("fill", *fill, 10),
        transfer("some", *drain, 4),
        transfer("too-much", *drain, 7),
        transfer("rest", *drain, 6),
        transfer("more", *drain, 1),
        mode=Mode.INDEPENDENT,
    )

    reasons = [outcome.refusal.reason if outcome.refusal else "" for outcome in outcomes]
    assert reasons == ["LIMIT_EXCEEDED", "", "", "LIMIT_EXCEEDED", "", "LIMIT_EXCEEDED"]
    assert await keeper.audit() == 3


async def test_lg_08_the_tables_themselves_hold_the_limit(ledger_database):
    await Bookkeeper(ledger_database).open(account("purse", limit="debits"))

    def overdraw(connection: sa.Connection) -> None:
        connection.exec_driver_sql("UPDATE ledger_accounts SET debits_minor = 1 WHERE account_id = 'purse'")

    with pytest.raises(sa.exc.IntegrityError):
        await ledger_database.transact(overdraw)


async def test_lg_11_sums_reach_the_largest_number_and_not_one_more(keeper):
    largest = 2**63 - 1
    await keeper.post(transfer("tx-1", "cash", "bank", largest - 1), transfer("tx-2", "cash", "sales", 1))

    with pytest.raises(Refusal) as refused:
        await keeper.post(transfer("tx-3", "cash", "sales", 1))

    assert refused.value.reason == "BALANCE_OVERFLOW"
    assert refused.value.violations[0].field == "transactions[0].entries[0].amount_minor"
    assert (await keeper.balance("cash")).debits_minor == largest
    await keeper.post(transfer("tx-4", "bank", "cash", largest))
    assert await keeper.audit() == 3


async def test_lg_12_eight_writers_over_three_accounts_in_every_direction_never_stand_still(keeper):
    """A bounded number of postings, with no retry by the caller, all succeed."""
    chance = random.Random(12)
    names = ("bank", "cash", "sales")

    def batch(writer: int, turn: int) -> list[NewTransaction]:
        pairs = [chance.sample(names, 2) for _ in range(3)]
        return [transfer(f"tx-{writer}-{turn}-{n}", *pair, 1 + n) for n, pair in enumerate(pairs)]

    batches = {(writer, turn): batch(writer, turn) for writer in range(8) for turn in range(12)}

    async def write(writer: int) -> None:
        for turn in range(12):
            await keeper.post(*batches[writer, turn])

    await asyncio.gather(*(write(writer) for writer in range(8)))

    assert await keeper.audit() == 8 * 12 * 3


@pytest.mark.soak
async def test_lg_12_eight_writers_over_three_accounts_for_thirty_seconds_never_stand_still(keeper):
    """No posting is refused or fails, none is lost, and nobody waits for ever."""
    names, until_s = ("bank", "cash", "sales"), time.monotonic() + 30

    async def write(writer: int) -> tuple[int, float]:
        chance, turn, longest_s = random.Random(writer), 0, 0.0
        while (started_s := time.monotonic()) < until_s:
            pairs = [chance.sample(names, 2) for _ in range(chance.randint(1, 3))]
            batch = [transfer(f"tx-{writer}-{turn}-{n}", *pair, 1 + n) for n, pair in enumerate(pairs)]
            await keeper.post(*batch)
            turn, longest_s = turn + len(batch), max(longest_s, time.monotonic() - started_s)
        return turn, longest_s

    written = await asyncio.gather(*(write(writer) for writer in range(8)))

    count, longest_s = sum(turn for turn, _ in written), max(longest for _, longest in written)
    print(f"{count} transactions of 8 writers in 30 s; the longest call took {longest_s:.2f} s")
    assert await keeper.audit() == count
    assert min(turn for turn, _ in written) > 0
    assert longest_s < 5.0


async def test_lg_12_ledgers_of_two_tenants_are_posted_to_at_the_same_time(ledger_database):
    mine = await Bookkeeper(ledger_database).open(account("bank"), account("cash"))
    other = await Bookkeeper(ledger_database).open(account("bank"), account("cash"))
    transactions = [transfer(f"tx-{number}", "bank", "cash", 1 + number) for number in range(20)]

    await asyncio.gather(mine.post_all_at_once(transactions), other.post_all_at_once(transactions))

    assert await mine.audit() == 20
    assert await other.audit() == 20


@pytest.mark.parametrize("place", [0, 4, 9])
async def test_lg_13_an_atomic_batch_with_a_bad_transaction_leaves_nothing(keeper, place):
    batch = [transfer(f"tx-{number}", "bank", "cash", 1) for number in range(10)]
    batch[place] = transfer("bad", "bank", "nowhere", 1)

    with pytest.raises(Refusal) as refused:
        await keeper.post(*batch)

    assert refused.value.reason == "ACCOUNT_NOT_FOUND"
    assert refused.value.violations[0].field == f"transactions[{place}].entries[1].account_id"
    assert await keeper.audit() == 0
    assert (await keeper.balance("bank")).debits_minor == 0


async def test_lg_13_an_independent_batch_answers_each_transaction_in_order(keeper):
    await keeper.post(FIRST)

    outcomes = await keeper.post(
        transfer("good-1", "bank", "cash", 1),
        transfer("unbalanced", "bank", "yen", 1),
        FIRST,
        transfer("good-2", "cash", "bank", 2),
        transfer("both-sides", "cash", "cash", 2),
        mode=Mode.INDEPENDENT,
    )

    told = [
        outcome.refusal.reason if outcome.refusal else ("replayed" if outcome.replayed else "posted")
        for outcome in outcomes
    ]
    assert told == ["posted", "UNBALANCED_TRANSACTION", "replayed", "posted", "ACCOUNT_ON_BOTH_SIDES"]
    assert await keeper.audit() == 3


async def test_lg_16_a_clock_that_goes_backwards_does_not_reorder(keeper):
    await keeper.post(transfer("tx-1", "bank", "cash", 1), now_us=NOW_US)

    (second,) = await keeper.post(transfer("tx-2", "bank", "cash", 1), now_us=NOW_US - 10**12)
    (third,) = await keeper.post(transfer("tx-3", "bank", "cash", 1), now_us=NOW_US + 1)

    assert second.transaction is not None
    assert third.transaction is not None
    assert (second.transaction.create_time_us, third.transaction.create_time_us) == (NOW_US, NOW_US + 1)
    assert second.transaction.effective_us == NOW_US


async def test_an_atomic_batch_may_repeat_some_and_add_others(keeper):
    await keeper.post(FIRST)

    outcomes = await keeper.post(transfer("tx-0", "bank", "cash", 1), FIRST)

    assert [outcome.replayed for outcome in outcomes] == [False, True]
    assert await keeper.audit() == 2


async def test_one_id_twice_in_a_batch_is_refused_before_anything_is_read(keeper):
    with pytest.raises(Refusal) as refused:
        await Bookkeeper(keeper.database, ledger_id="nowhere").post(FIRST, transfer("x", "a", "b", 1), FIRST)

    assert refused.value.reason == "DUPLICATE_TRANSACTION_ID"
    assert refused.value.violations[0].field == "transactions[2].transaction_id"


async def test_posting_to_a_ledger_that_is_not_there_is_refused(keeper):
    with pytest.raises(Refusal) as refused:
        await Bookkeeper(keeper.database, ledger_id="nowhere").post(FIRST)

    assert refused.value.reason == "LEDGER_NOT_FOUND"


async def test_what_the_caller_writes_beside_the_entries_commits_with_them_or_not_at_all(keeper):
    """A module that posts inside its own unit of work and then fails leaves no entry."""

    def work(connection: sa.Connection) -> None:
        post(connection, keeper.tenant_id, keeper.ledger_id, [FIRST], NOW_US)
        raise RuntimeError("the caller's own part failed")

    with pytest.raises(RuntimeError):
        await keeper.database.transact(work)

    assert await keeper.audit() == 0


async def test_a_batch_of_a_thousand_takes_as_few_statements_as_one(keeper, count_statements):
    batch = [transfer(f"tx-{number}", "bank", "cash", 1) for number in range(1000)]

    with count_statements() as one:
        await keeper.post(transfer("single", "bank", "cash", 1))
    with count_statements() as many:
        await keeper.post(*batch)

    assert len(one) == len(many) <= 7
    assert await keeper.audit() == 1001

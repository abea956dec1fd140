"""Sums of groups of accounts, now and as of a time, on both axes and both databases."""

import dataclasses
import random
from collections import defaultdict

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bedplate.client.errors import InvalidArgument, NotFound
from bedplate.data import Database
from bedplate.ledger.v1 import ledger_pb2 as pb
from bedplate.services.ledger.aggregation import add_up
from bedplate.services.ledger.domain import AsOf, Axis, GroupTotal, Hold, HoldState, group_of, parse_path
from bedplate.services.ledger.store import books, holds
from bedplate.services.ledger.store.aggregate import Scope
from tests.services.ledger.bookkeeping import EUR, JPY, NOW_US, Bookkeeper, account, transfer
from tests.services.ledger.office import Caller, Office
from tests.services.ledger.test_handlers import open_books, refused
from tests.services.ledger.test_handlers import transfer as sent

ACCOUNTS = {
    "a": EUR,
    "a:b": EUR,
    "a:b:c": EUR,
    "a:b:d": EUR,
    "a-b": EUR,
    "a0:b": EUR,
    "b:b:c": EUR,
    "b:x:c": EUR,
    "j": JPY,
    "a:j": JPY,
    "a:b:j": JPY,
    "b:b:j": JPY,
}
PATHS = [
    "",
    "**",
    "*",
    "a",
    "a:*",
    "a:**",
    "*:b",
    "*:b:*",
    "a:*:c",
    "*:*:c",
    "*:b:**",
    "b:*:**",
    "nothing:**",
]
LARGE = 2**62 - 1


@pytest.fixture
async def keeper(ledger_database: Database) -> Bookkeeper:
    """A ledger of two currencies."""
    return await Bookkeeper(ledger_database).open(*(account(*each) for each in ACCOUNTS.items()))


async def aggregate(
    keeper: Bookkeeper,
    path: str = "",
    depth: int = 0,
    *,
    as_of: AsOf | None = None,
    now_us: int = NOW_US,
    size: int = 1000,
) -> list[GroupTotal]:
    """All groups, read page by page."""
    scope = Scope(keeper.tenant_id, keeper.ledger_id, parse_path(path), depth)
    found: list[GroupTotal] = []

    def page(connection: sa.Connection) -> list[GroupTotal]:
        head = books.find_head(connection, keeper.tenant_id, keeper.ledger_id)
        assert head is not None
        after = (found[-1].account_path, found[-1].currency.code) if found else ("", "")
        return add_up(connection, scope, head, now_us, as_of=as_of, after=after, limit=size)

    while more := await keeper.database.read(page):
        found += more
        keys = [(each.account_path, each.currency.code) for each in found]
        assert keys == sorted(set(keys)), "a page begins behind the one before"
    return found


async def model(
    keeper: Bookkeeper, path: str, depth: int, *, as_of: AsOf | None = None, now_us: int = NOW_US
) -> list[GroupTotal]:
    """The same in the plainest words: from all transactions and holds, one by one."""
    sums: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0] * 5)
    named = {name for name in ACCOUNTS if parse_path(path).matches(name)}

    def add(account_id: str, column: int, amount: int) -> None:
        if account_id in named:
            sums[group_of(account_id, depth), ACCOUNTS[account_id].code][column] += amount

    for name in named:
        add(name, 4, 1)
    for each in await keeper.transactions():
        time_us = each.effective_us if as_of and as_of.axis is Axis.EFFECTIVE else each.create_time_us
        if as_of is None or time_us <= as_of.time_us:
            for entry in each.entries:
                add(entry.account_id, entry.side - 1, entry.amount_minor)
    for hold in await every_hold(keeper):
        then_us = now_us if as_of is None else as_of.time_us
        made = hold.create_time_us <= then_us
        resolved = hold.resolve_time_us is not None and hold.resolve_time_us <= then_us
        expired = hold.asked.expire_us is not None and hold.asked.expire_us <= then_us
        if made and not resolved and not expired:
            add(hold.asked.debit_account_id, 2, hold.asked.amount_minor)
            add(hold.asked.credit_account_id, 3, hold.asked.amount_minor)
    currencies = {each.code: each for each in (EUR, JPY)}
    return [GroupTotal(key[0], currencies[key[1]], *sums[key]) for key in sorted(sums)]


async def every_hold(keeper: Bookkeeper) -> list[Hold]:
    return await keeper.database.read(
        lambda connection: holds.list_holds(
            connection,
            keeper.tenant_id,
            keeper.ledger_id,
            account_id="",
            states=HoldState,
            now_us=0,
            after="",
            limit=1000,
        )
    )


async def fill(keeper: Bookkeeper, chance: random.Random, count: int) -> int:
    """Transactions and holds at random, some that nobody has noted as expired; the time afterwards."""
    names = {code: [name for name, each in ACCOUNTS.items() if each.code == code] for code in ("EUR", "JPY")}
    now_us = NOW_US
    for number in range(count):
        now_us += chance.choice([3, 5])
        pair = chance.sample(names[chance.choice(["EUR", "EUR", "JPY"])], 2)
        amount = chance.choice([1, 7, 2**33 + 1, 2**55])
        if chance.random() < 0.6:
            made = transfer(f"tx-{number}", *pair, amount)
            if chance.random() < 0.5:
                made = dataclasses.replace(made, effective_us=NOW_US + chance.randrange(-20, 2 * count))
            await keeper.post(made, now_us=now_us)
        else:
            expire_us = chance.choice([None, now_us + chance.randrange(4, 20)])
            await keeper.hold(f"hold-{number}", *pair, amount, expire_us=expire_us, now_us=now_us)
            if expire_us is None and chance.random() < 0.5:
                await keeper.release(f"hold-{number}", now_us=now_us + 1)
    return now_us + chance.choice([3, 30])


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
async def test_sums_of_groups_are_those_of_a_plain_model(ledger_database, seed):
    keeper = await Bookkeeper(ledger_database).open(*(account(*each) for each in ACCOUNTS.items()))
    chance = random.Random(seed)
    now_us = await fill(keeper, chance, 20)
    times = [NOW_US - 25, NOW_US - 5, NOW_US, NOW_US + 7, NOW_US + 15, NOW_US + 40, now_us]

    for path in chance.sample(PATHS, 6):
        depth = chance.randrange(4)
        got = await aggregate(keeper, path, depth, now_us=now_us, size=chance.choice([1, 2, 100]))
        assert got == await model(keeper, path, depth, now_us=now_us), (path, depth)
        as_of = AsOf(chance.choice(times), chance.choice(list(Axis)))
        got = await aggregate(keeper, path, depth, as_of=as_of, size=chance.choice([1, 3, 100]))
        assert got == await model(keeper, path, depth, as_of=as_of), (path, depth, as_of)


async def test_all_accounts_together_balance_as_the_trial_balance_does(keeper):
    await fill(keeper, random.Random(7), 30)

    totals = await aggregate(keeper)

    trial = await keeper.database.read(
        lambda connection: books.totals(connection, keeper.tenant_id, keeper.ledger_id)
    )
    assert [(each.currency, each.debits_minor, each.account_count) for each in totals] == [
        (each.currency, each.debits_minor, each.account_count) for each in trial
    ]
    assert all(each.net_debits_minor == 0 for each in totals), "LG-02"


async def test_sums_may_leave_the_range_of_int64(keeper):
    for number, (debit, credit) in enumerate([("a:b", "a"), ("a:b:c", "a-b"), ("a:b:d", "a0:b")]):
        await keeper.post(transfer(f"tx-{number}", debit, credit, LARGE))
        await keeper.hold(f"hold-{number}", debit, credit, LARGE, expire_us=NOW_US + 50)

    for as_of, pending in ((None, 0), (AsOf(NOW_US + 49), 3), (AsOf(NOW_US + 49, Axis.EFFECTIVE), 3)):
        total = (await aggregate(keeper, as_of=as_of, now_us=NOW_US + 50))[0]
        sums = [total.debits_minor, total.credits_minor]
        sums += [total.debits_pending_minor, total.credits_pending_minor]
        assert sums == [3 * LARGE, 3 * LARGE, pending * LARGE, pending * LARGE], as_of


@pytest.mark.parametrize("axis", list(Axis))
async def test_sums_of_one_group_may_leave_the_range_of_int64_as_of_a_time(keeper, axis):
    for number, (debit, credit) in enumerate([("a:b", "a"), ("a:b:c", "a-b"), ("a:b:d", "a0:b")]):
        await keeper.post(transfer(f"tx-{number}", debit, credit, 2**63 - 1), now_us=NOW_US + number)
    for number in range(9):
        await keeper.post(transfer(f"more-{number}", "b:b:j", "j", 1), now_us=NOW_US + 10 + number)

    found = await aggregate(keeper, "a:b:**", 2, as_of=AsOf(NOW_US + 5, axis))

    assert [(each.account_path, each.debits_minor) for each in found] == [
        ("a:b", 2 * (2**63 - 1)),
        ("a:b", 0),
    ]


async def test_an_entry_that_does_not_know_its_time_is_looked_up(keeper):
    """As one does that was written before the column was there."""
    late = dataclasses.replace(transfer("late", "a:b", "a", 5), effective_us=NOW_US - 10)
    await keeper.post(late, transfer("now", "a:b", "a", 7))

    def forget(connection: sa.Connection) -> None:
        columns = "tenant_id, ledger_id, sequence, entry_index, account_id, side, amount_minor, currency_code"
        connection.exec_driver_sql(
            f"INSERT INTO ledger_entries ({columns}) SELECT tenant_id, ledger_id, sequence, entry_index + 10,"
            f" account_id, side, amount_minor, currency_code FROM ledger_entries"
            f" WHERE tenant_id = '{keeper.tenant_id}'"
        )

    await keeper.database.transact(forget)
    early = AsOf(NOW_US - 5, Axis.EFFECTIVE)

    assert [each.debits_minor for each in await aggregate(keeper, "a:b", as_of=early)] == [10]


async def opened(caller: Caller) -> Caller:
    """Books with a path of accounts, and a transfer of 5 and a hold of 2 between two of them."""
    await open_books(caller)
    for name in ("assets:bank:eur", "assets:bank:gbp", "assets:cash:eur"):
        currency = pb.Currency(code=name[-3:].upper(), scale=2)
        made = pb.Account(account_id=name, type=pb.ACCOUNT_TYPE_ASSET, currency=currency)
        await caller.ledger.create_account(ledger_id="main", account=made)
    transactions = [sent("tx-1", 5, debit="assets:bank:eur", credit="assets:cash:eur")]
    await caller.ledger.post_transactions(ledger_id="main", transactions=transactions)
    hold = pb.Hold(hold_id="h", debit_account_id="assets:bank:eur", credit_account_id="sales", amount_minor=2)
    await caller.ledger.create_hold(ledger_id="main", hold=hold)
    return caller


async def test_groups_are_answered_over_the_contract_page_by_page(office: Office):
    caller = await opened(office.caller())

    groups = [
        each
        async for each in caller.ledger.aggregate_balances(
            ledger_id="main", account_path="assets:**", group_depth=2, page_size=1
        )
    ]

    eur = pb.Currency(code="EUR", scale=2)
    zero = {"debits_minor": "0", "credits_minor": "0", "net_debits_minor": "0"}
    none_pending = {"debits_pending_minor": "0", "credits_pending_minor": "0"}
    assert groups == [
        pb.BalanceGroup(
            account_path="assets:bank",
            currency=eur,
            debits_minor="5",
            credits_minor="0",
            net_debits_minor="5",
            debits_pending_minor="2",
            credits_pending_minor="0",
            account_count=1,
        ),
        pb.BalanceGroup(
            account_path="assets:bank",
            currency=pb.Currency(code="GBP", scale=2),
            account_count=1,
            **zero,
            **none_pending,
        ),
        pb.BalanceGroup(
            account_path="assets:cash",
            currency=eur,
            debits_minor="0",
            credits_minor="5",
            net_debits_minor="-5",
            account_count=1,
            **none_pending,
        ),
    ]


async def test_aggregates_are_refused_in_this_order(sqlite_office: Office):
    caller = await opened(sqlite_office.caller())
    no_time = pb.AsOf()
    no_time.time.seconds = 10**15

    def call(**fields: object):
        return caller.ledger.aggregate_balances(**({"ledger_id": "nowhere"} | fields)).page()

    bad = {"as_of": no_time, "page_token": "bad"}
    await refused(call(account_path="a**", **bad), InvalidArgument, "INVALID_REQUEST", "account_path")
    await refused(call(group_depth=65, **bad), InvalidArgument, "INVALID_REQUEST", "group_depth")
    await refused(call(page_size=1001, **bad), InvalidArgument, "INVALID_REQUEST", "page_size")
    await refused(call(**bad), InvalidArgument, "INVALID_REQUEST", "as_of.time")
    await refused(call(page_token="bad"), InvalidArgument, "PAGE_TOKEN_INVALID", "page_token")
    await refused(call(), NotFound, "LEDGER_NOT_FOUND", "ledger_id")


async def test_another_tenant_sees_no_sum_of_mine(office: Office):
    mine = await opened(office.caller())
    other = await open_books(office.caller())

    for as_of in (None, pb.AsOf(time={"seconds": 253_402_300_799})):
        theirs = await other.ledger.aggregate_balances(ledger_id="main", as_of=as_of).page()
        assert [(each.debits_minor, each.debits_pending_minor) for each in theirs.groups] == [("0", "0")]
        own = await mine.ledger.aggregate_balances(ledger_id="main", as_of=as_of).page()
        assert [each.debits_minor for each in own.groups] == ["5", "0"]


async def test_pages_as_of_a_time_that_has_passed_tell_of_one_moment(office: Office):
    caller = await opened(office.caller())
    posted = await caller.ledger.get_transaction(ledger_id="main", transaction_id="tx-1")
    asked = {
        "ledger_id": "main",
        "group_depth": 9,
        "page_size": 2,
        "as_of": pb.AsOf(time=posted.transaction.create_time),
    }
    first = await caller.ledger.aggregate_balances(**asked).page()

    transactions = [sent("tx-2", 100, debit="cash", credit="assets:cash:eur")]
    await caller.ledger.post_transactions(ledger_id="main", transactions=transactions)

    rest = caller.ledger.aggregate_balances(**asked, page_token=first.next_page_token)
    nets = [int(each.net_debits_minor) for each in first.groups]
    nets += [int(each.net_debits_minor) async for each in rest]
    assert nets == [5, 0, -5, 0, 0]


async def test_every_entry_knows_when_its_transaction_took_place(keeper):
    late = dataclasses.replace(transfer("late", "a:b", "a", 5), effective_us=NOW_US - 10)
    await keeper.post(late, transfer("now", "a:b", "a", 7))

    def times(connection: sa.Connection) -> list[tuple[int, int]]:
        query = f"SELECT sequence, effective_us FROM ledger_entries WHERE tenant_id = '{keeper.tenant_id}'"
        return sorted(tuple(row) for row in connection.exec_driver_sql(query))

    found = await keeper.database.read(times)
    assert found == [(1, NOW_US - 10)] * 2 + [(2, NOW_US)] * 2

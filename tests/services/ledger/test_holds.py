"""Holds: created, captured, released and expired, on both databases."""

import asyncio

import pytest
import sqlalchemy as sa

from bedplate.client.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, OutOfRange
from bedplate.data import Database
from bedplate.errors import Refusal
from bedplate.ledger.v1 import ledger_pb2 as pb
from bedplate.services.ledger import expiry
from bedplate.services.ledger.domain import Hold, HoldState, Mode, NewHold
from bedplate.services.ledger.holding import create
from tests.services.ledger.bookkeeping import JPY, NOW_US, Bookkeeper, account, transfer
from tests.services.ledger.office import Caller, Office
from tests.services.ledger.test_correction import everything
from tests.services.ledger.test_handlers import asset, open_books, refused
from tests.services.ledger.test_handlers import transfer as sent

SECOND_US = 1_000_000


@pytest.fixture
async def keeper(ledger_database: Database) -> Bookkeeper:
    """A ledger with a purse of 100, of which no more can be taken."""
    keeper = await Bookkeeper(ledger_database).open(
        account("bank"), account("shop"), account("purse", limit="debits"), account("yen", JPY)
    )
    await keeper.post(transfer("deposit", "bank", "purse", 100))
    return keeper


async def pending(keeper: Bookkeeper, account_id: str = "purse") -> tuple[int, int]:
    balance = await keeper.balance(account_id)
    return balance.debits_pending_minor, balance.credits_pending_minor


def reason_of(error: object) -> str:
    assert isinstance(error, Refusal), error
    return error.reason


async def test_lg_08_what_is_held_counts_against_the_limit_and_is_no_entry(keeper):
    await keeper.hold("hold", "purse", "shop", 60)

    (outcome,) = await keeper.post(transfer("more", "purse", "bank", 41), mode=Mode.INDEPENDENT)
    assert reason_of(outcome.refusal) == "LIMIT_EXCEEDED"
    assert outcome.refusal.facts["available_minor"] == "40"
    await keeper.post(transfer("tx", "purse", "bank", 40))
    assert await pending(keeper) == (60, 0)
    assert await pending(keeper, "shop") == (0, 60)
    assert (await keeper.balance("purse")).balance_minor == 60
    assert (await keeper.balance("purse")).available_minor == 0
    assert await keeper.audit() == 2


async def test_lg_08_what_a_hold_would_bring_is_not_there_yet(keeper):
    await keeper.hold("in", "bank", "purse", 50)

    with pytest.raises(Refusal) as short:
        await keeper.post(transfer("tx", "purse", "shop", 101))

    assert short.value.facts["available_minor"] == "100"


async def test_lg_08_of_a_hundred_holds_of_60_on_100_exactly_one_is_made(keeper):
    results = await asyncio.gather(
        *(keeper.hold(f"hold-{n}", "purse", "shop", 60) for n in range(100)), return_exceptions=True
    )

    assert sum(isinstance(result, tuple) for result in results) == 1
    assert {reason_of(result) for result in results if not isinstance(result, tuple)} == {"LIMIT_EXCEEDED"}
    assert await pending(keeper) == (60, 0)


async def test_lg_08_the_tables_themselves_count_what_is_held(keeper):
    where = f"WHERE account_id = 'purse' AND tenant_id = '{keeper.tenant_id}'"

    for change in ("debits_pending_minor = 101", "debits_pending_minor = -1"):
        with pytest.raises(sa.exc.IntegrityError):
            await keeper.database.transact(
                lambda c, change=change: c.exec_driver_sql(f"UPDATE ledger_accounts SET {change} {where}")
            )


@pytest.mark.parametrize(("asked", "taken"), [(None, 60), (60, 60), (1, 1), (59, 59)])
async def test_lg_09_a_capture_posts_all_or_some_and_gives_back_the_rest(keeper, asked, taken):
    await keeper.hold("hold", "purse", "shop", 60)

    outcome, hold = await keeper.capture("hold", "tx", asked, now_us=NOW_US + 9)

    transaction = outcome.transaction
    assert transaction is not None
    assert transaction.captures_id == "hold"
    assert [(e.account_id, e.side.name, e.amount_minor) for e in transaction.entries] == [
        ("purse", "DEBIT", taken),
        ("shop", "CREDIT", taken),
    ]
    assert (hold.state, hold.captured_minor, hold.capture_id) == (HoldState.CAPTURED, taken, "tx")
    assert hold.resolve_time_us == transaction.create_time_us == NOW_US + 9
    assert await keeper.stored_hold("hold") == hold
    assert await pending(keeper) == await pending(keeper, "shop") == (0, 0)
    assert (await keeper.balance("purse")).balance_minor == 100 - taken
    assert await keeper.audit() == 2


async def test_lg_09_more_than_is_held_is_not_captured(keeper):
    await keeper.hold("hold", "purse", "shop", 60)

    with pytest.raises(Refusal) as refusal:
        await keeper.capture("hold", "tx", 61)

    assert refusal.value.reason == "CAPTURE_EXCEEDS_HOLD"
    assert refusal.value.facts["held_minor"] == "60"
    assert await pending(keeper) == (60, 0)


async def test_lg_09_of_captures_and_releases_at_once_one_resolves_the_hold(keeper):
    await keeper.hold("hold", "purse", "shop", 60, expire_us=NOW_US + SECOND_US)

    results = await asyncio.gather(
        *(keeper.capture("hold", f"tx-{n}", 1 + n) for n in range(10)),
        *(keeper.release("hold") for _ in range(10)),
        return_exceptions=True,
    )

    hold = await keeper.stored_hold("hold")
    captured = [each for each in results if isinstance(each, tuple)]
    released = [each for each in results if isinstance(each, Hold)]
    assert (len(captured), len(released)) in {(1, 0), (0, 10)}
    assert hold.state is (HoldState.CAPTURED if captured else HoldState.RELEASED)
    assert {reason_of(e) for e in results if isinstance(e, Exception)} == {"HOLD_RESOLVED"}
    assert await pending(keeper) == (0, 0)
    assert await keeper.audit() == 1 + len(captured)


async def test_lg_09_at_the_deadline_a_hold_is_captured_or_expires_and_never_both(keeper):
    """Callers whose clocks stand on both sides of the deadline, and sweeps, all at once."""
    for number in range(10):
        hold_id, due = f"hold-{number}", NOW_US + (1 + number) * SECOND_US
        await keeper.hold(hold_id, "purse", "shop", 4, expire_us=due)
        results = await asyncio.gather(
            *(keeper.capture(hold_id, f"tx-{number}-{n}", now_us=due - 5 + n) for n in range(8)),
            keeper.release(hold_id, now_us=due - 1),
            keeper.expire(now_us=due),
            return_exceptions=True,
        )
        captured = [each for each in results if isinstance(each, tuple)]
        hold = (await keeper.stored_hold(hold_id)).at(due)
        assert len(captured) == (hold.state is HoldState.CAPTURED)
        assert hold.state is not HoldState.PENDING
        assert await pending(keeper) == (0, 0)
    await keeper.audit()


async def test_lg_09_the_tables_themselves_keep_a_hold_resolved(keeper):
    await keeper.hold("hold", "purse", "shop", 60)
    await keeper.release("hold")
    where = f"WHERE tenant_id = '{keeper.tenant_id}'"

    for statement in (
        f"UPDATE ledger_holds SET state = 1, resolve_us = NULL {where}",
        f"DELETE FROM ledger_holds {where}",
    ):
        with pytest.raises(sa.exc.DBAPIError, match="what was posted never changes"):
            await keeper.database.transact(lambda c, text=statement: c.exec_driver_sql(text))


async def test_a_hold_expires_when_something_touches_the_ledger(keeper):
    due = NOW_US + SECOND_US
    await keeper.hold("hold", "purse", "shop", 100, expire_us=due)

    with pytest.raises(Refusal):
        await keeper.post(transfer("early", "purse", "bank", 1), now_us=due - 1)
    await keeper.post(transfer("late", "purse", "bank", 100), now_us=due)

    hold = await keeper.stored_hold("hold")
    assert (hold.state, hold.resolve_time_us) == (HoldState.EXPIRED, due)
    assert await pending(keeper) == (0, 0)


async def test_an_expired_hold_is_gone_for_readers_before_anybody_noted_it(keeper):
    due = NOW_US + SECOND_US
    await keeper.hold("hold", "purse", "shop", 100, expire_us=due)

    before = await keeper.current_balance("purse", due - 1)
    after = await keeper.current_balance("purse", due)

    assert (before.available_minor, after.available_minor) == (0, 100)
    assert await pending(keeper) == (100, 0), "reading writes nothing"


async def test_what_expired_stays_expired_when_the_clock_goes_backwards(keeper):
    due = NOW_US + SECOND_US
    await keeper.hold("hold", "purse", "shop", 60, expire_us=due)
    await keeper.expire(now_us=due)

    with pytest.raises(Refusal) as late:
        await keeper.capture("hold", "tx", now_us=NOW_US)

    assert late.value.reason == "HOLD_RESOLVED"
    assert late.value.facts["state"] == "expired"


async def test_a_sweep_gives_back_what_expired_in_ledgers_of_every_tenant(ledger_database, keeper):
    due = NOW_US + SECOND_US
    other = await Bookkeeper(ledger_database).open(account("bank"), account("cash"))
    for each, names in ((keeper, ("purse", "shop")), (other, ("bank", "cash"))):
        await each.hold("due", *names, 1, expire_us=due)
        await each.hold("later", *names, 2, expire_us=due + 1)
        await each.hold("never", *names, 4)

    while await expiry.sweep(ledger_database, due):
        pass

    assert await pending(keeper) == await pending(other, "bank") == (6, 0)


async def test_many_expired_holds_are_given_back_in_steps_whoever_comes(office, monkeypatch):
    monkeypatch.setattr(expiry, "EXPIRE_MAX", 7)
    caller = await open_books(office.caller())
    keeper = Bookkeeper(office.database, caller.principal.tenant)
    for number in range(30):
        await keeper.hold(
            f"hold-{number}", "cash", "sales", 1, expire_us=NOW_US + number * 1000, now_us=NOW_US - 1000
        )
    monkeypatch.setattr(office.handlers, "_clock", lambda: NOW_US + SECOND_US)

    swept = await caller.ledger.expire_holds(ledger_id="main")
    await caller.ledger.post_transactions(ledger_id="main", transactions=[sent("tx", 1)])

    assert (swept.expired_count, swept.more) == (7, True)
    assert await pending(keeper, "cash") == (0, 0)
    assert not (await caller.ledger.expire_holds(ledger_id="main")).more


async def test_a_caller_with_a_connection_of_its_own_is_told_of_very_many_expired_holds(keeper, monkeypatch):
    monkeypatch.setattr(expiry, "EXPIRE_MAX", 2)
    for number in range(3):
        await keeper.hold(f"hold-{number}", "purse", "shop", 1, expire_us=NOW_US + SECOND_US)

    with pytest.raises(Refusal) as busy:
        await keeper.post(transfer("tx", "bank", "shop", 1), now_us=NOW_US + SECOND_US)

    assert busy.value.reason == "HOLDS_EXPIRING"
    assert await keeper.expire(now_us=NOW_US + SECOND_US) == 2
    await keeper.post(transfer("tx", "bank", "shop", 1), now_us=NOW_US + SECOND_US)


async def test_the_accounts_of_a_pending_hold_do_not_close(keeper):
    await keeper.hold("hold", "purse", "shop", 60)

    for name in ("purse", "shop"):
        with pytest.raises(Refusal) as held:
            await keeper.close(name)
        assert held.value.reason == "ACCOUNT_HAS_HOLDS"
    await keeper.release("hold")
    await keeper.close("shop")
    with pytest.raises(Refusal) as closed:
        await keeper.hold("other", "purse", "shop", 1)
    assert closed.value.reason == "ACCOUNT_CLOSED"


async def test_a_hold_in_a_transaction_that_fails_leaves_nothing(keeper):
    def work(connection: sa.Connection) -> None:
        create(connection, keeper.tenant_id, keeper.ledger_id, NewHold("hold", "purse", "shop", 5), NOW_US)
        raise RuntimeError("the caller's own part failed")

    with pytest.raises(RuntimeError):
        await keeper.database.transact(work)

    assert await pending(keeper) == (0, 0)


@pytest.fixture
async def caller(office: Office) -> Caller:
    """Somebody with a purse of 100."""
    caller = await open_books(office.caller())
    purse = asset("purse", credits_must_not_exceed_debits=True)
    await caller.ledger.create_account(ledger_id="main", account=purse)
    await caller.ledger.create_account(
        ledger_id="main",
        account=pb.Account(account_id="yen", type=pb.ACCOUNT_TYPE_ASSET, currency=pb.Currency(code="JPY")),
    )
    await caller.ledger.post_transactions(ledger_id="main", transactions=[sent("in", 100, "purse")])
    return caller


def held(hold_id: str = "hold", amount_minor: int = 60, **fields: object) -> pb.Hold:
    return pb.Hold(
        **(
            {
                "hold_id": hold_id,
                "debit_account_id": "cash",
                "credit_account_id": "purse",
                "amount_minor": amount_minor,
            }
            | fields
        )
    )


async def test_a_hold_goes_its_way_over_the_contract(caller):
    ledger = caller.ledger
    made = await ledger.create_hold(ledger_id="main", hold=held(description="bike", metadata={"order": "7"}))
    again = await ledger.create_hold(ledger_id="main", hold=made.hold)
    balance = (await ledger.get_balance(ledger_id="main", account_id="purse")).balance
    taken = await ledger.capture_hold(
        ledger_id="main", hold_id="hold", transaction_id="tx", amount_minor=25, description="half"
    )
    repeated = await ledger.capture_hold(
        ledger_id="main", hold_id="hold", transaction_id="tx", amount_minor=25, description="half"
    )
    got = await ledger.get_hold(ledger_id="main", hold_id="hold")

    assert (made.hold.state, made.hold.currency_code, made.replayed) == (pb.HOLD_STATE_PENDING, "EUR", False)
    assert (again.hold, again.replayed) == (made.hold, True)
    assert (balance.balance_minor, balance.available_minor, balance.credits_pending_minor) == (100, 40, 60)
    assert taken.transaction.captures_id == "hold"
    assert (repeated.transaction, repeated.hold, repeated.replayed) == (taken.transaction, got.hold, True)
    assert (got.hold.state, got.hold.captured_minor, got.hold.capture_id) == (
        pb.HOLD_STATE_CAPTURED,
        25,
        "tx",
    )
    assert got.hold.HasField("resolve_time")
    balance = (await ledger.get_balance(ledger_id="main", account_id="purse")).balance
    assert (balance.balance_minor, balance.available_minor) == (75, 75)


async def test_a_hold_is_released_once_and_its_ids_can_be_made_by_the_client(caller):
    made = await caller.ledger.create_hold(ledger_id="main", hold=held(hold_id=""))
    hold_id = made.hold.hold_id

    first = await caller.ledger.release_hold(ledger_id="main", hold_id=hold_id)
    again = await caller.ledger.release_hold(ledger_id="main", hold_id=hold_id)

    assert len(hold_id) == 32
    assert first.hold == again.hold
    assert first.hold.state == pb.HOLD_STATE_RELEASED
    error = await refused(
        caller.ledger.capture_hold(ledger_id="main", hold_id=hold_id),
        FailedPrecondition,
        "HOLD_RESOLVED",
        "hold_id",
    )
    assert error.facts["state"] == "released"


async def test_lg_19_rehearsed_holds_and_captures_leave_nothing(caller, office):
    await caller.ledger.create_hold(ledger_id="main", hold=held())
    before = await everything(office.database, caller.principal.tenant)

    made = await caller.ledger.create_hold(ledger_id="main", hold=held("other", 40), validate_only=True)
    taken = await caller.ledger.capture_hold(
        ledger_id="main", hold_id="hold", transaction_id="tx", validate_only=True
    )

    assert made.hold.state == pb.HOLD_STATE_PENDING
    assert taken.hold.state == pb.HOLD_STATE_CAPTURED
    assert await everything(office.database, caller.principal.tenant) == before
    await refused(
        caller.ledger.create_hold(ledger_id="main", hold=held("other", 41), validate_only=True),
        FailedPrecondition,
        "LIMIT_EXCEEDED",
        "hold.amount_minor",
    )


@pytest.mark.parametrize(
    ("hold", "kind", "reason", "field"),
    [
        (held("kept", 2), AlreadyExists, "HOLD_EXISTS", "hold.amount_minor"),
        (held("kept", 1, debit_account_id="sales"), AlreadyExists, "HOLD_EXISTS", "hold.debit_account_id"),
        (held("kept", 1, description="x"), AlreadyExists, "HOLD_EXISTS", "hold.description"),
        (held("kept", 1, metadata={"a": "b"}), AlreadyExists, "HOLD_EXISTS", "hold.metadata"),
        (held("kept", 1, expire_time={"seconds": 1}), AlreadyExists, "HOLD_EXISTS", "hold.expire_time"),
        (held(expire_time={"seconds": 1}), InvalidArgument, "INVALID_REQUEST", "hold.expire_time"),
        (held(expire_time={"seconds": 2**60}), InvalidArgument, "INVALID_REQUEST", "hold.expire_time"),
        (held(amount_minor=0), InvalidArgument, "INVALID_REQUEST", "hold.amount_minor"),
        (
            held(debit_account_id="purse"),
            InvalidArgument,
            "ACCOUNT_ON_BOTH_SIDES",
            "hold.credit_account_id",
        ),
        (held(debit_account_id="no"), NotFound, "ACCOUNT_NOT_FOUND", "hold.debit_account_id"),
        (held(credit_account_id="no"), NotFound, "ACCOUNT_NOT_FOUND", "hold.credit_account_id"),
        (held(debit_account_id="yen"), InvalidArgument, "UNBALANCED_TRANSACTION", "hold.amount_minor"),
        (held(amount_minor=2**63 - 1), OutOfRange, "BALANCE_OVERFLOW", "hold.amount_minor"),
        (held(amount_minor=100), FailedPrecondition, "LIMIT_EXCEEDED", "hold.amount_minor"),
    ],
)
async def test_refusals_of_a_hold_name_its_fields(caller, hold, kind, reason, field):
    await caller.ledger.create_hold(ledger_id="main", hold=held("kept", 1))

    error = await refused(caller.ledger.create_hold(ledger_id="main", hold=hold), kind, reason, field)

    assert error.facts.get("field", field) == field
    assert "transactions[" not in str(error)


async def test_refusals_of_a_capture_name_the_fields_of_its_request(caller):
    ledger = caller.ledger
    await ledger.create_hold(ledger_id="main", hold=held())
    await ledger.create_hold(ledger_id="main", hold=held("other", 1))
    taken = {"ledger_id": "main", "hold_id": "hold", "transaction_id": "tx", "amount_minor": 5}
    cases = [
        ({"amount_minor": 61}, OutOfRange, "CAPTURE_EXCEEDS_HOLD", "amount_minor"),
        ({"amount_minor": 0}, InvalidArgument, "INVALID_REQUEST", "amount_minor"),
        ({"amount_minor": -1}, InvalidArgument, "INVALID_REQUEST", "amount_minor"),
        ({"transaction_id": "in"}, AlreadyExists, "TRANSACTION_EXISTS", "hold_id"),
        ({"hold_id": "none"}, NotFound, "HOLD_NOT_FOUND", "hold_id"),
        ({"effective_time": {"seconds": 2**60}}, InvalidArgument, "INVALID_REQUEST", "effective_time"),
    ]
    after = [
        ({"amount_minor": 6}, AlreadyExists, "TRANSACTION_EXISTS", "amount_minor"),
        ({"hold_id": "other"}, AlreadyExists, "TRANSACTION_EXISTS", "hold_id"),
        ({"metadata": {"a": "b"}}, AlreadyExists, "TRANSACTION_EXISTS", "metadata"),
        ({"transaction_id": "tx-2"}, FailedPrecondition, "HOLD_RESOLVED", "hold_id"),
    ]

    for changes, kind, reason, field in cases:
        await refused(ledger.capture_hold(**(taken | changes)), kind, reason, field)
    await ledger.capture_hold(**taken)
    for changes, kind, reason, field in after:
        await refused(ledger.capture_hold(**(taken | changes)), kind, reason, field)


@pytest.mark.parametrize("size", [1, 2, 100])
async def test_holds_are_listed_by_account_and_by_where_they_stand(caller, office, monkeypatch, size):
    ledger = caller.ledger
    soon = pb.Hold(expire_time={"seconds": 4_000_000_000}).expire_time
    for number in range(4):
        await ledger.create_hold(ledger_id="main", hold=held(f"h{number}", 1))
    await ledger.create_hold(ledger_id="main", hold=held("h4", 1, expire_time=soon))
    await ledger.create_hold(
        ledger_id="main", hold=held("h5", 1, debit_account_id="cash", credit_account_id="sales")
    )
    await ledger.capture_hold(ledger_id="main", hold_id="h1")
    await ledger.release_hold(ledger_id="main", hold_id="h2")
    monkeypatch.setattr(office.handlers, "_clock", lambda: 4_000_000_000 * 1_000_000)

    async def listed(**fields):
        found = ledger.list_holds(ledger_id="main", page_size=size, **fields)
        return [(each.hold_id, each.state) async for each in found]

    everyone = [("h0", 1), ("h1", 2), ("h2", 3), ("h3", 1), ("h4", 4), ("h5", 1)]
    assert await listed() == everyone
    assert await listed(account_id="purse") == everyone[:5]
    assert await listed(account_id="sales") == everyone[5:]
    assert await listed(states=[pb.HOLD_STATE_PENDING]) == [("h0", 1), ("h3", 1), ("h5", 1)]
    assert await listed(account_id="cash", states=[2, 4]) == [("h1", 2), ("h4", 4)]


async def test_every_call_about_holds_of_a_ledger_that_is_not_there_says_so(caller, office):
    """Also when another tenant has it."""
    await caller.ledger.create_hold(ledger_id="main", hold=held())

    for ledger, ledger_id in ((caller.ledger, "nowhere"), (office.caller().ledger, "main")):
        for call in (
            ledger.create_hold(ledger_id=ledger_id, hold=held()),
            ledger.capture_hold(ledger_id=ledger_id, hold_id="hold"),
            ledger.release_hold(ledger_id=ledger_id, hold_id="hold"),
            ledger.expire_holds(ledger_id=ledger_id),
            ledger.get_hold(ledger_id=ledger_id, hold_id="hold"),
            ledger.list_holds(ledger_id=ledger_id).page(),
        ):
            await refused(call, NotFound, "LEDGER_NOT_FOUND", "ledger_id")
    for call in (caller.ledger.get_hold, caller.ledger.release_hold):
        await refused(call(ledger_id="main", hold_id="none"), NotFound, "HOLD_NOT_FOUND", "hold_id")

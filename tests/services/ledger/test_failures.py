"""LG-07: what was refused for good stays refused under its id, on both databases."""

import asyncio
import dataclasses

import pytest
import sqlalchemy as sa

from bedplate.client.errors import AlreadyExists, FailedPrecondition
from bedplate.data import Database
from bedplate.errors import Refusal
from bedplate.ledger.v1 import ledger_pb2 as pb
from bedplate.services.ledger.domain import HoldState, Mode
from bedplate.services.ledger.posting import post
from tests.services.ledger.bookkeeping import NOW_US, Bookkeeper, account, transfer
from tests.services.ledger.office import Office
from tests.services.ledger.test_handlers import asset, open_books, refused
from tests.services.ledger.test_handlers import transfer as sent

OUT = transfer("out", "purse", "bank", 10)


@pytest.fixture
async def keeper(ledger_database: Database) -> Bookkeeper:
    """A ledger with an empty purse."""
    return await Bookkeeper(ledger_database).open(
        account("bank"), account("shop"), account("purse", limit="debits")
    )


async def refusal_of(call) -> Refusal:
    with pytest.raises(Refusal) as error:
        await call
    return error.value


async def test_lg_07_the_call_that_gives_back_what_has_expired_knows_what_was_refused(keeper):
    await keeper.hold("held", "bank", "shop", 1, expire_us=NOW_US + 50)
    await refusal_of(keeper.post(OUT))
    await keeper.post(transfer("in", "bank", "purse", 100))

    again = await refusal_of(keeper.post(OUT, now_us=NOW_US + 60))

    assert again.reason == "LIMIT_EXCEEDED"
    assert (await keeper.stored_hold("held")).state is HoldState.EXPIRED


@pytest.mark.parametrize("mode", list(Mode))
async def test_lg_07_a_failed_id_stays_failed_after_the_cause_is_mended(keeper, mode):
    async def told() -> Refusal:
        if mode is Mode.ATOMIC:
            return await refusal_of(keeper.post(OUT, now_us=NOW_US + 9))
        (outcome,) = await keeper.post(OUT, mode=mode)
        return outcome.refusal

    first = await told()
    await keeper.post(transfer("in", "bank", "purse", 100))

    again = await told()

    assert first.reason == again.reason == "LIMIT_EXCEEDED"
    assert (first.sentence, first.facts, first.violations) == (again.sentence, again.facts, again.violations)
    await keeper.post(dataclasses.replace(OUT, transaction_id="another"))
    assert await keeper.audit() == 2


async def test_lg_07_another_content_under_a_failed_id_is_refused_with_the_field_that_differs(keeper):
    await refusal_of(keeper.post(OUT))

    other = await refusal_of(keeper.post(transfer("out", "purse", "bank", 9)))

    assert (other.reason, other.facts["field"]) == (
        "TRANSACTION_EXISTS",
        "transactions[0].entries[0].amount_minor",
    )


async def test_lg_07_of_an_atomic_batch_only_the_transaction_that_was_refused_is_remembered(keeper):
    refusal = await refusal_of(
        keeper.post(transfer("a", "bank", "shop", 1), OUT, transfer("b", "bank", "shop", 1))
    )

    outcomes = await keeper.post(
        OUT, transfer("a", "shop", "bank", 2), transfer("b", "shop", "bank", 2), mode=Mode.INDEPENDENT
    )

    assert refusal.violations[0].field == "transactions[1].entries[0].amount_minor"
    assert [outcome.refusal.reason if outcome.refusal else "" for outcome in outcomes] == [
        "LIMIT_EXCEEDED",
        "",
        "",
    ]
    assert outcomes[0].refusal.violations[0].field == "transactions[0].entries[0].amount_minor"
    assert [outcome.replayed for outcome in outcomes] == [True, False, False]


@pytest.mark.parametrize(
    "transaction",
    [
        transfer("id", "nowhere", "bank", 1),
        transfer("id", "bank", "bank", 1),
        dataclasses.replace(
            OUT, transaction_id="id", entries=OUT.entries[:1] + transfer("", "x", "shop", 9).entries[1:]
        ),
    ],
    ids=["unknown account", "both sides", "unbalanced"],
)
async def test_lg_07_what_the_caller_can_mend_leaves_the_id_free(keeper, transaction):
    await refusal_of(keeper.post(transaction))

    (outcome,) = await keeper.post(transfer("id", "bank", "shop", 1))

    assert outcome.transaction is not None
    assert not outcome.replayed


async def test_lg_07_fifty_attempts_at_once_are_refused_alike_and_remembered_once(keeper):
    outcomes = await keeper.post_all_at_once([OUT] * 50)

    assert {(each.reason, each.sentence) for each in outcomes} == {(outcomes[0].reason, outcomes[0].sentence)}
    count = await keeper.database.read(
        lambda c: c.exec_driver_sql(
            f"SELECT count(*) FROM ledger_failures WHERE tenant_id = '{keeper.tenant_id}'"
        ).scalar_one()
    )
    assert count == 1


async def test_lg_07_a_closed_account_is_remembered_too(keeper):
    await keeper.close("shop")

    first = await refusal_of(keeper.post(transfer("late", "bank", "shop", 1)))
    again = await refusal_of(keeper.post(transfer("late", "bank", "shop", 1)))

    assert first.reason == again.reason == "ACCOUNT_CLOSED"


async def test_lg_07_a_failed_hold_stays_failed_and_its_id_may_be_that_of_a_transaction(keeper):
    first = await refusal_of(keeper.hold("out", "purse", "shop", 1))
    await keeper.post(transfer("in", "bank", "purse", 100))

    again = await refusal_of(keeper.hold("out", "purse", "shop", 1))
    other = await refusal_of(keeper.hold("out", "purse", "shop", 2))

    assert first.reason == again.reason == "LIMIT_EXCEEDED"
    assert (other.reason, other.facts["field"]) == ("HOLD_EXISTS", "transactions[0].amount_minor")
    await keeper.post(OUT)


async def test_lg_07_a_capture_of_a_resolved_hold_stays_refused(keeper):
    await keeper.hold("hold", "bank", "shop", 5)
    await keeper.hold("other", "bank", "shop", 5)
    await keeper.release("hold")

    first = await refusal_of(keeper.capture("hold", "tx"))
    again = await refusal_of(keeper.capture("hold", "tx"))
    elsewhere = await refusal_of(keeper.capture("other", "tx"))

    assert first.reason == again.reason == "HOLD_RESOLVED"
    assert (elsewhere.reason, elsewhere.facts["field"]) == (
        "TRANSACTION_EXISTS",
        "transactions[0].captures_id",
    )


async def test_lg_07_a_caller_that_rolls_back_leaves_the_id_free(keeper):
    def work(connection: sa.Connection) -> None:
        post(connection, keeper.tenant_id, keeper.ledger_id, [OUT], NOW_US)

    await refusal_of(keeper.database.transact(work))
    await keeper.post(transfer("in", "bank", "purse", 100))

    (outcome,) = await keeper.post(OUT)

    assert not outcome.replayed
    assert outcome.transaction is not None


async def test_lg_07_failures_cannot_be_changed_or_deleted(keeper):
    await refusal_of(keeper.post(OUT))

    for statement in ("UPDATE ledger_failures SET reason = 'X'", "DELETE FROM ledger_failures"):
        with pytest.raises(sa.exc.DBAPIError, match="what was posted never changes"):
            await keeper.database.transact(lambda c, text=statement: c.exec_driver_sql(text))


async def test_lg_07_over_the_contract_a_rehearsal_is_not_remembered_and_a_call_is(office: Office):
    caller = await open_books(office.caller())
    ledger = caller.ledger
    await ledger.create_account(ledger_id="main", account=asset("purse", credits_must_not_exceed_debits=True))
    out = sent("out", 5, "cash", "purse")

    async def call(**fields):
        return await ledger.post_transactions(ledger_id="main", transactions=[out], **fields)

    await refused(
        call(validate_only=True),
        FailedPrecondition,
        "LIMIT_EXCEEDED",
        "transactions[0].entries[1].amount_minor",
    )
    out.description = "for real"
    await refused(call(), FailedPrecondition, "LIMIT_EXCEEDED", "transactions[0].entries[1].amount_minor")
    await ledger.post_transactions(ledger_id="main", transactions=[sent("in", 100, "purse", "sales")])
    await asyncio.gather(
        *(
            refused(call(), FailedPrecondition, "LIMIT_EXCEEDED", "transactions[0].entries[1].amount_minor")
            for _ in range(3)
        )
    )
    told = await call(mode=pb.BATCH_MODE_INDEPENDENT)
    assert (told.results[0].error.code, told.results[0].replayed) == (9, True)
    out.description = "again"
    await refused(call(), AlreadyExists, "TRANSACTION_EXISTS", "transactions[0].description")

"""Reversals, closed accounts and rehearsals, on both databases."""

import asyncio

import pytest
import sqlalchemy as sa

from bedplate.client.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from bedplate.data import Database
from bedplate.errors import Refusal
from bedplate.ledger.v1 import ledger_pb2 as pb
from bedplate.services.ledger.domain import Mode, Outcome
from tests.services.ledger.bookkeeping import NOW_US, Bookkeeper, account, transfer
from tests.services.ledger.office import Caller, Office
from tests.services.ledger.test_handlers import asset, open_books, refused
from tests.services.ledger.test_handlers import transfer as sent


@pytest.fixture
async def keeper(ledger_database: Database) -> Bookkeeper:
    """A ledger with one transaction."""
    keeper = await Bookkeeper(ledger_database).open(
        account("bank"), account("cash"), account("purse", limit="debits")
    )
    await keeper.post(transfer("tx-1", "bank", "purse", 5))
    return keeper


@pytest.fixture
async def caller(office: Office) -> Caller:
    """Somebody whose ledger has one transaction."""
    caller = await open_books(office.caller())
    await caller.ledger.post_transactions(ledger_id="main", transactions=[sent("tx-1", 5)])
    return caller


async def everything(database: Database, tenant_id: str) -> list[object]:
    """All rows that the ledger keeps of a tenant."""

    def work(connection: sa.Connection) -> list[object]:
        names = [name for name in sa.inspect(connection).get_table_names() if name.startswith("ledger_")]
        return [
            sorted(
                map(repr, connection.exec_driver_sql(f"SELECT * FROM {name} WHERE tenant_id = '{tenant_id}'"))
            )
            for name in sorted(names)
            if name != "ledger_version"
        ]

    return await database.read(work)


async def test_lg_10_a_reversal_is_the_exact_mirror_and_names_what_it_reverses(keeper):
    outcome = await keeper.reverse("tx-1", "undo", now_us=NOW_US + 7)

    reversal = outcome.transaction
    assert reversal is not None
    (first, second) = reversal.entries
    assert (first.account_id, first.side.name, first.amount_minor) == ("bank", "CREDIT", 5)
    assert (second.account_id, second.side.name, second.amount_minor) == ("purse", "DEBIT", 5)
    assert (reversal.reverses_id, reversal.effective_us) == ("tx-1", NOW_US + 7)
    assert (await keeper.balance("purse")).balance_minor == 0
    assert await keeper.audit() == 2


async def test_lg_10_of_many_reversals_at_once_one_is_posted(keeper):
    results = await asyncio.gather(
        *(keeper.reverse("tx-1", f"undo-{n}") for n in range(20)), return_exceptions=True
    )

    (done,) = [result for result in results if isinstance(result, Outcome)]
    refusals = [result for result in results if isinstance(result, Refusal)]
    assert done.transaction is not None
    assert {(each.reason, each.facts["reversal_id"]) for each in refusals} == {
        ("ALREADY_REVERSED", done.transaction.transaction_id)
    }
    assert len(refusals) == 19
    assert await keeper.audit() == 2


async def test_lg_10_the_same_reversal_again_is_answered_as_before(keeper):
    first, *rest = await asyncio.gather(*(keeper.reverse("tx-1", "undo") for _ in range(10)))

    assert {each.transaction for each in rest} == {first.transaction}
    assert sorted(each.replayed for each in (first, *rest)) == [False] + [True] * 9


async def test_lg_10_a_reversal_may_be_reversed_and_the_first_stays_reversed(keeper):
    await keeper.reverse("tx-1", "undo")

    await keeper.reverse("undo", "redo")

    assert (await keeper.balance("purse")).balance_minor == 5
    with pytest.raises(Refusal) as again:
        await keeper.reverse("tx-1", "undo-again")
    assert again.value.reason == "ALREADY_REVERSED"
    with pytest.raises(Refusal) as twice:
        await keeper.reverse("undo", "redo-again")
    assert twice.value.reason == "ALREADY_REVERSED"
    assert await keeper.audit() == 3


async def test_lg_10_a_reversal_keeps_to_the_limits(keeper):
    await keeper.post(transfer("spend", "purse", "cash", 1))

    with pytest.raises(Refusal) as short:
        await keeper.reverse("tx-1", "undo")

    assert short.value.reason == "LIMIT_EXCEEDED"
    assert short.value.facts["available_minor"] == "4"


async def test_lg_10_a_transaction_of_a_closed_account_is_not_reversed(keeper):
    await keeper.close("purse")

    with pytest.raises(Refusal) as closed:
        await keeper.reverse("tx-1", "undo")

    assert closed.value.reason == "ACCOUNT_CLOSED"
    assert await keeper.audit() == 1


async def test_lg_10_the_tables_themselves_refuse_a_second_reversal(keeper):
    await keeper.reverse("tx-1", "undo")
    names = "tenant_id, ledger_id, sequence, transaction_id, entry_count, effective_us, description"
    copy = f"""
        INTO ledger_transactions ({names}, create_time_us, reverses_id)
        SELECT tenant_id, ledger_id, 3, 'second', 2, 1, '', 1, reverses_id
        FROM ledger_transactions WHERE transaction_id = 'undo' AND tenant_id = '{keeper.tenant_id}'
    """
    verbs = ["INSERT"] if keeper.database.dialect == "postgresql" else ["INSERT", "INSERT OR REPLACE"]

    for verb in verbs:
        with pytest.raises(sa.exc.IntegrityError):
            await keeper.database.transact(lambda c, verb=verb: c.exec_driver_sql(f"{verb} {copy}"))

    assert await keeper.audit() == 2


async def test_a_closed_account_is_posted_to_no_more_and_keeps_its_balance(keeper):
    closed = await keeper.close("purse", now_us=NOW_US)

    assert closed.close_time_us == NOW_US + 1
    for late, *entries in (("late-1", "purse", "cash"), ("late-2", "cash", "purse")):
        with pytest.raises(Refusal) as refused_post:
            await keeper.post(transfer(late, *entries, 1))
        assert refused_post.value.reason == "ACCOUNT_CLOSED"
    assert (await keeper.balance("purse")).balance_minor == 5
    assert await keeper.audit() == 1


async def test_a_closed_account_is_closed_once(keeper):
    closed = await asyncio.gather(*(keeper.close("purse", now_us=NOW_US + n) for n in range(10)))

    assert len({each.close_time_us for each in closed}) == 1


async def test_what_was_posted_before_an_account_closed_is_still_replayed(keeper):
    await keeper.close("purse")

    (again,) = await keeper.post(transfer("tx-1", "bank", "purse", 5))

    assert again.replayed


async def test_postings_and_a_close_at_once_agree_on_which_was_first(keeper):
    results = await asyncio.gather(
        *(keeper.post(transfer(f"more-{n}", "bank", "purse", 1)) for n in range(20)),
        keeper.close("purse"),
        return_exceptions=True,
    )

    posted = [each for each in results if isinstance(each, tuple)]
    (closed,) = [each for each in results if not isinstance(each, (tuple, Refusal))]
    assert {each.reason for each in results if isinstance(each, Refusal)} <= {"ACCOUNT_CLOSED"}
    assert (await keeper.balance("purse")).balance_minor == 5 + len(posted)
    assert all(each[0].transaction.create_time_us < closed.close_time_us for each in posted)


@pytest.mark.parametrize("mode", list(Mode))
async def test_lg_19_a_rehearsal_tells_what_would_be_and_leaves_nothing(caller, office, mode):
    before = await everything(office.database, caller.principal.tenant)
    batch = [sent("tx-1", 5), sent("tx-2", 7), sent("bad", 7, "nowhere")][
        : 3 if mode is Mode.INDEPENDENT else 2
    ]

    told = await caller.ledger.post_transactions(
        ledger_id="main",
        transactions=batch,
        mode=pb.BATCH_MODE_INDEPENDENT if mode is Mode.INDEPENDENT else pb.BATCH_MODE_ATOMIC,
        validate_only=True,
    )

    assert await everything(office.database, caller.principal.tenant) == before
    assert [result.replayed for result in told.results[:2]] == [True, False]
    assert told.results[1].transaction.sequence == 2
    if mode is Mode.INDEPENDENT:
        assert told.results[2].error.code == 5
    posted = await caller.ledger.post_transactions(ledger_id="main", transactions=[sent("tx-2", 8)])
    assert not posted.results[0].replayed, "LG-19: the id was not used up"


async def test_lg_19_a_rehearsal_is_refused_as_the_call_would_be(caller):
    await refused(
        caller.ledger.post_transactions(ledger_id="main", transactions=[sent("tx-1", 6)], validate_only=True),
        AlreadyExists,
        "TRANSACTION_EXISTS",
        "transactions[0].entries[0].amount_minor",
    )


async def test_lg_19_a_rehearsed_reversal_leaves_nothing(caller, office):
    before = await everything(office.database, caller.principal.tenant)

    told = await caller.ledger.reverse_transaction(
        ledger_id="main", transaction_id="tx-1", reversal_id="undo", validate_only=True
    )

    assert told.transaction.reverses_id == "tx-1"
    assert await everything(office.database, caller.principal.tenant) == before


async def test_a_reversal_is_read_with_what_it_reverses_and_the_other_way_round(caller):
    undone = await caller.ledger.reverse_transaction(
        ledger_id="main", transaction_id="tx-1", description="wrong till", metadata={"by": "Ann"}
    )

    reversal_id = undone.transaction.transaction_id
    original = await caller.ledger.get_transaction(ledger_id="main", transaction_id="tx-1")
    reversal = await caller.ledger.get_transaction(ledger_id="main", transaction_id=reversal_id)
    assert (original.reversal_id, reversal.reversal_id) == (reversal_id, "")
    assert reversal.transaction == undone.transaction
    assert (reversal.transaction.description, dict(reversal.transaction.metadata)) == (
        "wrong till",
        {"by": "Ann"},
    )


async def test_refusals_of_a_reversal_name_the_fields_of_its_request(caller):
    ledger = caller.ledger
    await ledger.create_account(ledger_id="main", account=asset("purse", credits_must_not_exceed_debits=True))
    await ledger.post_transactions(
        ledger_id="main", transactions=[sent("in", 5, "purse"), sent("out", 1, "cash", "purse")]
    )
    undo = {"ledger_id": "main", "transaction_id": "tx-1", "reversal_id": "undo", "description": "once"}
    await ledger.reverse_transaction(**undo)
    cases = [
        (undo | {"description": "twice"}, AlreadyExists, "TRANSACTION_EXISTS", "description"),
        (undo | {"transaction_id": "in"}, AlreadyExists, "TRANSACTION_EXISTS", "transaction_id"),
        (undo | {"metadata": {"a": "b"}}, AlreadyExists, "TRANSACTION_EXISTS", "metadata"),
        (undo | {"reversal_id": "in"}, AlreadyExists, "TRANSACTION_EXISTS", "transaction_id"),
        (undo | {"reversal_id": "other"}, FailedPrecondition, "ALREADY_REVERSED", "transaction_id"),
        (undo | {"transaction_id": "no"}, NotFound, "TRANSACTION_NOT_FOUND", "transaction_id"),
        (
            undo | {"transaction_id": "in", "reversal_id": "short"},
            FailedPrecondition,
            "LIMIT_EXCEEDED",
            "transaction_id",
        ),
        (
            undo | {"effective_time": {"seconds": 2**60}},
            InvalidArgument,
            "INVALID_REQUEST",
            "effective_time",
        ),
    ]

    for fields, kind, reason, field in cases:
        error = await refused(ledger.reverse_transaction(**fields), kind, reason, field)
        assert error.facts.get("field", field) == field


async def test_an_account_closes_over_the_contract_and_shows_when(caller):
    closed = await caller.ledger.close_account(ledger_id="main", account_id="cash")

    got = await caller.ledger.get_account(ledger_id="main", account_id="cash")
    assert got.account == closed.account
    assert got.account.HasField("close_time")
    sales = await caller.ledger.get_account(ledger_id="main", account_id="sales")
    assert not sales.account.HasField("close_time")
    await refused(
        caller.ledger.post_transactions(ledger_id="main", transactions=[sent("late", 1)]),
        FailedPrecondition,
        "ACCOUNT_CLOSED",
        "transactions[0].entries[0].account_id",
    )


async def test_metadata_is_kept_as_it_was_sent(caller):
    odd = {"z": "", "a b": "Zoë\n", '"': "{}", "\ud7ff": "\u0001"}
    await caller.ledger.create_account(ledger_id="main", account=asset("till", metadata=odd))
    transaction = sent("tx-2", 1)
    transaction.metadata.update(odd)
    await caller.ledger.post_transactions(ledger_id="main", transactions=[transaction])

    got = await caller.ledger.get_transaction(ledger_id="main", transaction_id="tx-2")
    till = await caller.ledger.get_account(ledger_id="main", account_id="till")
    assert dict(got.transaction.metadata) == dict(till.account.metadata) == odd
    again = await caller.ledger.post_transactions(ledger_id="main", transactions=[got.transaction])
    assert again.results[0].replayed

"""Whole ledgers through the typed client and every stage, on both databases."""

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from bedplate.client.errors import (
    AlreadyExists,
    CallError,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
)
from bedplate.ledger.v1 import ledger_pb2 as pb
from tests.services.ledger.exchange import as_bytes
from tests.services.ledger.office import ALL_SCOPES, Caller, Office
from tests.services.ledger.test_handlers import asset, open_books, transfer

TEXT = "Grüße, 日本\n\t\"quoted\" \\ 'and' \u2028"


@pytest.fixture
async def caller(office: Office) -> Caller:
    return await open_books(office.caller())


async def export(caller: Caller, ledger_id: str = "main") -> list[pb.LedgerRecord]:
    responses = caller.ledger.export_ledger(ledger_id=ledger_id)
    return [record async for response in responses for record in response.records]


async def keep_books(caller: Caller) -> None:
    """A bit of everything, with all that callers may say about it."""
    ledger = caller.ledger
    purse = asset("purse:small", display_name=TEXT, metadata={"b": TEXT, "a": ""})
    purse.credits_must_not_exceed_debits = True
    await ledger.create_account(ledger_id="main", account=purse)
    backdated = transfer("order:1", 500, debit="purse:small")
    backdated.effective_time.CopyFrom(Timestamp(seconds=-62_135_596_800))
    backdated.description, backdated.metadata["z"] = TEXT, TEXT
    await ledger.post_transactions(ledger_id="main", transactions=[backdated, transfer("order:2", 7)])
    await ledger.reverse_transaction(
        ledger_id="main", transaction_id="order:2", reversal_id="undo", description=TEXT, metadata={"k": "v"}
    )
    hold = pb.Hold(
        hold_id="hold:1", debit_account_id="sales", credit_account_id="purse:small", amount_minor=300,
        description=TEXT, metadata={"k": TEXT},
    )  # fmt: skip
    await ledger.create_hold(ledger_id="main", hold=hold)
    await ledger.capture_hold(ledger_id="main", hold_id="hold:1", transaction_id="take", amount_minor=100)
    hold.hold_id = "hold:2"
    await ledger.create_hold(ledger_id="main", hold=hold)
    hold.hold_id = "hold:3"
    with pytest.raises(FailedPrecondition):
        await ledger.create_hold(ledger_id="main", hold=hold)
    with pytest.raises(FailedPrecondition):
        await ledger.post_transactions(
            ledger_id="main", transactions=[transfer("order:3", 200, debit="sales", credit="purse:small")]
        )
    await ledger.release_hold(ledger_id="main", hold_id="hold:2")
    with pytest.raises(FailedPrecondition):
        await ledger.capture_hold(ledger_id="main", hold_id="hold:2", transaction_id="late")
    await ledger.create_account(ledger_id="main", account=asset("old"))
    await ledger.close_account(ledger_id="main", account_id="old")


async def answer(call) -> object:
    """What a call answers: its message, or all that its refusal tells."""
    try:
        return await call
    except CallError as error:
        return (error.code, error.reason, error.sentence, error.violations, dict(error.facts))


async def test_lg_17_a_ledger_answers_the_same_after_an_export_and_an_import(office: Office, caller: Caller):
    await keep_books(caller)
    records = await export(caller)
    other = office.caller()

    done = await other.ledger.import_ledger(ledger_id="main", records=records)

    assert (done.next_record, done.complete) == (len(records), True)
    assert as_bytes(await export(other)) == as_bytes(records)
    times = [record.transaction.time for record in records if record.HasField("transaction")]
    moments = [
        pb.AsOf(time=time, axis=axis)
        for time in (*times, Timestamp(seconds=-62_135_596_800))
        for axis in (pb.TIME_AXIS_CREATED, pb.TIME_AXIS_EFFECTIVE)
    ]

    def calls(each: Caller) -> list:
        ledger = each.ledger
        return [
            ledger.get_ledger(ledger_id="main"),
            ledger.get_trial_balance(ledger_id="main"),
            *[ledger.get_account(ledger_id="main", account_id=a) for a in ("cash", "purse:small", "old")],
            *[ledger.get_transaction(ledger_id="main", transaction_id=t) for t in ("order:1", "undo")],
            *[ledger.get_hold(ledger_id="main", hold_id=f"hold:{number}") for number in (1, 2, 3)],
            *[
                ledger.get_balance(ledger_id="main", account_id=account, as_of=moment)
                for moment in (None, *moments)
                for account in ("cash", "sales", "purse:small")
            ],
            *[ledger.get_trial_balance(ledger_id="main", as_of=moment) for moment in moments],
            # What was answered once is answered again: posted, and refused for good.
            ledger.post_transactions(ledger_id="main", transactions=[transfer("order:2", 7)]),
            ledger.post_transactions(ledger_id="main", transactions=[transfer("order:2", 8)]),
            ledger.post_transactions(
                ledger_id="main", transactions=[transfer("order:3", 200, debit="sales", credit="purse:small")]
            ),
            ledger.capture_hold(ledger_id="main", hold_id="hold:2", transaction_id="late"),
            ledger.reverse_transaction(
                ledger_id="main", transaction_id="order:2", reversal_id="undo", description=TEXT,
                metadata={"k": "v"},
            ),
            ledger.reverse_transaction(ledger_id="main", transaction_id="order:2", reversal_id="undo-2"),
            ledger.close_account(ledger_id="main", account_id="old"),
        ]  # fmt: skip

    for mine, theirs in zip(calls(caller), calls(other), strict=True):
        assert await answer(theirs) == await answer(mine)


async def test_an_import_goes_on_where_it_stands_and_says_where(office: Office, caller: Caller):
    records = await export(caller)
    other = office.caller()

    nothing = await other.ledger.import_ledger(ledger_id="copy")
    first = await other.ledger.import_ledger(ledger_id="copy", records=records[:2])
    asked = await other.ledger.import_ledger(ledger_id="copy")

    assert (nothing.next_record, nothing.digest, nothing.complete) == (0, bytes(32), False)
    assert (first.next_record, first.complete) == (2, False)
    assert first.digest[:8] == records[1].check
    assert asked == first
    with pytest.raises(FailedPrecondition) as refused:
        await other.ledger.create_account(ledger_id="copy", account=asset("more"))
    assert refused.value.reason == "LEDGER_IMPORTING"
    with pytest.raises(FailedPrecondition) as ahead:
        await other.ledger.import_ledger(ledger_id="copy", first_record=3, records=records[3:])
    assert (ahead.value.reason, ahead.value.facts["next_record"]) == ("IMPORT_OUT_OF_PLACE", "2")
    last = await other.ledger.import_ledger(ledger_id="copy", first_record=2, records=records[2:])
    assert last.complete
    await other.ledger.create_account(ledger_id="copy", account=asset("more"))


async def test_a_ledger_that_no_import_made_is_not_imported_into(caller: Caller):
    records = await export(caller)

    for given in ([], records):
        with pytest.raises(AlreadyExists) as refused:
            await caller.ledger.import_ledger(ledger_id="main", records=given)
        assert refused.value.reason == "LEDGER_EXISTS"


async def test_another_tenant_exports_nothing_and_imports_into_its_own(office: Office, caller: Caller):
    await keep_books(caller)
    records, stranger = await export(caller), office.caller()

    with pytest.raises(NotFound) as hidden:
        await export(stranger)
    with pytest.raises(NotFound) as absent:
        await export(caller, "mein")
    await stranger.ledger.import_ledger(ledger_id="main", records=records[:3])

    assert hidden.value.sentence.replace("main", "mein") == absent.value.sentence
    assert as_bytes(await export(caller)) == as_bytes(records)
    await caller.ledger.post_transactions(ledger_id="main", transactions=[transfer("more", 1)])


async def test_who_may_post_may_not_import(office: Office, caller: Caller):
    """An import says when things happened; a posting never does."""
    records = await export(caller)
    poster = office.caller(scopes=ALL_SCOPES - {"ledger.import"})

    with pytest.raises(PermissionDenied) as refused:
        await poster.ledger.import_ledger(ledger_id="copy", records=records)

    assert refused.value.facts["scopes"] == "ledger.import"


async def test_a_large_export_comes_in_many_responses(office: Office, caller: Caller):
    for number in range(3):
        batch = [transfer(f"tx-{number}-{each}", 1 + each) for each in range(400)]
        await caller.ledger.post_transactions(ledger_id="main", transactions=batch)

    responses = [each async for each in caller.ledger.export_ledger(ledger_id="main")]

    assert [len(each.records) for each in responses] == [500, 500, 204]
    numbers = [record.index for response in responses for record in response.records]
    assert numbers == list(range(1204))


async def test_more_entries_than_one_call_may_have_are_refused(caller: Caller):
    posted = pb.TransactionPosted(transaction=transfer("tx", 1), sequence=1, time=Timestamp(seconds=1))
    posted.transaction.entries.extend([posted.transaction.entries[0]] * 100)
    record = pb.LedgerRecord(check=b"12345678", transaction=posted)

    with pytest.raises(InvalidArgument) as refused:
        await caller.ledger.import_ledger(ledger_id="copy", records=[record] * 100)

    assert refused.value.violations[0].field == "records"
    assert "10200 entries and may have 10000" in refused.value.sentence

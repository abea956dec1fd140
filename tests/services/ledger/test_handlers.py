"""Calls of the ledger, through the typed client and every stage, on both databases."""

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2

from bedplate.client.errors import AlreadyExists, CallError, FailedPrecondition, InvalidArgument, NotFound
from bedplate.ledger.v1 import ledger_pb2 as pb
from bedplate.pipeline.call import Call
from bedplate.services.ledger import domain
from bedplate.services.ledger.handlers import entries
from tests.services.ledger.office import Caller, Office

EUR = pb.Currency(code="EUR", scale=2)


def entry(account_id: str, side: str, amount_minor: int) -> pb.Entry:
    return pb.Entry(account_id=account_id, side=pb.Side.Value(f"SIDE_{side}"), amount_minor=amount_minor)


def transfer(
    transaction_id: str, amount_minor: int, debit: str = "cash", credit: str = "sales"
) -> pb.Transaction:
    return pb.Transaction(
        transaction_id=transaction_id,
        entries=[entry(debit, "DEBIT", amount_minor), entry(credit, "CREDIT", amount_minor)],
    )


def asset(account_id: str, **fields: object) -> pb.Account:
    return pb.Account(account_id=account_id, type=pb.ACCOUNT_TYPE_ASSET, currency=EUR, **fields)


async def open_books(caller: Caller) -> Caller:
    await caller.ledger.create_ledger(ledger_id="main", display_name="The books")
    await caller.ledger.create_account(ledger_id="main", account=asset("cash"))
    income = pb.Account(account_id="sales", type=pb.ACCOUNT_TYPE_INCOME, currency=EUR)
    await caller.ledger.create_account(ledger_id="main", account=income)
    return caller


@pytest.fixture
async def caller(office: Office) -> Caller:
    return await open_books(office.caller())


async def refused(call, kind: type[CallError], reason: str, field: str = "") -> CallError:
    """What a call is refused with; checks code, reason and the first field that is named."""
    with pytest.raises(kind) as error:
        await call
    assert error.value.reason == reason, error.value
    fields = [violation.field for violation in error.value.violations]
    assert (fields[0] if fields else "") == field
    return error.value


async def test_a_ledger_is_created_once_and_read(caller):
    again = await caller.ledger.create_ledger(ledger_id="main", display_name="The books")
    got = await caller.ledger.get_ledger(ledger_id="main")

    assert again.ledger == got.ledger
    assert got.ledger.display_name == "The books"
    assert got.ledger.create_time.seconds > 1_700_000_000


async def test_another_ledger_under_the_id_is_refused(caller):
    error = await refused(
        caller.ledger.create_ledger(ledger_id="main", display_name="Others"),
        AlreadyExists,
        "LEDGER_EXISTS",
        "display_name",
    )

    assert error.facts == {"field": "display_name"}
    assert error.domain == "ledger.bedplate"


async def test_an_account_takes_the_usual_side_of_its_type_unless_told(caller):
    contra = asset("contra", normal_side=pb.SIDE_CREDIT)
    sides = {
        "cash": pb.SIDE_DEBIT,
        "sales": pb.SIDE_CREDIT,
        "contra": pb.SIDE_CREDIT,
    }

    await caller.ledger.create_account(ledger_id="main", account=contra)

    for account_id, side in sides.items():
        got = await caller.ledger.get_account(ledger_id="main", account_id=account_id)
        assert got.account.normal_side == side


async def test_an_account_is_created_once(caller):
    first = await caller.ledger.get_account(ledger_id="main", account_id="cash")

    again = await caller.ledger.create_account(
        ledger_id="main", account=asset("cash", normal_side=pb.SIDE_DEBIT)
    )

    assert again.account == first.account


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"type": pb.ACCOUNT_TYPE_EXPENSE}, "account.type"),
        ({"normal_side": pb.SIDE_CREDIT}, "account.normal_side"),
        ({"currency": pb.Currency(code="USD", scale=2)}, "account.currency.code"),
        ({"currency": pb.Currency(code="EUR", scale=3)}, "account.currency.scale"),
        ({"debits_must_not_exceed_credits": True}, "account.debits_must_not_exceed_credits"),
        ({"credits_must_not_exceed_debits": True}, "account.credits_must_not_exceed_debits"),
        ({"display_name": "Till"}, "account.display_name"),
        ({"metadata": {"till": "2"}}, "account.metadata"),
    ],
)
async def test_another_account_under_the_id_is_refused_with_the_first_field_that_differs(
    caller, changes, field
):
    other = asset("cash")
    other.MergeFrom(pb.Account(**changes))

    error = await refused(
        caller.ledger.create_account(ledger_id="main", account=other), AlreadyExists, "ACCOUNT_EXISTS", field
    )

    assert error.facts == {"field": field}


async def test_a_ledger_counts_a_currency_with_one_scale(caller):
    fine = pb.Account(account_id="fine", type=1, currency=pb.Currency(code="EUR", scale=4))

    error = await refused(
        caller.ledger.create_account(ledger_id="main", account=fine),
        AlreadyExists,
        "CURRENCY_SCALE_DIFFERS",
        "account.currency.scale",
    )

    assert error.facts == {"currency_code": "EUR", "scale": "2"}
    assert len([each async for each in caller.ledger.list_accounts(ledger_id="main")]) == 2


async def test_posted_transactions_are_answered_as_they_are_stored(caller):
    sent = transfer("tx-1", 250)
    sent.effective_time.FromJsonString("2026-11-22T10:00:00.123456789Z")
    sent.description = "espresso"

    posted = (await caller.ledger.post_transactions(ledger_id="main", transactions=[sent])).results[0]
    got = await caller.ledger.get_transaction(ledger_id="main", transaction_id="tx-1")

    assert posted.transaction == got.transaction
    assert not posted.replayed
    assert got.transaction.sequence == 1
    assert got.transaction.description == "espresso"
    assert got.transaction.effective_time.ToJsonString() == "2026-11-22T10:00:00.123456Z"
    assert [(each.account_id, each.amount_minor, each.currency_code) for each in got.transaction.entries] == [
        ("cash", 250, "EUR"),
        ("sales", 250, "EUR"),
    ]


async def test_what_was_answered_can_be_posted_again_as_it_is(caller):
    """Fields that the server sets are ignored when they come back."""
    first = await caller.ledger.post_transactions(ledger_id="main", transactions=[transfer("tx-1", 5)])

    again = await caller.ledger.post_transactions(
        ledger_id="main", transactions=[first.results[0].transaction]
    )

    assert again.results[0].replayed
    assert again.results[0].transaction == first.results[0].transaction


async def test_an_independent_batch_tells_of_each_transaction_what_a_call_would_have_told(caller):
    response = await caller.ledger.post_transactions(
        ledger_id="main",
        transactions=[transfer("tx-1", 5), transfer("tx-2", 5, credit="nowhere")],
        mode=pb.BATCH_MODE_INDEPENDENT,
    )

    good, bad = response.results
    assert good.transaction.sequence == 1
    assert bad.error.code == 5
    info, request = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    assert bad.error.details[0].Unpack(info)
    assert bad.error.details[1].Unpack(request)
    assert (info.reason, info.domain) == ("ACCOUNT_NOT_FOUND", "ledger.bedplate")
    assert dict(info.metadata) == {"account_id": "nowhere"}
    assert request.field_violations[0].field == "transactions[1].entries[1].account_id"
    error = await refused(
        caller.ledger.post_transactions(
            ledger_id="main", transactions=[transfer("tx-3", 5), transfer("tx-2", 5, credit="nowhere")]
        ),
        NotFound,
        "ACCOUNT_NOT_FOUND",
        "transactions[1].entries[1].account_id",
    )
    assert error.sentence == bad.error.message


async def test_balances_and_the_trial_balance_add_up(caller):
    await caller.ledger.post_transactions(
        ledger_id="main", transactions=[transfer("tx-1", 250), transfer("tx-2", 50, "sales", "cash")]
    )

    cash = (await caller.ledger.get_balance(ledger_id="main", account_id="cash")).balance
    sales = (await caller.ledger.get_balance(ledger_id="main", account_id="sales")).balance
    trial = await caller.ledger.get_trial_balance(ledger_id="main")

    assert (cash.debits_minor, cash.credits_minor, cash.balance_minor) == (250, 50, 200)
    assert sales.balance_minor == 200
    assert cash.currency == EUR
    assert trial.balanced
    assert trial.sequence == 2
    (total,) = trial.totals
    assert (total.debits_minor, total.credits_minor, total.account_count) == ("300", "300", 2)


async def test_a_trial_balance_may_exceed_what_an_account_can_hold(caller):
    largest = 2**63 - 1
    for number in range(3):
        await caller.ledger.create_account(ledger_id="main", account=asset(f"vault-{number}"))
        await caller.ledger.create_account(ledger_id="main", account=asset(f"owner-{number}"))

    await caller.ledger.post_transactions(
        ledger_id="main",
        transactions=[transfer(f"tx-{n}", largest, f"vault-{n}", f"owner-{n}") for n in range(3)],
    )

    trial = await caller.ledger.get_trial_balance(ledger_id="main")
    assert trial.balanced
    assert trial.totals[0].debits_minor == trial.totals[0].credits_minor == str(3 * largest)
    owner = (await caller.ledger.get_balance(ledger_id="main", account_id="owner-0")).balance
    assert owner.balance_minor == -largest


async def test_a_limit_is_told_with_what_is_left(caller):
    purse = asset("purse", credits_must_not_exceed_debits=True)
    await caller.ledger.create_account(ledger_id="main", account=purse)
    await caller.ledger.post_transactions(ledger_id="main", transactions=[transfer("in", 100, "purse")])

    error = await refused(
        caller.ledger.post_transactions(
            ledger_id="main", transactions=[transfer("out", 101, "cash", "purse")]
        ),
        FailedPrecondition,
        "LIMIT_EXCEEDED",
        "transactions[0].entries[1].amount_minor",
    )

    assert error.facts == {"account_id": "purse", "currency_code": "EUR", "available_minor": "100"}


@pytest.mark.parametrize("size", [1, 2, 3, 7])
async def test_lists_give_everything_once_whatever_the_page(caller, size):
    for number in range(5):
        await caller.ledger.create_ledger(ledger_id=f"ledger-{number}")
        await caller.ledger.create_account(ledger_id="main", account=asset(f"a{number}"))
        await caller.ledger.post_transactions(
            ledger_id="main", transactions=[transfer(f"tx-{number}", 1 + number)]
        )

    ledger = caller.ledger
    ledgers = [each.ledger_id async for each in ledger.list_ledgers(page_size=size)]
    accounts = [each.account_id async for each in ledger.list_accounts(ledger_id="main", page_size=size)]
    transactions = [
        each.transaction_id async for each in ledger.list_transactions(ledger_id="main", page_size=size)
    ]
    entries = [
        (each.sequence, each.index) async for each in ledger.list_entries(ledger_id="main", page_size=size)
    ]
    of_sales = [
        (each.transaction_id, each.entry.amount_minor)
        async for each in ledger.list_entries(ledger_id="main", account_id="sales", page_size=size)
    ]

    assert ledgers == [*(f"ledger-{n}" for n in range(5)), "main"]
    assert accounts == [*(f"a{n}" for n in range(5)), "cash", "sales"]
    assert transactions == [f"tx-{n}" for n in range(5)]
    assert entries == [(sequence, index) for sequence in range(1, 6) for index in (0, 1)]
    assert of_sales == [(f"tx-{n}", 1 + n) for n in range(5)]


async def test_accounts_can_be_listed_by_type(caller):
    listed = caller.ledger.list_accounts(ledger_id="main", types=[pb.ACCOUNT_TYPE_INCOME])

    assert [each.account_id async for each in listed] == ["sales"]


async def test_listing_by_a_type_or_state_that_is_none_is_refused(caller):
    accounts = caller.ledger.list_accounts(ledger_id="main", types=[pb.ACCOUNT_TYPE_UNSPECIFIED])
    holds = caller.ledger.list_holds(ledger_id="main", states=[pb.HOLD_STATE_UNSPECIFIED])

    await refused(accounts.page(), InvalidArgument, "INVALID_REQUEST", "types[0]")
    await refused(holds.page(), InvalidArgument, "INVALID_REQUEST", "states[0]")


async def test_a_page_of_transactions_ends_early_when_they_have_many_entries(caller, monkeypatch):
    await caller.ledger.post_transactions(
        ledger_id="main", transactions=[transfer(f"tx-{n}", 1) for n in range(5)]
    )
    monkeypatch.setattr(domain, "ENTRIES_PER_CALL_MAX", 5)

    pages = [page async for page in caller.ledger.list_transactions(ledger_id="main").pages()]

    assert [len(page.transactions) for page in pages] == [2, 2, 1]


async def test_a_page_token_is_of_use_only_to_its_caller_and_its_query(caller, office):
    for number in range(3):
        await caller.ledger.create_account(ledger_id="main", account=asset(f"a{number}"))
    page = await caller.ledger.list_accounts(ledger_id="main", page_size=1).page()
    token = page.next_page_token
    colleague = office.caller(caller.principal.tenant)
    stranger = await open_books(office.caller())
    calls = [
        caller.ledger.list_accounts(ledger_id="main", page_token=token, types=[pb.ACCOUNT_TYPE_ASSET]),
        caller.ledger.list_accounts(ledger_id="other", page_token=token),
        caller.ledger.list_transactions(ledger_id="main", page_token=token),
        caller.ledger.list_accounts(ledger_id="main", page_token=token[:-1] + "AB"[token[-1] == "A"]),
        colleague.ledger.list_accounts(ledger_id="main", page_token=token),
        stranger.ledger.list_accounts(ledger_id="main", page_token=token),
    ]

    for call in calls:
        await refused(call.page(), InvalidArgument, "PAGE_TOKEN_INVALID", "page_token")

    larger = caller.ledger.list_accounts(ledger_id="main", page_token=token, page_size=3)
    assert [each.account_id for each in (await larger.page()).accounts] == ["a1", "a2", "cash"]


async def test_entries_stream_across_many_reads_up_to_the_last_one_when_the_call_began(caller, monkeypatch):
    monkeypatch.setattr(entries, "STREAM_PAGE_SIZE", 4)
    await caller.ledger.post_transactions(
        ledger_id="main", transactions=[transfer(f"tx-{n}", 1 + n) for n in range(10)]
    )

    seen = []
    async for response in caller.ledger.stream_entries(ledger_id="main"):
        if not seen:
            await caller.ledger.post_transactions(ledger_id="main", transactions=[transfer("late", 1)])
        seen.append((response.entry.sequence, response.entry.index))

    assert seen == [(sequence, index) for sequence in range(1, 11) for index in (0, 1)]


async def test_a_stream_can_be_resumed_and_narrowed_to_an_account(caller):
    await caller.ledger.post_transactions(
        ledger_id="main", transactions=[transfer(f"tx-{n}", 1 + n) for n in range(5)]
    )

    rest = caller.ledger.stream_entries(ledger_id="main", account_id="sales", after_sequence=3)

    assert [response.entry.entry.amount_minor async for response in rest] == [4, 5]


async def test_a_stream_after_the_last_possible_place_is_empty(caller):
    await caller.ledger.post_transactions(ledger_id="main", transactions=[transfer("tx-1", 1)])

    rest = caller.ledger.stream_entries(ledger_id="main", after_sequence=2**63 - 1)

    assert [response async for response in rest] == []


async def test_between_two_entries_of_a_stream_no_transaction_is_open(caller, office, monkeypatch):
    """However slowly the caller reads."""
    monkeypatch.setattr(entries, "STREAM_PAGE_SIZE", 2)
    await caller.ledger.post_transactions(
        ledger_id="main", transactions=[transfer(f"tx-{n}", 1) for n in range(3)]
    )
    call = Call(method="StreamEntries", door="local", decode=pb.StreamEntriesRequest.FromString)
    call.principal = caller.principal

    open_units = [
        office.database.running + office.database.waiting
        async for _ in office.handlers.StreamEntries(pb.StreamEntriesRequest(ledger_id="main"), call)
    ]

    assert open_units == [0] * 6


def _with(**fields: object) -> pb.Transaction:
    made = transfer("tx", 1)
    for name, value in fields.items():
        made.ClearField(name)
        made.MergeFrom(pb.Transaction(**{name: value}))
    return made


@pytest.mark.parametrize(
    ("transaction", "field"),
    [
        (_with(transaction_id="a b"), "transactions[0].transaction_id"),
        (_with(transaction_id=".."), "transactions[0].transaction_id"),
        (_with(transaction_id="x" * 65), "transactions[0].transaction_id"),
        (_with(description="\0"), "transactions[0].description"),
        (_with(description="x" * 513), "transactions[0].description"),
        (_with(metadata={"": "x"}), 'transactions[0].metadata[""]'),
        (_with(metadata={"x" * 65: ""}), f'transactions[0].metadata["{"x" * 65}"]'),
        (_with(metadata={"a": "\0"}), 'transactions[0].metadata["a"]'),
        (_with(metadata={"a": "x" * 513}), 'transactions[0].metadata["a"]'),
        (_with(metadata={str(n): "" for n in range(33)}), "transactions[0].metadata"),
        (_with(entries=[entry("cash", "DEBIT", 1)]), "transactions[0].entries"),
        (_with(entries=[entry("cash", "DEBIT", 1)] * 201), "transactions[0].entries"),
        (
            _with(entries=[entry("cash", "DEBIT", 0), entry("sales", "CREDIT", 1)]),
            "transactions[0].entries[0].amount_minor",
        ),
        (
            _with(entries=[entry("cash", "DEBIT", 1), entry("sales", "CREDIT", -1)]),
            "transactions[0].entries[1].amount_minor",
        ),
        (
            _with(entries=[entry("cash", "UNSPECIFIED", 1), entry("sales", "CREDIT", 1)]),
            "transactions[0].entries[0].side",
        ),
        (
            _with(entries=[entry("ca\0sh", "DEBIT", 1), entry("sales", "CREDIT", 1)]),
            "transactions[0].entries[0].account_id",
        ),
        (_with(effective_time=Timestamp(seconds=2**62)), "transactions[0].effective_time"),
        (_with(effective_time=Timestamp(seconds=-62_135_596_801)), "transactions[0].effective_time"),
        (_with(effective_time=Timestamp(nanos=1_000_000_000)), "transactions[0].effective_time"),
        (_with(effective_time=Timestamp(nanos=-1)), "transactions[0].effective_time"),
    ],
)
async def test_a_transaction_that_breaks_the_contract_is_refused_with_its_field(
    sqlite_office, transaction, field
):
    caller = await open_books(sqlite_office.caller())

    await refused(
        caller.ledger.post_transactions(ledger_id="main", transactions=[transaction]),
        InvalidArgument,
        "INVALID_REQUEST",
        field,
    )


@pytest.mark.parametrize("seconds", [-62_135_596_800, 0, 253_402_300_799])
async def test_effective_times_reach_from_year_1_to_year_9999(caller, seconds):
    sent = transfer("tx-1", 1)
    sent.effective_time.CopyFrom(Timestamp(seconds=seconds, nanos=999_999_000))

    await caller.ledger.post_transactions(ledger_id="main", transactions=[sent])

    got = await caller.ledger.get_transaction(ledger_id="main", transaction_id="tx-1")
    assert got.transaction.effective_time == sent.effective_time


async def test_a_call_takes_ten_thousand_entries_and_not_one_more(sqlite_office):
    caller = await open_books(sqlite_office.caller())
    full = [_with(entries=[entry("cash", "DEBIT", 1), entry("sales", "CREDIT", 1)] * 100) for _ in range(50)]
    for number, each in enumerate(full):
        each.transaction_id = f"tx-{number}"

    await refused(
        caller.ledger.post_transactions(ledger_id="main", transactions=[*full, transfer("more", 1)]),
        InvalidArgument,
        "INVALID_REQUEST",
        "transactions",
    )
    response = await caller.ledger.post_transactions(ledger_id="main", transactions=full)

    assert len(response.results) == 50
    assert response.ByteSize() < 4 * 1024 * 1024


async def test_every_call_about_a_ledger_that_is_not_there_says_so(caller):
    ledger = caller.ledger
    calls = [
        ledger.get_ledger(ledger_id="nowhere"),
        ledger.create_account(ledger_id="nowhere", account=asset("cash")),
        ledger.get_account(ledger_id="nowhere", account_id="cash"),
        ledger.list_accounts(ledger_id="nowhere").page(),
        ledger.close_account(ledger_id="nowhere", account_id="cash"),
        ledger.reverse_transaction(ledger_id="nowhere", transaction_id="tx"),
        ledger.post_transactions(ledger_id="nowhere", transactions=[transfer("tx", 1)]),
        ledger.get_transaction(ledger_id="nowhere", transaction_id="tx"),
        ledger.list_transactions(ledger_id="nowhere").page(),
        ledger.get_balance(ledger_id="nowhere", account_id="cash"),
        ledger.list_entries(ledger_id="nowhere").page(),
        anext(ledger.stream_entries(ledger_id="nowhere")),
        ledger.get_trial_balance(ledger_id="nowhere"),
    ]

    for call in calls:
        await refused(call, NotFound, "LEDGER_NOT_FOUND", "ledger_id")


async def test_every_call_about_an_account_or_transaction_that_is_not_there_says_so(caller):
    ledger = caller.ledger
    calls = [
        ledger.get_account(ledger_id="main", account_id="nowhere"),
        ledger.get_balance(ledger_id="main", account_id="nowhere"),
        ledger.list_entries(ledger_id="main", account_id="nowhere").page(),
        ledger.close_account(ledger_id="main", account_id="nowhere"),
        anext(ledger.stream_entries(ledger_id="main", account_id="nowhere")),
    ]

    for call in calls:
        await refused(call, NotFound, "ACCOUNT_NOT_FOUND", "account_id")
    for call in (ledger.get_transaction, ledger.reverse_transaction):
        await refused(
            call(ledger_id="main", transaction_id="nowhere"),
            NotFound,
            "TRANSACTION_NOT_FOUND",
            "transaction_id",
        )


async def test_another_tenant_is_told_the_same_as_of_what_does_not_exist(caller, office):
    """Tenant isolation, for every method that names something."""
    await caller.ledger.post_transactions(ledger_id="main", transactions=[transfer("tx-1", 1)])
    stranger = office.caller()

    def calls(ledger, ledger_id: str):
        return [
            ledger.get_ledger(ledger_id=ledger_id),
            ledger.create_account(ledger_id=ledger_id, account=asset("mine")),
            ledger.get_account(ledger_id=ledger_id, account_id="cash"),
            ledger.list_accounts(ledger_id=ledger_id).page(),
            ledger.close_account(ledger_id=ledger_id, account_id="cash"),
            ledger.reverse_transaction(ledger_id=ledger_id, transaction_id="tx-1"),
            ledger.post_transactions(ledger_id=ledger_id, transactions=[transfer("tx-1", 1)]),
            ledger.get_transaction(ledger_id=ledger_id, transaction_id="tx-1"),
            ledger.list_transactions(ledger_id=ledger_id).page(),
            ledger.get_balance(ledger_id=ledger_id, account_id="cash"),
            ledger.list_entries(ledger_id=ledger_id, account_id="cash").page(),
            anext(ledger.stream_entries(ledger_id=ledger_id)),
            ledger.get_trial_balance(ledger_id=ledger_id),
        ]

    for theirs, absent in zip(calls(stranger.ledger, "main"), calls(stranger.ledger, "none"), strict=True):
        about_theirs = await refused(theirs, NotFound, "LEDGER_NOT_FOUND", "ledger_id")
        about_absent = await refused(absent, NotFound, "LEDGER_NOT_FOUND", "ledger_id")
        assert about_theirs.sentence.replace("main", "none") == about_absent.sentence
        assert about_theirs.facts == {"ledger_id": "main"}
    assert [each async for each in stranger.ledger.list_ledgers()] == []


async def test_two_tenants_may_use_the_same_ids_for_different_things(caller, office):
    stranger = await open_books(office.caller())
    await caller.ledger.post_transactions(ledger_id="main", transactions=[transfer("tx-1", 1)])

    theirs = await stranger.ledger.post_transactions(ledger_id="main", transactions=[transfer("tx-1", 7)])

    assert not theirs.results[0].replayed
    assert theirs.results[0].transaction.sequence == 1
    mine = await caller.ledger.get_transaction(ledger_id="main", transaction_id="tx-1")
    assert mine.transaction.entries[0].amount_minor == 1
    await refused(
        stranger.ledger.post_transactions(
            ledger_id="main", transactions=[transfer("tx-2", 1, credit="purse")]
        ),
        NotFound,
        "ACCOUNT_NOT_FOUND",
        "transactions[0].entries[1].account_id",
    )


async def test_two_ledgers_of_a_tenant_may_use_the_same_ids(caller):
    await caller.ledger.create_ledger(ledger_id="second")
    for account_id in ("cash", "sales"):
        await caller.ledger.create_account(ledger_id="second", account=asset(account_id))
    await caller.ledger.post_transactions(ledger_id="main", transactions=[transfer("tx-1", 1)])

    other = await caller.ledger.post_transactions(ledger_id="second", transactions=[transfer("tx-1", 7)])

    assert not other.results[0].replayed
    balance = await caller.ledger.get_balance(ledger_id="second", account_id="cash")
    assert balance.balance.balance_minor == 7

"""GetBalance with a conversion: the ledger calls the rates service."""

import asyncio
import time

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import code_pb2, error_details_pb2, status_pb2

from bedplate.client.errors import (
    CallError,
    DeadlineExceeded,
    FailedPrecondition,
    Internal,
    InvalidArgument,
    OutOfRange,
    PermissionDenied,
    Unavailable,
)
from bedplate.clients.rates import AsyncRatesClient
from bedplate.contract.headers import STATUS_DETAILS
from bedplate.ledger.v1 import ledger_pb2 as pb
from bedplate.rates.v1 import rates_pb2
from bedplate.transport.local import LocalChannel
from tests.services.ledger.office import ALL_SCOPES, Caller, Office, rates_server

USD = pb.Currency(code="USD", scale=2)


async def balance_of(caller: Caller, minor: int, *, code: str = "EUR", scale: int = 2) -> Caller:
    """Books in which the account `cash` has this balance; may be negative."""
    currency = pb.Currency(code=code, scale=scale)
    await caller.ledger.create_ledger(ledger_id="main")
    for account_id in ("cash", "other"):
        account = pb.Account(account_id=account_id, type=pb.ACCOUNT_TYPE_ASSET, currency=currency)
        await caller.ledger.create_account(ledger_id="main", account=account)
    if minor:
        sides = [pb.SIDE_DEBIT, pb.SIDE_CREDIT] if minor > 0 else [pb.SIDE_CREDIT, pb.SIDE_DEBIT]
        entries = [
            pb.Entry(account_id=account_id, side=side, amount_minor=abs(minor))
            for account_id, side in zip(("cash", "other"), sides, strict=True)
        ]
        await caller.ledger.post_transactions(
            ledger_id="main", transactions=[pb.Transaction(transaction_id="tx-1", entries=entries)]
        )
    return caller


async def convert(
    caller: Caller, currency: pb.Currency = USD, *, timeout_s: float | None = None, **fields: object
):
    """The converted balance of `cash`."""
    response = await caller.ledger.get_balance(
        ledger_id="main",
        account_id="cash",
        convert_to=pb.Conversion(currency=currency, **fields),
        timeout_s=timeout_s,
    )
    return response.converted


async def publish(caller: Caller, day: str, **rates: str) -> None:
    client = AsyncRatesClient(LocalChannel(caller.office.methods), key=caller.key)
    await client.import_rates(
        source="ecb",
        rates=[
            rates_pb2.Rate(base="EUR", quote=code, date=day, value=value) for code, value in rates.items()
        ],
    )


@pytest.mark.parametrize(
    ("minor", "currency", "expected"),
    [
        (1_000, USD, 1_084),
        (-1_000, USD, -1_084),
        (0, USD, 0),
        (125, USD, 136),  # 1.25 EUR = 1.3555 USD
        (5, pb.Currency(code="HUF", scale=0), 20),  # 0.05 EUR = 20.5 HUF, a tie: half to even
        (15, pb.Currency(code="HUF", scale=0), 62),  # 61.5
        (-5, pb.Currency(code="HUF", scale=0), -20),
        (1_000, pb.Currency(code="USD", scale=8), 1_084_400_000),
        (2**63 - 1, pb.Currency(code="USD", scale=0), 100_018_246_367_653_189),
    ],
)
async def test_a_balance_is_converted_exactly_and_rounded_half_to_even(
    sqlite_office: Office, minor, currency, expected
):
    caller = await balance_of(sqlite_office.caller(), minor)
    await publish(caller, "2026-11-20", USD="1.0844", HUF="410")

    converted = await convert(caller, currency)

    assert converted.balance_minor == expected
    assert converted.currency == currency
    assert converted.rate_date == "2026-11-20"


async def test_the_day_and_the_last_known_rate_are_the_callers_choice(office: Office):
    caller = await balance_of(office.caller(), 1_000)
    await publish(caller, "2026-11-19", USD="1.10")
    await publish(caller, "2026-11-20", USD="1.20")

    latest = await convert(caller)
    before = await convert(caller, date="2026-11-19")
    known = await convert(caller, date="2026-11-22", last_known=True)
    with pytest.raises(FailedPrecondition) as refused:
        await convert(caller, date="2026-11-22")

    assert (latest.balance_minor, latest.rate, latest.rate_date) == (1_200, "1.20", "2026-11-20")
    assert (before.balance_minor, before.rate_date) == (1_100, "2026-11-19")
    assert (known.balance_minor, known.rate_date) == (1_200, "2026-11-20")
    assert refused.value.reason == "RATE_NOT_AVAILABLE"
    assert refused.value.facts == {"base": "EUR", "quote": "USD", "date": "2026-11-22"}
    assert refused.value.violations[0].field == "convert_to.date"


async def test_a_currency_that_has_no_rates_is_named(sqlite_office: Office):
    caller = await balance_of(sqlite_office.caller(), 1_000)
    await publish(caller, "2026-11-19", USD="1.10")

    with pytest.raises(FailedPrecondition) as refused:
        await convert(caller, pb.Currency(code="XXX"))

    assert refused.value.reason == "RATE_NOT_AVAILABLE"
    assert refused.value.violations[0].field == "convert_to.currency.code"


async def test_rates_of_another_tenant_are_not_used(sqlite_office: Office):
    caller = await balance_of(sqlite_office.caller(), 1_000)
    await publish(sqlite_office.caller(), "2026-11-19", USD="1.10")

    with pytest.raises(FailedPrecondition):
        await convert(caller)


async def test_the_accounts_own_currency_needs_no_rate(sqlite_office: Office):
    caller = await balance_of(sqlite_office.caller(), 12_345, code="POINTS", scale=3)

    converted = await convert(caller, pb.Currency(code="POINTS", scale=1))

    assert (converted.balance_minor, converted.rate, converted.rate_date) == (123, "1", "")


async def test_a_conversion_that_leaves_int64_is_refused(sqlite_office: Office):
    caller = await balance_of(sqlite_office.caller(), 2**63 - 1)
    await publish(caller, "2026-11-19", USD="1.10")

    with pytest.raises(OutOfRange) as refused:
        await convert(caller, USD)

    assert refused.value.reason == "CONVERSION_OVERFLOW"
    assert refused.value.violations[0].field == "convert_to.currency.scale"


@pytest.mark.parametrize("day", ["2026-02-30", "0000-01-01", "2026-13-01"])
async def test_what_is_no_day_is_refused_before_anything_is_read(sqlite_office: Office, day):
    with pytest.raises(InvalidArgument) as refused:
        await convert(sqlite_office.caller(), date=day)

    assert refused.value.reason == "INVALID_REQUEST"
    assert refused.value.violations[0].field == "convert_to.date"


async def test_a_key_without_the_right_to_rates_is_told_which_scope_it_lacks(sqlite_office: Office):
    owner = await balance_of(sqlite_office.caller(), 1_000)
    reader = sqlite_office.caller(owner.principal.tenant, ALL_SCOPES - {"rates.read"})

    with pytest.raises(PermissionDenied) as refused:
        await convert(reader)

    assert refused.value.reason == "SCOPE_MISSING"
    assert refused.value.facts == {"scopes": "rates.read"}
    assert (
        await reader.ledger.get_balance(ledger_id="main", account_id="cash")
    ).balance.balance_minor == 1_000


def failing(code: str, reason: str = "", domain: str = "bedplate") -> status_pb2.Status:
    """What a scripted service aborts with."""
    status = status_pb2.Status(code=code_pb2.Code.Value(code), message="scripted")
    if reason:
        detail = AnyMessage()
        detail.Pack(error_details_pb2.ErrorInfo(reason=reason, domain=domain))
        status.details.append(detail)
    return status


async def abort(context, code: str, reason: str = ""):
    status = failing(code, reason)
    context.set_trailing_metadata([(STATUS_DETAILS, status.SerializeToString())])
    await context.abort(getattr(grpc.StatusCode, code), status.message)


@pytest.mark.parametrize(
    ("code", "kind", "reason"),
    [
        ("RESOURCE_EXHAUSTED", Unavailable, "RATES_UNAVAILABLE"),
        ("DEADLINE_EXCEEDED", Unavailable, "RATES_UNAVAILABLE"),
        ("INTERNAL", Internal, "INTERNAL"),
        ("UNAUTHENTICATED", Internal, "INTERNAL"),
    ],
)
async def test_what_the_rates_service_suffers_is_told_as_what_the_caller_can_do(
    sqlite_office: Office, code, kind, reason
):
    async def answer(request, context):
        await abort(context, code)

    caller = await balance_of(sqlite_office.caller(), 1_000)
    async with rates_server(answer) as (_, sqlite_office.rates):
        with pytest.raises(CallError) as refused:
            await convert(caller)

    assert type(refused.value) is kind
    assert refused.value.reason == reason
    assert "scripted" not in str(refused.value)


async def test_a_rates_service_that_is_nowhere_is_unavailable_and_balances_are_still_read(sqlite_office):
    caller = await balance_of(sqlite_office.caller(), 1_000)
    sqlite_office.rates = grpc.aio.insecure_channel("unix:/nowhere")

    with pytest.raises(Unavailable) as refused:
        await convert(caller)
    plain = await caller.ledger.get_balance(ledger_id="main", account_id="cash")

    assert refused.value.reason == "RATES_UNAVAILABLE"
    assert plain.balance.balance_minor == 1_000
    await sqlite_office.rates.close()


async def test_a_rates_service_that_refuses_for_a_moment_is_asked_again(sqlite_office: Office):
    async def answer(request, context):
        if len(scripted.requests) < 2:
            await abort(context, "UNAVAILABLE")
        rate = rates_pb2.Rate(base="EUR", quote="USD", date="2026-11-20", value="2")
        return rates_pb2.ConvertResponse(amount="20", rate=rate, source="ecb")

    caller = await balance_of(sqlite_office.caller(), 1_000)
    async with rates_server(answer) as (scripted, sqlite_office.rates):
        converted = await convert(caller)

    assert converted.balance_minor == 2_000
    assert [request.amount for request in scripted.requests] == ["10.00"] * 2


class Stalled:
    """A rates service that says when it was asked and when it was given up, and never answers."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.given_up = asyncio.Event()

    async def __call__(self, request, context):
        self.asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.given_up.set()


async def test_a_stalled_rates_service_is_given_up_at_the_callers_deadline(office: Office):
    stalled = Stalled()
    caller = await balance_of(office.caller(), 1_000)

    async with rates_server(stalled) as (_, office.rates):
        started = time.monotonic()
        with pytest.raises(DeadlineExceeded) as refused:
            await convert(caller, timeout_s=0.3)
        took_s = time.monotonic() - started
        await asyncio.wait_for(stalled.given_up.wait(), 5)

    # Without a reason where core, at the caller's own deadline, was quicker than we were.
    assert refused.value.reason in ("DEADLINE_EXCEEDED", "")
    assert stalled.asked.is_set()
    assert 0.25 < took_s < 5  # to 50 ms on a quiet machine; see tests/faults


async def test_while_the_rates_service_is_asked_the_database_is_free(office: Office):
    stalled = Stalled()
    caller = await balance_of(office.caller(), 1_000)

    async with rates_server(stalled) as (_, office.rates):
        converting = asyncio.ensure_future(convert(caller))
        await asyncio.wait_for(stalled.asked.wait(), 5)
        units = office.database.running + office.database.waiting
        converting.cancel()
        await asyncio.wait_for(stalled.given_up.wait(), 5)

    assert units == 0


async def test_a_caller_that_goes_away_takes_the_rates_call_with_it(sqlite_office: Office):
    stalled = Stalled()
    caller = await balance_of(sqlite_office.caller(), 1_000)

    async with rates_server(stalled) as (_, sqlite_office.rates):
        converting = asyncio.ensure_future(convert(caller))
        await asyncio.wait_for(stalled.asked.wait(), 5)
        converting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await converting
        await asyncio.wait_for(stalled.given_up.wait(), 5)

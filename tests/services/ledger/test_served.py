"""The ledger in a whole server, called over gRPC by its own client and by plain stubs."""

import asyncio
import json
import urllib.error
import urllib.request
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from bedplate.clients.ledger import AsyncLedgerClient
from bedplate.clients.rates import AsyncRatesClient
from bedplate.ledger.v1 import ledger_pb2 as pb
from bedplate.ledger.v1 import ledger_pb2_grpc
from bedplate.rates.v1 import rates_pb2
from bedplate.services.ledger.service import SERVICE
from bedplate.services.rates.service import SERVICE as RATES
from bedplate.testing.serve import KEY, OTHER_KEY, serve

CURRENCIES = {"EUR": 2, "JPY": 0, "KWD": 3}


async def open_books(ledger: AsyncLedgerClient) -> None:
    await ledger.create_ledger(ledger_id="main")
    for code, scale in CURRENCIES.items():
        for name, kind in (("cash", pb.ACCOUNT_TYPE_ASSET), ("sales", pb.ACCOUNT_TYPE_INCOME)):
            account = pb.Account(
                account_id=f"{name}:{code}", type=kind, currency=pb.Currency(code=code, scale=scale)
            )
            await ledger.create_account(ledger_id="main", account=account)


def sale(code: str, amount_minor: int) -> pb.Transaction:
    """A sale; its id is made by the client."""
    return pb.Transaction(
        entries=[
            pb.Entry(account_id=f"cash:{code}", side=pb.SIDE_DEBIT, amount_minor=amount_minor),
            pb.Entry(account_id=f"sales:{code}", side=pb.SIDE_CREDIT, amount_minor=amount_minor),
        ]
    )


async def test_three_currencies_are_posted_and_converted_over_grpc():
    async with (
        serve([SERVICE, RATES]) as served,
        AsyncLedgerClient(served.grpc_address, key=KEY) as ledger,
        AsyncRatesClient(served.grpc_address, key=KEY) as rates,
    ):
        await open_books(ledger)
        yen = rates_pb2.Rate(base="EUR", quote="JPY", date="2026-11-20", value="162.5")
        await rates.import_rates(source="ecb", rates=[yen])

        posted = await ledger.post_transactions(
            ledger_id="main", transactions=[sale(code, 1_000) for code in CURRENCIES]
        )
        balance = await ledger.get_balance(
            ledger_id="main",
            account_id="cash:EUR",
            convert_to=pb.Conversion(currency=pb.Currency(code="JPY")),
        )
        trial = await ledger.get_trial_balance(ledger_id="main")
        streamed = [each.entry.sequence async for each in ledger.stream_entries(ledger_id="main")]

    assert [result.transaction.sequence for result in posted.results] == [1, 2, 3]
    assert balance.converted.balance_minor == 1_625
    assert balance.converted.rate_date == "2026-11-20"
    assert [total.currency.code for total in trial.totals] == ["EUR", "JPY", "KWD"]
    assert trial.balanced
    assert streamed == [1, 1, 2, 2, 3, 3]


async def test_plain_stubs_get_the_refusal_with_its_reason():
    async with serve([SERVICE, RATES]) as served:
        async with AsyncLedgerClient(served.grpc_address, key=KEY) as ledger:
            await open_books(ledger)
        async with grpc.aio.insecure_channel(served.grpc_address) as channel:
            stub = ledger_pb2_grpc.LedgerServiceStub(channel)
            transaction = sale("EUR", 5)
            transaction.transaction_id = "tx-1"
            transaction.entries[1].amount_minor = 4
            request = pb.PostTransactionsRequest(ledger_id="main", transactions=[transaction])
            answers = []
            for key in (KEY, OTHER_KEY):
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await stub.PostTransactions(request, metadata=[("authorization", f"Bearer {key}")])
                answers.append(refused.value)

    mine, stranger = answers
    assert mine.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert stranger.code() is grpc.StatusCode.NOT_FOUND
    trailers = dict(mine.trailing_metadata())
    status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    assert status.details[0].Unpack(info)
    assert status.details[1].Unpack(bad)
    assert info.reason == "UNBALANCED_TRANSACTION"
    assert dict(info.metadata) == {"currency_code": "EUR", "debits_minor": "5", "credits_minor": "4"}
    assert bad.field_violations[0].field == "transactions[0].entries"


async def test_paths_and_groups_are_asked_for_over_http():
    async with serve([SERVICE, RATES]) as served:
        async with AsyncLedgerClient(served.grpc_address, key=KEY) as ledger:
            await open_books(ledger)
            await ledger.post_transactions(ledger_id="main", transactions=[sale("EUR", 7), sale("JPY", 3)])
        balances = f"http://{served.http_address}/v1/ledgers/main/balances:aggregate"
        asked = await _get(f"{balances}?account_path=cash:*&group_depth=1&page_size=2")
        wrong = await _get(f"{balances}?account_path=cash*")
        listed = await _get(f"http://{served.http_address}/v1/ledgers/main/accounts?accountPath=*:EUR")

    groups = [
        (each["accountPath"], each["currency"]["code"], each["netDebitsMinor"]) for each in asked["groups"]
    ]
    assert groups == [("cash", "EUR", "7"), ("cash", "JPY", "3")]
    assert asked["nextPageToken"]
    assert [each["accountId"] for each in listed["accounts"]] == ["cash:EUR", "sales:EUR"]
    assert wrong["status"] == 400
    assert "a wildcard is a whole segment" in wrong["detail"]


async def _get(url: str) -> dict[str, Any]:
    """The answer to a request of HTTP, problems too."""

    def ask() -> bytes:
        request = urllib.request.Request(url, headers={"authorization": f"Bearer {KEY}"})
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return bytes(response.read())
        except urllib.error.HTTPError as problem:
            with problem:
                return problem.read()

    answer: dict[str, Any] = json.loads(await asyncio.to_thread(ask))
    return answer

"""Posts to a ledger through plain generated stubs, keeps what was acknowledged, and audits it."""

import asyncio
import itertools
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import grpc

from bedplate.ledger.v1 import ledger_pb2, ledger_pb2_grpc

LEDGER = "books"
ACCOUNTS = ("assets:cash", "assets:bank", "income:sales", "expenses:fees")

# A client that comes back as soon as the server does.
OPTIONS = [("grpc.initial_reconnect_backoff_ms", 50), ("grpc.max_reconnect_backoff_ms", 100)]

# Codes after which a caller does not know what happened, or may simply try again.
TRY_AGAIN = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.DEADLINE_EXCEEDED,
}


@dataclass(slots=True)
class Books:
    """One ledger at one server, with the ids of all transactions that were acknowledged."""

    target: str
    key: str
    acknowledged: dict[str, int] = field(default_factory=dict)
    channel: Any = None
    stub: Any = None
    numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))

    async def __aenter__(self) -> "Books":
        self.channel = grpc.aio.insecure_channel(self.target, options=OPTIONS)
        self.stub = ledger_pb2_grpc.LedgerServiceStub(self.channel)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.channel.close()

    async def call(self, name: str, request: Any, timeout_s: float = 10) -> Any:
        """One call with the key."""
        method = getattr(self.stub, name)
        return await method(request, timeout=timeout_s, metadata=[("authorization", f"Bearer {self.key}")])

    async def open(self) -> None:
        """Create the ledger and its accounts; again does no harm."""
        await self.call("CreateLedger", ledger_pb2.CreateLedgerRequest(ledger_id=LEDGER))
        for account_id in ACCOUNTS:
            account = ledger_pb2.Account(
                account_id=account_id,
                type=ledger_pb2.ACCOUNT_TYPE_ASSET,
                currency=ledger_pb2.Currency(code="EUR", scale=2),
            )
            await self.call(
                "CreateAccount", ledger_pb2.CreateAccountRequest(ledger_id=LEDGER, account=account)
            )

    def transaction(self, number: int) -> ledger_pb2.Transaction:
        """The transaction of a number, the same whenever it is asked for."""
        debit, credit = ACCOUNTS[number % 4], ACCOUNTS[(number + 1) % 4]
        amount = number % 97 + 1
        return ledger_pb2.Transaction(
            transaction_id=f"tx-{number}",
            entries=[
                ledger_pb2.Entry(account_id=debit, side=ledger_pb2.SIDE_DEBIT, amount_minor=amount),
                ledger_pb2.Entry(account_id=credit, side=ledger_pb2.SIDE_CREDIT, amount_minor=amount),
            ],
        )

    async def post_until(self, enough: asyncio.Event) -> None:
        """Post one transaction after the other; one that got no answer again with the same id."""
        while not enough.is_set():
            number = next(self.numbers)
            request = ledger_pb2.PostTransactionsRequest(
                ledger_id=LEDGER, transactions=[self.transaction(number)]
            )
            while True:
                try:
                    response = await self.call("PostTransactions", request)
                except grpc.aio.AioRpcError as error:
                    if error.code() not in TRY_AGAIN:
                        raise
                    await self.channel.channel_ready()
                    continue
                assert response.results[0].transaction.transaction_id == f"tx-{number}"
                self.acknowledged[f"tx-{number}"] = number
                break

    async def audit(self) -> None:
        """Trial balance zero; every acknowledged transaction is there once, and nothing else is."""
        trial = await self.call("GetTrialBalance", ledger_pb2.GetTrialBalanceRequest(ledger_id=LEDGER))
        assert trial.balanced
        expected = dict.fromkeys(ACCOUNTS, 0)
        for number in self.acknowledged.values():
            for entry in self.transaction(number).entries:
                sign = 1 if entry.side == ledger_pb2.SIDE_DEBIT else -1
                expected[entry.account_id] += sign * entry.amount_minor
        for account_id in ACCOUNTS:
            request = ledger_pb2.GetBalanceRequest(ledger_id=LEDGER, account_id=account_id)
            balance = (await self.call("GetBalance", request)).balance
            assert balance.debits_minor - balance.credits_minor == expected[account_id], account_id
        assert sorted(await self.posted_ids()) == sorted(self.acknowledged)

    async def posted_ids(self) -> list[str]:
        """The ids of all transactions of the ledger, page by page."""
        ids: list[str] = []
        token = ""
        while True:
            page = await self.call(
                "ListTransactions",
                ledger_pb2.ListTransactionsRequest(ledger_id=LEDGER, page_size=1000, page_token=token),
            )
            ids.extend(transaction.transaction_id for transaction in page.transactions)
            token = page.next_page_token
            if not token:
                return ids

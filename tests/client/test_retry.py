"""What is tried again, how often, and with which ids."""

import asyncio
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2

from bedplate.client import filled
from bedplate.client.errors import CallError, ResourceExhausted, Unavailable
from bedplate.clients.ledger import AsyncLedgerClient, LedgerClient
from bedplate.ledger.v1 import ledger_pb2
from tests.client.echo_client import AsyncEchoClient
from tests.client.plain import draining, plain_server, threaded_server, trailers
from tests.protos import echo


class Flaky:
    """Refuses the first calls, then answers; keeps what was sent."""

    def __init__(self, refusals: int, code: str = "UNAVAILABLE", metadata: Any = ()) -> None:
        self.refusals = refusals
        self.code = grpc.StatusCode[code]
        self.metadata = metadata
        self.sent: list[bytes] = []

    async def __call__(self, request: bytes, context: Any) -> Any:
        self.sent.append(request)
        if len(self.sent) <= self.refusals:
            await context.abort(self.code, "not now", self.metadata)
        return ledger_pb2.PostTransactionsResponse()

    @property
    def transaction_ids(self) -> list[list[str]]:
        """The ids of each attempt."""
        return [
            [item.transaction_id for item in ledger_pb2.PostTransactionsRequest.FromString(sent).transactions]
            for sent in self.sent
        ]


def two_transactions() -> list[ledger_pb2.Transaction]:
    """One without an id, one with."""
    return [ledger_pb2.Transaction(description="a"), ledger_pb2.Transaction(transaction_id="mine")]


async def test_ids_are_filled_once_and_stay_the_same_over_all_attempts() -> None:
    server = Flaky(refusals=3)
    async with plain_server(server) as address, AsyncLedgerClient(address) as client:
        await client.post_transactions(ledger_id="main", transactions=two_transactions())

    assert len(server.sent) == 4
    first, *others = server.transaction_ids
    assert len(first[0]) == 32
    assert first[1] == "mine"
    assert others == [first] * 3


def test_ids_stay_the_same_over_the_attempts_of_a_synchronous_client() -> None:
    server = Flaky(refusals=2)
    with threaded_server(server) as address, LedgerClient(address) as client:
        client.post_transactions(ledger_id="main", transactions=two_transactions())

    assert server.transaction_ids == [server.transaction_ids[0]] * 3


async def test_two_calls_with_the_same_message_are_two_transactions_and_leave_it_as_it_was() -> None:
    server = Flaky(refusals=0)
    request = ledger_pb2.PostTransactionsRequest(transactions=two_transactions())
    before = request.SerializeToString()
    async with plain_server(server) as address, AsyncLedgerClient(address) as client:
        await client.post_transactions(request)
        await client.post_transactions(request)

    assert server.transaction_ids[0] != server.transaction_ids[1]
    assert request.SerializeToString() == before


async def test_what_a_failed_call_sent_can_be_sent_again_with_the_same_ids() -> None:
    server = Flaky(refusals=4)
    async with plain_server(server) as address, AsyncLedgerClient(address) as client:
        with pytest.raises(Unavailable) as refused:
            await client.post_transactions(transactions=two_transactions())
        assert isinstance(refused.value.request, ledger_pb2.PostTransactionsRequest)
        await client.post_transactions(refused.value.request)

    assert len(server.sent) == 5
    assert server.transaction_ids == [server.transaction_ids[0]] * 5


async def test_a_request_filled_beforehand_is_sent_as_it_is() -> None:
    server = Flaky(refusals=0)
    request = filled(ledger_pb2.PostTransactionsRequest(transactions=two_transactions()))
    async with plain_server(server) as address, AsyncLedgerClient(address) as client:
        await client.post_transactions(request)

    assert server.transaction_ids == [[item.transaction_id for item in request.transactions]]


async def test_a_large_request_is_tried_again_too() -> None:
    server = Flaky(refusals=2)
    transactions = [ledger_pb2.Transaction(description="x" * 500) for _ in range(2_000)]
    async with plain_server(server) as address, AsyncLedgerClient(address) as client:
        await client.post_transactions(transactions=transactions)

    assert len(server.sent) == 3
    assert len(server.sent[0]) > 1_000_000


async def test_a_method_that_may_not_be_repeated_is_tried_once() -> None:
    server = Flaky(refusals=9)
    async with plain_server(server) as address, AsyncEchoClient(address) as client:
        with pytest.raises(Unavailable):
            await client.call("EchoOpen", echo.EchoRequest(text="x"))

    assert len(server.sent) == 1


async def test_a_code_that_the_policy_does_not_name_is_not_tried_again() -> None:
    server = Flaky(refusals=9, code="RESOURCE_EXHAUSTED")
    async with plain_server(server) as address, AsyncLedgerClient(address) as client:
        with pytest.raises(ResourceExhausted):
            await client.get_ledger(ledger_id="main")

    assert len(server.sent) == 1


async def test_a_server_that_says_do_not_retry_is_obeyed() -> None:
    info = error_details_pb2.ErrorInfo(reason="OUTCOME_UNKNOWN", domain="bedplate")
    server = Flaky(refusals=9, metadata=trailers("UNAVAILABLE", "lost", info, pushback_ms=-1))
    async with plain_server(server) as address, AsyncLedgerClient(address) as client:
        with pytest.raises(Unavailable) as refused:
            await client.get_ledger(ledger_id="main")

    assert len(server.sent) == 1
    assert refused.value.reason == "OUTCOME_UNKNOWN"


async def test_retries_stop_when_their_budget_is_used_up() -> None:
    server = Flaky(refusals=1_000)
    async with plain_server(server) as address, AsyncLedgerClient(address) as client:
        for _ in range(10):
            with pytest.raises(Unavailable):
                await client.get_ledger(ledger_id="main")

    # Without a budget it would be 40: 10 tokens, retries only while more than 5 are left.
    assert len(server.sent) < 18


async def test_a_server_that_drains_is_asked_again_even_for_a_method_that_may_not_be_repeated() -> None:
    server = Flaky(refusals=6, metadata=draining())
    async with plain_server(server) as address, AsyncEchoClient(address) as client:
        await client.call("EchoOpen", echo.EchoRequest(text="x"))

    assert len(server.sent) == 7


async def test_a_draining_server_does_not_use_up_the_retries_of_other_calls() -> None:
    server = Flaky(refusals=120, metadata=draining())
    async with plain_server(server) as address, AsyncLedgerClient(address) as client:
        calls = [client.get_ledger(ledger_id="main") for _ in range(30)]

        await asyncio.gather(*calls)


async def test_asking_a_draining_server_ends_at_the_deadline() -> None:
    server = Flaky(refusals=10_000, metadata=draining(pushback_ms=20))
    async with plain_server(server) as address, AsyncEchoClient(address) as client:
        async with asyncio.timeout(2):
            with pytest.raises(CallError) as refused:
                await client.call("EchoOpen", echo.EchoRequest(text="x"), timeout_s=0.3)

    assert refused.value.code in ("UNAVAILABLE", "DEADLINE_EXCEEDED")
    assert len(server.sent) > 5


async def test_a_call_that_a_server_gives_up_is_tried_again_where_it_may_be() -> None:
    server = Flaky(refusals=2, code="CANCELLED")
    async with plain_server(server) as address, AsyncLedgerClient(address) as client:
        await client.get_ledger(ledger_id="main")

    assert len(server.sent) == 3


async def test_a_call_that_a_server_gives_up_is_unavailable_and_never_cancelled() -> None:
    server = Flaky(refusals=9, code="CANCELLED")
    async with plain_server(server) as address, AsyncEchoClient(address) as client:
        with pytest.raises(Unavailable):
            await client.call("EchoOpen", echo.EchoRequest(text="x"))

    assert len(server.sent) == 1


async def test_a_server_that_goes_away_while_it_works_is_unavailable() -> None:
    reached = asyncio.Event()

    async def hold(request: bytes, context: Any) -> Any:
        reached.set()
        await asyncio.Event().wait()

    async with plain_server(hold) as address:
        client = AsyncEchoClient(address)
        call = asyncio.create_task(client.call("EchoOpen", echo.EchoRequest(text="x")))
        await reached.wait()

    with pytest.raises(Unavailable):
        await call
    await client.close()


async def test_nobody_there_is_unavailable_and_says_where() -> None:
    async with AsyncEchoClient("127.0.0.1:1") as client:
        with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1"):
            await client.echo(text="x", timeout_s=2)

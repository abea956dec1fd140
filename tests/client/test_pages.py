"""Lists, page by page."""

from typing import Any

import pytest

from bedplate.client.errors import NotFound
from bedplate.clients.ledger import AsyncLedgerClient, LedgerClient
from bedplate.ledger.v1 import ledger_pb2
from tests.client.plain import plain_server, threaded_server


class Lists:
    """Answers pages of three accounts; keeps what was asked."""

    def __init__(self, count: int, fail_at: int = -1) -> None:
        self.count = count
        self.fail_at = fail_at
        self.asked: list[ledger_pb2.ListAccountsRequest] = []

    async def __call__(self, request: bytes, context: Any) -> ledger_pb2.ListAccountsResponse:
        import grpc

        asked = ledger_pb2.ListAccountsRequest.FromString(request)
        self.asked.append(asked)
        if len(self.asked) - 1 == self.fail_at:
            await context.abort(grpc.StatusCode.NOT_FOUND, "gone")
        start = int(asked.page_token or 0)
        end = min(start + 3, self.count)
        return ledger_pb2.ListAccountsResponse(
            accounts=[ledger_pb2.Account(account_id=str(number)) for number in range(start, end)],
            next_page_token=str(end) if end < self.count else "",
        )


@pytest.mark.parametrize("count", [0, 1, 3, 4, 9, 10])
async def test_every_item_comes_once_and_in_order(count: int) -> None:
    server = Lists(count)
    async with plain_server(server) as address, AsyncLedgerClient(address) as client:
        accounts = [account async for account in client.list_accounts(ledger_id="main", page_size=3)]

    assert [account.account_id for account in accounts] == [str(number) for number in range(count)]
    assert all((asked.ledger_id, asked.page_size) == ("main", 3) for asked in server.asked)
    assert [asked.page_token for asked in server.asked] == ["", *map(str, range(3, count, 3))]


@pytest.mark.parametrize("count", [0, 4, 9])
def test_a_synchronous_client_gives_the_same(count: int) -> None:
    with threaded_server(Lists(count)) as address, LedgerClient(address) as client:
        listed = client.list_accounts(ledger_id="main")

        assert [account.account_id for account in listed] == [str(number) for number in range(count)]
        assert [len(page.accounts) for page in listed.pages()] == (
            [3] * (count // 3) + [count % 3] * (count % 3 > 0) or [0]
        )
        assert len(listed.page().accounts) == min(count, 3)


async def test_a_list_may_begin_in_the_middle_and_be_asked_for_one_page_only() -> None:
    server = Lists(9)
    async with plain_server(server) as address, AsyncLedgerClient(address) as client:
        request = ledger_pb2.ListAccountsRequest(ledger_id="main", page_token="6")
        page = await client.list_accounts(request).page()

    assert [account.account_id for account in page.accounts] == ["6", "7", "8"]
    assert request.page_token == "6"
    assert len(server.asked) == 1


async def test_nothing_is_asked_before_the_first_item_is_wanted_nor_after_the_last_one_was() -> None:
    server = Lists(9)
    async with plain_server(server) as address, AsyncLedgerClient(address) as client:
        listed = client.list_accounts(ledger_id="main")
        assert server.asked == []
        async for account in listed:
            if account.account_id == "4":
                break

    assert len(server.asked) == 2


async def test_a_page_that_fails_raises_after_the_items_before_it() -> None:
    async with plain_server(Lists(9, fail_at=1)) as address, AsyncLedgerClient(address) as client:
        accounts = aiter(client.list_accounts(ledger_id="main"))
        got = [(await anext(accounts)).account_id for _ in range(3)]
        with pytest.raises(NotFound):
            await anext(accounts)

    assert got == ["0", "1", "2"]

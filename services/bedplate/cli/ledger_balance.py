"""Reads and prints the balances of a ledger: what `bedplate ledger balance` does."""

import asyncio
import csv
import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bedplate.cli.caller import Caller
from bedplate.cli.exits import Exit, Stop
from bedplate.cli.ledger_import import PAGE_SIZE, stop

if TYPE_CHECKING:
    from bedplate.clients.ledger import AsyncLedgerClient
    from bedplate.ledger.v1 import ledger_pb2

READS_IN_FLIGHT_MAX = 16
# Balances are read one by one; when something was posted meanwhile, they are read again.
ATTEMPTS_MAX = 5

_SIMPLE = re.compile(r'[^\s\d\-+.,@*;"{}=]+')


@dataclass(frozen=True, slots=True)
class Holding:
    """What an account holds of a commodity: a decimal number, debits above zero."""

    account: str
    commodity: str
    quantity: str

    @property
    def text(self) -> str:
        """As a journal has it, with the commodity on the right."""
        if not self.commodity:
            return self.quantity
        quote = "" if _SIMPLE.fullmatch(self.commodity) else '"'
        return f"{self.quantity} {quote}{self.commodity}{quote}"


async def read_balances(caller: Caller, ledger_id: str, *, technical: bool) -> list[Holding]:
    """What is held at one moment, by account and commodity; nothing that is zero.

    Raises:
        Stop: A call was refused or failed, or the ledger is never at rest.
    """
    from bedplate.client.errors import CallError
    from bedplate.clients.ledger import AsyncLedgerClient

    try:
        async with caller.connect(AsyncLedgerClient.SERVICE) as channel:
            client = AsyncLedgerClient(channel)
            sequence = await _sequence(client, ledger_id)
            for _ in range(ATTEMPTS_MAX):
                holdings = await _read(client, ledger_id, technical=technical)
                before, sequence = sequence, await _sequence(client, ledger_id)
                if before == sequence:
                    return sorted(holdings, key=lambda each: (each.account, each.commodity))
    except CallError as error:
        raise stop(error, caller) from error
    raise Stop(
        Exit.AGAIN, f"Transactions are posted to {ledger_id} all the time; try again when it is at rest."
    )


def as_csv(holdings: list[Holding]) -> str:
    """One line for each account: its name, and what it holds, commodity after commodity."""
    amounts: dict[str, list[str]] = {}
    for holding in holdings:
        amounts.setdefault(holding.account, []).append(holding.text)
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(("account", "balance"))
    writer.writerows((account, ", ".join(each)) for account, each in amounts.items())
    return text.getvalue()


def as_text(holdings: list[Holding]) -> str:
    """One line for each account and commodity: how much, and the account."""
    width = max((len(holding.text) for holding in holdings), default=0)
    return "".join(f"{holding.text:>{width}}  {holding.account}\n" for holding in holdings)


async def _sequence(client: "AsyncLedgerClient", ledger_id: str) -> int:
    return (await client.get_trial_balance(ledger_id=ledger_id)).sequence


async def _read(client: "AsyncLedgerClient", ledger_id: str, *, technical: bool) -> list[Holding]:
    from bedplate.money import to_text
    from bedplate.services.ledger.journal import is_technical, original_names

    pages = client.list_accounts(ledger_id=ledger_id, page_size=PAGE_SIZE)
    accounts = [account async for account in pages if technical or not is_technical(account.account_id)]
    holdings: list[Holding] = []
    limit = asyncio.Semaphore(READS_IN_FLIGHT_MAX)

    async def read(account: "ledger_pb2.Account") -> None:
        async with limit:
            response = await client.get_balance(ledger_id=ledger_id, account_id=account.account_id)
        minor = response.balance.debits_minor - response.balance.credits_minor
        if minor:
            names = original_names(account.account_id, account.currency.code, account.display_name)
            holdings.append(Holding(*names, to_text(minor, account.currency.scale)))

    await asyncio.gather(*map(read, accounts))
    return holdings

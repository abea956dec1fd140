"""Posts a journal to a server: what `bedplate ledger import` does."""

import asyncio
import calendar
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bedplate.cli.caller import Caller
from bedplate.cli.exits import CALL_EXITS, Exit, Stop, tell

if TYPE_CHECKING:
    from rich.progress import Progress

    from bedplate.client.errors import CallError
    from bedplate.clients.ledger import AsyncLedgerClient
    from bedplate.ledger.v1 import ledger_pb2
    from bedplate.services.ledger.journal import Books, Journal, PlannedAccount, PlannedTransaction

# Less than the contract takes: an answer holds all that was sent, and one that
# is lost costs one batch.
BATCH_TRANSACTIONS_MAX = 500
BATCH_ENTRIES_MAX = 5000
BATCH_TIMEOUT_S = 30.0
CREATIONS_IN_FLIGHT_MAX = 8
PAGE_SIZE = 1000

_INDEX = re.compile(r"transactions\[(\d+)\]")


@dataclass(slots=True)
class Done:
    """What the server has answered so far."""

    accounts_count: int = 0
    posted_count: int = 0
    known_count: int = 0
    without_effect: int = 0

    @property
    def count(self) -> int:
        """Transactions that the ledger has now."""
        return self.posted_count + self.known_count


async def post(caller: Caller, ledger_id: str, journal: "Journal") -> Done:
    """Create the ledger and its accounts where they are missing, and post every transaction.

    Raises:
        JournalError: The journal does not fit the ledger; nothing was posted.
        Stop: A call was refused or failed.
    """
    from bedplate.client.errors import CallError
    from bedplate.clients.ledger import AsyncLedgerClient
    from bedplate.services.ledger.journal import plan

    done = Done()
    total = len(journal.transactions)
    try:
        async with caller.connect(AsyncLedgerClient.SERVICE) as channel:
            client = AsyncLedgerClient(channel)
            known = await _open(client, ledger_id)
            books = plan(
                journal, {account.currency.code: account.currency.scale for account in known.values()}
            )
            done.without_effect = books.without_effect
            total = len(books.transactions)
            missing = [account for account in books.accounts.values() if account.account_id not in known]
            with open_progress() as progress:
                await _create(client, ledger_id, missing, progress, done)
                await _post(client, ledger_id, books, progress, done)
    except CallError as error:
        raise stop(error, caller, done, total) from error
    return done


async def _open(client: "AsyncLedgerClient", ledger_id: str) -> "dict[str, ledger_pb2.Account]":
    """The ledger's accounts by id; the ledger is created when there is none."""
    from bedplate.client.errors import NotFound

    try:
        pages = client.list_accounts(ledger_id=ledger_id, page_size=PAGE_SIZE)
        return {account.account_id: account async for account in pages}
    except NotFound as error:
        if error.reason != "LEDGER_NOT_FOUND":
            raise
    await client.create_ledger(ledger_id=ledger_id)
    return {}


async def _create(
    client: "AsyncLedgerClient",
    ledger_id: str,
    accounts: "Sequence[PlannedAccount]",
    progress: "Progress",
    done: Done,
) -> None:
    from bedplate.client.errors import CallError

    bar = progress.add_task("Accounts", total=len(accounts), visible=bool(accounts))
    waiting = iter(accounts)

    async def create() -> None:
        for account in waiting:
            await client.create_account(ledger_id=ledger_id, account=_account(account))
            done.accounts_count += 1
            progress.advance(bar)

    failures: list[BaseException] = []
    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(CREATIONS_IN_FLIGHT_MAX):
                group.create_task(create())
    except* CallError as errors:
        failures.extend(errors.exceptions)  # what is raised here would come out in a group
    for failure in failures:
        raise failure


async def _post(
    client: "AsyncLedgerClient", ledger_id: str, books: "Books", progress: "Progress", done: Done
) -> None:
    """Post batch after batch, so that the ledger has the journal's order."""
    from bedplate.client.errors import CallError
    from bedplate.ledger.v1 import ledger_pb2

    bar = progress.add_task("Transactions", total=len(books.transactions))
    for batch in _batches(books.transactions):
        request = ledger_pb2.PostTransactionsRequest(
            ledger_id=ledger_id,
            transactions=[_transaction(transaction) for transaction in batch],
            mode=ledger_pb2.BATCH_MODE_ATOMIC,
        )
        try:
            response = await client.post_transactions(request, timeout_s=BATCH_TIMEOUT_S)
        except CallError as error:
            _name_line(error, batch)
            raise
        for result in response.results:
            if result.replayed:
                done.known_count += 1
            else:
                done.posted_count += 1
        progress.update(bar, completed=done.count)


def _batches(transactions: "Sequence[PlannedTransaction]") -> "Iterator[list[PlannedTransaction]]":
    batch: list[PlannedTransaction] = []
    entries = 0
    for transaction in transactions:
        entries += len(transaction.entries)
        if batch and (len(batch) == BATCH_TRANSACTIONS_MAX or entries > BATCH_ENTRIES_MAX):
            yield batch
            batch, entries = [], len(transaction.entries)
        batch.append(transaction)
    if batch:
        yield batch


def _account(account: "PlannedAccount") -> "ledger_pb2.Account":
    from bedplate.ledger.v1 import ledger_pb2

    types = {
        "A": ledger_pb2.ACCOUNT_TYPE_ASSET,
        "L": ledger_pb2.ACCOUNT_TYPE_LIABILITY,
        "E": ledger_pb2.ACCOUNT_TYPE_EQUITY,
        "R": ledger_pb2.ACCOUNT_TYPE_INCOME,
        "X": ledger_pb2.ACCOUNT_TYPE_EXPENSE,
    }
    return ledger_pb2.Account(
        account_id=account.account_id,
        type=types[account.type],
        currency=ledger_pb2.Currency(code=account.currency_code, scale=account.scale),
        display_name=account.display_name,
    )


def _transaction(transaction: "PlannedTransaction") -> "ledger_pb2.Transaction":
    from bedplate.ledger.v1 import ledger_pb2

    made = ledger_pb2.Transaction(
        transaction_id=transaction.transaction_id,
        entries=[
            ledger_pb2.Entry(
                account_id=entry.account_id,
                side=ledger_pb2.SIDE_DEBIT if entry.amount_minor > 0 else ledger_pb2.SIDE_CREDIT,
                amount_minor=abs(entry.amount_minor),
            )
            for entry in transaction.entries
        ],
        description=transaction.description,
    )
    made.effective_time.seconds = calendar.timegm(transaction.date.timetuple())
    return made


def open_progress() -> "Progress":
    """A bar for each part of the work, on a terminal; nothing elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    # Into a file or a pipe it would be an empty line.
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


def _name_line(error: "CallError", batch: "Sequence[PlannedTransaction]") -> None:
    """Note the journal's lines that the server's answer is about."""
    for violation in error.violations:
        if found := _INDEX.match(violation.field):
            error.add_note(f"{batch[int(found[1])].place} is the transaction.")


def stop(error: "CallError", caller: Caller, done: Done | None = None, total: int = 0) -> Stop:
    """A call that did not succeed, as the end of the command."""
    from bedplate.contract import reasons
    from bedplate.ledger.v1 import ledger_pb2

    lines = [*getattr(error, "__notes__", []), *tell(error.sentence, error.violations)]
    known = {**reasons.platform(), **reasons.of_file(ledger_pb2.DESCRIPTOR)}.get(error.reason)
    if known is not None:
        lines.append(known.help)
    elif error.code == "UNAVAILABLE":
        lines.append(
            f"Nothing answers at {caller.target}. Start a server with `bedplate up`, or give --target."
        )
    code = CALL_EXITS.get(error.code, Exit.FAULT)
    if done is not None and (done.count or done.accounts_count):
        lines.append(f"{done.count} of {total} transactions are posted.")
        if code in (Exit.AGAIN, Exit.LATE):
            lines.append("Run the command again for the rest: none is posted twice.")
    return Stop(code, str(error), *lines)

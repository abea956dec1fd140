"""Handlers of bedplate.ledger.v1; the contract says what each one does and refuses."""

from collections.abc import AsyncIterator

import sqlalchemy as sa

from bedplate.clock import Clock
from bedplate.contract import reasons
from bedplate.data import Database
from bedplate.data.page import PageTokens
from bedplate.errors import Kind, Refusal, Violation
from bedplate.ledger.v1 import ledger_pb2 as pb
from bedplate.money import fits_int64, from_text, to_text
from bedplate.pipeline.call import Call
from bedplate.pipeline.failure import FailureMaker
from bedplate.services.ledger import domain, messages, posting
from bedplate.services.ledger.domain import Account, AccountType, Balance, Head, Ledger, Outcome
from bedplate.services.ledger.paging import page_of
from bedplate.services.ledger.rates import Converted, Rates
from bedplate.services.ledger.store import books, journal

# Entries that one unit of work reads for a stream; between two of them no
# transaction is open, however slowly the caller reads.
STREAM_PAGE_SIZE = 500

# An index above that of every entry: what comes after it is the next transaction's.
_INDEX_END = 2**31 - 1


class LedgerHandlers:
    """Answers the calls of LedgerService."""

    def __init__(self, database: Database, page_tokens: PageTokens, rates: Rates, clock: Clock) -> None:
        self._database = database
        self._page_tokens = page_tokens
        self._rates = rates
        self._clock = clock
        self._failures = FailureMaker(reasons.of_file(pb.DESCRIPTOR), domain="ledger.bedplate", strict=True)

    async def CreateLedger(self, request: pb.CreateLedgerRequest, call: Call) -> pb.CreateLedgerResponse:
        """Create a ledger."""
        wanted = Ledger(request.ledger_id, request.display_name, self._clock())

        def work(connection: sa.Connection) -> Ledger:
            if books.insert_ledger(connection, call.tenant, wanted):
                return wanted
            existing = books.find_ledger(connection, call.tenant, wanted.ledger_id)
            assert existing is not None, f"ledger {wanted.ledger_id} is gone"
            if existing.display_name != wanted.display_name:
                raise _exists("LEDGER_EXISTS", "ledger", "display_name")
            return existing

        return pb.CreateLedgerResponse(ledger=messages.to_ledger(await self._database.transact(work)))

    async def GetLedger(self, request: pb.GetLedgerRequest, call: Call) -> pb.GetLedgerResponse:
        """Read a ledger."""

        def work(connection: sa.Connection) -> Ledger:
            ledger = books.find_ledger(connection, call.tenant, request.ledger_id)
            if ledger is None:
                raise domain.ledger_not_found(request.ledger_id)
            return ledger

        return pb.GetLedgerResponse(ledger=messages.to_ledger(await self._database.read(work)))

    async def ListLedgers(self, request: pb.ListLedgersRequest, call: Call) -> pb.ListLedgersResponse:
        """List ledgers by id."""
        page = page_of(self._page_tokens, request, call)
        (after,) = page.after or ("",)

        def work(connection: sa.Connection) -> list[Ledger]:
            return books.list_ledgers(connection, call.tenant, after=after, limit=page.size + 1)

        found = await self._database.read(work)
        shown = found[: page.size]
        return pb.ListLedgersResponse(
            ledgers=[messages.to_ledger(ledger) for ledger in shown],
            next_page_token=page.token(shown[-1].ledger_id) if len(found) > page.size else "",
        )

    async def CreateAccount(self, request: pb.CreateAccountRequest, call: Call) -> pb.CreateAccountResponse:
        """Create an account."""
        wanted = messages.new_account(request.account, self._clock())

        def work(connection: sa.Connection) -> Account:
            _require_head(connection, call.tenant, request.ledger_id)
            found = books.find_balance(connection, call.tenant, request.ledger_id, wanted.account_id)
            if found is None:
                scale = books.ensure_currency(connection, call.tenant, request.ledger_id, wanted.currency)
                if scale != wanted.currency.scale:
                    raise _scale_differs(wanted, scale)
                if books.insert_account(connection, call.tenant, request.ledger_id, wanted):
                    return wanted
                # Another call was first, just now.
                found = books.find_balance(connection, call.tenant, request.ledger_id, wanted.account_id)
                assert found is not None, f"account {wanted.account_id} is gone"
            if differing := domain.account_difference(wanted, found.account):
                raise _exists("ACCOUNT_EXISTS", "account", f"account.{differing}")
            return found.account

        return pb.CreateAccountResponse(account=messages.to_account(await self._database.transact(work)))

    async def GetAccount(self, request: pb.GetAccountRequest, call: Call) -> pb.GetAccountResponse:
        """Read an account."""
        balance = await self._read_balance(call.tenant, request.ledger_id, request.account_id)
        return pb.GetAccountResponse(account=messages.to_account(balance.account))

    async def ListAccounts(self, request: pb.ListAccountsRequest, call: Call) -> pb.ListAccountsResponse:
        """List accounts by id."""
        page = page_of(self._page_tokens, request, call)
        (after,) = page.after or ("",)
        types = {AccountType(each) for each in request.types} or set(AccountType)

        def work(connection: sa.Connection) -> list[Account]:
            _require_head(connection, call.tenant, request.ledger_id)
            return books.list_accounts(
                connection, call.tenant, request.ledger_id, types=types, after=after, limit=page.size + 1
            )

        found = await self._database.read(work)
        shown = found[: page.size]
        return pb.ListAccountsResponse(
            accounts=[messages.to_account(account) for account in shown],
            next_page_token=page.token(shown[-1].account_id) if len(found) > page.size else "",
        )

    async def PostTransactions(
        self, request: pb.PostTransactionsRequest, call: Call
    ) -> pb.PostTransactionsResponse:
        """Post transactions, all or none, or each for itself."""
        transactions = messages.new_transactions(request.transactions)
        mode = messages.mode(request.mode)
        now_us = self._clock()

        def work(connection: sa.Connection) -> tuple[Outcome, ...]:
            return posting.post(connection, call.tenant, request.ledger_id, transactions, now_us, mode=mode)

        outcomes = await self._database.transact(work)
        return pb.PostTransactionsResponse(results=[self._to_result(outcome, call) for outcome in outcomes])

    async def GetTransaction(
        self, request: pb.GetTransactionRequest, call: Call
    ) -> pb.GetTransactionResponse:
        """Read a transaction."""
        wanted = request.transaction_id

        def work(connection: sa.Connection) -> domain.Transaction:
            found = journal.find_transactions(connection, call.tenant, request.ledger_id, [wanted])
            if wanted not in found:
                _require_head(connection, call.tenant, request.ledger_id)
                raise _transaction_not_found(wanted)
            return found[wanted]

        transaction = await self._database.read(work)
        return pb.GetTransactionResponse(transaction=messages.to_transaction(transaction))

    async def ListTransactions(
        self, request: pb.ListTransactionsRequest, call: Call
    ) -> pb.ListTransactionsResponse:
        """List transactions in the order in which they were posted."""
        page = page_of(self._page_tokens, request, call)
        (after,) = page.after or (0,)

        def work(connection: sa.Connection) -> tuple[Head, list[domain.Transaction]]:
            head = _require_head(connection, call.tenant, request.ledger_id)
            return head, journal.list_transactions(
                connection,
                call.tenant,
                request.ledger_id,
                after=after,
                limit=page.size,
                entries_max=domain.ENTRIES_PER_CALL_MAX,
            )

        head, shown = await self._database.read(work)
        more = bool(shown) and shown[-1].sequence < head.sequence
        return pb.ListTransactionsResponse(
            transactions=[messages.to_transaction(transaction) for transaction in shown],
            next_page_token=page.token(shown[-1].sequence) if more else "",
        )

    async def GetBalance(self, request: pb.GetBalanceRequest, call: Call) -> pb.GetBalanceResponse:
        """Read an account's balance, and convert it when asked to."""
        messages.check_day(request.convert_to.date, "convert_to.date")
        balance = await self._read_balance(call.tenant, request.ledger_id, request.account_id)
        response = pb.GetBalanceResponse(balance=messages.to_balance(balance))
        if request.HasField("convert_to"):
            response.converted.CopyFrom(await self._convert(balance, request.convert_to))
        return response

    async def ListEntries(self, request: pb.ListEntriesRequest, call: Call) -> pb.ListEntriesResponse:
        """List entries in the order in which they were posted."""
        page = page_of(self._page_tokens, request, call)
        after = page.after or (0, _INDEX_END)

        def work(connection: sa.Connection) -> list[domain.PlacedEntry]:
            head = _require_account(connection, call.tenant, request.ledger_id, request.account_id)
            return journal.list_entries(
                connection,
                call.tenant,
                request.ledger_id,
                account_id=request.account_id,
                after=(after[0], after[1]),
                until=head.sequence,
                limit=page.size + 1,
            )

        found = await self._database.read(work)
        shown = found[: page.size]
        return pb.ListEntriesResponse(
            entries=[messages.to_placed_entry(placed) for placed in shown],
            next_page_token=page.token(shown[-1].sequence, shown[-1].index) if len(found) > page.size else "",
        )

    async def StreamEntries(
        self, request: pb.StreamEntriesRequest, call: Call
    ) -> AsyncIterator[pb.StreamEntriesResponse]:
        """Stream entries in the order in which they were posted, up to the last one now."""
        head = await self._database.read(
            lambda connection: _require_account(
                connection, call.tenant, request.ledger_id, request.account_id
            )
        )
        after = (request.after_sequence, _INDEX_END)

        def work(connection: sa.Connection) -> list[domain.PlacedEntry]:
            return journal.list_entries(
                connection,
                call.tenant,
                request.ledger_id,
                account_id=request.account_id,
                after=after,
                until=head.sequence,
                limit=STREAM_PAGE_SIZE,
            )

        while True:
            found = await self._database.read(work)
            for placed in found:
                yield pb.StreamEntriesResponse(entry=messages.to_placed_entry(placed))
            if len(found) < STREAM_PAGE_SIZE:
                return
            after = (found[-1].sequence, found[-1].index)

    async def GetTrialBalance(
        self, request: pb.GetTrialBalanceRequest, call: Call
    ) -> pb.GetTrialBalanceResponse:
        """Add up all accounts of a ledger."""

        def work(connection: sa.Connection) -> tuple[Head, list[domain.CurrencyTotal]]:
            head = _require_head(connection, call.tenant, request.ledger_id)
            return head, books.totals(connection, call.tenant, request.ledger_id)

        head, totals = await self._database.read(work)
        return pb.GetTrialBalanceResponse(
            totals=[messages.to_total(total) for total in totals],
            balanced=all(total.debits_minor == total.credits_minor for total in totals),
            sequence=head.sequence,
        )

    async def _read_balance(self, tenant_id: str, ledger_id: str, account_id: str) -> Balance:
        def work(connection: sa.Connection) -> Balance:
            balance = books.find_balance(connection, tenant_id, ledger_id, account_id)
            if balance is None:
                _require_head(connection, tenant_id, ledger_id)
                raise domain.account_not_found(account_id, "account_id")
            return balance

        return await self._database.read(work)

    async def _convert(self, balance: Balance, wanted: pb.Conversion) -> pb.ConvertedBalance:
        """The balance in another currency. The database is not held while the rates service is asked."""
        own = balance.account.currency
        amount = to_text(balance.balance_minor, own.scale)
        if wanted.currency.code == own.code:
            converted = Converted(amount, rate="1", rate_date="")
        else:
            converted = await self._rates.convert(
                amount,
                base=own.code,
                quote=wanted.currency.code,
                date=wanted.date,
                last_known=wanted.last_known,
            )
        balance_minor = from_text(converted.amount, wanted.currency.scale)
        if not fits_int64(balance_minor):
            raise _conversion_overflow(wanted.currency)
        return pb.ConvertedBalance(
            currency=wanted.currency,
            balance_minor=balance_minor,
            rate=converted.rate,
            rate_date=converted.rate_date,
        )

    def _to_result(self, outcome: Outcome, call: Call) -> pb.PostResult:
        if outcome.refusal is not None:
            return pb.PostResult(error=self._failures.from_exception(outcome.refusal, call).status)
        assert outcome.transaction is not None, "an outcome is a transaction or a refusal"
        return pb.PostResult(
            transaction=messages.to_transaction(outcome.transaction), replayed=outcome.replayed
        )


def _require_head(connection: sa.Connection, tenant_id: str, ledger_id: str) -> Head:
    head = books.find_head(connection, tenant_id, ledger_id)
    if head is None:
        raise domain.ledger_not_found(ledger_id)
    return head


def _require_account(connection: sa.Connection, tenant_id: str, ledger_id: str, account_id: str) -> Head:
    """Where the ledger ends; an account that is named must be there."""
    head = _require_head(connection, tenant_id, ledger_id)
    if account_id and books.find_balance(connection, tenant_id, ledger_id, account_id) is None:
        raise domain.account_not_found(account_id, "account_id")
    return head


def _transaction_not_found(transaction_id: str) -> Refusal:
    sentence = f"The ledger has no transaction {transaction_id}; check the id."
    return Refusal(
        Kind.NOT_FOUND,
        "TRANSACTION_NOT_FOUND",
        sentence,
        violations=[Violation("transaction_id", sentence)],
        transaction_id=transaction_id,
    )


def _exists(reason: str, noun: str, path: str) -> Refusal:
    sentence = f"Another {noun} has this id; choose another id, or send what was sent then."
    violation = Violation(path, f"This differs from the {noun} that is there.")
    return Refusal(Kind.EXISTS, reason, sentence, violations=[violation], field=path)


def _scale_differs(account: Account, scale: int) -> Refusal:
    sentence = f"The ledger counts {account.currency.code} with scale {scale}; use that."
    return Refusal(
        Kind.EXISTS,
        "CURRENCY_SCALE_DIFFERS",
        sentence,
        violations=[Violation("account.currency.scale", sentence)],
        currency_code=account.currency.code,
        scale=scale,
    )


def _conversion_overflow(currency: pb.Currency) -> Refusal:
    sentence = (
        f"The balance in {currency.code} does not fit with scale {currency.scale}; use a smaller scale."
    )
    return Refusal(
        Kind.RANGE,
        "CONVERSION_OVERFLOW",
        sentence,
        violations=[Violation("convert_to.currency.scale", sentence)],
    )

"""Ledgers and accounts."""

import sqlalchemy as sa

from bedplate.errors import Kind, Refusal, Violation
from bedplate.ledger.v1 import ledger_pb2 as pb
from bedplate.pipeline.call import Call
from bedplate.server.paging import page_of
from bedplate.services.ledger import closing, domain, messages
from bedplate.services.ledger.domain import Account, AccountType, Ledger
from bedplate.services.ledger.handlers.desk import Desk, require_account, require_head
from bedplate.services.ledger.store import books


class AccountHandlers(Desk):
    """Answers calls about ledgers and accounts."""

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
            head = require_head(connection, call.tenant, request.ledger_id)
            domain.check_open(head, request.ledger_id)
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

        def work(connection: sa.Connection) -> Account:
            return require_account(connection, call.tenant, request.ledger_id, request.account_id).account

        return pb.GetAccountResponse(account=messages.to_account(await self._database.read(work)))

    async def ListAccounts(self, request: pb.ListAccountsRequest, call: Call) -> pb.ListAccountsResponse:
        """List accounts by id."""
        path = domain.parse_path(request.account_path)
        page = page_of(self._page_tokens, request, call)
        (after,) = page.after or ("",)
        types = {AccountType(each) for each in request.types} or set(AccountType)

        def work(connection: sa.Connection) -> list[Account]:
            require_head(connection, call.tenant, request.ledger_id)
            return books.list_accounts(
                connection,
                call.tenant,
                request.ledger_id,
                path=path,
                types=types,
                after=after,
                limit=page.size + 1,
            )

        found = await self._database.read(work)
        shown = found[: page.size]
        return pb.ListAccountsResponse(
            accounts=[messages.to_account(account) for account in shown],
            next_page_token=page.token(shown[-1].account_id) if len(found) > page.size else "",
        )

    async def CloseAccount(self, request: pb.CloseAccountRequest, call: Call) -> pb.CloseAccountResponse:
        """Close an account."""
        now_us = self._clock()

        def work(connection: sa.Connection) -> Account:
            return closing.close(connection, call.tenant, request.ledger_id, request.account_id, now_us)

        return pb.CloseAccountResponse(
            account=messages.to_account(await self._post(work, call.tenant, request.ledger_id, now_us))
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

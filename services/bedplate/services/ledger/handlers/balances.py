"""Balances: of an account, of groups of accounts and of a ledger."""

import sqlalchemy as sa

from bedplate.errors import Kind, Refusal, Violation
from bedplate.ledger.v1 import ledger_pb2 as pb
from bedplate.money import fits_int64, from_text, to_text
from bedplate.pipeline.call import Call
from bedplate.server.paging import page_of
from bedplate.services.ledger import domain, messages
from bedplate.services.ledger.aggregation import add_up
from bedplate.services.ledger.domain import Balance
from bedplate.services.ledger.expiry import current_balances
from bedplate.services.ledger.handlers.desk import Desk, require_head
from bedplate.services.ledger.rates import Converted
from bedplate.services.ledger.store import books, history
from bedplate.services.ledger.store.aggregate import Scope


class BalanceHandlers(Desk):
    """Answers calls about balances."""

    async def GetBalance(self, request: pb.GetBalanceRequest, call: Call) -> pb.GetBalanceResponse:
        """Read an account's balance, and convert it when asked to."""
        messages.check_day(request.convert_to.date, "convert_to.date")
        account_id, now_us = request.account_id, self._clock()
        as_of = messages.as_of(request.as_of) if request.HasField("as_of") else None

        def work(connection: sa.Connection) -> Balance:
            head = require_head(connection, call.tenant, request.ledger_id)
            found = current_balances(
                connection, call.tenant, request.ledger_id, head, [account_id], now_us, lock=False
            )
            if account_id not in found:
                raise domain.account_not_found(account_id, "account_id")
            if as_of is None:
                return found[account_id]
            return history.balance_at(
                connection, call.tenant, request.ledger_id, head, found[account_id], as_of
            )

        balance = await self._database.read(work)
        response = pb.GetBalanceResponse(balance=messages.to_balance(balance))
        if request.HasField("convert_to"):
            response.converted.CopyFrom(await self._convert(balance, request.convert_to))
        return response

    async def GetTrialBalance(
        self, request: pb.GetTrialBalanceRequest, call: Call
    ) -> pb.GetTrialBalanceResponse:
        """Add up all accounts of a ledger."""
        as_of = messages.as_of(request.as_of) if request.HasField("as_of") else None

        def work(connection: sa.Connection) -> tuple[list[domain.CurrencyTotal], int]:
            head = require_head(connection, call.tenant, request.ledger_id)
            if as_of is None:
                return books.totals(connection, call.tenant, request.ledger_id), head.sequence
            return history.totals_at(connection, call.tenant, request.ledger_id, head, as_of)

        totals, sequence = await self._database.read(work)
        return pb.GetTrialBalanceResponse(
            totals=[messages.to_total(total) for total in totals],
            balanced=all(total.debits_minor == total.credits_minor for total in totals),
            sequence=sequence,
        )

    async def AggregateBalances(
        self, request: pb.AggregateBalancesRequest, call: Call
    ) -> pb.AggregateBalancesResponse:
        """Add up the accounts that a path names, in groups."""
        path = domain.parse_path(request.account_path)
        as_of = messages.as_of(request.as_of) if request.HasField("as_of") else None
        page = page_of(self._page_tokens, request, call)
        after_path, after_code = page.after or ("", "")
        scope = Scope(call.tenant, request.ledger_id, path, request.group_depth)
        now_us = self._clock()

        def work(connection: sa.Connection) -> list[domain.GroupTotal]:
            head = require_head(connection, call.tenant, request.ledger_id)
            return add_up(
                connection,
                scope,
                head,
                now_us,
                as_of=as_of,
                after=(after_path, after_code),
                limit=page.size + 1,
            )

        found = await self._database.read(work)
        shown = found[: page.size]
        more = len(found) > page.size
        return pb.AggregateBalancesResponse(
            groups=[messages.to_group(group) for group in shown],
            next_page_token=page.token(shown[-1].account_path, shown[-1].currency.code) if more else "",
        )

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

"""Transactions: posted, reversed, read."""

import sqlalchemy as sa

from bedplate.errors import Refusal
from bedplate.ledger.v1 import ledger_pb2 as pb
from bedplate.pipeline.call import Call
from bedplate.server.paging import page_of
from bedplate.services.ledger import domain, messages, posting
from bedplate.services.ledger.domain import Head, Outcome
from bedplate.services.ledger.handlers.desk import Desk, require_head
from bedplate.services.ledger.naming import renamed
from bedplate.services.ledger.store import journal

# How the request of a reversal calls the parts of the transaction that it makes.
_REVERSAL_FIELDS = {
    "reverses_id": "transaction_id",
    "transaction_id": "reversal_id",
    "entries": "transaction_id",
}


class TransactionHandlers(Desk):
    """Answers calls about transactions."""

    async def PostTransactions(
        self, request: pb.PostTransactionsRequest, call: Call
    ) -> pb.PostTransactionsResponse:
        """Post transactions, all or none, or each for itself."""
        transactions = messages.new_transactions(request.transactions)
        mode = messages.mode(request.mode)
        now_us = self._clock()

        rehearse = request.validate_only

        def work(connection: sa.Connection) -> tuple[Outcome, ...]:
            return posting.post(
                connection,
                call.tenant,
                request.ledger_id,
                transactions,
                now_us,
                mode=mode,
                rehearse=rehearse,
            )

        outcomes = await self._post(work, call.tenant, request.ledger_id, now_us, rehearse=rehearse)
        return pb.PostTransactionsResponse(results=[self._to_result(outcome, call) for outcome in outcomes])

    async def ReverseTransaction(
        self, request: pb.ReverseTransactionRequest, call: Call
    ) -> pb.ReverseTransactionResponse:
        """Post the mirror of a transaction."""
        reversal = messages.new_reversal(request)
        now_us = self._clock()
        rehearse = request.validate_only

        def work(connection: sa.Connection) -> Outcome:
            return posting.reverse(
                connection, call.tenant, request.ledger_id, reversal, now_us, rehearse=rehearse
            )

        try:
            outcome = await self._post(work, call.tenant, request.ledger_id, now_us, rehearse=rehearse)
        except Refusal as refusal:
            raise renamed(refusal, _REVERSAL_FIELDS) from refusal
        assert outcome.transaction is not None, "a refused reversal is raised"
        return pb.ReverseTransactionResponse(
            transaction=messages.to_transaction(outcome.transaction), replayed=outcome.replayed
        )

    async def GetTransaction(
        self, request: pb.GetTransactionRequest, call: Call
    ) -> pb.GetTransactionResponse:
        """Read a transaction."""
        wanted = request.transaction_id

        def work(connection: sa.Connection) -> tuple[domain.Transaction, str]:
            found = journal.find_transactions(connection, call.tenant, request.ledger_id, [wanted])
            if wanted not in found:
                require_head(connection, call.tenant, request.ledger_id)
                raise domain.transaction_not_found(wanted)
            reversals = journal.find_reversals(connection, call.tenant, request.ledger_id, [wanted])
            return found[wanted], reversals.get(wanted, "")

        transaction, reversal_id = await self._database.read(work)
        return pb.GetTransactionResponse(
            transaction=messages.to_transaction(transaction), reversal_id=reversal_id
        )

    async def ListTransactions(
        self, request: pb.ListTransactionsRequest, call: Call
    ) -> pb.ListTransactionsResponse:
        """List transactions in the order in which they were posted."""
        page = page_of(self._page_tokens, request, call)
        (after,) = page.after or (0,)

        def work(connection: sa.Connection) -> tuple[Head, list[domain.Transaction]]:
            head = require_head(connection, call.tenant, request.ledger_id)
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

    def _to_result(self, outcome: Outcome, call: Call) -> pb.PostResult:
        if outcome.refusal is not None:
            status = self._failures.from_exception(outcome.refusal, call).status
            return pb.PostResult(error=status, replayed=outcome.replayed)
        assert outcome.transaction is not None, "an outcome is a transaction or a refusal"
        return pb.PostResult(
            transaction=messages.to_transaction(outcome.transaction), replayed=outcome.replayed
        )

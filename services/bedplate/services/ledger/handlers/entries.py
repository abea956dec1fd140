"""Entries: listed and streamed."""

from collections.abc import AsyncIterator

import sqlalchemy as sa

from bedplate.ledger.v1 import ledger_pb2 as pb
from bedplate.pipeline.call import Call
from bedplate.server.paging import page_of
from bedplate.services.ledger import domain, messages
from bedplate.services.ledger.handlers.desk import Desk, require_account, require_head
from bedplate.services.ledger.store import journal

# Entries that one unit of work reads for a stream; between two of them no
# transaction is open, however slowly the caller reads.
STREAM_PAGE_SIZE = 500

# An index above that of every entry: what comes after it is the next transaction's.
_INDEX_END = 2**31 - 1


class EntryHandlers(Desk):
    """Answers calls about entries."""

    async def ListEntries(self, request: pb.ListEntriesRequest, call: Call) -> pb.ListEntriesResponse:
        """List entries in the order in which they were posted."""
        page = page_of(self._page_tokens, request, call)
        after = page.after or (0, _INDEX_END)

        def work(connection: sa.Connection) -> list[domain.PlacedEntry]:
            head = _head(connection, call.tenant, request.ledger_id, request.account_id)
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
            lambda connection: _head(connection, call.tenant, request.ledger_id, request.account_id)
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


def _head(connection: sa.Connection, tenant_id: str, ledger_id: str, account_id: str) -> domain.Head:
    """Where the ledger ends; an account that is named must be there."""
    head = require_head(connection, tenant_id, ledger_id)
    if account_id:
        require_account(connection, tenant_id, ledger_id, account_id)
    return head

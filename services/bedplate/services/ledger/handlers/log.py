"""Whole ledgers: exported and imported."""

from collections.abc import AsyncIterator

import sqlalchemy as sa

from bedplate.errors import Kind, Refusal, Violation
from bedplate.ledger.v1 import ledger_pb2 as pb
from bedplate.pipeline.call import Call
from bedplate.services.ledger import domain, exporting, importing
from bedplate.services.ledger.handlers.desk import Desk
from bedplate.services.ledger.store.imports import Import

# What one response of a stream holds at most; a record has 120 kB at most.
RESPONSE_RECORDS_MAX = 500
RESPONSE_BYTES_MAX = 1024 * 1024


class LogHandlers(Desk):
    """Answers calls about whole ledgers."""

    async def ExportLedger(
        self, request: pb.ExportLedgerRequest, call: Call
    ) -> AsyncIterator[pb.ExportLedgerResponse]:
        """Stream the records from which a ledger can be made again."""
        response, size = pb.ExportLedgerResponse(), 0
        async for record in exporting.export(self._database, call.tenant, request.ledger_id):
            response.records.append(record)
            size += record.ByteSize()
            if len(response.records) == RESPONSE_RECORDS_MAX or size >= RESPONSE_BYTES_MAX:
                yield response
                response, size = pb.ExportLedgerResponse(), 0
        if response.records:
            yield response

    async def ImportLedger(self, request: pb.ImportLedgerRequest, call: Call) -> pb.ImportLedgerResponse:
        """Take a batch of records, or tell how far the ledger is."""
        _check_size(request)
        if not request.records:

            def look(connection: sa.Connection) -> Import:
                return importing.where(connection, call.tenant, request.ledger_id)

            return _response(await self._database.read(look))

        def work(connection: sa.Connection) -> Import:
            return importing.take(
                connection, call.tenant, request.ledger_id, request.first_record, request.records
            )

        return _response(await self._database.transact(work))


def _check_size(request: pb.ImportLedgerRequest) -> None:
    count = sum(
        len(record.transaction.transaction.entries) + len(record.failure.transaction.entries)
        for record in request.records
    )
    if count > domain.ENTRIES_PER_CALL_MAX:
        sentence = (
            f"The records have {count} entries and may have {domain.ENTRIES_PER_CALL_MAX}; "
            "send fewer in one call."
        )
        raise Refusal(Kind.INVALID, "INVALID_REQUEST", sentence, violations=[Violation("records", sentence)])


def _response(found: Import) -> pb.ImportLedgerResponse:
    return pb.ImportLedgerResponse(
        next_record=found.next_record, digest=found.digest, complete=found.progress.complete
    )

"""What the admin service does with the platform's records: relations, audit, cached answers."""

from collections.abc import Mapping

import sqlalchemy as sa

from bedplate.admin.v1 import admin_pb2 as pb
from bedplate.cache import Answers
from bedplate.clock import now_us
from bedplate.contract.promises import Relation
from bedplate.data import Database
from bedplate.data.page import PageTokens
from bedplate.pipeline.call import Call
from bedplate.pipeline.compile import Method
from bedplate.records import audit, relations
from bedplate.records.audit import AuditRecord
from bedplate.server.paging import page_of
from bedplate.services.admin.shared import require_method, to_time


class RecordHandlers:
    """Answers the calls that are about records; see the contract for what each one does and refuses."""

    def __init__(
        self, database: Database, answers: Answers, methods: Mapping[str, Method], page_tokens: PageTokens
    ) -> None:
        self._database = database
        self._answers = answers
        self._methods = methods
        self._page_tokens = page_tokens

    async def GrantRelation(self, request: pb.GrantRelationRequest, call: Call) -> pb.GrantRelationResponse:
        """Give a principal a relation."""
        wanted, relation = request.relation, _relation(request.relation)

        def work(connection: sa.Connection) -> bool:
            return relations.grant(
                connection, call.tenant, wanted.principal, relation, wanted.object_id, now_us=now_us()
            )

        await self._database.transact(work)
        return pb.GrantRelationResponse()

    async def RevokeRelation(
        self, request: pb.RevokeRelationRequest, call: Call
    ) -> pb.RevokeRelationResponse:
        """Take a relation away."""
        wanted, relation = request.relation, _relation(request.relation)

        def work(connection: sa.Connection) -> bool:
            return relations.revoke(connection, call.tenant, wanted.principal, relation, wanted.object_id)

        await self._database.transact(work)
        return pb.RevokeRelationResponse()

    async def ListAuditRecords(
        self, request: pb.ListAuditRecordsRequest, call: Call
    ) -> pb.ListAuditRecordsResponse:
        """List the audit records of the caller's tenant."""
        page = page_of(self._page_tokens, request, call)
        time_us, record_id = page.after or (0, "")

        def work(connection: sa.Connection) -> list[AuditRecord]:
            after = int(time_us), str(record_id)
            return audit.records_after(connection, call.tenant, after=after, limit=page.size + 1)

        found = await self._database.read(work)
        shown = found[: page.size]
        return pb.ListAuditRecordsResponse(
            audit_records=[_message(record) for record in shown],
            next_page_token=page.token(shown[-1].time_us, shown[-1].record_id)
            if len(found) > page.size
            else "",
        )

    async def InvalidateCache(
        self, request: pb.InvalidateCacheRequest, call: Call
    ) -> pb.InvalidateCacheResponse:
        """Forget the answers of a method."""
        method = require_method(self._methods, request.method)
        await self._answers.invalidate(method.name)
        return pb.InvalidateCacheResponse()


def _relation(message: pb.Relation) -> Relation:
    return Relation("", message.object_type, message.relation)


def _message(record: AuditRecord) -> pb.AuditRecord:
    return pb.AuditRecord(
        record_id=record.record_id,
        time=to_time(record.time_us),
        principal=record.principal_id,
        method=record.method,
        door=record.door,
        peer=record.peer,
        trace_id=record.trace_id,
        code=record.code,
        reason=record.reason,
        request_json=record.request,
    )

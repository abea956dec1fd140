"""Methods over a real database that has the platform's tables."""

import asyncio
from typing import Any

from bedplate.auth.principal import Principal
from bedplate.contract.scope import CURRENT
from bedplate.data import Database
from bedplate.data.migrate import migrate
from bedplate.pipeline.stage import Parts
from bedplate.records import tables
from bedplate.records.audit import Audit, AuditRecord, records_after
from bedplate.records.relations import TableRelations
from bedplate.settings import Settings
from tests.pipeline.making import READER, Anyone, Made


async def made(database: Database, policy: str, *, principal: Principal = READER, **options: Any) -> Made:
    """A method whose stages have the database."""
    await asyncio.to_thread(migrate, database, tables.NAME, tables.SCHEMA)
    parts = Parts(
        authenticator=Anyone(principal),
        settings=Settings(),
        audit=Audit(database),
        relations=TableRelations(database),
    )
    return Made(policy, parts=parts, **options)


async def records(database: Database, tenant_id: str = READER.tenant) -> list[AuditRecord]:
    """All audit records of a tenant; not as part of the call that ran last in this task."""
    CURRENT.set(None)
    return await database.read(
        lambda connection: records_after(connection, tenant_id, after=(0, ""), limit=1000)
    )

"""Audit records: made of calls, written with what the calls changed, read by who may."""

import asyncio
import json
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from bedplate.errors import Refusal
from bedplate.records.apart import Store, transact_apart

# How long a record of a call that failed may take to be written, seconds.
WRITE_MAX_S = 5.0

_log = logging.getLogger("bedplate.records")

_COLUMNS = "tenant_id, time_us, record_id, principal_id, method, door, peer, trace_id, code, reason, request"
_INSERT = sa.text(
    f"INSERT INTO bedplate_audit ({_COLUMNS}) VALUES (:tenant_id, :time_us, :record_id, :principal_id,"
    " :method, :door, :peer, :trace_id, :code, :reason, :request)"
)
_LIST = sa.text(
    f"SELECT {_COLUMNS} FROM bedplate_audit"
    " WHERE tenant_id = :tenant_id AND (time_us, record_id) > (:time_us, :record_id)"
    " ORDER BY time_us, record_id LIMIT :limit"
)
_DELETE = sa.text("DELETE FROM bedplate_audit WHERE time_us < :before_us")


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """What is kept of a call.

    Attributes:
        tenant_id: The caller's tenant.
        time_us: When the call came that far, microseconds since 1970.
        record_id: Of this record; a call whose end differs from what its
            transaction said leaves two.
        principal_id: Who called.
        method: Full name.
        door: `grpc`, `http` or `local`.
        peer: From where.
        trace_id: The call's trace.
        code: What came of it, a gRPC code's name; `BEGUN` for a stream.
        reason: The refusal's reason; empty for none.
        request: What was asked, as JSON, sensitive fields masked.
    """

    tenant_id: str
    time_us: int
    record_id: str
    principal_id: str
    method: str
    door: str
    peer: str
    trace_id: str
    code: str
    reason: str
    request: str


class Audit:
    """Writes the records of a process's calls."""

    def __init__(self, database: Store) -> None:
        self._database = database
        self._writing: set[asyncio.Task[None]] = set()

    async def write(self, record: AuditRecord, *, timeout_s: float) -> None:
        """Write a record in a transaction of its own.

        Raises:
            Refusal: It could not be written.
        """
        await transact_apart(self._database, writing(record), timeout_s=timeout_s)

    def write_later(self, record: AuditRecord) -> None:
        """Write a record while the caller gets its answer; what cannot be written goes to the log."""
        task = asyncio.get_running_loop().create_task(self._try(record))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def _try(self, record: AuditRecord) -> None:
        try:
            await self.write(record, timeout_s=WRITE_MAX_S)
        except Exception as error:
            # The caller has its answer; what is left is to lose nothing.
            why = error.reason if isinstance(error, Refusal) else type(error).__name__
            _log.error("an audit record was not written (%s): %s", why, as_json(record))

    async def stop(self) -> None:
        """Wait until all is written."""
        await asyncio.gather(*self._writing)


def writing(record: AuditRecord) -> Callable[[sa.Connection], None]:
    """A unit of work that writes a record."""
    values = _values(record)

    def work(connection: sa.Connection) -> None:
        connection.execute(_INSERT, values)

    return work


def records_after(
    connection: sa.Connection, tenant_id: str, *, after: tuple[int, str], limit: int
) -> list[AuditRecord]:
    """A tenant's records by time and id, after a place."""
    time_us, record_id = after
    values = {"tenant_id": tenant_id, "time_us": time_us, "record_id": record_id, "limit": limit}
    return [AuditRecord(*row) for row in connection.execute(_LIST, values)]


def delete_before(connection: sa.Connection, before_us: int) -> int:
    """Delete the records that are older than a time; how many."""
    return connection.execute(_DELETE, {"before_us": before_us}).rowcount


def new_id() -> str:
    """A record's id."""
    return secrets.token_hex(8)


def as_json(record: AuditRecord) -> str:
    """A record as one line."""
    return json.dumps(_values(record), sort_keys=True)


def _values(record: AuditRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name in AuditRecord.__slots__}

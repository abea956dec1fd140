"""What happened to a ledger, read in the order of time, a page at a time."""

from collections.abc import Sequence

import sqlalchemy as sa

from bedplate.services.ledger.domain import AccountClosed, Failure, Hold, HoldResolved, HoldState
from bedplate.services.ledger.store import failures, holds
from bedplate.services.ledger.store.statement import Statement

_OF_LEDGER = "WHERE tenant_id = :tenant_id AND ledger_id = :ledger_id"
_CREATED = Statement(f"""
    {holds.COLUMNS} {_OF_LEDGER} AND create_time_us > :after AND create_time_us <= :until
    ORDER BY create_time_us LIMIT :limit
""")
_RELEASED = Statement(f"""
    SELECT hold_id, resolve_us FROM ledger_holds {_OF_LEDGER} AND state = 3
        AND resolve_us > :after AND resolve_us <= :until
    ORDER BY resolve_us LIMIT :limit
""")
# As the ledger's own time says, whether or not somebody has noted it.
_EXPIRED = Statement(f"""
    SELECT hold_id, expire_us FROM ledger_holds {_OF_LEDGER} AND expire_us IS NOT NULL AND state IN (1, 4)
        AND (expire_us, hold_id) > (:after, :hold_id) AND expire_us <= :until
    ORDER BY expire_us, hold_id LIMIT :limit
""")
_CLOSED = Statement(f"""
    SELECT account_id, closed_us FROM ledger_accounts {_OF_LEDGER}
        AND closed_us > :after AND closed_us <= :until
    ORDER BY closed_us LIMIT :limit
""")
_FAILED = Statement(f"""
    {failures.COLUMNS} {_OF_LEDGER} AND create_time_us <= :until
        AND (create_time_us, kind, failed_id) > (:after, :kind, :failed_id)
    ORDER BY create_time_us, kind, failed_id LIMIT :limit
""")

# Before any time: google.protobuf.Timestamp begins with the year 1.
TIME_MIN_US = -(2**62)


def holds_created(
    connection: sa.Connection,
    tenant_id: str,
    ledger_id: str,
    *,
    after: Hold | None,
    until_us: int,
    limit: int,
) -> list[Hold]:
    """Holds by the time at which they were created, as they were then."""
    rows = _CREATED.rows(
        connection,
        tenant_id=tenant_id,
        ledger_id=ledger_id,
        after=TIME_MIN_US if after is None else after.create_time_us,
        until=until_us,
        limit=limit,
    )
    found = (holds.from_row(row) for row in rows)
    return [Hold(hold.asked, hold.currency_code, hold.create_time_us) for hold in found]


def holds_released(
    connection: sa.Connection,
    tenant_id: str,
    ledger_id: str,
    *,
    after: HoldResolved | None,
    until_us: int,
    limit: int,
) -> list[HoldResolved]:
    """Holds by the time at which they were released."""
    rows = _RELEASED.rows(
        connection,
        tenant_id=tenant_id,
        ledger_id=ledger_id,
        after=TIME_MIN_US if after is None else after.time_us,
        until=until_us,
        limit=limit,
    )
    return [HoldResolved(row.hold_id, HoldState.RELEASED, row.resolve_us) for row in rows]


def holds_expired(
    connection: sa.Connection,
    tenant_id: str,
    ledger_id: str,
    *,
    after: HoldResolved | None,
    until_us: int,
    limit: int,
) -> list[HoldResolved]:
    """Holds by the time at which they expired; of one time, by id."""
    rows = _EXPIRED.rows(
        connection,
        tenant_id=tenant_id,
        ledger_id=ledger_id,
        after=TIME_MIN_US if after is None else after.time_us,
        hold_id="" if after is None else after.hold_id,
        until=until_us,
        limit=limit,
    )
    return [HoldResolved(row.hold_id, HoldState.EXPIRED, row.expire_us) for row in rows]


def accounts_closed(
    connection: sa.Connection,
    tenant_id: str,
    ledger_id: str,
    *,
    after: AccountClosed | None,
    until_us: int,
    limit: int,
) -> list[AccountClosed]:
    """Accounts by the time at which they were closed."""
    rows = _CLOSED.rows(
        connection,
        tenant_id=tenant_id,
        ledger_id=ledger_id,
        after=TIME_MIN_US if after is None else after.time_us,
        until=until_us,
        limit=limit,
    )
    return [AccountClosed(row.account_id, row.closed_us) for row in rows]


def failed(
    connection: sa.Connection,
    tenant_id: str,
    ledger_id: str,
    *,
    after: Failure | None,
    until_us: int,
    limit: int,
) -> Sequence[Failure]:
    """What was refused for good, by time; of one time, by sort and id."""
    rows = _FAILED.rows(
        connection,
        tenant_id=tenant_id,
        ledger_id=ledger_id,
        after=TIME_MIN_US if after is None else after.create_time_us,
        kind=0 if after is None else failures.kind_of(after),
        failed_id="" if after is None else after.failed_id,
        until=until_us,
        limit=limit,
    )
    return [failures.from_row(row) for row in rows]

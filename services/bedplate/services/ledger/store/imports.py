"""How far ledgers have been made from an export, and the rows that only an import writes."""

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from bedplate.services.ledger.domain import Account, Counts, Ledger, Progress
from bedplate.services.ledger.store import metadata
from bedplate.services.ledger.store.statement import Statement, insert

_INSERT_LEDGER = Statement("""
    INSERT INTO ledger_ledgers
        (tenant_id, ledger_id, display_name, create_time_us, head_sequence, head_time_us, importing)
    VALUES (:tenant_id, :ledger_id, :display_name, :create_time_us, 0, :create_time_us, TRUE)
    ON CONFLICT (tenant_id, ledger_id) DO NOTHING
""")
_FINISH = Statement("""
    UPDATE ledger_ledgers SET importing = FALSE WHERE tenant_id = :tenant_id AND ledger_id = :ledger_id
""")
_FIND = Statement("""
    SELECT next_record, digest, progress FROM ledger_imports
    WHERE tenant_id = :tenant_id AND ledger_id = :ledger_id
""")
_INSERT = Statement("""
    INSERT INTO ledger_imports (tenant_id, ledger_id, next_record, digest, progress)
    VALUES (:tenant_id, :ledger_id, :next_record, :digest, :progress)
""")
_SAVE = Statement("""
    UPDATE ledger_imports SET next_record = :next_record, digest = :digest, progress = :progress
    WHERE tenant_id = :tenant_id AND ledger_id = :ledger_id
""")
_INSERT_BATCH = Statement("""
    INSERT INTO ledger_import_batches (tenant_id, ledger_id, first_record, digest)
    VALUES (:tenant_id, :ledger_id, :first_record, :digest)
""")
_FIND_BATCH = Statement("""
    SELECT digest FROM ledger_import_batches
    WHERE tenant_id = :tenant_id AND ledger_id = :ledger_id AND first_record = :first_record
""")
_SCALES = Statement("""
    SELECT code, scale FROM ledger_currencies WHERE tenant_id = :tenant_id AND ledger_id = :ledger_id
""")
_INSERT_ACCOUNTS = insert(
    "ledger_accounts",
    {
        "account_id": "text",
        "type": "smallint",
        "normal_side": "smallint",
        "currency_code": "text",
        "currency_scale": "smallint",
        "debits_must_not_exceed_credits": "boolean",
        "credits_must_not_exceed_debits": "boolean",
        "display_name": "text",
        "create_time_us": "bigint",
        "debits_minor": "bigint",
        "credits_minor": "bigint",
        "metadata": "text",
    },
)


@dataclass(frozen=True, slots=True)
class Import:
    """How far a ledger has been made from an export.

    Attributes:
        next_record: The index of the record that comes next.
        digest: The digest of all records before it.
        progress: What they came to.
    """

    next_record: int
    digest: bytes
    progress: Progress


def insert_ledger(connection: sa.Connection, tenant_id: str, ledger: Ledger) -> bool:
    """Add a ledger that takes nothing but an import; False, and no change, when its id is taken."""
    return bool(
        _INSERT_LEDGER.count(
            connection,
            tenant_id=tenant_id,
            ledger_id=ledger.ledger_id,
            display_name=ledger.display_name,
            create_time_us=ledger.create_time_us,
        )
    )


def open_ledger(connection: sa.Connection, tenant_id: str, ledger_id: str) -> None:
    """From now on the ledger is one like any other."""
    _FINISH.count(connection, tenant_id=tenant_id, ledger_id=ledger_id)


def find_import(connection: sa.Connection, tenant_id: str, ledger_id: str) -> Import | None:
    """How far a ledger is; None: it was not made from an export."""
    row = _FIND.row(connection, tenant_id=tenant_id, ledger_id=ledger_id)
    if row is None:
        return None
    return Import(row.next_record, bytes.fromhex(row.digest), _progress(row.progress))


def insert_import(connection: sa.Connection, tenant_id: str, ledger_id: str, made: Import) -> None:
    """Note that a ledger is made from an export."""
    _INSERT.count(connection, tenant_id=tenant_id, ledger_id=ledger_id, **_values(made))


def save_import(connection: sa.Connection, tenant_id: str, ledger_id: str, made: Import) -> None:
    """Note how far a ledger is; its head is locked."""
    _SAVE.count(connection, tenant_id=tenant_id, ledger_id=ledger_id, **_values(made))


def insert_batch(
    connection: sa.Connection, tenant_id: str, ledger_id: str, first_record: int, digest: bytes
) -> None:
    """Note where a batch began, and the digest of all records before it."""
    _INSERT_BATCH.count(
        connection, tenant_id=tenant_id, ledger_id=ledger_id, first_record=first_record, digest=digest.hex()
    )


def find_batch(connection: sa.Connection, tenant_id: str, ledger_id: str, first_record: int) -> bytes | None:
    """The digest of all records before a batch; None: no batch began there."""
    row = _FIND_BATCH.row(connection, tenant_id=tenant_id, ledger_id=ledger_id, first_record=first_record)
    return None if row is None else bytes.fromhex(row.digest)


def find_scales(connection: sa.Connection, tenant_id: str, ledger_id: str) -> dict[str, int]:
    """The currencies of a ledger, and their scales."""
    rows = _SCALES.rows(connection, tenant_id=tenant_id, ledger_id=ledger_id)
    return {row.code: row.scale for row in rows}


def insert_accounts(
    connection: sa.Connection, tenant_id: str, ledger_id: str, accounts: Sequence[Account]
) -> None:
    """Add accounts, at zero and open, whose currencies the ledger has."""
    rows = [
        (
            each.account_id,
            each.type.value,
            each.normal_side.value,
            each.currency.code,
            each.currency.scale,
            each.debits_must_not_exceed_credits,
            each.credits_must_not_exceed_debits,
            each.display_name,
            each.create_time_us,
            0,
            0,
            metadata.to_text(each.metadata),
        )
        for each in accounts
    ]
    _INSERT_ACCOUNTS.write(connection, (tenant_id, ledger_id), rows)


def _values(made: Import) -> dict[str, object]:
    progress = json.dumps(dataclasses.asdict(made.progress), ensure_ascii=False, separators=(",", ":"))
    return {"next_record": made.next_record, "digest": made.digest.hex(), "progress": progress}


def _progress(text: str) -> Progress:
    values = json.loads(text)
    place = values["place"]
    return Progress(
        Counts(**values["counts"]),
        values["account_id"],
        None if place is None else tuple(place),
        values["complete"],
    )

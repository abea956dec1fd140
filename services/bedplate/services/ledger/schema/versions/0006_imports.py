"""Ledgers that are made from an export, and what an export reads in the order of time."""

from bedplate.data.migrate import execute

revision = "0006"
down_revision = "0005"

# Indexes begin with the tenant and the time, and name the ledger after it, for
# the reason that 0001 gives.
_BOTH = """
ALTER TABLE ledger_ledgers ADD COLUMN importing BOOLEAN NOT NULL DEFAULT FALSE;

CREATE TABLE ledger_imports (
    tenant_id TEXT NOT NULL,
    ledger_id TEXT NOT NULL,
    next_record BIGINT NOT NULL,
    digest TEXT NOT NULL,
    progress TEXT NOT NULL,
    PRIMARY KEY (tenant_id, ledger_id),
    FOREIGN KEY (tenant_id, ledger_id) REFERENCES ledger_ledgers
) {updated};

CREATE TABLE ledger_import_batches (
    tenant_id TEXT NOT NULL,
    ledger_id TEXT NOT NULL,
    first_record BIGINT NOT NULL,
    digest TEXT NOT NULL,
    PRIMARY KEY (tenant_id, ledger_id, first_record),
    FOREIGN KEY (tenant_id, ledger_id) REFERENCES ledger_imports
) {plain};

CREATE INDEX ledger_accounts_closed ON ledger_accounts (tenant_id, closed_us, ledger_id, account_id)
    WHERE closed_us IS NOT NULL;
CREATE INDEX ledger_holds_created ON ledger_holds (tenant_id, create_time_us, ledger_id);
CREATE INDEX ledger_holds_released ON ledger_holds (tenant_id, resolve_us, ledger_id) WHERE state = 3;
CREATE INDEX ledger_holds_expired ON ledger_holds (tenant_id, expire_us, ledger_id, hold_id)
    WHERE expire_us IS NOT NULL AND state IN (1, 4);
CREATE INDEX ledger_failures_created
    ON ledger_failures (tenant_id, create_time_us, ledger_id, kind, failed_id);

UPDATE ledger_ledgers SET head_time_us = (
    SELECT MAX(f.create_time_us) FROM ledger_failures f
    WHERE f.tenant_id = ledger_ledgers.tenant_id AND f.ledger_id = ledger_ledgers.ledger_id
) WHERE has_failures AND head_time_us < (
    SELECT MAX(f.create_time_us) FROM ledger_failures f
    WHERE f.tenant_id = ledger_ledgers.tenant_id AND f.ledger_id = ledger_ledgers.ledger_id
);
"""

_POSTGRESQL = _BOTH.replace(" TEXT ", ' TEXT COLLATE "C" ').format(updated="WITH (fillfactor = 70)", plain="")
_SQLITE = _BOTH.format(updated="STRICT, WITHOUT ROWID", plain="STRICT, WITHOUT ROWID")
for _type in ("BIGINT", "BOOLEAN"):
    _SQLITE = _SQLITE.replace(f" {_type} ", " INTEGER ")


def upgrade() -> None:
    """Add tables, a column and indexes; a ledger's time is not before what was refused in it."""
    execute(postgresql=_POSTGRESQL, sqlite=_SQLITE)

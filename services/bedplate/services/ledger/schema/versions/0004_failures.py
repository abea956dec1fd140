"""Failures that are remembered: an id that was refused for good stays refused."""

from bedplate.data.migrate import execute

revision = "0004"
down_revision = "0003"

# kind: 1 of a transaction, 2 of a hold. The ledger's row knows whether it has
# any, so that a ledger without pays nothing for looking.
_BOTH = """
CREATE TABLE ledger_failures (
    tenant_id TEXT NOT NULL,
    ledger_id TEXT NOT NULL,
    kind SMALLINT NOT NULL CHECK (kind IN (1, 2)),
    failed_id TEXT NOT NULL,
    content TEXT NOT NULL,
    reason TEXT NOT NULL,
    sentence TEXT NOT NULL,
    field TEXT NOT NULL,
    facts TEXT NOT NULL,
    create_time_us BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, ledger_id, kind, failed_id),
    FOREIGN KEY (tenant_id, ledger_id) REFERENCES ledger_ledgers
) {options};
ALTER TABLE ledger_ledgers ADD COLUMN has_failures BOOLEAN NOT NULL DEFAULT FALSE;
"""

_POSTGRESQL = _BOTH.replace(" TEXT ", ' TEXT COLLATE "C" ').format(options="")
_SQLITE = _BOTH.format(options="STRICT, WITHOUT ROWID")
for _type in ("BIGINT", "SMALLINT", "BOOLEAN"):
    _SQLITE = _SQLITE.replace(f" {_type} ", " INTEGER ")

_REFUSE_POSTGRESQL = """
CREATE TRIGGER ledger_failures_immutable BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_failures
    EXECUTE FUNCTION ledger_refuse_change();
"""
_REFUSE_SQLITE = """
CREATE TRIGGER ledger_failures_no_update BEFORE UPDATE ON ledger_failures
BEGIN SELECT RAISE(ABORT, 'what was posted never changes'); END;
CREATE TRIGGER ledger_failures_no_delete BEFORE DELETE ON ledger_failures
BEGIN SELECT RAISE(ABORT, 'what was posted never changes'); END;
"""


def upgrade() -> None:
    """Add the table, and what a ledger knows of it."""
    execute(postgresql=_POSTGRESQL + _REFUSE_POSTGRESQL, sqlite=_SQLITE + _REFUSE_SQLITE)

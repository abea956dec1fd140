"""Closed accounts, metadata, and what a transaction reverses."""

from bedplate.data.migrate import execute

revision = "0002"
down_revision = "0001"

# A transaction is reversed once, whoever writes to the table. The index puts
# ledger_id last for the reason that 0001 gives.
_BOTH = """
ALTER TABLE ledger_accounts ADD COLUMN metadata TEXT NOT NULL DEFAULT '{}';
ALTER TABLE ledger_accounts ADD COLUMN closed_us BIGINT;
ALTER TABLE ledger_transactions ADD COLUMN metadata TEXT NOT NULL DEFAULT '{}';
ALTER TABLE ledger_transactions ADD COLUMN reverses_id TEXT;
CREATE UNIQUE INDEX ledger_transactions_reverses
    ON ledger_transactions (tenant_id, reverses_id, ledger_id) WHERE reverses_id IS NOT NULL;
"""

# As in 0001: INSERT OR REPLACE would delete the reversal that is there.
_REFUSE_SQLITE = """
CREATE TRIGGER ledger_transactions_no_second_reversal BEFORE INSERT ON ledger_transactions
WHEN NEW.reverses_id IS NOT NULL AND EXISTS (
    SELECT 1 FROM ledger_transactions
    WHERE tenant_id = NEW.tenant_id AND ledger_id = NEW.ledger_id AND reverses_id = NEW.reverses_id
)
BEGIN SELECT RAISE(ABORT, 'what was posted never changes'); END;
"""


def upgrade() -> None:
    """Add columns that rows of before have values for."""
    execute(
        postgresql=_BOTH.replace("reverses_id TEXT", 'reverses_id TEXT COLLATE "C"'),
        sqlite=_BOTH.replace(" BIGINT", " INTEGER") + _REFUSE_SQLITE,
    )

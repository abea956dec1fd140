"""Holds: amounts set aside, and what they leave of a balance."""

from bedplate.data.migrate import execute

revision = "0003"
down_revision = "0002"

# A limit counts what is set aside as if it had been posted. A hold is resolved
# once: captured by one transaction, released or expired. Indexes put ledger_id
# behind the column that finds few rows, for the reason that 0001 gives.
_BOTH = """
ALTER TABLE ledger_accounts ADD COLUMN debits_pending_minor BIGINT NOT NULL DEFAULT 0 CHECK (
    debits_pending_minor >= 0
    AND (NOT debits_must_not_exceed_credits OR debits_minor + debits_pending_minor <= credits_minor)
);
ALTER TABLE ledger_accounts ADD COLUMN credits_pending_minor BIGINT NOT NULL DEFAULT 0 CHECK (
    credits_pending_minor >= 0
    AND (NOT credits_must_not_exceed_debits OR credits_minor + credits_pending_minor <= debits_minor)
);
ALTER TABLE ledger_ledgers ADD COLUMN holds_due_us BIGINT;
CREATE INDEX ledger_ledgers_due ON ledger_ledgers (holds_due_us) WHERE holds_due_us IS NOT NULL;

ALTER TABLE ledger_transactions ADD COLUMN captures_id TEXT;
CREATE UNIQUE INDEX ledger_transactions_captures
    ON ledger_transactions (tenant_id, captures_id, ledger_id) WHERE captures_id IS NOT NULL;

CREATE TABLE ledger_holds (
    tenant_id TEXT NOT NULL,
    ledger_id TEXT NOT NULL,
    hold_id TEXT NOT NULL,
    debit_account_id TEXT NOT NULL,
    credit_account_id TEXT NOT NULL,
    amount_minor BIGINT NOT NULL CHECK (amount_minor > 0),
    currency_code TEXT NOT NULL,
    description TEXT NOT NULL,
    metadata TEXT NOT NULL,
    create_time_us BIGINT NOT NULL,
    expire_us BIGINT,
    state SMALLINT NOT NULL CHECK (state BETWEEN 1 AND 4),
    resolve_us BIGINT,
    captured_minor BIGINT NOT NULL CHECK (captured_minor BETWEEN 0 AND amount_minor),
    capture_id TEXT,
    PRIMARY KEY (tenant_id, ledger_id, hold_id),
    FOREIGN KEY (tenant_id, ledger_id, debit_account_id) REFERENCES ledger_accounts,
    FOREIGN KEY (tenant_id, ledger_id, credit_account_id) REFERENCES ledger_accounts,
    CHECK ((state = 1) = (resolve_us IS NULL)),
    CHECK ((state = 2) = (captured_minor > 0)),
    CHECK ((state = 2) = (capture_id IS NOT NULL))
) {options};

CREATE INDEX ledger_holds_due ON ledger_holds (tenant_id, expire_us, ledger_id, hold_id)
    WHERE state = 1 AND expire_us IS NOT NULL;
CREATE INDEX ledger_holds_debit ON ledger_holds (tenant_id, debit_account_id, ledger_id, hold_id);
CREATE INDEX ledger_holds_credit ON ledger_holds (tenant_id, credit_account_id, ledger_id, hold_id);
"""

_POSTGRESQL = _BOTH.replace(" TEXT", ' TEXT COLLATE "C"').format(options="WITH (fillfactor = 70)")
_SQLITE = _BOTH.format(options="STRICT, WITHOUT ROWID")
for _type in ("BIGINT", "SMALLINT"):
    _SQLITE = _SQLITE.replace(f" {_type}", " INTEGER")

_REFUSE_POSTGRESQL = """
CREATE TRIGGER ledger_holds_resolved_once BEFORE UPDATE ON ledger_holds
    FOR EACH ROW WHEN (OLD.state <> 1) EXECUTE FUNCTION ledger_refuse_change();
CREATE TRIGGER ledger_holds_kept BEFORE DELETE OR TRUNCATE ON ledger_holds
    EXECUTE FUNCTION ledger_refuse_change();
"""

# As in 0001: INSERT OR REPLACE deletes what is there.
_REFUSE_SQLITE = """
CREATE TRIGGER ledger_transactions_no_second_capture BEFORE INSERT ON ledger_transactions
WHEN NEW.captures_id IS NOT NULL AND EXISTS (
    SELECT 1 FROM ledger_transactions
    WHERE tenant_id = NEW.tenant_id AND ledger_id = NEW.ledger_id AND captures_id = NEW.captures_id
)
BEGIN SELECT RAISE(ABORT, 'what was posted never changes'); END;
CREATE TRIGGER ledger_holds_resolved_once BEFORE UPDATE ON ledger_holds WHEN OLD.state <> 1
BEGIN SELECT RAISE(ABORT, 'what was posted never changes'); END;
CREATE TRIGGER ledger_holds_no_delete BEFORE DELETE ON ledger_holds
BEGIN SELECT RAISE(ABORT, 'what was posted never changes'); END;
CREATE TRIGGER ledger_holds_no_replace BEFORE INSERT ON ledger_holds
WHEN EXISTS (
    SELECT 1 FROM ledger_holds
    WHERE tenant_id = NEW.tenant_id AND ledger_id = NEW.ledger_id AND hold_id = NEW.hold_id
)
BEGIN SELECT RAISE(ABORT, 'what was posted never changes'); END;
"""


def upgrade() -> None:
    """Add holds, and what accounts, ledgers and transactions know of them."""
    execute(postgresql=_POSTGRESQL + _REFUSE_POSTGRESQL, sqlite=_SQLITE + _REFUSE_SQLITE)

"""Audit records: who did what, when, from where, and what came of it."""

from bedplate.data.migrate import execute

revision = "0002"
down_revision = "0001"

# What was written stays as it is, whoever writes to the table; what is too old
# may be deleted. request: the request as JSON, sensitive fields masked.
_BOTH = """
CREATE TABLE bedplate_audit (
    tenant_id TEXT NOT NULL,
    time_us BIGINT NOT NULL,
    record_id TEXT NOT NULL,
    principal_id TEXT NOT NULL,
    method TEXT NOT NULL,
    door TEXT NOT NULL,
    peer TEXT NOT NULL,
    trace_id TEXT NOT NULL,
    code TEXT NOT NULL,
    reason TEXT NOT NULL,
    request TEXT NOT NULL,
    PRIMARY KEY (tenant_id, time_us, record_id)
) {options};
CREATE INDEX bedplate_audit_time ON bedplate_audit (time_us);
"""

_POSTGRESQL = _BOTH.replace(" TEXT ", ' TEXT COLLATE "C" ').format(options="")
_SQLITE = _BOTH.format(options="STRICT").replace(" BIGINT ", " INTEGER ")

_REFUSE_POSTGRESQL = """
CREATE FUNCTION bedplate_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a record never changes: % of % is refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER bedplate_audit_immutable BEFORE UPDATE ON bedplate_audit
    EXECUTE FUNCTION bedplate_refuse_change();
"""
_REFUSE_SQLITE = """
CREATE TRIGGER bedplate_audit_no_update BEFORE UPDATE ON bedplate_audit
BEGIN SELECT RAISE(ABORT, 'a record never changes'); END;
"""


def upgrade() -> None:
    """Add the table."""
    execute(postgresql=_POSTGRESQL + _REFUSE_POSTGRESQL, sqlite=_SQLITE + _REFUSE_SQLITE)

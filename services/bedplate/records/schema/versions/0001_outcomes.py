"""Outcomes of calls, for those who repeat them."""

from bedplate.data.migrate import execute

revision = "0001"
down_revision = None

# state: 1 begun (a step is committed, the answer is not), 2 answered, 3 refused.
# asked: what was asked, a digest for each field. answer: the response's bytes,
# or the refusal as JSON. The lease is of the attempt that began, its owner.
_BOTH = """
CREATE TABLE bedplate_outcomes (
    tenant_id TEXT NOT NULL,
    principal_id TEXT NOT NULL,
    method TEXT NOT NULL,
    request_id TEXT NOT NULL,
    state SMALLINT NOT NULL CHECK (state IN (1, 2, 3)),
    owner TEXT NOT NULL,
    lease_us BIGINT NOT NULL,
    asked BYTEA NOT NULL,
    answer BYTEA NOT NULL,
    create_time_us BIGINT NOT NULL,
    expire_us BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, principal_id, method, request_id)
) {options};
CREATE INDEX bedplate_outcomes_expire ON bedplate_outcomes (expire_us);
"""

_POSTGRESQL = _BOTH.replace(" TEXT ", ' TEXT COLLATE "C" ').format(options="")
_SQLITE = _BOTH.format(options="STRICT").replace(" BYTEA ", " BLOB ")
for _type in ("BIGINT", "SMALLINT"):
    _SQLITE = _SQLITE.replace(f" {_type} ", " INTEGER ")


def upgrade() -> None:
    """Add the table."""
    execute(postgresql=_POSTGRESQL, sqlite=_SQLITE)

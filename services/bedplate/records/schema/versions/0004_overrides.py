"""Overrides of policies at run time, those that have ended too: who set what, why, and until when."""

from bedplate.data.migrate import execute

revision = "0004"
down_revision = "0003"

# options: MethodPolicy as JSON.
_BOTH = """
CREATE TABLE bedplate_overrides (
    override_id TEXT NOT NULL PRIMARY KEY,
    target TEXT NOT NULL,
    options TEXT NOT NULL,
    note TEXT NOT NULL,
    set_by TEXT NOT NULL,
    create_time_us BIGINT NOT NULL,
    expire_us BIGINT NOT NULL,
    cleared_by TEXT NOT NULL,
    clear_us BIGINT
) {options};
CREATE INDEX bedplate_overrides_expire ON bedplate_overrides (expire_us) WHERE clear_us IS NULL;
"""

_POSTGRESQL = _BOTH.replace(" TEXT ", ' TEXT COLLATE "C" ').format(options="")
_SQLITE = _BOTH.format(options="STRICT").replace(" BIGINT", " INTEGER")


def upgrade() -> None:
    """Add the table."""
    execute(postgresql=_POSTGRESQL, sqlite=_SQLITE)

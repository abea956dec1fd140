"""Relations of principals to objects, until a service of its own keeps them."""

from bedplate.data.migrate import execute

revision = "0003"
down_revision = "0002"

_BOTH = """
CREATE TABLE bedplate_relations (
    tenant_id TEXT NOT NULL,
    object_type TEXT NOT NULL,
    object_id TEXT NOT NULL,
    relation TEXT NOT NULL,
    principal_id TEXT NOT NULL,
    create_time_us BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, object_type, object_id, relation, principal_id)
) {options};
"""

_POSTGRESQL = _BOTH.replace(" TEXT ", ' TEXT COLLATE "C" ').format(options="")
_SQLITE = _BOTH.format(options="STRICT, WITHOUT ROWID").replace(" BIGINT ", " INTEGER ")


def upgrade() -> None:
    """Add the table."""
    execute(postgresql=_POSTGRESQL, sqlite=_SQLITE)

"""Sales, and what there is to sell."""

from bedplate.data.migrate import execute

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Add the tables."""
    execute(
        """
        CREATE TABLE till_sales (
            tenant_id TEXT NOT NULL, sale_id TEXT NOT NULL, item TEXT NOT NULL, amount_minor BIGINT NOT NULL,
            state TEXT NOT NULL, PRIMARY KEY (tenant_id, sale_id)
        );
        CREATE TABLE till_empty (item TEXT PRIMARY KEY);
        """
    )

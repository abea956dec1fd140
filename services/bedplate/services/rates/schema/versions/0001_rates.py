"""Sources, each with its base currency, and their rates by currency and day."""

from bedplate.data.migrate import execute

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables.

    Order must be the same on both databases, so PostgreSQL compares text by
    bytes, as SQLite does.
    """
    execute(
        postgresql="""
            CREATE TABLE rates_sources (
                tenant_id text COLLATE "C" NOT NULL,
                source text COLLATE "C" NOT NULL,
                base text COLLATE "C" NOT NULL,
                PRIMARY KEY (tenant_id, source)
            );
            CREATE TABLE rates_rates (
                tenant_id text COLLATE "C" NOT NULL,
                source text COLLATE "C" NOT NULL,
                quote text COLLATE "C" NOT NULL,
                day date NOT NULL,
                value text COLLATE "C" NOT NULL CHECK (value <> ''),
                PRIMARY KEY (tenant_id, source, quote, day),
                FOREIGN KEY (tenant_id, source) REFERENCES rates_sources (tenant_id, source)
            );
            CREATE INDEX rates_by_day ON rates_rates (tenant_id, source, day, quote);
        """,
        sqlite="""
            CREATE TABLE rates_sources (
                tenant_id text NOT NULL,
                source text NOT NULL,
                base text NOT NULL,
                PRIMARY KEY (tenant_id, source)
            ) STRICT, WITHOUT ROWID;
            CREATE TABLE rates_rates (
                tenant_id text NOT NULL,
                source text NOT NULL,
                quote text NOT NULL,
                day text NOT NULL,
                value text NOT NULL CHECK (value <> ''),
                PRIMARY KEY (tenant_id, source, quote, day),
                FOREIGN KEY (tenant_id, source) REFERENCES rates_sources (tenant_id, source)
            ) STRICT, WITHOUT ROWID;
            CREATE INDEX rates_by_day ON rates_rates (tenant_id, source, day, quote);
        """,
    )

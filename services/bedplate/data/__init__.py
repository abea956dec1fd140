"""Where state is kept: units of work, migrations and page tokens, on PostgreSQL and SQLite."""

from bedplate.data.engine import Database

__all__ = ["Database"]

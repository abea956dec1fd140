"""SQL that is written once, for PostgreSQL, and runs on SQLite too.

Posting is a hot path: SQLAlchemy's compiled constructs cost several
milliseconds for the five statements of a posting, text costs a tenth of that.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

Row = Sequence[Any]

_NAME = re.compile(r"(?<!:):(\w+)")
_ANY = re.compile(r"= ANY\(:(\w+)\)")
_LOCK = re.compile(r"FOR NO KEY UPDATE( OF \w+)?$")


class Statement:
    """One statement in PostgreSQL's dialect, its values by name, such as `:ledger_id`.

    `= ANY(:ids)` takes a list; a lock clause stands last. SQLite has no row
    locks: there `bedplate.data` runs transactions one by one.
    """

    def __init__(self, text: str) -> None:
        text = " ".join(text.split())
        self._postgresql = _NAME.sub(r"%(\1)s", text)
        self._sqlite = _LOCK.sub("", _ANY.sub(r"IN (SELECT value FROM json_each(:\1))", text))
        self._lists = _ANY.findall(text)

    def rows(self, connection: sa.Connection, **values: Any) -> Sequence[Any]:
        """Run it; its rows."""
        return self._run(connection, values).all()

    def row(self, connection: sa.Connection, **values: Any) -> Any:
        """Run it; its only row, or None."""
        return self._run(connection, values).one_or_none()

    def count(self, connection: sa.Connection, **values: Any) -> int:
        """Run it; how many rows it wrote."""
        return self._run(connection, values).rowcount

    def _run(self, connection: sa.Connection, values: dict[str, Any]) -> sa.CursorResult[Any]:
        if connection.dialect.name == "postgresql":
            return connection.exec_driver_sql(self._postgresql, values)
        for name in self._lists:
            values[name] = json.dumps(values[name])
        return connection.exec_driver_sql(self._sqlite, values)


class Bulk:
    """Writes many rows with one statement.

    On PostgreSQL the rows travel as one array for each column; on SQLite the
    driver runs the statement for each row, without returning to Python.
    """

    def __init__(self, *, sqlite: str, postgresql: str) -> None:
        self._sqlite = " ".join(sqlite.split())
        self._postgresql = " ".join(postgresql.split())

    def write(self, connection: sa.Connection, fixed: tuple[Any, ...], rows: Sequence[Row]) -> None:
        """Write rows; the values of `fixed` come before those of each row."""
        if not rows:
            return
        if connection.dialect.name == "postgresql":
            columns = [list(column) for column in zip(*rows, strict=True)]
            connection.exec_driver_sql(self._postgresql, (*fixed, *columns))
        else:
            connection.exec_driver_sql(self._sqlite, [(*fixed, *row) for row in rows])


def insert(table: str, columns: dict[str, str]) -> Bulk:
    """Inserts rows whose tenant_id and ledger_id are the same; the columns come with their array types."""
    names = ", ".join(("tenant_id", "ledger_id", *columns))
    marks = ", ".join("?" * (len(columns) + 2))
    arrays = ", ".join(f"%s::{each}[]" for each in columns.values())
    return Bulk(
        sqlite=f"INSERT INTO {table} ({names}) VALUES ({marks})",
        postgresql=f"INSERT INTO {table} ({names}) SELECT %s, %s, * FROM unnest({arrays})",
    )

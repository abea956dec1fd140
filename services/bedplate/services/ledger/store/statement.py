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
_LOCK = re.compile(r"\bFOR (?:NO KEY UPDATE|UPDATE|KEY SHARE|SHARE)\b(?: SKIP LOCKED| NOWAIT)?")


class Statement:
    """One statement in PostgreSQL's dialect, its values by name, such as `:ledger_id`.

    `= ANY(:types)` takes a list. Where SQLite needs another text, it is given.
    """

    def __init__(self, text: str, *, sqlite: str = "") -> None:
        self._postgresql = _NAME.sub(r"%(\1)s", " ".join(text.split()))
        sqlite = " ".join((sqlite or text).split())
        self._lists = set(_ANY.findall(sqlite))
        self._sqlite = _ANY.sub(r"IN (SELECT value FROM json_each(:\1))", sqlite)
        if lock := _LOCK.search(text):
            # SQLite has no row locks and skips comments; a simulated database reads this one.
            self._sqlite += f" /* {lock[0]} */"

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


def lookup(select: str, column: str, kind: str, *, lock: bool = False, order: str = "") -> Statement:
    """Makes a statement that finds the rows in which a column has one of `:values`.

    On PostgreSQL each value is looked up by itself (`OFFSET 0` keeps the planner
    from turning it into a join): without statistics, which a young table has
    none of, it takes a tenant and a ledger for very few rows and reads all of
    them, for every call or even every row.

    Args:
        select: `SELECT columns FROM table WHERE the beginning of the key`.
        column: The column.
        kind: Its type on PostgreSQL.
        lock: Whether to lock the rows, in the order of `:values`. SQLite has no
            row locks: there `bedplate.data` runs transactions one by one.
        order: The columns by which the rows are sorted.
    """
    for_update = "FOR NO KEY UPDATE" if lock else ""
    order_by = f"ORDER BY {order}" if order else ""
    return Statement(
        f"""
        SELECT found.* FROM unnest(:values::{kind}[]) AS wanted (value)
        CROSS JOIN LATERAL ({select} AND {column} = wanted.value OFFSET 0 {for_update}) AS found {order_by}
        """,
        sqlite=f"{select} AND {column} = ANY(:values) {order_by}",
    )


def indexed(text: str, table: str, index: str) -> str:
    """The SQLite form of a statement that reads a table by an index, and no other way.

    Without statistics SQLite takes the primary key where that gives the order
    that is asked for, or an index whose first columns are as many, and reads a
    whole ledger for one account: 88 ms a page instead of 2 among a million entries.
    """
    return re.sub(rf"\bFROM {table}\b", f"FROM {table} INDEXED BY {index}", text)


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

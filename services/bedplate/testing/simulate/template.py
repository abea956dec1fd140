"""The tables of a simulated database, made once and used by every run."""

import re
import sqlite3
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import StaticPool

from bedplate.data.migrate import migrate
from bedplate.records import tables
from bedplate.testing.databases import sqlite_url

# SQLite takes no more arguments of a function: twice the columns, and a few.
COLUMNS_MAX = 60

_TRIGGER = re.compile(
    r"(?P<head>CREATE\s+TRIGGER\b.*?\bON\s+\S+(?:\s+FOR\s+EACH\s+ROW)?)"
    r"(?:\s+WHEN\s+(?P<when>.*?))?\s+(?P<body>BEGIN\b.*)",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Unique:
    """What no two rows may have in common.

    Attributes:
        name: The index.
        positions: Its columns, by their place in the table.
    """

    name: str
    positions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Parent:
    """A row that another one refers to by its key.

    Attributes:
        table: Its table.
        positions: The columns that hold its key, by their place in the referring table.
    """

    table: str
    positions: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """What is known of a table.

    Attributes:
        name: Its name.
        columns: Its columns, in order; `rowid` first, when it has no key.
        key: The columns of its primary key, by their place.
        uniques: Other columns that are unique together.
        parents: What it refers to by a primary key.
        insert: Writes a row, its values in the columns' order.
        update: Writes a row over another one; the key of that one comes last.
        delete: Removes the row of a key.
        drawn: It has no key, and SQLite numbers its rows.
    """

    name: str
    columns: tuple[str, ...]
    key: tuple[int, ...]
    uniques: tuple[Unique, ...]
    parents: tuple[Parent, ...]
    insert: str
    update: str
    delete: str
    drawn: bool


@dataclass(frozen=True, slots=True)
class Change:
    """One row that was written.

    Attributes:
        table: Its table.
        operation: `I`, `U` or `D`.
        row: What it holds afterwards; empty: it is gone.
        key: Its key beforehand; empty: it was not there.
    """

    table: Table
    operation: str
    row: tuple[Any, ...]
    key: tuple[Any, ...]


class Template:
    """A schema, and rows that are there in every run.

        template = Template.migrated("ledger", SERVICE.schema)
        template.fill(lambda connection: books.insert_ledger(connection, ...))

    Make one for a test module: the migration is its only slow part. Runs use
    it one after the other and leave it as it was.

    Attributes:
        tables: By name.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        """Take over a connection with tables; `migrated` and `script` are what you want."""
        self._connection = connection
        self._engine = sa.create_engine("sqlite://", creator=lambda: connection, poolclass=StaticPool)
        self._sealed = False
        self.tables: dict[str, Table] = {}
        self.changes: list[Change] = []
        self._live = False

    @classmethod
    def migrated(cls, service: str, schema: Path, *, platform: bool = False) -> "Template":
        """The tables that a service's migrations make.

        Args:
            service: Its noun, such as `ledger`.
            schema: Its script folder, such as `SERVICE.schema`.
            platform: Also the platform's own, which keep outcomes of calls.
        """
        made = _connect()
        with tempfile.TemporaryDirectory(prefix="bedplate-") as folder:
            url = sqlite_url(Path(folder))
            if platform:
                migrate(url, tables.NAME, tables.SCHEMA)
            migrate(url, service, schema)
            file = sqlite3.connect(sa.make_url(url).database or "")
            try:
                file.backup(made)
            finally:
                file.close()
        return cls(made)

    @classmethod
    def script(cls, sql: str) -> "Template":
        """The tables that a script in SQLite's SQL makes."""
        made = _connect()
        made.executescript(sql)
        return cls(made)

    def fill(self, work: Callable[[sa.Connection], object]) -> "Template":
        """Write what every run begins with. Before the first run only."""
        assert not self._sealed, "a template is filled before it is first used"
        with self._engine.connect() as connection:
            self._connection.execute("BEGIN")
            work(connection)
            connection.rollback() if not self._connection.in_transaction else self._connection.commit()
        return self

    def use(self) -> sqlite3.Connection:
        """The connection, ready for a run, which rolls back all that it did."""
        if not self._sealed:
            self._seal()
        assert not self._connection.in_transaction, "a template serves one database of one run at a time"
        return self._connection

    def live(self, live: bool) -> None:
        """Whether triggers fire: the service's own, and those that note changes."""
        self._live = live

    def _seal(self) -> None:
        """Learn the tables; let triggers fire for statements only, and not when changes are put back."""
        self._sealed = True
        connection = self._connection
        connection.create_function("simulated_live", 0, lambda: self._live)
        connection.create_function("simulated_change", -1, self._note)
        connection.execute("PRAGMA recursive_triggers=ON")  # so that REPLACE tells what it deletes
        for name, text in _rows(connection, "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"):
            connection.execute(f'DROP TRIGGER "{name}"')
            connection.execute(_only_live(name, text))
        query = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        names = [name for (name,) in _rows(connection, query)]
        keys = {name: _key_names(connection, name) for name in names}
        self._by_number: list[Table] = []
        for number, name in enumerate(names):
            table = _learn(connection, name, keys)
            self.tables[name] = table
            self._by_number.append(table)
            for trigger in _noting(number, table):
                connection.execute(trigger)

    def _note(self, number: int, operation: str, *values: Any) -> None:
        table = self._by_number[number]
        width = 0 if operation == "D" else len(table.columns)
        self.changes.append(Change(table, operation, values[:width], values[width:]))


def _connect() -> sqlite3.Connection:
    made = sqlite3.connect(":memory:", isolation_level=None, cached_statements=512, check_same_thread=False)
    made.execute("PRAGMA foreign_keys=ON")
    return made


def _rows(connection: sqlite3.Connection, query: str) -> list[tuple[Any, ...]]:
    return connection.execute(query).fetchall()


def _only_live(name: str, text: str) -> str:
    found = _TRIGGER.fullmatch(text.strip())
    if found is None:
        raise ValueError(
            f"trigger {name} is not understood: CREATE TRIGGER ... ON table [WHEN ...] BEGIN ... END"
        )
    when = f" AND ({found['when']})" if found["when"] else ""
    return f"{found['head']} WHEN simulated_live(){when} {found['body']}"


def _key_names(connection: sqlite3.Connection, name: str) -> tuple[str, ...]:
    found = [(row[5], row[1]) for row in _rows(connection, f'PRAGMA table_info("{name}")') if row[5]]
    return tuple(column for _, column in sorted(found)) or ("rowid",)


def _learn(connection: sqlite3.Connection, name: str, keys: dict[str, tuple[str, ...]]) -> Table:
    columns = tuple(row[1] for row in _rows(connection, f'PRAGMA table_info("{name}")'))
    key = keys[name]
    if key == ("rowid",):
        columns = ("rowid", *columns)
    if len(columns) > COLUMNS_MAX:
        raise ValueError(f"table {name} has more than {COLUMNS_MAX} columns")
    uniques = []
    for _, index, unique, origin, *_ in _rows(connection, f'PRAGMA index_list("{name}")'):
        names = [row[2] for row in _rows(connection, f'PRAGMA index_info("{index}")')]
        if unique and origin != "pk" and None not in names:
            uniques.append(Unique(index, tuple(columns.index(each) for each in names)))
    parents: dict[int, list[tuple[Any, ...]]] = {}
    for row in _rows(connection, f'PRAGMA foreign_key_list("{name}")'):
        parents.setdefault(row[0], []).append(row)
    where = " AND ".join(f'"{column}" = ?' for column in key)
    return Table(
        name,
        columns,
        tuple(columns.index(each) for each in key),
        tuple(uniques),
        tuple(_parents(parents, columns, keys)),
        insert=f'INSERT INTO "{name}" ({_listed(columns)}) VALUES ({", ".join("?" * len(columns))})',
        update=f'UPDATE "{name}" SET {_listed(columns, " = ?")} WHERE {where}',
        delete=f'DELETE FROM "{name}" WHERE {where}',
        drawn=key == ("rowid",),
    )


def _listed(columns: tuple[str, ...], after: str = "") -> str:
    return ", ".join(f'"{column}"{after}' for column in columns)


def _parents(
    found: dict[int, list[tuple[Any, ...]]], columns: tuple[str, ...], keys: dict[str, tuple[str, ...]]
) -> list[Parent]:
    parents = []
    for rows in found.values():
        name = rows[0][2]
        own = [row[3] for row in rows]
        theirs = [row[4] for row in rows]
        if None in theirs:
            theirs = list(keys.get(name, ()))
        by_name = dict(zip(theirs, own, strict=False))
        if set(by_name) == set(keys.get(name, ())):
            parents.append(Parent(name, tuple(columns.index(by_name[each]) for each in keys[name])))
    return parents


def _noting(number: int, table: Table) -> list[str]:
    new = ", ".join(f'NEW."{column}"' for column in table.columns)
    old = ", ".join(f'OLD."{table.columns[position]}"' for position in table.key)
    each = {"INSERT": ("I", new), "UPDATE": ("U", f"{new}, {old}"), "DELETE": ("D", old)}
    return [
        f'CREATE TRIGGER "simulated_{event}_{number}" AFTER {event} ON "{table.name}" '
        f"WHEN simulated_live() BEGIN SELECT simulated_change({number}, '{letter}', {values}); END"
        for event, (letter, values) in each.items()
    ]

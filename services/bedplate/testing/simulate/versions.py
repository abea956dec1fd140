"""Committed rows, and of each open transaction what it has written: READ COMMITTED over one SQLite."""

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bedplate.testing.simulate.lock import Holder, Key, Locks
from bedplate.testing.simulate.statement import KEY_SHARE, NO_KEY_UPDATE, UPDATE, Parsed, parse
from bedplate.testing.simulate.template import Change, Table, Template

Parameters = Any
SAVEPOINTS = ("SAVEPOINT ", "ROLLBACK TO ", "RELEASE ")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a statement did.

    Attributes:
        columns: Names of the columns of its rows; None: it has none.
        rows: Its rows.
        count: Rows that it wrote, or -1.
        error: What it raised instead.
    """

    columns: tuple[str, ...] | None = None
    rows: tuple[tuple[Any, ...], ...] = ()
    count: int = -1
    error: sqlite3.Error | None = None


@dataclass(frozen=True, slots=True)
class Blocked:
    """Others hold locks that a statement needs; it has done nothing."""

    by: list[Holder]


@dataclass(eq=False)
class Transaction(Holder):
    """One open transaction.

    Attributes:
        number: Which one it is.
        changes: What it has written so far, in order.
        marks: Savepoints: name, how many changes and which locks there were.
        failed: A statement has failed, and there is no going on but to a savepoint.
    """

    number: int
    changes: list[Change] = field(default_factory=list)
    marks: list[tuple[str, int, dict[Key, int]]] = field(default_factory=list)
    failed: bool = False

    def __post_init__(self) -> None:
        Holder.__init__(self, f"transaction {self.number}")


class Versions:
    """One database in one run.

    All runs in one SQLite transaction that is rolled back at the end. At most
    one transaction's changes are put on top of what is committed at any moment:
    those of the one whose statement runs. So each statement sees what is
    committed when it begins and what its own transaction wrote: READ COMMITTED.
    """

    def __init__(self, template: Template, *, aborts: bool, without_locks_of: frozenset[str]) -> None:
        """Open it.

        Args:
            template: Tables and rows.
            aborts: A statement that fails ends its transaction, unless it is in
                a savepoint, as on PostgreSQL.
            without_locks_of: Tables whose rows are not locked when a SELECT asks for it.
        """
        self._template = template
        self._aborts = aborts
        self._connection = template.use()
        unknown = without_locks_of - set(template.tables)
        assert not unknown, f"no such tables: {', '.join(sorted(unknown))}"
        self._without_locks_of = without_locks_of
        self._connection.execute("BEGIN")
        self._loaded: Transaction | None = None
        self.locks = Locks()

    def close(self) -> None:
        """Leave the template as it was."""
        self._template.live(False)
        self._connection.rollback()

    def run(self, transaction: Transaction, text: str, parameters: Parameters) -> Outcome | Blocked:
        """Run a statement of a transaction, whole or not at all."""
        if text.startswith(SAVEPOINTS):
            return self._savepoint(transaction, text)
        if transaction.failed:
            error = sqlite3.InternalError(
                "current transaction is aborted, commands are ignored until it ends"
            )
            return Outcome(error=error)
        parsed = parse(text)
        self._load(transaction)
        connection = self._connection
        connection.execute("SAVEPOINT simulated_statement")
        try:
            blocked = self._attempt(transaction, parsed, parameters)
        except sqlite3.Error as error:
            connection.execute("ROLLBACK TO simulated_statement")
            blocked = Outcome(error=error)
            transaction.failed = self._aborts
        else:
            if isinstance(blocked, Blocked):
                connection.execute("ROLLBACK TO simulated_statement")
        connection.execute("RELEASE simulated_statement")
        return blocked

    def look(self, text: str, parameters: Parameters) -> Outcome:
        """Run a statement on what is committed; one that writes is refused."""
        self._unload()
        if parse(text).table:
            return Outcome(error=sqlite3.OperationalError("what only reads cannot lock rows"))
        self._connection.execute("PRAGMA query_only=ON")
        try:
            return _fetched(_execute(self._connection, text, parameters))
        except sqlite3.Error as error:
            return Outcome(error=error)
        finally:
            self._connection.execute("PRAGMA query_only=OFF")

    def commit(self, transaction: Transaction) -> None:
        """Make what a transaction wrote everybody's, and let go of its locks."""
        self._load(transaction)
        self._connection.execute("RELEASE simulated_transaction")
        self._loaded = None
        self.locks.release(transaction)

    def rollback(self, transaction: Transaction) -> None:
        """Forget what it wrote, and let go of its locks."""
        if self._loaded is transaction:
            self._unload()
        transaction.changes.clear()
        self.locks.release(transaction)

    def _attempt(self, transaction: Transaction, parsed: Parsed, parameters: Parameters) -> Outcome | Blocked:
        locking = bool(parsed.table) and parsed.table not in self._without_locks_of
        if locking:
            return self._select_locking(transaction, parsed, parameters)
        changes = self._template.changes
        changes.clear()
        self._template.live(True)
        try:
            outcome = _fetched(_execute(self._connection, parsed.text, parameters))
        finally:
            self._template.live(False)
        for change in changes:
            for key, strength in _needed(change):
                if others := self.locks.take(transaction, key, strength):
                    return Blocked(others)
        transaction.changes.extend(changes)
        return outcome

    def _select_locking(
        self, transaction: Transaction, parsed: Parsed, parameters: Parameters
    ) -> Outcome | Blocked:
        table = self._template.tables[parsed.table]
        if parsed.busy == "SKIP LOCKED":
            self._hide(table, self.locks.keys_of_others(transaction, table.name, parsed.strength))
        key = "".join(f' {parsed.alias}."{table.columns[position]}",' for position in table.key)
        text = f"{parsed.text[: parsed.prefix_end]}{key}{parsed.text[parsed.prefix_end :]}"
        outcome = _fetched(_execute(self._connection, text, parameters))
        width = len(table.key)
        for row in outcome.rows:
            if others := self.locks.take(transaction, (table.name, "key", row[:width]), parsed.strength):
                if parsed.busy == "NOWAIT":
                    raise sqlite3.OperationalError("could not obtain lock on row")
                return Blocked(others)
        assert outcome.columns is not None
        if parsed.busy == "SKIP LOCKED":
            self._connection.execute("ROLLBACK TO simulated_statement")
            self._connection.execute("PRAGMA defer_foreign_keys=OFF")
        return Outcome(outcome.columns[width:], tuple(row[width:] for row in outcome.rows), outcome.count)

    def _hide(self, table: Table, keys: Sequence[tuple[Any, ...]]) -> None:
        """Take rows out of sight; the statement's savepoint brings them back."""
        self._connection.execute("PRAGMA defer_foreign_keys=ON")
        for key in keys:
            self._connection.execute(table.delete, key)

    def _savepoint(self, transaction: Transaction, text: str) -> Outcome:
        words = text.split()
        name = words[-1]
        if words[0] == "SAVEPOINT":
            transaction.marks.append((name, len(transaction.changes), transaction.held.copy()))
            return Outcome()
        while transaction.marks[-1][0] != name:
            transaction.marks.pop()
        _, count, held = transaction.marks[-1]
        if words[0] == "RELEASE":
            transaction.marks.pop()
            return Outcome()
        if self._loaded is transaction:
            self._unload()
        del transaction.changes[count:]
        self.locks.release(transaction, held)
        transaction.failed = False
        return Outcome()

    def _load(self, transaction: Transaction) -> None:
        if self._loaded is transaction:
            return
        self._unload()
        self._connection.execute("SAVEPOINT simulated_transaction")
        self._loaded = transaction
        moved: dict[tuple[str, Any], Any] = {}
        transaction.changes = [_put(self._connection, change, moved) for change in transaction.changes]

    def _unload(self) -> None:
        if self._loaded is not None:
            self._connection.execute("ROLLBACK TO simulated_transaction")
            self._connection.execute("RELEASE simulated_transaction")
            self._loaded = None


def _execute(connection: sqlite3.Connection, text: str, parameters: Parameters) -> sqlite3.Cursor:
    if isinstance(parameters, list):
        return connection.executemany(text, parameters)
    return connection.execute(text, parameters or ())


def _fetched(cursor: sqlite3.Cursor) -> Outcome:
    if cursor.description is None:
        return Outcome(count=cursor.rowcount)
    rows = tuple(cursor.fetchall())
    return Outcome(tuple(column[0] for column in cursor.description), rows, cursor.rowcount)


def _put(connection: sqlite3.Connection, change: Change, moved: dict[tuple[str, Any], Any]) -> Change:
    """Write a row again as a statement has written it before; no trigger fires.

    A row of a table without a key may get another number, since others have
    numbered theirs meanwhile; `moved` knows which, and what is returned has it.
    """
    table = change.table
    if table.drawn:
        number = change.key[0] if change.key else change.row[0]
        if change.operation == "I":
            row = (None, *change.row[1:])
            moved[table.name, number] = connection.execute(table.insert, row).lastrowid
        number = moved.get((table.name, number), number)
        change = replace(
            change,
            row=(number, *change.row[1:]) if change.row else (),
            key=(number,) if change.key else (),
        )
    if change.operation == "U":
        connection.execute(table.update, (*change.row, *change.key))
    elif change.operation == "D":
        connection.execute(table.delete, change.key)
    elif not table.drawn:
        connection.execute(table.insert, change.row)
    return change


def _needed(change: Change) -> list[tuple[Key, int]]:
    """The locks that writing a row takes: the row's, those of its unique columns, shares of its parents'."""
    table, row = change.table, change.row
    if not row:
        return [((table.name, "key", change.key), UPDATE)]
    key = tuple(row[position] for position in table.key)
    needed: list[tuple[Key, int]]
    if change.operation == "I":
        needed = [] if table.drawn else [((table.name, "key", key), UPDATE)]
    else:
        moved = key != change.key
        needed = [((table.name, "key", change.key), UPDATE if moved else NO_KEY_UPDATE)]
        if moved:
            needed.append(((table.name, "key", key), UPDATE))
    for unique in table.uniques:
        values = tuple(row[position] for position in unique.positions)
        if None not in values:
            needed.append(((table.name, unique.name, values), UPDATE))
    for parent in table.parents:
        values = tuple(row[position] for position in parent.positions)
        if None not in values:
            needed.append(((parent.table, "key", values), KEY_SHARE))
    return needed

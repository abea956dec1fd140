"""SQLite as a database for units of work: one writer, a few readers, one file."""

import sqlite3
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.pool import NullPool

from bedplate.data.fault import SWALLOWED, Verdict, origin

# SQLite's own wait cannot be interrupted, so it is short and the unit retries.
BUSY_TIMEOUT_MS = 50
CANCEL_EVERY_S = 0.01

_CONTENDED = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_UNAVAILABLE = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_NOMEM,
}


def path_of(url: sa.URL) -> Path:
    """The file of a SQLite URL, made absolute.

    Raises:
        ValueError: It names no file: a database in memory has one connection and no lock.
    """
    if not url.database or url.database == ":memory:":
        raise ValueError("a SQLite database needs a file, such as sqlite:///./bedplate.db")
    return Path(url.database).absolute()


def prepare(path: Path) -> None:
    """Create the file, readable by its owner only, and switch it to write-ahead logging."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.touch(mode=0o600, exist_ok=True)
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
    finally:
        connection.close()


class SqliteDriver:
    """Opens connections that either write or only read."""

    errors: tuple[type[Exception], ...] = (exc.DBAPIError, sqlite3.Error, OSError)

    def __init__(self, path: Path, *, write: bool) -> None:
        self._write = write
        self._engine = sa.create_engine(
            sa.URL.create("sqlite", database=str(path)),
            poolclass=NullPool,
            # None: the driver begins nothing by itself; its default begins late and loses updates.
            connect_args={"isolation_level": None, "check_same_thread": False, "cached_statements": 256},
        )

    def connect(self) -> "SqliteSession":
        """Open the file."""
        return SqliteSession(self._engine.connect(), write=self._write)


class SqliteSession:
    """One SQLite connection."""

    cancel_every_s = CANCEL_EVERY_S
    cancels_commit = False  # half a commit is nobody's wish, and it waits for the disk only

    def __init__(self, connection: sa.Connection, *, write: bool) -> None:
        self.connection = connection
        raw: Any = connection.connection.dbapi_connection

        self._raw: sqlite3.Connection = raw
        self._begin = "BEGIN IMMEDIATE" if write else "BEGIN"
        raw.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
        raw.execute("PRAGMA foreign_keys=ON")
        raw.execute("PRAGMA synchronous=FULL")
        if not write:
            raw.execute("PRAGMA query_only=ON")

    def begin(self, left_s: float, *, write: bool, serializable: bool) -> sa.RootTransaction:
        """Begin; the writer takes the write lock at once, so that what it reads stays true."""
        self._raw.execute(self._begin)
        return self.connection.begin()

    def commit(self, transaction: sa.RootTransaction) -> None:
        """Commit, unless SQLite has rolled the transaction back after an error that the work caught."""
        if not self._raw.in_transaction:
            raise RuntimeError(SWALLOWED)
        transaction.commit()

    def clean(self) -> bool:
        """Roll back whatever is open."""
        try:
            self.connection.rollback()
            if self._raw.in_transaction:
                self._raw.rollback()
        except (exc.SQLAlchemyError, sqlite3.Error):
            return False
        return not self.connection.invalidated

    def verdict(self, error: BaseException, *, write: bool, committing: bool = False) -> Verdict:
        """Judge by SQLite's primary result code."""
        found = origin(error)
        if not isinstance(found, sqlite3.Error):
            return Verdict.OURS
        code = getattr(found, "sqlite_errorcode", 0) & 0xFF
        if code in _CONTENDED:
            return Verdict.CONTENDED
        if code == sqlite3.SQLITE_INTERRUPT:
            return Verdict.STOPPED
        if code == sqlite3.SQLITE_IOERR and committing:
            # A frame whose fsync failed may still be found, whole, after a crash.
            return Verdict.UNKNOWN
        if code in _UNAVAILABLE or (code == sqlite3.SQLITE_READONLY and write):
            return Verdict.UNAVAILABLE
        return Verdict.OURS

    def cancel(self) -> None:
        """Interrupt the running statement."""
        self._raw.interrupt()

    def kill(self) -> bool:
        """There is no wire to cut: an interrupted statement always returns."""
        return False

    def close(self) -> None:
        """Close the connection."""
        self.connection.invalidate()
        self.connection.close()

"""PostgreSQL as a database for units of work, over psycopg 3."""

import contextlib
import os
import socket
from typing import Any

import psycopg
import sqlalchemy as sa
from psycopg import pq
from sqlalchemy import exc
from sqlalchemy.pool import NullPool

from bedplate.data.fault import SWALLOWED, Verdict, origin

CANCEL_EVERY_S = 0.1
CANCEL_MAX_S = 1.0
TIMEOUT_MAX_MS = 2**31 - 1  # PostgreSQL's own bound
_NAMES = {"postgres", "postgresql", "postgresql+psycopg"}

# A peer that has gone without a word is noticed after about a minute when idle
# and after 20 s when it owes an answer. Whatever the URL says wins.
_CONNECT_DEFAULTS: dict[str, str | int] = {
    "application_name": "bedplate",
    "connect_timeout": 5,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,
}

_CONTENDED = {"40001", "40P01"}  # serialization_failure, deadlock_detected
_LOST = {"57P01", "57P02", "57P03", "57P05"}  # the server shut down, crashed, is starting, timed out
_UNABLE = ("53", "58")  # insufficient resources, such as a full disk; errors of the system
_READ_ONLY = "25006"
_STOPPED = "57014"
_STALE_PLAN = "0A000"  # feature_not_supported: also a prepared statement whose table has changed


def is_postgresql(url: sa.URL) -> bool:
    """Whether a URL names PostgreSQL."""
    return url.drivername in _NAMES


def with_driver(url: sa.URL) -> sa.URL:
    """The URL as SQLAlchemy wants it: psycopg 3, and the defaults that the URL leaves open."""
    missing = {name: str(value) for name, value in _CONNECT_DEFAULTS.items() if name not in url.query}
    return url.set(drivername="postgresql+psycopg").update_query_dict(missing)


class PostgresqlDriver:
    """Opens connections to one server."""

    errors: tuple[type[Exception], ...] = (exc.DBAPIError, psycopg.Error, OSError)

    def __init__(self, url: sa.URL) -> None:
        self._engine = sa.create_engine(
            with_driver(url),
            poolclass=NullPool,
            # `PostgresqlSession.begin` begins, in one round trip with the
            # timeout; psycopg's own BEGIN would be another.
            isolation_level="AUTOCOMMIT",
            use_native_hstore=False,
        )

    def connect(self) -> "PostgresqlSession":
        """Connect, with times in UTC."""
        connection = self._engine.connect()
        try:
            return PostgresqlSession(connection)
        except BaseException:
            connection.close()
            raise


class PostgresqlSession:
    """One PostgreSQL connection."""

    cancel_every_s = CANCEL_EVERY_S
    # statement_timeout ends before the commit itself, in which deferred triggers
    # run and standbys are waited for. The server says whether a cancel won.
    cancels_commit = True

    def __init__(self, connection: sa.Connection) -> None:
        self.connection = connection
        raw: Any = connection.connection.dbapi_connection

        self._raw: psycopg.Connection[Any] = raw
        raw.execute("SET TIME ZONE 'UTC'")
        # A descriptor of our own: psycopg's may be closed, and its number used
        # by another socket, at the moment when `kill` reads it.
        self._wire = socket.socket(fileno=os.dup(raw.pgconn.socket))

    def begin(self, left_s: float, *, write: bool, serializable: bool) -> sa.RootTransaction:
        """Begin and set the statement timeout in one round trip."""
        level = b"SERIALIZABLE" if serializable else b"READ COMMITTED" if write else b"REPEATABLE READ"
        access = b"READ WRITE" if write else b"READ ONLY"
        timeout_ms = min(max(1, int(left_s * 1000)), TIMEOUT_MAX_MS)
        command = b"BEGIN ISOLATION LEVEL %b %b; SET LOCAL statement_timeout = %d"
        try:
            result = self._raw.pgconn.exec_(command % (level, access, timeout_ms))
        except MemoryError:
            # libpq made no result, since it could not even send.
            raise psycopg.OperationalError("the connection is lost") from None
        if result.status != pq.ExecStatus.COMMAND_OK:
            raise psycopg.errors.error_from_result(result, encoding="utf-8")
        return self.connection.begin()

    def commit(self, transaction: sa.RootTransaction) -> None:
        """Commit, unless the transaction has failed: PostgreSQL would answer COMMIT with a rollback."""
        if self._raw.pgconn.transaction_status != pq.TransactionStatus.INTRANS:
            raise RuntimeError(SWALLOWED)
        transaction.commit()

    def clean(self) -> bool:
        """Roll back whatever is open."""
        try:
            self.connection.rollback()
            if self._raw.pgconn.transaction_status != pq.TransactionStatus.IDLE:
                self._raw.rollback()
        except (exc.SQLAlchemyError, psycopg.Error):
            return False
        return not self.connection.invalidated and not self._raw.closed

    def verdict(self, error: BaseException, *, write: bool, committing: bool = False) -> Verdict:
        """Judge by SQLSTATE, and by whether the connection is still there."""
        found = origin(error)
        if not isinstance(found, psycopg.Error):
            return Verdict.OURS
        state = found.sqlstate or ""
        if self._raw.closed or state in _LOST or state.startswith("08"):
            return Verdict.UNKNOWN if committing else Verdict.LOST
        if state in _CONTENDED:
            return Verdict.CONTENDED
        if state == _STOPPED:
            return Verdict.STOPPED
        if state == _STALE_PLAN and "cached plan" in str(found):
            return Verdict.LOST
        if state.startswith(_UNABLE) or (state == _READ_ONLY and write):
            return Verdict.UNAVAILABLE
        return Verdict.OURS

    def cancel(self) -> None:
        """Ask the server, over a connection of its own, to stop the running statement."""
        with contextlib.suppress(psycopg.Error):
            self._raw.cancel_safe(timeout=CANCEL_MAX_S)

    def kill(self) -> bool:
        """Shut the socket: the thread that waits on it gets an error at once."""
        with contextlib.suppress(OSError):
            self._wire.shutdown(socket.SHUT_RDWR)
        return True

    def close(self) -> None:
        """Close the connection."""
        self._wire.close()
        self.connection.invalidate()
        self.connection.close()

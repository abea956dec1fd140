"""Brings a service's tables to the schema that its code expects.

Each service has a script folder of numbered, one-way revisions and a version
table `<service>_version` of its own. The whole of its `schema/env.py`:

    from bedplate.data.migrate import run

    run()

and of a revision, `schema/versions/0002_note.py`:

    from bedplate.data.migrate import execute

    revision = "0002"
    down_revision = "0001"


    def upgrade() -> None:
        execute("ALTER TABLE item ADD COLUMN note TEXT")
        execute(
            postgresql="ALTER TABLE item ADD COLUMN extra JSONB",
            sqlite="ALTER TABLE item ADD COLUMN extra TEXT",
        )

A revision expands (a column that is nullable or has a default) or contracts
what no running version uses any more; old and new code run side by side.
"""

import contextlib
import hashlib
import logging
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command, context, op
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import event, exc
from sqlalchemy.pool import NullPool

from bedplate.data import sqlite
from bedplate.data.engine import Database
from bedplate.data.lock import FileLock
from bedplate.data.postgresql import is_postgresql, with_driver

LOG = logging.getLogger("bedplate.data")

QUEUE_MAX_S = 60.0  # how long one migrator waits for another
LOCK_MAX_S = 5.0  # how long a statement waits for a table, and every later query behind it
STATEMENT_MAX_S = 300.0

# Alembic keeps the running migration in a module: one at a time in a process.
_one_at_a_time = threading.Lock()


class MigrationError(Exception):
    """A service's schema could not be brought up to date; the cause says why."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a service's schema stands.

    Attributes:
        current: The revision of the tables, or None: there are none.
        pending: Revisions that the code has and the tables do not, oldest first.
        ahead: The tables are of a newer version than this code, which is
            so while a deployment rolls; nothing is to be done.
    """

    current: str | None
    pending: tuple[str, ...]
    ahead: bool = False


def migrate(
    database: str | Database,
    service: str,
    folder: Path,
    *,
    lock_max_s: float = LOCK_MAX_S,
    statement_max_s: float = STATEMENT_MAX_S,
) -> list[str]:
    """Apply what is pending. Several processes may try at once: one does it, the others wait.

    It blocks; call it before the server takes calls, or on a thread. On
    PostgreSQL give it a direct connection, since a pooler between would lose the
    session's lock. A revision is a transaction there; on SQLite all are one.

    Args:
        database: A URL or an open database.
        service: Its noun, such as `ledger`.
        folder: Its script folder.
        lock_max_s: How long a statement may wait for a lock before it gives up,
            since everybody else waits behind it.
        statement_max_s: How long a statement may take.

    Returns:
        The revisions that were applied, oldest first.

    Raises:
        MigrationError: A statement failed, or waited too long for a lock.
        InUseError: Another process has the SQLite file open.
    """
    url = _url(database)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_one_at_a_time)
        if is_postgresql(url):
            connection = stack.enter_context(_postgresql(url))
            stack.enter_context(_advisory_lock(connection, service, lock_max_s, statement_max_s))
        else:
            lock = FileLock(sqlite.path_of(url))
            stack.callback(lock.release)
            sqlite.prepare(sqlite.path_of(url))
            connection = stack.enter_context(_sqlite(url, "BEGIN IMMEDIATE"))
        standing = look_up(connection, service, folder)
        connection.rollback()
        if standing.ahead:
            LOG.warning(
                "%s: tables are at revision %s, which this code does not know", service, standing.current
            )
        if not standing.pending:
            return []
        try:
            command.upgrade(_config(service, folder, connection), "head")
        except (exc.SQLAlchemyError, CommandError) as error:
            raise MigrationError(f"{service}: {_why(error)}") from error
        return list(standing.pending)


def standing(database: str | Database, service: str, folder: Path) -> Standing:
    """Where a service's schema stands. Blocks; takes no lock and changes nothing."""
    url = _url(database)
    if is_postgresql(url):
        opened = _postgresql(url)
    elif sqlite.path_of(url).exists():
        opened = _sqlite(url, "BEGIN")
    else:
        return Standing(None, _all_revisions(_config(service, folder)))
    with opened as connection:
        return look_up(connection, service, folder)


def look_up(connection: sa.Connection, service: str, folder: Path) -> Standing:
    """As `standing`, on a connection that is open, such as that of `database.read`."""
    options = {"version_table": _version_table(service)}
    current = MigrationContext.configure(connection, opts=options).get_current_revision()
    known = _all_revisions(_config(service, folder))
    if current is None:
        return Standing(None, known)
    if current not in known:
        return Standing(current, (), ahead=True)
    return Standing(current, known[known.index(current) + 1 :])


def run() -> None:
    """Run the revisions that are wanted. The one line of a service's `env.py`."""
    attributes = context.config.attributes
    connection: sa.Connection = attributes["connection"]
    on_sqlite = connection.dialect.name == "sqlite"
    context.configure(
        connection=connection,
        version_table=attributes["version_table"],
        # SQLite's DDL is transactional too, once its driver begins nothing by itself.
        transactional_ddl=True,
        transaction_per_migration=not on_sqlite,
    )
    with context.begin_transaction():
        context.run_migrations()
        if on_sqlite and (broken := connection.exec_driver_sql("PRAGMA foreign_key_check").all()):
            raise MigrationError(f"rows of {broken[0][0]} refer to rows of {broken[0][2]} that are not there")


def execute(both: str = "", *, postgresql: str = "", sqlite: str = "") -> None:
    """Run SQL in a revision, as it stands: neither `:` nor `%` means anything.

    Args:
        both: One or more statements for either database.
        postgresql: What PostgreSQL runs after these.
        sqlite: What SQLite runs after these.
    """
    connection = op.get_bind().execution_options(no_parameters=True)
    on_sqlite = connection.dialect.name == "sqlite"
    for text in (both, sqlite if on_sqlite else postgresql):
        for statement in _statements(text) if on_sqlite else filter(str.strip, [text]):
            connection.exec_driver_sql(statement)


def outside_transaction() -> AbstractContextManager[None]:
    """For what PostgreSQL does in no transaction, such as CREATE INDEX CONCURRENTLY."""
    return op.get_context().autocommit_block()


def _statements(text: str) -> Iterator[str]:
    """SQLite's driver takes one statement at a time; a trigger's body has semicolons too."""
    statement = ""
    for part in text.split(";"):
        statement += part
        if not statement.strip():
            continue
        if sqlite3.complete_statement(statement + ";"):
            yield statement
            statement = ""
        else:
            statement += ";"
    if statement.strip(" \n\t;"):
        yield statement


def _url(database: str | Database) -> sa.URL:
    return database.connect_url if isinstance(database, Database) else sa.make_url(database)


def _version_table(service: str) -> str:
    return f"{service}_version"


def _config(service: str, folder: Path, connection: sa.Connection | None = None) -> Config:
    config = Config(attributes={"connection": connection, "version_table": _version_table(service)})
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    return config


def _all_revisions(config: Config) -> tuple[str, ...]:
    scripts = ScriptDirectory.from_config(config)
    return tuple(reversed([script.revision for script in scripts.walk_revisions()]))


@contextlib.contextmanager
def _postgresql(url: sa.URL) -> Iterator[sa.Connection]:
    engine = sa.create_engine(with_driver(url), poolclass=NullPool, use_native_hstore=False)
    with engine.connect() as connection:
        yield connection


@contextlib.contextmanager
def _sqlite(url: sa.URL, begin: str) -> Iterator[sa.Connection]:
    connect_args = {"isolation_level": None, "timeout": QUEUE_MAX_S}
    engine = sa.create_engine(url, poolclass=NullPool, connect_args=connect_args)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    with engine.connect() as connection:
        yield connection


@contextlib.contextmanager
def _advisory_lock(
    connection: sa.Connection, service: str, lock_max_s: float, statement_max_s: float
) -> Iterator[None]:
    """Hold the session's lock for a service's migrations; it goes with the session at the latest."""
    key = int.from_bytes(
        hashlib.sha256(f"bedplate migrate {service}".encode()).digest()[:8], "big", signed=True
    )

    def ask(statement: str, value: Any) -> None:
        connection.execute(sa.text(statement), {"value": value})
        connection.commit()

    set_lock_timeout = "SELECT set_config('lock_timeout', :value, false)"
    ask(set_lock_timeout, f"{int(QUEUE_MAX_S * 1000)}ms")
    try:
        ask("SELECT pg_advisory_lock(:value)", key)
    except exc.OperationalError as error:
        raise MigrationError(f"{service}: another migration has run for over {QUEUE_MAX_S:.0f} s") from error
    ask(set_lock_timeout, f"{int(lock_max_s * 1000)}ms")
    ask("SELECT set_config('statement_timeout', :value, false)", f"{int(statement_max_s * 1000)}ms")
    try:
        yield
    finally:
        if not connection.invalidated:
            connection.rollback()
            ask("SELECT pg_advisory_unlock(:value)", key)


def _why(error: Exception) -> str:
    found: BaseException = getattr(error, "orig", None) or error
    if getattr(found, "sqlstate", "") == "55P03":
        return "a table stayed locked; end the long transaction on it and try again"
    return str(found)

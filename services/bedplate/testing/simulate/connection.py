"""What a unit of work gets: a real SQLAlchemy connection whose driver is the simulator."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.engine.result import IteratorResult, SimpleResultMetaData
from sqlalchemy.pool import NullPool

from bedplate.testing.simulate.versions import Outcome, Parameters

Run = Callable[[str, Parameters], Outcome]


class _Compiler(SQLiteCompiler):
    """SQLite's SQL with the row locks that SQLite does not have: the simulator reads them."""

    def for_update_clause(self, select: Any, **kw: Any) -> Any:  # SQLite's own is always empty
        lock = select._for_update_arg
        mode = "NO KEY UPDATE" if lock.key_share else "UPDATE"
        if lock.read:
            mode = "KEY SHARE" if lock.key_share else "SHARE"
        busy = " NOWAIT" if lock.nowait else " SKIP LOCKED" if lock.skip_locked else ""
        return f" FOR {mode}{busy}"


class _Cursor:
    """A driver's cursor that hands statements to the simulator."""

    arraysize = 1
    lastrowid = None

    def __init__(self, driver: "_Driver") -> None:
        self._driver = driver
        self._rows: Iterator[tuple[Any, ...]] = iter(())
        self.description: Sequence[tuple[Any, ...]] | None = None
        self.rowcount = -1

    def execute(self, text: str, parameters: Parameters = ()) -> "_Cursor":
        outcome = self._driver.run(text, parameters)
        if outcome.error is not None:
            raise outcome.error
        self._rows = iter(outcome.rows)
        self.rowcount = outcome.count
        self.description = None
        if outcome.columns is not None:
            self.description = [(name, None, None, None, None, None, None) for name in outcome.columns]
        return self

    def executemany(self, text: str, parameters: Sequence[Parameters]) -> "_Cursor":
        return self.execute(text, list(parameters))

    def fetchone(self) -> tuple[Any, ...] | None:
        return next(self._rows, None)

    def fetchall(self) -> list[tuple[Any, ...]]:
        return list(self._rows)

    def fetchmany(self, size: int = 1) -> list[tuple[Any, ...]]:
        return [row for row, _ in zip(self._rows, range(size), strict=False)]

    def close(self) -> None:
        pass


class _Driver:
    """A driver's connection. It begins and ends nothing: the simulated database does."""

    isolation_level = None

    def __init__(self, run: Run) -> None:
        self.run = run

    def cursor(self) -> _Cursor:
        return _Cursor(self)

    def commit(self) -> None:
        pass

    def rollback(self) -> None:
        pass

    def close(self) -> None:
        pass

    def create_function(self, *args: Any, **kwargs: Any) -> None:
        pass


@lru_cache(maxsize=512)
def _metadata(columns: tuple[str, ...]) -> SimpleResultMetaData:
    return SimpleResultMetaData(columns)


class _Result(IteratorResult[Any]):
    """Rows that are here already, with what a driver's result tells besides."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(_metadata(outcome.columns or ()), iter(outcome.rows))
        self.rowcount = outcome.count
        self.returns_rows = outcome.columns is not None
        if not self.returns_rows:
            self.close()


class _Connection(sa.Connection):
    """Hands SQL that is written as text over as it is: half of a run would go into wrapping it."""

    def __init__(self, engine: sa.Engine, run: Run) -> None:
        super().__init__(engine)
        self._simulate = run

    def exec_driver_sql(self, statement: str, parameters: Any = None, execution_options: Any = None) -> Any:
        outcome = self._simulate(statement, parameters)
        if outcome.error is not None:
            raise exc.DBAPIError.instance(
                statement, parameters, outcome.error, sqlite3.Error, dialect=self.dialect
            ) from outcome.error
        return _Result(outcome)


def _nothing(text: str, parameters: Parameters) -> Outcome:
    return Outcome()


class Connections:
    """Makes connections."""

    def __init__(self) -> None:
        self._next: Run = _nothing
        self._engine = sa.create_engine("sqlite://", creator=lambda: _Driver(self._next), poolclass=NullPool)
        dialect: Any = self._engine.dialect
        dialect.statement_compiler = _Compiler
        dialect.initialize = lambda connection: None

    def connect(self, run: Run) -> sa.Connection:
        """A connection whose statements a function answers."""
        self._next = run
        return _Connection(self._engine, run)

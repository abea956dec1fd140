"""Open transactions, statement by statement: the simulated database does what PostgreSQL does."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from bedplate.testing.simulate import Template
from bedplate.testing.simulate.versions import Blocked, Transaction, Versions

TABLES = """
    CREATE TABLE item (id TEXT PRIMARY KEY, code TEXT UNIQUE, value INTEGER NOT NULL CHECK (value >= 0));
    CREATE TABLE part (id TEXT PRIMARY KEY, item TEXT NOT NULL REFERENCES item);
    INSERT INTO item VALUES ('a', 'red', 1), ('b', 'blue', 2), ('c', NULL, 3);
    INSERT INTO part VALUES ('p', 'a');
"""
TEMPLATE = Template.script(TABLES)
SCRIPTS = 40
STEPS = 16
OPEN = 3  # transactions at once

INSERTED = ["'d', 'green'", "'e', 'gold'"]

Script = list[tuple[int, str]]


def drawn(number: int) -> Script:
    """A script: which transaction does what, step by step."""
    source = random.Random(number)

    def item() -> str:
        return source.choice("abcde")

    def old() -> str:
        return source.choice("abc")

    # Rows that are inserted are not changed or referred to: docs/simulator.md tells of that difference.
    kinds = [
        lambda: f"SELECT id, value FROM item WHERE id = '{item()}'",
        lambda: "SELECT id, code, value FROM item ORDER BY id",
        lambda: f"SELECT value FROM item WHERE id = '{item()}' FOR UPDATE",
        lambda: f"SELECT value FROM item WHERE id >= '{item()}' ORDER BY id FOR NO KEY UPDATE",
        lambda: f"SELECT value FROM item WHERE id = '{item()}' FOR SHARE",
        lambda: f"SELECT value FROM item WHERE id = '{item()}' FOR KEY SHARE",
        lambda: "SELECT id FROM item ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED",
        lambda: f"SELECT id FROM item WHERE id = '{item()}' FOR NO KEY UPDATE NOWAIT",
        lambda: f"UPDATE item SET value = value + 1 WHERE id = '{old()}'",
        lambda: f"UPDATE item SET value = value - 2 WHERE id = '{old()}'",
        lambda: f"UPDATE item SET value = 9 WHERE value > {source.randrange(4)} AND id < 'd'",
        lambda: f"INSERT INTO item VALUES ({source.choice(INSERTED)}, 5)",
        lambda: f"INSERT INTO item VALUES ('{source.choice('de')}', NULL, 5) ON CONFLICT (id) DO NOTHING",
        lambda: f"INSERT INTO part VALUES ('{source.choice('rs')}', '{old()}')",
        lambda: f"DELETE FROM part WHERE id = '{source.choice('pq')}'",
        lambda: "COMMIT",
        lambda: "COMMIT",
        lambda: "ROLLBACK",
    ]
    return [(source.randrange(OPEN), source.choice(kinds)()) for _ in range(STEPS)]


def simulated(script: Script) -> list[Any]:
    """What the simulated database answers to each step."""
    versions = Versions(TEMPLATE, aborts=True, without_locks_of=frozenset())
    transactions = [Transaction(number) for number in range(OPEN)]
    answers: list[Any] = []
    try:
        for who, text in script:
            mine = transactions[who]
            if text in ("COMMIT", "ROLLBACK"):
                (versions.commit if text == "COMMIT" else versions.rollback)(mine)
                transactions[who] = Transaction(who)
                answers.append(text)
                continue
            versions.run(mine, "SAVEPOINT step", ())
            answer = versions.run(mine, text, ())
            if isinstance(answer, Blocked):
                answers.append("waits")
            elif answer.error is not None:
                answers.append("waits" if "obtain lock" in str(answer.error) else "refused")
            else:
                answers.append(list(answer.rows) if answer.columns else answer.count)
            done = isinstance(answers[-1], str)
            versions.run(mine, "ROLLBACK TO step" if done else "RELEASE step", ())
    finally:
        versions.close()
    return answers


def real(script: Script, connections: list[psycopg.Connection[Any]]) -> list[Any]:
    """What PostgreSQL answers to each step; a statement that waits is given up."""
    answers: list[Any] = []
    for who, text in script:
        connection = connections[who]
        if text in ("COMMIT", "ROLLBACK"):
            (connection.commit if text == "COMMIT" else connection.rollback)()
            answers.append(text)
            continue
        try:
            connection.execute("SELECT 1")  # so that the transaction is open, and the block a savepoint in it
            with connection.transaction():
                cursor = connection.execute(text.encode())
                answers.append(cursor.fetchall() if cursor.description else cursor.rowcount)
        except psycopg.errors.LockNotAvailable:
            answers.append("waits")
        except psycopg.errors.IntegrityError:
            answers.append("refused")
    for connection in connections:
        connection.rollback()
    return answers


@contextmanager
def tables(url: str) -> Iterator[list[psycopg.Connection[Any]]]:
    """Connections in open transactions, READ COMMITTED, that do not wait long for a lock."""
    connections = [psycopg.connect(url, options="-c lock_timeout=5ms") for _ in range(OPEN)]
    try:
        yield connections
    finally:
        for connection in connections:
            connection.close()


@pytest.fixture
def item_url(postgresql_url: str) -> str:
    with psycopg.connect(postgresql_url, autocommit=True) as connection:
        connection.execute(TABLES.encode())
    return postgresql_url


def test_transactions_see_and_wait_for_what_they_would_on_postgresql(item_url):
    compare(item_url, SCRIPTS)


@pytest.mark.soak
def test_transactions_do_the_same_as_on_postgresql_in_a_thousand_scripts(item_url):
    compare(item_url, 1_000)


def compare(item_url: str, scripts: int) -> None:
    waited = refused = 0
    with psycopg.connect(item_url, autocommit=True) as owner, tables(item_url) as connections:
        for number in range(scripts):
            script = drawn(number)
            owner.execute(f"DROP TABLE part, item; {TABLES}".encode())

            expected = real(script, connections)

            answers = simulated(script)
            told = "\n".join(
                f"{who} {text:<80} {one!r} {'' if one == other else f'here: {other!r}'}"
                for (who, text), one, other in zip(script, expected, answers, strict=True)
            )
            assert answers == expected, f"script {number}:\n{told}"
            waited += expected.count("waits")
            refused += expected.count("refused")
    assert waited > scripts
    assert refused > scripts // 4

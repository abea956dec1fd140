"""The outcome of a call as it is kept: a row of `bedplate_outcomes`."""

import enum
import hashlib
import json
import re
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import sqlalchemy as sa

from bedplate.errors import Kind, Refusal, Violation

# How long those wait who meet an attempt that runs, seconds.
RETRY_AFTER_S = 0.1
RETRY_AFTER_MAX_S = 5.0


class Key(NamedTuple):
    """Whose outcome it is, and of what."""

    tenant_id: str
    principal_id: str
    method: str
    request_id: str

    def digest(self) -> bytes:
        """32 bytes that stand for it."""
        parts = (part.encode() for part in self)
        return hashlib.sha256(b"".join(len(part).to_bytes(4, "big") + part for part in parts)).digest()


class State(enum.IntEnum):
    """How far a call has come."""

    BEGUN = 1
    ANSWERED = 2
    REFUSED = 3


@dataclass(frozen=True, slots=True)
class Outcome:
    """An outcome.

    Attributes:
        state: How far the call has come.
        owner: The attempt that has it.
        lease_us: Until when nobody else may go on with it, while it is begun.
        asked: What was asked; see `asked.asked`.
        answer: The response's bytes, or the refusal; empty while it is begun.
        expire_us: Until when it is kept.
    """

    state: State
    owner: str
    lease_us: int
    asked: bytes
    answer: bytes
    expire_us: int


_NAME = re.compile(r":(\w+)")

_FIND = """
SELECT state, owner, lease_us, asked, answer, expire_us FROM bedplate_outcomes
WHERE tenant_id = :tenant_id AND principal_id = :principal_id AND method = :method
    AND request_id = :request_id
"""
# Over a row that is there only when that has expired, or belongs to whom the
# writer has seen it to belong to: nobody else has gone on with it since.
_SAVE = """
INSERT INTO bedplate_outcomes (tenant_id, principal_id, method, request_id, state, owner, lease_us, asked,
    answer, create_time_us, expire_us)
VALUES (:tenant_id, :principal_id, :method, :request_id, :state, :owner, :lease_us, :asked,
    :answer, :now_us, :expire_us)
ON CONFLICT (tenant_id, principal_id, method, request_id) DO UPDATE SET
    state = excluded.state, owner = excluded.owner, lease_us = excluded.lease_us, asked = excluded.asked,
    answer = excluded.answer, create_time_us = excluded.create_time_us, expire_us = excluded.expire_us
WHERE bedplate_outcomes.expire_us <= :now_us
    OR (bedplate_outcomes.state = 1 AND bedplate_outcomes.owner = :seen)
"""
_RELEASE = """
UPDATE bedplate_outcomes SET lease_us = 0
WHERE tenant_id = :tenant_id AND principal_id = :principal_id AND method = :method
    AND request_id = :request_id
    AND state = 1 AND owner = :owner
"""
_EXPIRED = """
DELETE FROM bedplate_outcomes WHERE (tenant_id, principal_id, method, request_id) IN (
    SELECT tenant_id, principal_id, method, request_id FROM bedplate_outcomes
    WHERE expire_us <= :now_us ORDER BY expire_us LIMIT :limit {skip}
)
"""


def find(connection: sa.Connection, key: Key, now_us: int) -> Outcome | None:
    """The outcome of a call; None: there is none, or it has expired."""
    row = _run(connection, _FIND, key._asdict()).one_or_none()
    if row is None or row.expire_us <= now_us:
        return None
    return Outcome(
        State(row.state), row.owner, row.lease_us, bytes(row.asked), bytes(row.answer), row.expire_us
    )


def lock(connection: sa.Connection, key: Key) -> bool:
    """Have a call to oneself until the transaction ends; False: another transaction has it.

    SQLite runs transactions that write one by one.
    """
    if connection.dialect.name != "postgresql":
        return True
    number = int.from_bytes(key.digest()[:8], "big", signed=True)
    statement = "SELECT pg_try_advisory_xact_lock(:number) AS got"
    return bool(_run(connection, statement, {"number": number}).scalar_one())


def save(connection: sa.Connection, key: Key, outcome: Outcome, *, seen: str, now_us: int) -> bool:
    """Write an outcome; False: another attempt has written one, or gone on with it.

    Args:
        connection: Of the business transaction.
        key: Whose it is.
        outcome: What to write.
        seen: The owner that `find` told of; empty for none.
        now_us: The time.
    """
    values = {
        **key._asdict(),
        "state": int(outcome.state),
        "owner": outcome.owner,
        "lease_us": outcome.lease_us,
        "asked": outcome.asked,
        "answer": outcome.answer,
        "expire_us": outcome.expire_us,
        "seen": seen,
        "now_us": now_us,
    }
    return _run(connection, _SAVE, values).rowcount == 1


def release(connection: sa.Connection, key: Key, owner: str) -> None:
    """Let others go on with a call that is begun, at once."""
    _run(connection, _RELEASE, {**key._asdict(), "owner": owner})


def delete_expired(connection: sa.Connection, now_us: int, limit: int) -> int:
    """Delete outcomes whose time has passed, the oldest first; how many."""
    on_postgresql = connection.dialect.name == "postgresql"
    statement = _EXPIRED.format(skip="FOR UPDATE SKIP LOCKED" if on_postgresql else "")
    return _run(connection, statement, {"now_us": now_us, "limit": limit}).rowcount


def in_progress(retry_after_s: float = RETRY_AFTER_S) -> Refusal:
    """The same call is being worked on."""
    return Refusal(
        Kind.CONFLICT,
        "IDEMPOTENCY_IN_PROGRESS",
        "The same request is being worked on; repeat it to get its answer.",
        retry_after_s=min(max(retry_after_s, RETRY_AFTER_S), RETRY_AFTER_MAX_S),
    )


def reused(field: str) -> Refusal:
    """The id belongs to another request."""
    sentence = f"Another request was made under this request_id: {field} differs. Use a fresh one."
    return Refusal(
        Kind.EXISTS,
        "IDEMPOTENCY_KEY_REUSED",
        sentence,
        violations=[Violation(field, "It differs from the first request under this request_id.")],
        field=field,
    )


def refusal_to_bytes(refusal: Refusal) -> bytes:
    """A refusal as it is kept."""
    content = {
        "kind": refusal.kind.value,
        "reason": refusal.reason,
        "sentence": refusal.sentence,
        "violations": [[each.field, each.sentence, each.rule] for each in refusal.violations],
        "retry_after_s": refusal.retry_after_s,
        "facts": dict(refusal.facts),
    }
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode()


def refusal_from_bytes(text: bytes) -> Refusal:
    """A refusal, again."""
    content: dict[str, Any] = json.loads(text)
    refusal = Refusal(
        Kind(content["kind"]),
        content["reason"],
        content["sentence"],
        violations=[Violation(*each) for each in content["violations"]],
        retry_after_s=content["retry_after_s"],
    )
    refusal.facts = content["facts"]  # a fact may be called as an argument is
    return refusal


def _run(connection: sa.Connection, statement: str, values: dict[str, Any]) -> sa.CursorResult[Any]:
    if connection.dialect.name == "postgresql":
        return connection.exec_driver_sql(_for_psycopg(statement), values)
    return connection.exec_driver_sql(statement, values)


@cache
def _for_psycopg(statement: str) -> str:
    return _NAME.sub(r"%(\1)s", statement)

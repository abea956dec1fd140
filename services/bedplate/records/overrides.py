"""Overrides of policies, as they are kept: every one that was ever set, and how it ended."""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

_COLUMNS = "override_id, target, options, note, set_by, create_time_us, expire_us, cleared_by, clear_us"
_INSERT = sa.text(
    f"INSERT INTO bedplate_overrides ({_COLUMNS}) VALUES (:override_id, :target, :options, :note,"
    " :set_by, :create_time_us, :expire_us, '', NULL)"
    " ON CONFLICT (override_id) DO NOTHING"
)
_ACTIVE = sa.text(
    f"SELECT {_COLUMNS} FROM bedplate_overrides WHERE clear_us IS NULL AND expire_us > :now_us"
    " ORDER BY create_time_us, override_id"
)
_LIST = sa.text(
    f"SELECT {_COLUMNS} FROM bedplate_overrides"
    " WHERE (create_time_us, override_id) > (:after_us, :after_id)"
    " ORDER BY create_time_us, override_id LIMIT :limit"
)
_FIND = sa.text(f"SELECT {_COLUMNS} FROM bedplate_overrides WHERE override_id = :override_id")
_CLEAR = sa.text(
    "UPDATE bedplate_overrides SET cleared_by = :cleared_by, clear_us = :now_us"
    " WHERE override_id = :override_id AND clear_us IS NULL AND expire_us > :now_us"
)


@dataclass(frozen=True, slots=True)
class StoredOverride:
    """An override as it is kept; times are microseconds since 1970.

    Attributes:
        override_id: Its id.
        target: Full name of a service or of a method, `package.Service/Method`.
        options: What it sets: a MethodPolicy as JSON.
        note: Why it was set.
        set_by: The principal who set it.
        create_time_us: When.
        expire_us: When it ends by itself.
        cleared_by: The principal who ended it before; empty: nobody.
        clear_us: When; None: nobody has.
    """

    override_id: str
    target: str
    options: str
    note: str
    set_by: str
    create_time_us: int
    expire_us: int
    cleared_by: str = ""
    clear_us: int | None = None


def insert(connection: sa.Connection, override: StoredOverride) -> StoredOverride:
    """Add an override; the one that is there under its id, and no change, when there is one."""
    values: dict[str, Any] = {name: getattr(override, name) for name in StoredOverride.__slots__}
    if connection.execute(_INSERT, values).rowcount:
        return override
    row = connection.execute(_FIND, {"override_id": override.override_id}).one()
    return StoredOverride(*row)


def active(connection: sa.Connection, now_us: int) -> tuple[StoredOverride, ...]:
    """The overrides that are in force, in the order in which they were set."""
    return tuple(StoredOverride(*row) for row in connection.execute(_ACTIVE, {"now_us": now_us}))


def list_after(connection: sa.Connection, *, after: tuple[int, str], limit: int) -> list[StoredOverride]:
    """All overrides, those that have ended too, after a place."""
    values = {"after_us": after[0], "after_id": after[1], "limit": limit}
    return [StoredOverride(*row) for row in connection.execute(_LIST, values)]


def clear(
    connection: sa.Connection, override_id: str, *, cleared_by: str, now_us: int
) -> StoredOverride | None:
    """End an override, unless it has ended; what it is then. None: there is no such override."""
    connection.execute(_CLEAR, {"override_id": override_id, "cleared_by": cleared_by, "now_us": now_us})
    row = connection.execute(_FIND, {"override_id": override_id}).first()
    return None if row is None else StoredOverride(*row)

"""Account paths and groups as SQL.

An id is within the bounds of a path, `:low` or more and less than `:high`,
which an index finds; what else must be so is checked for each id there.
"""

from dataclasses import dataclass
from typing import Any

from bedplate.services.ledger.domain import AccountPath

# What the text of a condition depends on: see `shape`.
Shape = tuple[bool, bool, tuple[int, ...]]

# Statements are kept for so many shapes, some kilobytes each.
SHAPES_MAX = 64

# How many colons an id has.
_COLONS = "length({id}) - length(replace({id}, ':', ''))"
# Its segments, as an array of JSON: an id holds nothing that JSON escapes.
_SEGMENTS = """'["' || replace({id}, ':', '","') || '"]'"""


@dataclass(frozen=True, slots=True)
class Both:
    """A piece of SQL for PostgreSQL and one for SQLite."""

    postgresql: str
    sqlite: str


def shape(path: AccountPath) -> Shape:
    """What the text of a path's condition depends on; the rest is in `values`.

    Returns:
        Whether ids must have so many segments, of which the bounds tell unless
        there is a wildcard before the last segment; whether they may have more;
        and the places of the names after the first wildcard.
    """
    counted = len(path.first_names) < len(path.segments)
    return counted, path.deep, tuple(place for place, _ in path.later_names)


def within(column: str, shape: Shape) -> Both:
    """What must be so of an id for a path of this shape to name it."""
    counted, deep, places = shape
    bounds = [f"{column} >= :low", f"{column} < :high"]
    if counted:
        bounds.append(f"{_COLONS.format(id=column)} {'>=' if deep else '='} :colons")
    segments = _SEGMENTS.format(id=column)
    return Both(
        " AND ".join(bounds + [f"split_part({column}, ':', {each + 1}) = :name_{each}" for each in places]),
        " AND ".join(bounds + [f"json_extract({segments}, '$[{each}]') = :name_{each}" for each in places]),
    )


def group(column: str) -> Both:
    """The group of an id for `:depth`."""
    own = f"SELECT value FROM json_each({_SEGMENTS.format(id=column)}) WHERE key < :depth ORDER BY key"
    return Both(
        f"array_to_string((string_to_array({column}, ':'))[1: :depth], ':')",
        f"(SELECT coalesce(group_concat(value, ':'), '') FROM ({own}))",
    )


def values(path: AccountPath) -> dict[str, Any]:
    """The values of a path's condition."""
    low, high = path.bounds
    colons = len(path.segments) - (0 if path.deep else 1)
    named = {f"name_{place}": name for place, name in path.later_names}
    return {"low": low, "high": high, "colons": colons, **named}

"""What the simulator must know of a statement: whether it locks rows, and of which table."""

import re
from dataclasses import dataclass
from functools import lru_cache

from bedplate.testing.simulate.fault import SimulationError

# Two locks of one row conflict when the sum of their strengths is 5 or more:
# PostgreSQL's table of row-level locks in one rule.
KEY_SHARE, SHARE, NO_KEY_UPDATE, UPDATE = 1, 2, 3, 4
CONFLICT = 5

_STRENGTHS = {
    "KEY SHARE": KEY_SHARE,
    "SHARE": SHARE,
    "NO KEY UPDATE": NO_KEY_UPDATE,
    "UPDATE": UPDATE,
}

# At the end, in the open or in a comment: SQLite knows no row locks.
_LOCK = re.compile(
    r"\s*(?:/\*\s*)?\bFOR\s+(?P<mode>KEY\s+SHARE|SHARE|NO\s+KEY\s+UPDATE|UPDATE)"
    r"(?:\s+OF\s+[\w\", .]+?)?(?:\s+(?P<busy>NOWAIT|SKIP\s+LOCKED))?\s*(?:\*/)?\s*;?\s*$",
    re.IGNORECASE,
)
_SELECT = re.compile(r"\s*SELECT\b", re.IGNORECASE)
_TABLE = re.compile(r'\s*"?(\w+)"?(?:\s+(?:AS\s+)?(?!(?:WHERE|ORDER|LIMIT|OFFSET)\b)(\w+))?(.*)', re.I | re.S)
_AFTER = re.compile(r"\s*($|WHERE\b|ORDER\b|LIMIT\b|OFFSET\b)", re.IGNORECASE)
_TOKEN = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|[()]|\bFROM\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Parsed:
    """A statement.

    Attributes:
        text: What SQLite runs.
        table: The table whose rows it locks by asking for it; empty: none.
        prefix_end: Where in `text` the selected columns begin; the key's go before them.
        alias: What the statement calls the table.
        strength: Of the lock.
        busy: `NOWAIT`, `SKIP LOCKED`, or empty: it waits.
    """

    text: str
    table: str = ""
    prefix_end: int = 0
    alias: str = ""
    strength: int = 0
    busy: str = ""


@lru_cache(maxsize=1024)
def parse(text: str) -> Parsed:
    """Look at a statement in SQLite's SQL, with or without FOR UPDATE at its end.

    Raises:
        SimulationError: It locks rows, and it cannot be told which.
    """
    lock = _LOCK.search(text)
    if lock is None:
        return Parsed(text)
    plain = text[: lock.start()]
    select = _SELECT.match(plain)
    found = _TABLE.match(plain[_from(plain) :]) if select and _from(plain) else None
    if select is None or found is None or not _AFTER.match(found[3]):
        raise SimulationError(f"which rows does this lock? Lock them with a SELECT from one table: {plain}")
    mode = " ".join(lock["mode"].upper().split())
    return Parsed(
        plain,
        table=found[1],
        prefix_end=select.end(),
        alias=found[2] or found[1],
        strength=_STRENGTHS[mode],
        busy=" ".join((lock["busy"] or "").upper().split()),
    )


def _from(text: str) -> int:
    """Where the table's name begins: after the first FROM outside parentheses; 0: nowhere."""
    depth = 0
    for token in _TOKEN.finditer(text):
        if token[0] == "(":
            depth += 1
        elif token[0] == ")":
            depth -= 1
        elif depth == 0 and token[0].upper() == "FROM":
            return token.end()
    return 0

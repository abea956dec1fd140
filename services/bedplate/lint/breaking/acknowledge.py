"""Changes that a team makes although they break something: `breaking.toml`, beside the contracts."""

import datetime
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bedplate.lint.breaking.change import CODES
from bedplate.lint.finding import Finding, Place, Severity

FILE = "breaking.toml"
TABLE = "acknowledge"
UNUSED, OVER = "BB001", "BB002"
_KEYS = ("code", "place", "reason", "until")


class AcknowledgementError(Exception):
    """A file that cannot be read. The text says what to write."""


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """That one change is meant.

    Attributes:
        code: The finding's code.
        place: Full name of what changes, as the finding's `element`.
        reason: Why, for those who read it later.
        until: The last day on which it counts.
        line: Where it stands in the file, from 1.
    """

    code: str
    place: str
    reason: str
    until: datetime.date
    line: int


def read(path: Path) -> tuple[Acknowledgement, ...]:
    """What a file acknowledges; nothing when there is none.

    Raises:
        AcknowledgementError: It is not TOML, or an entry is not whole.
    """
    try:
        text = path.read_text(encoding="utf-8")
        document = tomllib.loads(text)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise AcknowledgementError(f"{path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise AcknowledgementError(f"{path} is not TOML: {error}.") from error
    entries = document.get(TABLE, [])
    if set(document) - {TABLE} or not isinstance(entries, list):
        raise AcknowledgementError(f"{path} holds entries [[{TABLE}]] and nothing else.")
    lines = [
        number for number, line in enumerate(text.splitlines(), 1) if line.strip().startswith(f"[[{TABLE}")
    ]
    return tuple(
        _entry(path, entry, lines[index] if index < len(lines) else 1) for index, entry in enumerate(entries)
    )


def apply(
    findings: Iterable[Finding], known: Sequence[Acknowledgement], *, shown: str, today: datetime.date
) -> list[Finding]:
    """The findings that nobody acknowledges, and what is wrong with the acknowledgements.

    Args:
        findings: All of them.
        known: What is acknowledged.
        shown: The file's path, as it is shown.
        today: The day.
    """
    used: set[Acknowledgement] = set()
    left = []
    for finding in findings:
        fitting = [one for one in known if (one.code, one.place) == (finding.code, finding.element)]
        used.update(fitting)
        if not any(one.until >= today for one in fitting):
            left.append(finding)
    for one in known:
        if one not in used:
            left.append(
                _told(one, shown, UNUSED, Severity.ADVICE, "acknowledges nothing that changed; remove it")
            )
        elif one.until < today:
            left.append(_told(one, shown, OVER, Severity.ERROR, f"counted until {one.until}; decide anew"))
    return left


def _told(one: Acknowledgement, shown: str, code: str, severity: Severity, what: str) -> Finding:
    sentence = f"The acknowledgement of {one.code} at {one.place} {what}."
    return Finding(Place(shown, one.line, 1), code, severity, one.place, sentence)


def _entry(path: Path, entry: Any, line: int) -> Acknowledgement:
    where = f"{path}:{line}"
    if not isinstance(entry, dict) or set(entry) != set(_KEYS):
        raise AcknowledgementError(f"{where}: an entry has {', '.join(_KEYS)}, and nothing else.")
    for name in ("code", "place", "reason"):
        if not isinstance(entry[name], str) or not entry[name].strip():
            raise AcknowledgementError(f"{where}: {name} must be a text.")
    if entry["code"] not in CODES or entry["code"] in (UNUSED, OVER):
        raise AcknowledgementError(f"{where}: {entry['code']} is no code of a breaking change.")
    if not isinstance(entry["until"], datetime.date) or isinstance(entry["until"], datetime.datetime):
        raise AcknowledgementError(f"{where}: until must be a day, such as until = 2026-11-30.")
    return Acknowledgement(entry["code"], entry["place"], entry["reason"], entry["until"], line)

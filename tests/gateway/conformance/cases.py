"""Reads the files of cases; README.md says how they are written."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "cases"
BEHAVIOURS = range(1, 43)

# What a case may say of itself, and what of each request and its answer.
OF_CASE = {"name", "behaviours", "why", "targets", "because", "exchange", "differs"}
OF_REQUEST = {
    *("call", "lines", "send", "send_hex", "headers", "key", "body", "body_hex", "compress", "http"),
    *("connection", "cut", "take", "eventually", "save", "no_answer"),
}
OF_ANSWER = {
    *("status", "reason", "fields", "rules", "says", "seen", "method", "metadata", "no_metadata"),
    *("json", "json_has", "text", "matches", "hex", "ndjson", "events", "has", "lacks", "closes"),
    *("continues", "incomplete", "remaining"),
}

_TIMES = re.compile(r"\$\{(.+?)\*(\d+)\}")
_SAVED = re.compile(r"\$\{([a-z_]+)\}")


class CaseError(Exception):
    """A file of cases is not written as it must be; the text says where and what to write."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and what must come back.

    Attributes:
        asks: Keys of OF_REQUEST with their values.
        wants: Keys of OF_ANSWER with theirs.
    """

    asks: Mapping[str, Any]
    wants: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Case:
    """One case.

    Attributes:
        group: Name of its file.
        name: The sentence that must hold.
        behaviours: Numbers of the behaviours of docs/http.md that it shows.
        exchanges: What is sent and what must come back, in order.
        targets: Names of the targets that it is for; empty: all.
        differs: What other gateways answer, by their names: why, and `status` where that differs.
    """

    group: str
    name: str
    behaviours: tuple[int, ...]
    exchanges: tuple[Exchange, ...]
    targets: frozenset[str] = frozenset()
    differs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Group and name."""
        return f"{self.group}/{self.name}"

    def holds_for(self, target: str) -> bool:
        """Whether a target has to pass it."""
        return not self.targets or target in self.targets


def read(group: str = "") -> list[Case]:
    """All cases, or those of one group, in the order of the files.

    Raises:
        CaseError: A file is wrong.
    """
    paths = sorted(FOLDER.glob("*.toml"))
    return [case for path in paths if group in ("", path.stem) for case in _of_file(path)]


def _of_file(path: Path) -> Iterator[Case]:
    try:
        document = tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise CaseError(f"{path.name} is not TOML: {error}") from None
    names: set[str] = set()
    for given in document.get("case", ()):
        case = _case(path.stem, given)
        if case.name in names:
            raise CaseError(f"{case.id}: the name stands twice; say how the two differ")
        names.add(case.name)
        yield case
    if not names:
        raise CaseError(f"{path.name} has no [[case]]")


def _case(group: str, given: Mapping[str, Any]) -> Case:
    place = f"{group}/{given.get('name', '?')}"
    exchanges = given.get("exchange")
    if exchanges is None:
        exchanges = [{key: value for key, value in given.items() if key not in OF_CASE}]
        unknown: set[str] = set()
    else:
        unknown = set(given) - OF_CASE
    if unknown:
        raise CaseError(f"{place}: {sorted(unknown)} belong below one of its [[case.exchange]]")
    behaviours = tuple(given.get("behaviours", ()))
    if not given.get("name") or not all(number in BEHAVIOURS for number in behaviours):
        raise CaseError(f"{place}: a case has a name, and behaviours from 1 to 42")
    targets = frozenset(given.get("targets", ()))
    if targets and not given.get("because"):
        raise CaseError(f"{place}: say why it is not for all targets: because = '...'")
    return Case(
        group,
        given["name"],
        behaviours,
        tuple(_exchange(place, each) for each in exchanges),
        targets,
        given.get("differs", {}),
    )


def _exchange(place: str, given: Mapping[str, Any]) -> Exchange:
    unknown = set(given) - OF_REQUEST - OF_ANSWER
    if unknown:
        raise CaseError(f"{place}: {sorted(unknown)} are no keys; README.md lists them")
    if len({"call", "lines", "send", "send_hex"} & set(given)) != 1 and "no_answer" not in given:
        raise CaseError(f"{place}: write one of call, lines, send and send_hex")
    asks = {key: value for key, value in given.items() if key in OF_REQUEST}
    wants = {key: value for key, value in given.items() if key in OF_ANSWER}
    if ("status" in wants) == bool("no_answer" in asks or ("cut" in asks and not wants)):
        raise CaseError(f"{place}: say which status must come, or that none is read: no_answer = true")
    return Exchange(asks, wants)


def expand(text: str, saved: Mapping[str, str] = {}) -> str:
    """A text with `${x*3}` written as `xxx`, and `${name}` as what was saved under the name.

    Raises:
        CaseError: Nothing was saved under a name.
    """
    text = _TIMES.sub(lambda found: found[1] * int(found[2]), text)

    def value(found: re.Match[str]) -> str:
        if found[1] not in saved:
            raise CaseError(f"{found[0]} was not saved by an exchange before")
        return saved[found[1]]

    return _SAVED.sub(value, text)

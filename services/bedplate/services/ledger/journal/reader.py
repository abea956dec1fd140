"""Reads a journal and what it includes, line by line, and keeps what its directives say."""

import glob
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from decimal import localcontext
from pathlib import Path

from bedplate.services.ledger.journal.amount import (
    AmountError,
    Style,
    Styles,
    read_amount,
    read_sample,
    style_of,
)
from bedplate.services.ledger.journal.entry import read_date, read_transaction
from bedplate.services.ledger.journal.model import EXACT, Journal, JournalError, Note, Place, TypeLetter

INCLUDE_DEPTH_MAX = 32
_OTHER_FORMATS = {".csv", ".ssv", ".tsv", ".rules", ".timeclock", ".timedot"}
_TYPE_TAG = re.compile(r"(?:^|[\s,;])type:\s*(?P<value>[^,]*)")
_TYPES: dict[str, TypeLetter] = {
    "a": "A",
    "asset": "A",
    "c": "A",
    "cash": "A",
    "l": "L",
    "liability": "L",
    "e": "E",
    "equity": "E",
    "v": "E",
    "conversion": "E",
    "g": "E",
    "gain": "E",
    "r": "R",
    "revenue": "R",
    "i": "R",
    "income": "R",
    "x": "X",
    "expense": "X",
}
# Read over: they change no balance.
_WITHOUT_EFFECT = {"payee", "tag", "N", "C"}


def read(path: Path) -> Journal:
    """Read a journal and all that it includes.

    Raises:
        JournalError: Something in it is wrong or not supported; it names the line.
        OSError: The file cannot be read.
    """
    journal = Journal()
    styles: dict[str, Style] = {}
    with localcontext(EXACT):
        _File(path, str(path), journal, _Scope(Styles(styles)), styles, ()).read()
    return journal


@dataclass(slots=True)
class _Scope:
    """What directives have said here; an included file begins with a copy, and ends with the file."""

    styles: Styles
    year: int | None = None
    parents: list[str] = field(default_factory=list)
    aliases: list[Callable[[str], str]] = field(default_factory=list)
    names: dict[str, str] = field(default_factory=dict)  # full names, by what is written

    def copy(self) -> "_Scope":
        return replace(self, parents=[*self.parents], aliases=[*self.aliases], names={})

    def rename(self, written: str) -> str:
        """The full name of an account: its parents before it, then the aliases, the last one first."""
        name = self.names.get(written)
        if name is None:
            name = ":".join((*self.parents, written))
            for alias in reversed(self.aliases):
                name = alias(name)
            self.names[written] = name
        return name


class _File:
    """One file while it is read."""

    def __init__(
        self,
        path: Path,
        name: str,
        journal: Journal,
        scope: _Scope,
        styles: dict[str, Style],
        above: tuple[Path, ...],
    ) -> None:
        self._path = path
        self._name = name
        self._journal = journal
        self._scope = scope
        self._styles = styles  # of `commodity` directives: they hold in every file from there on
        self._above = (*above, path.resolve())
        self._lines: list[str] = []
        self._at = 0

    def read(self) -> None:
        data = self._path.read_bytes()
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            place = Place(self._name, data.count(b"\n", 0, error.start) + 1)
            raise JournalError(place, "The line is not UTF-8.") from error
        if "\0" in text:
            raise JournalError(
                Place(self._name, text.count("\n", 0, text.index("\0")) + 1), "There is a NUL."
            )
        # Not splitlines: it would also split at other marks, which a description may hold.
        self._lines = [line.removesuffix("\r") for line in text.split("\n")]
        while self._at < len(self._lines):
            self._read_item(self._lines[self._at])

    def _read_item(self, line: str) -> None:
        text = line.strip()
        if not text or text[0] in ";#*":
            self._at += 1
        elif line[0] in " \t":
            raise JournalError(self._place(), "An indented line stands outside of a transaction.")
        elif line[0].isdigit():
            transaction, self._at = read_transaction(
                self._lines,
                self._at,
                self._name,
                year=self._scope.year,
                styles=self._scope.styles,
                rename=self._scope.rename,
                notes=self._journal.notes,
            )
            self._journal.transactions.append(transaction)
        elif line[0] in "~=":
            kind = "periodic transactions are" if line[0] == "~" else "automated postings are"
            self._journal.notes.append(Note(self._place(), f"{kind} not made"))
            self._skip_block()
        else:
            self._read_directive(text.removeprefix("!"))

    def _read_directive(self, text: str) -> None:
        word, _, rest = text.partition(" ")
        if "\t" in word:
            word, _, rest = text.partition("\t")
        rest = rest.strip()
        if text[:1] == "Y" and text[1:].strip().partition(";")[0].strip().isdigit():
            word, rest = "Y", text[1:].strip()
        if word in ("apply", "end"):
            second, _, rest = rest.partition(" ")
            word, rest = f"{word} {second}", rest.strip()
        read = _DIRECTIVES.get(word)
        if read is not None:
            read(self, rest)
        elif word in _WITHOUT_EFFECT or word == "end tag":
            self._skip_block()
        else:
            raise JournalError(self._place(), f"The directive {word!r} is not supported.")

    def _place(self) -> Place:
        return Place(self._name, self._at + 1)

    def _skip_block(self) -> list[str]:
        """Go over a line and the indented ones below it; returns the latter."""
        self._at += 1
        start = self._at
        while self._at < len(self._lines):
            line = self._lines[self._at]
            if not line.strip() or line[0] not in " \t":
                break
            self._at += 1
        return self._lines[start : self._at]

    def _account(self, rest: str) -> None:
        name, _, comment = rest.partition("  ")
        account = self._scope.rename(name.strip())
        for line in (comment, *self._skip_block()):
            found = _TYPE_TAG.search(line) if ";" in line else None
            if found and (letter := _TYPES.get(found["value"].strip().lower())):
                self._journal.types[account] = letter

    def _alias(self, rest: str) -> None:
        if rest[:1] == "/":
            pattern, mark, new = rest[1:].partition("/")
            new = new.lstrip().removeprefix("=").strip()
            try:
                expression = re.compile(pattern, re.IGNORECASE)
                expression.sub(new, "")
            except (re.error, IndexError) as error:
                raise JournalError(self._place(), f"The alias is no regular expression: {error}.") from error
            alias = _by_expression(expression, new)
        else:
            old, mark, new = (part.strip() for part in rest.partition("="))
            alias = _by_name(old, new)
        if not mark:
            raise JournalError(self._place(), "The alias has no =; write alias OLD = NEW.")
        self._scope.aliases.append(alias)
        self._scope.names.clear()
        self._at += 1

    def _end_aliases(self, rest: str) -> None:
        self._scope.aliases.clear()
        self._scope.names.clear()
        self._at += 1

    def _apply_account(self, rest: str) -> None:
        self._scope.parents.append(rest.partition("  ")[0])
        self._scope.names.clear()
        self._at += 1

    def _end_apply(self, rest: str) -> None:
        if rest.partition(" ")[0] not in ("", "account", ";") or not self._scope.parents:
            raise JournalError(self._place(), "There is nothing that could end here.")
        self._scope.parents.pop()
        self._scope.names.clear()
        self._at += 1

    def _comment(self, rest: str) -> None:
        if rest:
            raise JournalError(self._place(), "The directive 'comment' stands alone on its line.")
        self._at += 1
        while self._at < len(self._lines) and self._lines[self._at].rstrip() != "end comment":
            self._at += 1
        self._at += 1

    def _commodity(self, rest: str) -> None:
        place = self._place()
        sample = rest.partition(";")[0].strip()
        for offset, line in enumerate(self._skip_block(), 1):
            word, _, value = line.strip().partition(" ")
            if word == "format":
                sample = value.partition(";")[0].strip()
            elif word[0] != ";" and word not in ("note", "nomarket"):
                raise JournalError(
                    Place(self._name, place.line + offset),
                    f"The subdirective {word!r} is not supported here.",
                )
        if not any(character.isdigit() for character in sample):
            return
        number, commodity = self._sample(sample, place)
        self._styles[commodity], self._journal.decimals[commodity] = style_of(number)

    def _default(self, rest: str) -> None:
        place = self._place()
        number, commodity = self._sample(rest.partition(";")[0], place)
        style, decimals = style_of(number)
        self._scope.styles = replace(self._scope.styles, default=style, commodity=commodity)
        self._journal.decimals.setdefault(commodity, decimals)
        self._at += 1

    def _sample(self, text: str, place: Place) -> tuple[str, str]:
        try:
            return read_sample(text, self._scope.styles)
        except AmountError as error:
            raise JournalError(place, f"{error}.") from error

    def _decimal_mark(self, rest: str) -> None:
        mark = rest.partition(";")[0].strip()
        if mark not in (".", ","):
            raise JournalError(self._place(), "The decimal mark is . or ,.")
        self._scope.styles = replace(self._scope.styles, file=Style(mark))
        self._at += 1

    def _year(self, rest: str) -> None:
        text = rest.partition(";")[0].strip()
        if not re.fullmatch(r"\d{4}", text):
            raise JournalError(self._place(), f"{text!r} is no year; write Y 2026.")
        self._scope.year = int(text)
        self._at += 1

    def _price(self, rest: str) -> None:
        """Read a market price, so that a wrong one is told; nothing here is valued by it."""
        place = self._place()
        _, after = read_date(rest, self._scope.year, place)
        found = re.match(r'\s+(?:\d\d?:\d\d(?::\d\d)?\s+)?("[^"]*"|[^\s\d]\S*)\s+(?P<amount>[^;]+)', after)
        try:
            if found is None:
                raise AmountError(f"{rest!r} is no price; write P 2026-01-31 EUR $1.20")
            read_amount(found["amount"].strip(), 0, self._scope.styles)
        except AmountError as error:
            raise JournalError(place, f"{error}.") from error
        self._at += 1

    def _include(self, rest: str) -> None:
        place = self._place()
        wanted = Path(rest).expanduser()
        if wanted.suffix in _OTHER_FORMATS or re.match(r"[a-z]+:", rest):
            raise JournalError(place, f"{rest} is no journal; only journals are included.")
        if not wanted.is_absolute():
            wanted = self._path.parent / wanted
        paths = [Path(found) for found in sorted(glob.glob(str(wanted), recursive=True))]
        paths = [path for path in paths if path.is_file()]
        if not paths:
            raise JournalError(place, f"There is no file {wanted}.")
        for path in paths:
            if path.resolve() in self._above or len(self._above) >= INCLUDE_DEPTH_MAX:
                raise JournalError(place, f"{path} includes itself.")
            inner = _File(path, str(path), self._journal, self._scope.copy(), self._styles, self._above)
            try:
                inner.read()
            except OSError as error:
                raise JournalError(place, f"{path} cannot be read: {error.strerror}.") from error
        self._at += 1


def _by_name(old: str, new: str) -> Callable[[str], str]:
    def alias(name: str) -> str:
        if name == old:
            return new
        return new + name[len(old) :] if name.startswith(f"{old}:") else name

    return alias


def _by_expression(expression: re.Pattern[str], new: str) -> Callable[[str], str]:
    return lambda name: " ".join(expression.sub(new, name).split())


_DIRECTIVES: dict[str, Callable[[_File, str], None]] = {
    "account": _File._account,
    "alias": _File._alias,
    "end aliases": _File._end_aliases,
    "apply account": _File._apply_account,
    "apply year": _File._year,
    "end apply": _File._end_apply,
    "comment": _File._comment,
    "commodity": _File._commodity,
    "D": _File._default,
    "decimal-mark": _File._decimal_mark,
    "year": _File._year,
    "Y": _File._year,
    "P": _File._price,
    "include": _File._include,
}

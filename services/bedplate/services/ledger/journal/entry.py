"""One transaction's lines: its head, its postings and their comments."""

import re
from collections.abc import Callable, Sequence
from datetime import date

from bedplate.services.ledger.journal.amount import AmountError, Styles, Written, read_posting
from bedplate.services.ledger.journal.model import JournalError, Kind, Note, Place, Posting, Transaction

_DATE = re.compile(r"(?:(?P<year>\d{4,})(?P<mark>[-/.]))?(?P<month>\d{1,2})(?P<mark2>[-/.])(?P<day>\d{1,2})")
_HEAD = re.compile(r"(?P<status>[*!]?)[ \t]*(?:\((?P<code>[^)\n]*)\))?[ \t]*(?P<description>[^;]*)")
_POSTING = re.compile(
    r"(?:[*!][ \t]*)?(?P<account>[^\s;][^ \t]*(?:[ \t][^\s][^ \t]*)*)(?:[ \t]{2,}(?P<rest>.*))?"
)
_DATE_TAG = re.compile(r"(?:^|[\s,])date:\s*(?P<value>[^,]*)")
_BRACKETED = re.compile(r"\[(?P<first>[\d/.-]*)(?:=(?P<second>[\d/.-]+))?\]")


def read_date(text: str, year: int | None, place: Place) -> tuple[date, str]:
    """The date at the start of a text, and what follows it.

    Args:
        text: Begins with the date.
        year: The year of dates that have none; None: not known.
        place: Where it is written.

    Raises:
        JournalError: There is no date, or no such day, or the year is not known.
    """
    found = _DATE.match(text)
    if found is None:
        raise JournalError(place, f"{_short(text)} is no date; write 2026-01-31.")
    if found["year"] is not None and found["mark"] != found["mark2"]:
        raise JournalError(place, f"{found[0]} has two separators; write 2026-01-31.")
    if found["year"] is None and year is None:
        raise JournalError(place, f"{found[0]} has no year; write it, or put Y 2026 above.")
    try:
        day = date(int(found["year"] or year or 0), int(found["month"]), int(found["day"]))
    except (ValueError, OverflowError):
        raise JournalError(place, f"{found[0]} is no day of the calendar.") from None
    return day, text[found.end() :]


def read_transaction(
    lines: Sequence[str],
    start: int,
    file: str,
    *,
    year: int | None,
    styles: Styles,
    rename: Callable[[str], str],
    notes: list[Note],
) -> tuple[Transaction, int]:
    """Read the transaction whose head is at a line, and its indented lines.

    Args:
        lines: The file's lines.
        start: Index of the head.
        file: The file's name.
        year: The year of dates that have none; None: not known.
        styles: How numbers are written here.
        rename: Makes an account's full name of what is written.
        notes: Gets what has no effect.

    Returns:
        The transaction, and the index of the line after it.

    Raises:
        JournalError: A line cannot be read.
    """
    transaction = _read_head(lines[start], Place(file, start + 1), year)
    at = start + 1
    while at < len(lines):
        line = lines[at]
        text = line.strip()
        if not text or line[0] not in " \t":
            break
        place = Place(file, at + 1)
        if text[0] == ";":
            if transaction.postings:
                _read_comment(text, transaction.postings[-1], transaction, place)
        else:
            posting = _read_posting(text, place, styles, rename, notes)
            transaction.postings.append(posting)
            if ";" in text:
                _read_comment(text[text.index(";") :], posting, transaction, place)
        at += 1
    return transaction, at


def _read_head(line: str, place: Place, year: int | None) -> Transaction:
    day, rest = read_date(line, year, place)
    if rest[:1] == "=":
        _, rest = read_date(rest[1:], day.year, place)
    if rest and rest[0] not in " \t;":
        raise JournalError(place, f"{_short(line)} begins with no date; write 2026-01-31.")
    found = _HEAD.match(rest.strip())
    assert found is not None, "every part of a head may be empty"
    return Transaction(place, day, (found["code"] or "").strip(), found["description"].strip(), [])


def _read_posting(
    text: str, place: Place, styles: Styles, rename: Callable[[str], str], notes: list[Note]
) -> Posting:
    found = _POSTING.fullmatch(text)
    if found is None:
        raise JournalError(place, f"{_short(text)} is no posting; write ACCOUNT, two spaces, AMOUNT.")
    account = found["account"]
    if "\t" in account:
        raise JournalError(
            place, "A single tab stands in the account's name; put two spaces before the amount."
        )
    kind = Kind.REAL
    if account[0] == "(" and account[-1] == ")":
        kind = Kind.FREE
    elif account[0] == "[" and account[-1] == "]":
        kind = Kind.BALANCED
    if kind is not Kind.REAL:
        account = account[1:-1].strip()
    if not account:
        raise JournalError(place, "The posting names no account.")
    rest = (found["rest"] or "").partition(";")[0].strip()
    written = Written()
    if rest:
        try:
            written = read_posting(rest, styles)
        except AmountError as error:
            raise JournalError(place, f"The amount cannot be read: {error}.") from error
    if written.lot:
        notes.append(Note(place, "the lot's price, date or note is not kept"))
    if kind is Kind.FREE and not (written.amount or written.assertion):
        raise JournalError(place, "A posting in parentheses balances with nothing; write its amount.")
    return Posting(place.line, rename(account), kind, written.amount, written.price, written.assertion)


def _read_comment(comment: str, posting: Posting, transaction: Transaction, place: Place) -> None:
    """Take a posting's own date out of its comment."""
    if "date:" not in comment and "[" not in comment:
        return
    text = ""
    if found := _DATE_TAG.search(comment.lstrip(";")):
        text = found["value"].strip()
        if not text:
            raise JournalError(place, "The tag date: has no value; write date:2026-01-31.")
    elif (bracketed := _BRACKETED.search(comment)) and (bracketed["first"] or bracketed["second"]):
        text = bracketed["first"]
    if text:
        posting.own_date, rest = read_date(text, transaction.date.year, place)
        if rest:
            raise JournalError(place, f"{_short(text)} is no date; write 2026-01-31.")


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:37]}...")

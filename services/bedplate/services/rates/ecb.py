"""Reads the euro reference rates as the European Central Bank publishes them.

The files are `eurofxref-hist.csv` (every day since 1999) and `eurofxref.csv`
(one day), or a zip that holds one of them. The first line names the columns,
`Date` and then a currency each; every further line is a day. `N/A` and an
empty cell mean that there is no rate.

    Date,USD,JPY,BGN,
    2026-10-30,1.1172,175.68,N/A,
"""

import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import IO

from bedplate.services.rates.domain import Published, day_or_none, is_rate

SOURCE = "ecb"
BASE = "EUR"

FILE_BYTES_MAX = 64 * 1024 * 1024  # unpacked; the whole history was 2 MB in 2026
LINE_CHARS_MAX = 16 * 1024
COLUMNS_MAX = 1000
SHOWN_CHARS_MAX = 40

_CURRENCY = re.compile(r"[A-Z]{3}")
_ABSENT = ("N/A", "")
_LONG_DAY = re.compile(r"([0-9]{1,2}) ([A-Z][a-z]+) ([0-9]{4})")
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August",
    "September", "October", "November", "December",
)  # fmt: skip


class FileError(Exception):
    """A file that is not what the bank publishes.

    Attributes:
        line: Where, counted from 1; 0: the file as a whole.
    """

    def __init__(self, sentence: str, *, line: int = 0) -> None:
        super().__init__(f"line {line}: {sentence}" if line else sentence)
        self.line = line


def read(path: Path) -> list[Published]:
    """All rates of a file, csv or zip, the oldest first.

    Raises:
        FileError: Nothing is returned of a file of which a part is wrong.
        OSError: The file cannot be read.
    """
    with ExitStack() as stack:
        file: IO[bytes] = stack.enter_context(open(path, "rb"))
        if zipfile.is_zipfile(file):
            file = stack.enter_context(_member(stack.enter_context(zipfile.ZipFile(file))))
        else:
            file.seek(0)
        try:
            rates = list(parse(_lines(file)))
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise FileError("The zip is damaged; get the file again.") from error
    # By day, then in the order of the columns; the file has the newest first.
    rates.sort(key=lambda rate: rate.day)
    return rates


def parse(lines: Iterable[str]) -> Iterator[Published]:
    """The rates of the lines of a file, in the file's order.

    Raises:
        FileError: Names the line.
    """
    numbered = enumerate(lines, start=1)
    header = next(numbered, None)
    if header is None:
        raise FileError("The file is empty.")
    currencies = _currencies(header[1])
    seen: dict[date, int] = {}
    for number, line in numbered:
        if line.strip():
            yield from _day(line, number, currencies, seen)
    if not seen:
        raise FileError("The file has a header and no days.")


def _currencies(line: str) -> list[str]:
    """The currencies of the columns after the first; empty where a column has none."""
    cells = [cell.strip() for cell in line.removeprefix("\ufeff").split(",")]
    if cells[0] != "Date" or len(cells) < 2:
        raise FileError(
            "The header must begin with `Date,` and then name a currency for each column.", line=1
        )
    if len(cells) > COLUMNS_MAX:
        raise FileError(f"There are more than {COLUMNS_MAX} columns.", line=1)
    currencies = cells[1:]
    if currencies[-1] == "":
        currencies.pop()  # every line of the bank ends in a comma
    for place, currency in enumerate(currencies):
        if _CURRENCY.fullmatch(currency) is None or currency == BASE:
            raise FileError(f"{_shown(currency)} is not a currency quoted in {BASE}.", line=1)
        if currency in currencies[:place]:
            raise FileError(f"{currency} has two columns.", line=1)
    if not currencies:
        raise FileError("The header names no currency.", line=1)
    return currencies


def _day(line: str, number: int, currencies: list[str], seen: dict[date, int]) -> Iterator[Published]:
    cells = line.strip().split(",")
    if cells[-1].strip() == "" and len(cells) == len(currencies) + 2:
        cells.pop()
    if len(cells) != len(currencies) + 1:
        raise FileError(
            f"There are {len(cells) - 1} rates and {len(currencies)} currencies in the header.", line=number
        )
    day = _parse_day(cells[0].strip(), number)
    if day in seen:
        raise FileError(f"{day} was on line {seen[day]} already.", line=number)
    seen[day] = number
    for currency, cell in zip(currencies, cells[1:], strict=True):
        value = cell.strip()
        if value in _ABSENT:
            continue
        if not is_rate(value):
            raise FileError(
                f"{currency}: {_shown(value)} is neither N/A nor a decimal number above 0.", line=number
            )
        yield Published(currency, day, value)


def _parse_day(text: str, number: int) -> date:
    day = day_or_none(text)
    if day is None:
        day = _parse_long_day(text)
    if day is None:
        raise FileError(f"{_shown(text)} is not a day, such as 2026-10-30.", line=number)
    return day


def _parse_long_day(text: str) -> date | None:
    """The day in the words of the one-day file, `30 October 2026`; None when it is none."""
    found = _LONG_DAY.fullmatch(text)
    if found is None or found[2] not in _MONTHS:
        return None
    try:
        return date(int(found[3]), _MONTHS.index(found[2]) + 1, int(found[1]))
    except ValueError:
        return None


def _member(archive: zipfile.ZipFile) -> IO[bytes]:
    """The one csv of a zip, open."""
    names = [name for name in archive.namelist() if name.lower().endswith(".csv")]
    if len(names) != 1:
        raise FileError(f"The zip must hold one .csv file; it holds {len(names)}.")
    try:
        return archive.open(names[0])
    except (RuntimeError, NotImplementedError) as error:  # encrypted, or an unknown compression
        raise FileError("The zip cannot be unpacked; get the file again.") from error


def _lines(file: IO[bytes]) -> Iterator[str]:
    size = 0
    for number, line in enumerate(iter(lambda: file.readline(LINE_CHARS_MAX + 1), b""), start=1):
        size += len(line)
        if size > FILE_BYTES_MAX:
            raise FileError(f"The file has more than {FILE_BYTES_MAX // 1024 // 1024} MB.")
        if len(line) > LINE_CHARS_MAX:
            raise FileError(f"The line has more than {LINE_CHARS_MAX} characters.", line=number)
        try:
            yield line.decode("utf-8")
        except UnicodeDecodeError as error:
            raise FileError("The line is not UTF-8 text.", line=number) from error


def _shown(text: str) -> str:
    """Enough of a cell to find it by."""
    return repr(text if len(text) <= SHOWN_CHARS_MAX else text[:SHOWN_CHARS_MAX] + "...")

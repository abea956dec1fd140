"""`bedplate ledger import` and `balance`, as a person runs them: equal to hledger, twice the same, clear."""

import contextlib
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bedplate.ledger.v1 import ledger_pb2
from tests.faults.platform import BEDPLATE, Platform
from tests.services.ledger.journal import hledger
from tests.services.ledger.journal.conftest import Write
from tests.services.ledger.journal.importing import Importer, generate
from tests.services.ledger.journal.planned import planned

BOOKS = Path(__file__).parent / "books"
IMPORT_MAX_S = 60.0
MANY = 20_500

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def importer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Importer]:
    with Platform(tmp_path_factory.mktemp("import")) as platform:
        yield Importer.of(platform)


JOURNALS: dict[str, Callable[[Path], Path]] = {
    "household": lambda folder: BOOKS / "household.journal",
    "trading": lambda folder: BOOKS / "trading.journal",
    "formats": lambda folder: BOOKS / "formats.journal",
    # Nobody here wrote these two.
    "ledger2beancount": lambda folder: hledger.of_debian(
        "ledger2beancount", "usr/share/doc/ledger2beancount/examples/simple.ledger", folder
    ),
    "hledger-utils": lambda folder: hledger.of_pypi("hledger-utils", "1.14.0", "doc/journal.hledger", folder),
}


@pytest.mark.usefixtures("with_hledger")
@pytest.mark.parametrize("name", JOURNALS)
def test_a_journal_is_imported_once_and_comes_to_what_hledger_says(
    importer: Importer, tmp_path: Path, name: str
):
    path = JOURNALS[name](tmp_path)
    expected = hledger.balances_of(path)
    count = len(planned(path).transactions)

    first = importer.import_(path, name)
    second = importer.import_(path, name)

    assert f"{count} transactions in {name}: {count} posted, 0 known already" in first
    assert f"{count} transactions in {name}: 0 posted, {count} known already" in second
    assert second.endswith("; 0 accounts created.\n")
    assert importer.posted(name) == count
    hledger.assert_equal(importer.balances(name), expected)


@pytest.mark.usefixtures("with_hledger")
def test_twenty_thousand_transactions_are_imported_within_a_minute(importer: Importer, tmp_path: Path):
    path = generate(tmp_path / "many.journal", MANY, seed=1)
    started = time.monotonic()

    said = importer.import_(path, "many")

    took_s = time.monotonic() - started
    print(f"imported {MANY} transactions in {took_s:.1f} s")
    assert took_s < IMPORT_MAX_S
    assert f"{MANY} transactions in many: {MANY} posted, 0 known already" in said
    hledger.assert_equal(importer.balances("many"), hledger.balances_of(path))
    assert f"0 posted, {MANY} known already" in importer.import_(path, "many")
    assert importer.posted("many") == MANY


def test_balances_are_printed_one_a_line(importer: Importer, write: Write):
    importer.import_(
        write('2020-01-01\n assets:cash  1000.5 EUR\n assets:cash  3 "green apples"\n b  7\n c\n'), "text"
    )

    code, out, errors = importer.run("balance", "--ledger", "text")

    assert (code, errors) == (0, "")
    assert out == (
        "       1000.5 EUR  assets:cash\n"
        ' 3 "green apples"  assets:cash\n'
        "                7  b\n"
        "               -7  c\n"
        "      -1000.5 EUR  c\n"
        '-3 "green apples"  c\n'
    )


def test_accounts_of_the_import_itself_are_printed_when_asked_for(importer: Importer, write: Write):
    importer.import_(write("2020-01-01\n a  3 AAPL @ $10\n b\n (c)  1 EUR\n"), "technical")

    code, out, _ = importer.run("balance", "--ledger", "technical", "--csv", "--all")

    assert code == 0
    assert hledger.parse(out) == {
        "a": {"AAPL": 3},
        "b": {"$": -30},
        "c": {"EUR": 1},
        "equity:trading": {"AAPL": -3, "$": 30},
        "equity:virtual": {"EUR": -1},
    }


def test_a_ledger_of_another_make_is_printed_by_its_ids(importer: Importer):
    with importer.client() as client:
        client.create_ledger(ledger_id="own")
        for account_id in ("cash", "sales"):
            client.create_account(
                ledger_id="own",
                account=ledger_pb2.Account(
                    account_id=account_id,
                    type=ledger_pb2.ACCOUNT_TYPE_INCOME,
                    currency=ledger_pb2.Currency(code="EUR", scale=2),
                    display_name="for people",
                ),
            )
        client.post_transactions(
            ledger_id="own",
            transactions=[
                ledger_pb2.Transaction(
                    entries=[
                        ledger_pb2.Entry(account_id="cash", side=ledger_pb2.SIDE_DEBIT, amount_minor=5),
                        ledger_pb2.Entry(account_id="sales", side=ledger_pb2.SIDE_CREDIT, amount_minor=5),
                    ]
                )
            ],
        )

    assert importer.run("balance", "--ledger", "own")[1] == " 0.05 EUR  cash\n-0.05 EUR  sales\n"


def test_a_terminal_sees_a_progress_bar_and_a_file_sees_none(importer: Importer, tmp_path: Path):
    path = generate(tmp_path / "some.journal", 100, seed=2)
    ours, theirs = os.openpty()
    command = [str(BEDPLATE), "ledger", "import", str(path), "--ledger", "seen"]
    environment = {
        **importer.environment,
        "BEDPLATE_TARGET": importer.grpc_address,
        "BEDPLATE_KEY": importer.key,
        "TERM": "xterm",
    }

    seen = b""
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=theirs) as process:
        os.close(theirs)
        with contextlib.suppress(OSError):  # the other side is closed: the end
            while chunk := os.read(ours, 65536):
                seen += chunk
        out, _ = process.communicate()

    os.close(ours)
    assert out.startswith(b"100 transactions in seen: 100 posted")
    assert re.search(rb"Transactions .*100/100", seen)
    assert importer.run("import", path, "--ledger", "seen")[2] == ""


GROWING = "2020-01-01 * one\n a  1.50 EUR\n b\n"


def test_what_was_added_to_a_journal_is_posted_and_the_rest_is_known(importer: Importer, write: Write):
    importer.import_(write(GROWING), "growing")

    said = importer.import_(write(f"{GROWING}\n{GROWING}\n2020-01-02 two\n a  2 EUR\n c\n"), "growing")

    assert said == "3 transactions in growing: 2 posted, 1 known already; 1 accounts created.\n"


def test_a_transaction_that_was_reconciled_and_commented_is_known(importer: Importer, write: Write):
    importer.import_(write("2020-01-01 x\n a  1.5 EUR\n b\n"), "reconciled")

    said = importer.import_(
        write("2020/1/1=1/3 * x  ; seen\n * a  1,50 EUR  ; t:v\n b  EUR-1.5 = -1.5 EUR\n"), "reconciled"
    )

    assert said == "1 transactions in reconciled: 0 posted, 1 known already; 0 accounts created.\n"


def test_an_amount_that_the_ledger_cannot_count_is_named_and_nothing_is_posted(
    importer: Importer, write: Write
):
    importer.import_(write(GROWING), "coarse")
    path = write(f"2020-01-03\n a  1 EUR\n d\n\n{GROWING}\n2020-01-02\n a  0.125 EUR\n b\n")

    code, out, errors = importer.run("import", path, "--ledger", "coarse")

    assert (code, out) == (10, "")
    assert f"error: {path}: line 9: 0.125 EUR has more digits after the decimal mark than the 2" in errors
    assert "Nothing was imported." in errors
    assert importer.posted("coarse") == 1


def test_what_the_ledger_refuses_is_named_with_the_journals_line(importer: Importer, write: Write):
    with importer.client() as client:
        client.create_ledger(ledger_id="limited")
        client.create_account(
            ledger_id="limited",
            account=ledger_pb2.Account(
                account_id="b:EUR",
                type=ledger_pb2.ACCOUNT_TYPE_ASSET,
                currency=ledger_pb2.Currency(code="EUR", scale=2),
                credits_must_not_exceed_debits=True,
            ),
        )
    path = write("2020-01-01\n b  1 EUR\n a\n\n2020-01-02\n a  1.50 EUR\n b\n")

    code, out, errors = importer.run("import", path, "--ledger", "limited")

    assert (code, out) == (12, "")
    assert "LIMIT_EXCEEDED" in errors
    assert f"{path}: line 5 is the transaction." in errors
    assert importer.posted("limited") == 0


WRONG = {
    "2020-01-01\n a  1\n b  2\n": "line 1: The transaction does not balance: 3 is left over.",
    "2020-01-01\n a  1 = 2\n b\n": "line 2: a should hold 2 here and holds 1.",
    "2020-01-01\n a  1\n a  2 X == 1\n b\n": "line 3: a should hold nothing but 1 here and holds also 2 X.",
    "2020-01-01\n a\n b\n": "line 3: A second amount is left out; one may be.",
    "2020-01-01\n a  one\n b\n": "line 2: The amount cannot be read: 'one' is no amount.",
    "2020-01-01\n a\t1\n b\n": "line 2: A single tab stands in the account's name; put two spaces",
    "2020-01-01\n (a)\n b  1\n c\n": "line 2: A posting in parentheses balances with nothing; write its",
    "2020-01-01\n a  1 X @ $2\n b  = $5\n c\n": "line 4: The amount cannot be left out beside a price and",
    "2020-02-30\n a  1\n b\n": "line 1: 2020-02-30 is no day of the calendar.",
    "1/30\n a  1\n b\n": "line 1: 1/30 has no year; write it, or put Y 2026 above.",
    "\n\napply tag x\n": "line 3: The directive 'apply tag' is not supported.",
    "!\n": "line 1: The directive '' is not supported.",
    "bucket a\n": "line 1: The directive 'bucket' is not supported.",
    "include nothing\n": "line 1: There is no file ",
    "include a.csv\n": "line 1: a.csv is no journal; only journals are included.",
    "commodity EUR\n  default\n": "line 2: The subdirective 'default' is not supported here.",
    "alias a\n": "line 1: The alias has no =; write alias OLD = NEW.",
    "alias /(/ = b\n": "line 1: The alias is no regular expression: ",
    "end apply account\n": "line 1: There is nothing that could end here.",
    "Y x\n": "line 1: 'x' is no year; write Y 2026.",
    "  a  1\n": "line 1: An indented line stands outside of a transaction.",
    "a\0b": "line 1: There is a NUL.",
}


@pytest.mark.parametrize(("text", "says"), WRONG.items(), ids=WRONG.values())
def test_a_wrong_line_is_named_and_nothing_is_imported(
    importer: Importer, write: Write, text: str, says: str
):
    path = write(text)

    code, out, errors = importer.run("import", path, "--check")

    assert (code, out) == (10, "")
    assert errors.startswith(f"error: {path}: {says}"), errors
    assert errors.endswith("Nothing was imported.\n")


def test_a_line_of_an_included_file_is_named_with_its_file(importer: Importer, write: Write):
    inner = write("\n2020-01-01\n a  1\n", "in/inner.journal")
    outer = write("include in/inner.journal\n")

    code, _, errors = importer.run("import", outer, "--check")

    assert code == 10
    assert errors.startswith(f"error: {inner}: line 2: The transaction does not balance: 1 is left over.")


def test_text_that_is_not_utf_8_is_named(importer: Importer, tmp_path: Path):
    path = tmp_path / "latin"
    path.write_bytes(b"; a\n; \xfc\n")

    code, _, errors = importer.run("import", path, "--check")

    assert (code, errors) == (10, f"error: {path}: line 2: The line is not UTF-8.\n  Nothing was imported.\n")


@pytest.mark.usefixtures("with_hledger")
def test_a_journal_that_hledger_refuses_is_refused_at_the_same_line(importer: Importer, tmp_path: Path):
    path = hledger.of_debian("ledger", "usr/share/doc/ledger/examples/sample.dat", tmp_path)

    code, _, errors = importer.run("import", path)

    assert f"{path}:36:1" in hledger.run(path).stderr
    assert code == 10
    assert f"error: {path}: line 36: The directive 'apply tag' is not supported." in errors


def test_what_has_no_effect_is_told(importer: Importer, write: Write):
    path = write("~ monthly\n a  1\n b\n\n= a\n (c)  *2\n\n2020-01-01\n a  1 X {$2}\n b\n")

    code, out, errors = importer.run("import", path, "--check")

    assert (code, out) == (0, "1 transactions, 2020-01-01 to 2020-01-01; 2 accounts.\n")
    assert errors.splitlines() == [
        f"note: {path}: line 1: periodic transactions are not made.",
        f"note: {path}: line 5: automated postings are not made.",
        f"note: {path}: line 9: the lot's price, date or note is not kept.",
    ]


@pytest.mark.parametrize(
    ("name", "says"), [("none", "cannot be read: No such file or directory."), (".", "cannot be read: Is a")]
)
def test_a_file_that_cannot_be_read_is_named(importer: Importer, tmp_path: Path, name: str, says: str):
    code, out, errors = importer.run("import", tmp_path / name)

    assert (code, out) == (2, "")
    assert errors.startswith(f"error: {tmp_path / name} {says}")


@pytest.mark.parametrize("command", ["import", "balance"])
@pytest.mark.parametrize(
    ("environment", "code", "says"),
    [
        ({"BEDPLATE_KEY": "wrong"}, 11, "CREDENTIAL_INVALID"),
        ({"BEDPLATE_TARGET": "127.0.0.1:1"}, 13, "Nothing answers at 127.0.0.1:1."),
    ],
)
def test_a_wrong_key_and_a_server_that_is_not_there_are_told(
    importer: Importer, write: Write, command: str, environment: dict[str, str], code: int, says: str
):
    arguments = [command] if command == "balance" else [command, write(GROWING)]

    found, out, errors = importer.run(*arguments, **environment)

    assert (found, out) == (code, "")
    assert says in errors
    assert "Traceback" not in errors


def test_a_ledger_that_is_not_there_has_no_balances(importer: Importer):
    code, out, errors = importer.run("balance", "--ledger", "none")

    assert (code, out) == (12, "")
    assert "LEDGER_NOT_FOUND" in errors


def test_a_wrong_id_of_a_ledger_is_refused_with_its_rule(importer: Importer, write: Write):
    code, out, errors = importer.run("import", write(GROWING), "--ledger", "My Books")

    assert (code, out) == (10, "")
    assert "ledger_id" in errors


def test_an_empty_journal_posts_nothing(importer: Importer, write: Write):
    said = importer.import_(write("; nothing yet\n"), "empty")

    assert said == "0 transactions in empty: 0 posted, 0 known already; 0 accounts created.\n"
    assert importer.balances("empty") == {}

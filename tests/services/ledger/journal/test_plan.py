"""Names, ids, scales and entries that a journal is mapped to."""

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bedplate.ledger.v1 import ledger_pb2
from bedplate.services.ledger.journal import (
    JournalError,
    is_technical,
    names,
    original_names,
    plan,
    read,
    resolve,
)
from tests.services.ledger.journal.conftest import Write
from tests.services.ledger.journal.planned import balances_of, planned

ACCOUNT_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(:[A-Za-z0-9._-]+)*")
CURRENCY = re.compile(r"[A-Z][A-Z0-9]{1,11}")

account_names = (
    st.text(
        st.characters(exclude_categories=["Cs", "Zs", "Cc", "Zl", "Zp"]) | st.sampled_from(":. -_aB"),
        min_size=1,
    )
    .map(lambda text: " ".join(text.split()))
    .filter(bool)
)
commodities = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters='";'), max_size=30)


def test_the_patterns_here_are_those_of_the_contract():
    text = ledger_pb2.DESCRIPTOR.serialized_pb.decode("latin-1")

    assert f"^{ACCOUNT_ID.pattern}$" in text
    assert f"^{CURRENCY.pattern}$" in text


@pytest.mark.parametrize(
    ("commodity", "code"),
    [
        ("EUR", "EUR"),
        ("AAPL", "AAPL"),
        ("B2", "B2"),
        ("$", "X024"),
        ("€", "X0E282AC"),
        ("", "X0"),
        ("h", "X068"),
        ("A", "X041"),
        ("eur", "X0657572"),
        ("X024", "X058303234"),
        ("green apples", "X0ZL65U73QCL"),
    ],
)
def test_a_commodity_has_one_code(commodity: str, code: str):
    assert names.currency_code(commodity) == code


@pytest.mark.parametrize(
    ("account", "account_id"),
    [
        ("assets:bank", "assets:bank:EUR"),
        ("assets:savings account", "assets:savings.account:EUR"),
        ("Büro", "B_fc_ro:EUR"),
        ("a_b.c", "a_5f_b_2e_c:EUR"),
        ("a::b", "a:__:b:EUR"),
        ("-a:-b", "_2d_a:-b:EUR"),
        ("资产", "_8d44-4ea7_:EUR"),
    ],
)
def test_an_account_has_one_id(account: str, account_id: str):
    assert names.account_id(account, "EUR") == account_id


@given(account_names, commodities)
def test_every_name_makes_a_valid_id_and_comes_back(account: str, commodity: str):
    made, code = names.account_id(account, commodity), names.currency_code(commodity)

    assert ACCOUNT_ID.fullmatch(made), made
    assert len(made) <= names.ACCOUNT_ID_MAX
    assert CURRENCY.fullmatch(code), code
    assert not is_technical(made)
    assert original_names(made, code, names.display_name(account, commodity)) == (account, commodity)


@given(st.tuples(account_names, commodities), st.tuples(account_names, commodities))
def test_different_names_make_different_ids(one: tuple[str, str], other: tuple[str, str]):
    assert (names.account_id(*one) == names.account_id(*other)) is (one == other)


@pytest.mark.parametrize("name", ["a" * 300, "ü" * 80, "a:" * 100 + "b", "x" * 124, "x" * 125])
def test_a_long_name_makes_a_valid_id_of_its_own(name: str):
    made = names.account_id(name, "EUR")

    assert ACCOUNT_ID.fullmatch(made), made
    assert len(made) <= names.ACCOUNT_ID_MAX
    assert made.endswith(":EUR")
    assert made != names.account_id(f"{name}y", "EUR")


def test_an_account_that_no_import_has_made_keeps_its_id():
    assert original_names("cash", "EUR", "") == ("cash", "EUR")
    assert original_names("cash", "EUR", "My  EUR") == ("cash", "EUR")
    assert original_names("assets:cash:USD", "EUR", "assets:cash  USD") == ("assets:cash:USD", "EUR")


def entries_of(path) -> list[tuple[str, int]]:
    (transaction,) = planned(path).transactions
    return [(entry.account_id, entry.amount_minor) for entry in transaction.entries]


def test_what_a_conversion_leaves_over_goes_to_trading_accounts(write: Write):
    path = write("2020-01-01\n assets:shares  3 AAPL @ $10.50\n assets:cash\n")

    assert entries_of(path) == [
        ("assets:shares:AAPL", 3),
        ("assets:cash:X024", -315),
        ("equity:trading:_:AAPL", -3),
        ("equity:trading:_:X024", 315),
    ]


def test_a_trading_account_of_the_journal_is_not_ours(write: Write):
    path = write("2020-01-01\n equity:trading  3 EUR\n assets:cash  $-4\n")

    assert balances_of(planned(path))["equity:trading"] == {"EUR": Decimal(3)}


def test_what_need_not_balance_goes_to_a_virtual_account(write: Write):
    path = write("2020-01-01\n (budget)  3 EUR\n a  1 EUR\n b\n")

    assert entries_of(path) == [
        ("budget:EUR", 3),
        ("a:EUR", 1),
        ("b:EUR", -1),
        ("equity:virtual:_:EUR", -3),
    ]


def test_an_account_on_both_sides_gets_the_difference(write: Write):
    path = write("2020-01-01\n a  10 EUR\n a  -4 EUR\n c  1 EUR\n c  2 EUR\n b\n")

    assert entries_of(path) == [("a:EUR", 6), ("c:EUR", 1), ("c:EUR", 2), ("b:EUR", -9)]


def test_a_transaction_that_moves_nothing_is_left_out(write: Write):
    books = planned(write("2020-01-01\n a  0\n b\n\n2020-01-02\n a  1\n a  -1\n\n2020-01-03 nothing\n"))

    assert (books.transactions, books.without_effect) == ([], 3)
    assert books.accounts == {}


def test_a_commodity_is_counted_with_the_most_digits_that_it_has(write: Write):
    books = planned(
        write("commodity 1.000 GBP\n2020-01-01\n a  .125 EUR\n a  2 GBP @ 3.33333 USD\n a  1. JPY\n b\n")
    )

    scales = {account.currency_code: account.scale for account in books.accounts.values()}
    assert scales == {"EUR": 3, "GBP": 3, "USD": 5, "JPY": 0}


def test_a_ledger_that_counts_finer_is_followed_and_ids_stay(write: Write):
    path = write("2020-01-01\n a  1.5 EUR\n b\n")
    journal = read(path)
    resolve(journal)

    finer = plan(journal, {"EUR": 4})

    assert [entry.amount_minor for entry in finer.transactions[0].entries] == [15000, -15000]
    assert finer.transactions[0].transaction_id == planned(path).transactions[0].transaction_id


def test_a_ledger_that_counts_coarser_is_refused_with_the_line(write: Write):
    journal = read(write("2020-01-01\n a  1.5 EUR\n b\n\n2020-01-02\n a  1.125 EUR\n b\n"))
    resolve(journal)

    with pytest.raises(JournalError, match=r"line 5: 1.125 EUR has more digits .* than the 1 with which"):
        plan(journal, {"EUR": 1})


def ids_of(write: Write, text: str) -> list[str]:
    return [transaction.transaction_id for transaction in planned(write(text)).transactions]


SAME = "2020-01-01 * (7) x\n a  1.50 EUR\n b  -1.50 EUR\n"


@pytest.mark.parametrize(
    "text",
    [
        "2020-01-01 (7) x\n a  1.50 EUR\n b  -1.50 EUR\n",
        "2020-01-01 ! (7) x  ; comment\n a  1.50 EUR  ; tag: x\n b  -1.50 EUR\n",
        "2020/1/1=1/5 * (7)  x\n  ! a    EUR 1.5\n * b\n",
        "; a comment above\n\n2020-01-01 * (7) x\n a  1,500 EUR\n b  -1.50 EUR = -1.50 EUR\n",
    ],
)
def test_an_id_is_that_of_what_the_transaction_is_and_not_of_how_it_is_written(write: Write, text: str):
    assert ids_of(write, text) == ids_of(write, SAME)


@pytest.mark.parametrize(
    ("old", "new"),
    [("01-01", "01-02"), ("(7)", "(8)"), (" x\n", " y\n"), ("1.50", "1.51"), ("EUR", "USD"), (" b ", " c ")],
)
def test_another_transaction_has_another_id(write: Write, old: str, new: str):
    assert ids_of(write, SAME.replace(old, new)) != ids_of(write, SAME)


def test_equal_transactions_are_numbered(write: Write):
    one, two, other, three = ids_of(write, f"{SAME}\n{SAME}\n2020-01-02\n a  1\n b\n\n{SAME}")

    assert [each[-2:] for each in (one, two, other, three)] == [":1", ":2", ":1", ":3"]
    assert one[:-2] == two[:-2] == three[:-2] != other[:-2]


def test_the_ids_of_an_earlier_version_stay(write: Write):
    # Another one here means that every import posts everything once more.
    assert ids_of(write, SAME) == ["544ba566514d43d82fe4ebefecb0f95cb968a778:1"]


def test_types_are_those_declared_or_those_that_names_say(write: Write):
    books = planned(
        write(
            "account Schulden  ; type:L\naccount Schulden:frei\n  ; type: Equity\n2020-01-01\n"
            " Schulden:Bank  1 EUR\n Schulden:frei:x  1 EUR\n Income:x  1 EUR\n expenses  1 EUR\n"
            " Equity:x  1 EUR\n debts:x  1 EUR\n unknown  1 EUR\n assets:cash\n"
        )
    )

    assert {name: account.type for name, account in books.accounts.items()} == {
        "Schulden:Bank:EUR": "L",
        "Schulden:frei:x:EUR": "E",
        "Income:x:EUR": "R",
        "expenses:EUR": "X",
        "Equity:x:EUR": "E",
        "debts:x:EUR": "L",
        "unknown:EUR": "A",
        "assets:cash:EUR": "A",
    }


def test_a_description_that_is_too_long_is_cut_and_still_tells_transactions_apart(write: Write):
    long = "x" * 600
    books = planned(write(f"2020-01-01 {long}\n a  1\n b\n\n2020-01-01 {long}y\n a  1\n b\n"))

    one, other = books.transactions
    assert one.description == f"{'x' * 511}…"
    assert one.description == other.description
    assert one.transaction_id[:-2] != other.transaction_id[:-2]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("2020-01-01\n a  0.0000000000000000001 X\n b\n", "line 2: An amount has 19 digits after"),
        ("2020-01-01\n a  9223372036854775808 X\n b\n", "line 1: 9223372036854775808 X with 0 digits"),
        (
            "2020-01-01\n a  93 X\n b\n\n2020-01-02\n a  0.1000000000000000001 X\n b",
            "line 6: An amount has 19",
        ),
        (
            "2020-01-01\n" + "".join(f" a:{n}  1 X\n" for n in range(200)) + " b\n",
            "line 1: .* 201 entries; 200",
        ),
        (f"2020-01-01\n {'a' * 253}  1 XY\n b\n", "line 1: Account and commodity have 257 characters"),
    ],
)
def test_what_does_not_fit_the_ledger_is_named_with_its_line(write: Write, text: str, says: str):
    with pytest.raises(JournalError, match=says):
        planned(write(text))


def test_what_just_fits_the_ledger_is_taken(write: Write):
    most = "9223372036854775807"
    assert planned(write(f"2020-01-01\n a  {most} X\n a  -{most} Y\n b\n")).transactions
    assert planned(write("2020-01-01\n a  0.000000000000000001 X\n b\n")).transactions
    assert planned(
        write("2020-01-01\n" + "".join(f" a:{n}  1 X\n" for n in range(199)) + " b\n")
    ).transactions
    assert planned(write(f"2020-01-01\n {'a' * 252}  1 XY\n b\n")).transactions

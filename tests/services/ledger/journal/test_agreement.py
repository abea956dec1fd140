"""Small journals that hledger and we read alike: the same balances, or both refuse."""

from pathlib import Path

import pytest

from bedplate.services.ledger.journal import JournalError
from tests.services.ledger.journal import hledger
from tests.services.ledger.journal.conftest import Write
from tests.services.ledger.journal.planned import balances_of, planned

BOOKS = sorted((Path(__file__).parent / "books").glob("*.journal"))

pytestmark = pytest.mark.usefixtures("with_hledger")


@pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.stem)
def test_a_book_comes_to_what_hledger_says(path: Path):
    hledger.assert_equal(balances_of(planned(path)), hledger.balances_of(path))


ALIKE = {
    "inferred by price": "a  3 AAPL @ $1.3333\nb",
    "price in parentheses": "a  3 AAPL (@) $1.5\nb",
    "total price": "a  -3 AAPL @@ $4\nb",
    "negative price": "a  3 AAPL @ $-6\nb",
    "price before lot": "a  3 AAPL @ $6 {$5} [2019-01-01]\nb",
    "lot before price": "a  3 AAPL {$5} @ $6\nb",
    "two commodities": "a  3 A\nb  -4 B",
    "two of four commodities": "a  3 A\nb  -4 B\nc  1 C\nd  -1 C",
    "exact at written digits": "a  10 EUR @ 0.3334 GBP\nb  -3.33 GBP",
    "half of a digit": "a  10 EUR @ 0.333500 GBP\nb  -3.33 GBP",
    "digits of prices only": "a  0.01 EUR @ X1\nb  0",
    "price beside a given balance": "a  3 X @ $2\nb  = $-6",
    "virtual ones": "(a)  5\n[b]  3 X\n[c]\nd  1\ne",
    "sign before symbol": "a  -$5\nb  $5",
    "signs on both sides": "a  -$-5\nb  $-5",
    "spaces in amounts": "a  - $ 5\nb  $ 5",
    "no space before commodity": "a  5EUR\nb  -5EUR",
    "symbols": "a  5 EUR'S\nb  5 a/b\nc  5 a#b\nd  5 a_b\ne  5 a|b\nf",
    "balance gives amount": "a  = $5\nb",
    "two balances give amounts": "a  = $5\nc  = $-1\nb",
    "balance with price gives amount": "a  = 2 X @ $5\nb",
    "balance gives a commodity that is nowhere else": "a  = 3 X\nb  -5 EUR",
    "asserted": "a  5 = 5\nb  -5 = -5",
    "asserted in total": "a  5 == 5\nb",
    "zero in another commodity": "a  $5\na  0 = $5\nb",
    "no postings": "",
    "one posting of nothing": "a  0",
    "one posting left out": "a",
    "all left out are zero": "a  0\nb",
    "exponent": "a  1.5E2 X\nb  -150 X",
    "comment in amount": "a  5;x\nb  -5  ; y",
    "account with semicolon": "a ; b  5\nc",
    "status before account": "! a  5\n* b\n",
    "own date and assertion": "a  5  ; date:2020-01-09\na  1 = 1\nb",
    "bracketed date": "a  5  ; [2020-01-09]\na  1 = 1\nb",
    "names with empty parts": "a::b  5\n:c  -5",
}
REFUSED = {
    "same signs": "a  3 A\nb  4 B",
    "three commodities": "a  3 A\nb  -4 B\nc  1 C",
    "not at written digits": "a  10 EUR @ 0.3337 GBP\nb  -3.33 GBP",
    "commodity of prices only": "a  10 EUR @ 0.3337 GBP\nb  -3 EUR @ 1.11233 GBP\nc  -7 EUR",
    "off by one": "a  10\nb  -9",
    "two left out": "a  1\nb\nc",
    "two left out in brackets": "[a]  1\n[b]\n[c]",
    "brackets do not balance": "[a]  1\nb  -1",
    "wrong assertion": "a  5 = 6\nb",
    "wrong total assertion": "a  5\na  1 X == 1 X\nb",
    "wrong inclusive assertion": "a:b  5\na  1 =* 5\nc",
    "assertion before a later date": "a  5  ; date:2020-01-09\na  1 = 6\nb",
    "wrong own date": "a  5  ; date:2020-13-09\nb",
    "own date left empty": "a  5  ; date:\nb",
    "amount in words": "a  five\nb",
    "contradicting marks": "a  1,000.000,0\nb",
    "mark after mark": "a  1.,\nb",
    "single space before amount": "a 5\nb -5\nc 0",
    "two assertions": "a  5 = 5 = 5\nb",
    "price without amount": "a  @ 5\nb",
    "expression": "a  (2 * 5)\nb",
    "unclosed quote": 'a  5 "X\nb',
    "digits in symbol": "a  5 X1\nb",
}


def transaction(text: str) -> str:
    return f"2020-01-01 x\n{''.join(f'    {line}{chr(10)}' for line in text.splitlines())}"


@pytest.mark.parametrize("text", ALIKE.values(), ids=ALIKE.keys())
def test_a_transaction_comes_to_what_hledger_says(write: Write, text: str):
    path = write(transaction(text))

    hledger.assert_equal(balances_of(planned(path)), hledger.balances_of(path))


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED.keys())
def test_a_transaction_that_hledger_refuses_is_refused(write: Write, text: str):
    path = write(transaction(text))

    assert hledger.run(path).returncode != 0
    with pytest.raises(JournalError):
        planned(path)


ALIKE_FILES = {
    "empty": "",
    "only comments": "; a\n# b\n* c\n   ; d\n\n",
    "carriage returns": "2020-01-01 x\r\n    a  1\r\n    b\r\n",
    "byte order mark": "\ufeff2020-01-01\n a  1\n b\n",
    "no newline at the end": "2020-01-01\n a  1\n b",
    "comment to the end": "2020-01-01\n a  1\n b\n\ncomment\n2020-01-02\n a  1\n b\n",
    "default commodity": "D $1,000.00\n2020-01-01\n a  1,000\n b  1,000 EUR\n c\n",
    "default commodity changed": "D $1.00\n2020-01-01\n a  1\n b\n\nD 1.00 EUR\n2020-01-01\n a  1\n b\n",
    "decimal mark": "decimal-mark ,\n2020-01-01\n a  1.000,5\n b  1.000\n c  1,5\n d\n",
    "commodity after use": "2020-01-01\n a  1,000 X\n b\n\ncommodity 1,000. X\n2020-01-01\n a  1,000 X\n b\n",
    "digits declared": "commodity $1.00\n2020-01-01\n a  $1.004\n b  $-1.00\n",
    "digits declared for costs": "commodity $1.0\n2020-01-01\n a  1 X @ $1.04\n b  $-1\n",
    "aliases": "alias a = b\nalias b = c\nalias c=d:e\n2020-01-01\n a  1\n a:x  1\n ab  1\n c\n",
    "aliases ended": "alias a = b\nend aliases\n2020-01-01\n a  1\n c\n",
    "alias by expression": "alias /^(.+):bank:([^:]+)/ = \\1:\\2 x\n2020-01-01\n A:BANK:b:c  1\n a\n",
    "accounts applied": "apply account x\napply account y\n2020-01-01\n a  1\n (b)  2\n c\n\n"
    "end apply account\n2020-01-01\n a  1\n c\n",
    "alias after applied account": "alias x:a = z\napply account x\n2020-01-01\n a  1\n c\n",
    "dates in any order": "2020-01-05\n a  1 = 3\n b\n\n2020-01-02\n a  2 = 2\n b\n",
    "same day in order": "2020-01-05\n a  1 = 1\n b\n\n2020-01-05\n a  2 = 3\n b\n",
    "balance after a balance": "2020-01-01\n a  = 5\n b\n\n2020-01-02\n a  2\n b\n\n2020-01-03\n a  =1\n b\n",
    "total balance of two": "2020-01-01\n a  5 X\n a  6 Y\n b\n\n2020-01-03\n a  == 1 X\n b\n",
    "balance of all below": "2020-01-01\n a:b  5\n c\n\n2020-01-03\n a  =* 1\n c\n",
    "year": "Y2019\n1/2\n a  1\n b\n\nY 2020\n01-03=01-04\n a  1\n b\n",
    "rules": "= a\n  (x)  *2\n\n~ monthly\n  a  1\n  b\n\n2020-01-01\n a  1\n b\n",
    "market prices": 'P 2020-01-01 X $1\nP 2020/1/1 10:00 "a b" 3 X\n2020-01-01\n a  1 X\n b\n',
    "exclamation before directive": "!alias a = b\n2020-01-01\n a  1\n c\n",
    "tags and payees": "payee x y ; c\ntag t\n  ; s\n2020-01-01\n a  1\n c\n",
}
REFUSED_FILES = {
    "no such day": "2020-02-30\n a  1\n b\n",
    "two separators": "2020-01/02\n a  1\n b\n",
    "wrong second date": "2020-01-01=2020-02-31 x\n a  1\n b\n",
    "text after date": "2020-01-01x\n a  1\n b\n",
    "unknown directive": "bucket a\n",
    "tag applied": "apply tag foo\n",
    "indented line": "  a  1\n",
    "line after blanks": "2020-01-01\n a  1\n \n b\n",
    "other comment": "% hello\n",
    "missing include": "include nothing.journal\n",
    "itself": "include books.journal\n",
    "no decimal mark shown": "commodity 1000 X\n",
    "wrong decimal mark": "decimal-mark ;\n",
    "wrong market price": "P 2020-01-01 X\n",
    "order by date": "2020-01-05\n a  1 = 1\n b\n\n2020-01-02\n a  2 = 2\n b\n",
    "a date for a given amount": "2020-01-01\n a  = 1  ; date:2020-01-02\n b\n",
    "words": "hello\n",
}


@pytest.mark.parametrize("text", ALIKE_FILES.values(), ids=ALIKE_FILES.keys())
def test_a_file_comes_to_what_hledger_says(write: Write, text: str):
    path = write(text)

    hledger.assert_equal(balances_of(planned(path)), hledger.balances_of(path))


@pytest.mark.parametrize("text", REFUSED_FILES.values(), ids=REFUSED_FILES.keys())
def test_a_file_that_hledger_refuses_is_refused(write: Write, text: str):
    path = write(text)

    assert hledger.run(path).returncode != 0
    with pytest.raises(JournalError):
        planned(path)


def test_what_an_included_file_says_of_commodities_holds_afterwards_and_the_rest_does_not(write: Write):
    write(
        "commodity 1.000,00 EUR\nD 1,000.00 USD\nalias a = z\nY 2011\napply account x\ndecimal-mark ,\n",
        "in.journal",
    )
    path = write("include in.journal\n2020-01-01\n a  1.000 EUR\n a  1.000 X\n a  1\n c\n")

    hledger.assert_equal(balances_of(planned(path)), hledger.balances_of(path))

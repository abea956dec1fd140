"""Whatever a file holds, it is read or its line is named."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bedplate.services.ledger.journal import JournalError
from tests.services.ledger.journal.planned import balances_of, planned

PIECES = (
    *(
        "2020-01-01",
        "2020-1-31",
        "1/2",
        "0000-01-01",
        "99999-01-01",
        "2020-02-30",
        "=",
        "==",
        "=*",
        "@",
        "@@",
    ),
    *(
        "(@)",
        "{",
        "}",
        "{{1 X}}",
        "[2020-01-01]",
        "[=1/1]",
        "(",
        ")",
        "[",
        "]",
        "*",
        "!",
        ";",
        "date:",
        "type:A",
    ),
    *(
        "assets:bank",
        "a b",
        ":",
        "$",
        "EUR",
        '"x y"',
        '"',
        "-",
        "+",
        "1",
        "1,000",
        "1.000,5",
        ".5",
        "7.",
        "1E3",
    ),
    *("1E30", "1E31", "1e-30", "9" * 39, "0." + "0" * 17 + "1", "٣", "²", "½", "\t", " ", "  ", "    ", "\n"),
    *(
        "\n  ",
        "\n    ",
        "\r\n",
        "\n\n",
        "account ",
        "alias ",
        "/(a)/",
        "\\1",
        "\\2",
        "apply account ",
        "end ",
    ),
    *(
        "end apply account",
        "comment",
        "end comment",
        "commodity ",
        "  format ",
        "D ",
        "decimal-mark ",
        "P ",
        "Y",
    ),
    *("include ", "books.journal", "~ monthly", "= a", "payee ", "\u2028", "\x0b", "\ufeff", "é"),
)
POSTING = st.tuples(
    st.sampled_from(["a", "(a)", "[a]", "b:c"]), st.lists(st.sampled_from(PIECES), max_size=4).map(" ".join)
).map("  ".join)
TRANSACTION = st.lists(POSTING, max_size=4).map(lambda lines: "\n  ".join(["2020-01-01 x", *lines]))


@pytest.mark.parametrize("kind", ["anything", "pieces", "transactions"])
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_file_is_read_or_its_line_is_named(tmp_path: Path, kind: str, data: st.DataObject):
    kinds = {
        "anything": st.text(),
        "pieces": st.lists(st.sampled_from(PIECES), max_size=25).map("".join),
        "transactions": st.lists(TRANSACTION, max_size=4).map("\n\n".join),
    }
    path = tmp_path / "books.journal"
    path.write_bytes(data.draw(kinds[kind]).encode("utf-8", "surrogatepass"))

    error: JournalError | None = None
    try:
        balances_of(planned(path))  # looks also whether every transaction balances
    except JournalError as raised:
        error = raised

    if error is not None:
        assert error.place.file == str(path)
        assert 1 <= error.place.line <= path.read_bytes().count(b"\n") + 1
        assert error.sentence.endswith(".")

"""docs/http.md answers each of the 42 questions, and its table leads to cases and to code."""

import re
from collections import defaultdict
from dataclasses import dataclass

import pytest

from tests.gateway.conformance.cases import BEHAVIOURS, FOLDER, read
from tests.gateway.conformance.contract import HERE, ROOT

# Where the package is written; the code of a row is a path in it.
SOURCES = [ROOT / folder / "bedplate" for folder in ("services", "clients/python")]

# In all groups together; fewer would be another suite.
CASES_MIN = 400

_ROW = re.compile(r"\| (\d+) \|(.+)\|(.+)\|(.+)\|(.+)\|(.+)\|")
_NAME = re.compile(r"`([^`]+)`")


@dataclass(frozen=True, slots=True)
class Row:
    """A question and where its answer is shown."""

    question: str
    answer: str
    because: str
    groups: tuple[str, ...]
    code: tuple[str, ...]


def rows() -> dict[int, Row]:
    found = {}
    for line in (ROOT / "docs" / "http.md").read_text().splitlines():
        row = _ROW.fullmatch(line)
        if row is not None:
            question, answer, because = (row[place].strip() for place in (2, 3, 4))
            groups, code = (tuple(_NAME.findall(row[place])) for place in (5, 6))
            found[int(row[1])] = Row(question, answer, because, groups, code)
    return found


ROWS = rows()
GROUPS_OF = defaultdict(set)
for case in read():
    for behaviour in case.behaviours:
        GROUPS_OF[behaviour].add(case.group)


def test_each_question_has_one_row_in_order():
    assert list(ROWS) == list(BEHAVIOURS)


@pytest.mark.parametrize("number", BEHAVIOURS)
def test_each_question_has_an_answer_a_reason_cases_and_code(number):
    row = ROWS[number]

    assert row.question.endswith("?")
    assert row.answer
    assert row.because
    assert row.groups
    assert [path for path in row.code if not any((root / path).is_file() for root in SOURCES)] == []
    assert row.code


@pytest.mark.parametrize("number", BEHAVIOURS)
def test_the_cases_of_each_question_are_where_its_row_says(number):
    for group in ROWS[number].groups:
        if group.startswith("test_"):
            assert f"behaviour({number})" in (HERE / f"{group}.py").read_text()
        else:
            assert (FOLDER / f"{group}.toml").is_file()
            assert group in GROUPS_OF[number]


def test_there_are_enough_cases_and_each_group_says_what_it_is_about():
    assert len(read()) >= CASES_MIN
    assert [path.name for path in FOLDER.glob("*.toml") if not path.read_text().startswith("# ")] == []

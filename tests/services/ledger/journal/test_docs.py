"""docs/journal.md does what it says."""

import itertools
import re
from pathlib import Path

import pytest

from tests.faults.platform import Platform
from tests.services.ledger.journal import hledger
from tests.services.ledger.journal.importing import Importer

PAGE = Path(__file__).parents[4] / "docs" / "journal.md"
BLOCK = re.compile(r"```(?P<kind>\w+)\n(?P<text>.*?)```", re.DOTALL)


def test_the_example_of_the_page_prints_what_the_page_says(tmp_path: Path):
    blocks = [(found["kind"], found["text"]) for found in BLOCK.finditer(PAGE.read_text(encoding="utf-8"))]
    (journal,) = (text for kind, text in blocks if kind == "journal")
    path = tmp_path / "books.journal"
    path.write_text(journal, encoding="utf-8")
    commands = 0

    with Platform(tmp_path / "data") as platform:
        importer = Importer.of(platform)
        for (kind, command), (_, expected) in itertools.pairwise(blocks):
            if kind == "sh":
                words = command.split()
                assert words[:2] == ["bedplate", "ledger"]
                arguments = [str(path) if word == path.name else word for word in words[2:]]
                assert importer.run(*arguments) == (0, expected, "")
                commands += 1

    assert commands == 4


@pytest.mark.usefixtures("with_hledger")
def test_hledger_says_the_same_of_the_example(tmp_path: Path):
    blocks = [(found["kind"], found["text"]) for found in BLOCK.finditer(PAGE.read_text(encoding="utf-8"))]
    path = tmp_path / "books.journal"
    path.write_text(next(text for kind, text in blocks if kind == "journal"), encoding="utf-8")
    printed = next(text for _, text in blocks if text.startswith('"account"'))

    hledger.assert_equal(hledger.parse(printed), hledger.balances_of(path))

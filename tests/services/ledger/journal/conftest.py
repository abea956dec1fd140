"""What tests of the journal share."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.services.ledger.journal import hledger

Write = Callable[..., Path]


@pytest.fixture(scope="session")
def with_hledger() -> None:
    """hledger is there, or the test is skipped."""
    hledger.install()


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a journal."""

    def write(text: str, name: str = "books.journal") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8", newline="")
        return path

    return write

"""docs/export.md: what it says of the file is so."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services.ledger.test_ledger_file import written

PAGE = Path(__file__).parents[3] / "docs" / "export.md"


@pytest.mark.parametrize("name", ["a.ledger", "a.ledger.gz"])
def test_the_program_of_the_page_reads_a_file_and_finds_what_is_damaged(
    tmp_path: Path,
    exported,
    name: str,
):
    records = exported[1]
    [program] = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S)
    path = written(tmp_path / name, records)

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True)

    whole = run()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)

    assert whole.stderr == ""
    assert whole.stdout.splitlines() == [f"{each.index} {each.WhichOneof('event')}" for each in records]
    assert run().returncode != 0

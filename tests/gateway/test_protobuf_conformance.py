"""protobuf's own conformance suite: all its cases of JSON hold, but for a list with reasons."""

import os
import re
from pathlib import Path

import pytest

from tests.gateway import protobuf_runner
from tests.gateway.protobuf_runner import UnavailableError

FAILURES = Path(__file__).parent / "protobuf_failures.txt"
KNOWN = [line for line in FAILURES.read_text().splitlines() if line and not line.startswith("#")]


def run(failures: Path) -> str:
    try:
        return protobuf_runner.run(failures).stderr
    except UnavailableError as error:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"protobuf's conformance runner: {error}")


def test_all_required_and_recommended_cases_hold_that_strictness_does_not_forbid(tmp_path):
    none = tmp_path / "none.txt"
    none.touch()

    report = run(none)

    failed = {line.split(" #")[0].strip() for line in report.splitlines() if line.startswith("  R")}
    successes = [int(count) for count in re.findall(r"(\d+) successes, 0 skipped", report)]
    assert failed == set(KNOWN)
    assert len(KNOWN) == len(set(KNOWN))
    assert max(successes) > 2_700

"""connectrpc's conformance suite: all cases of Connect and gRPC-Web hold, but for a list with reasons."""

import os
import re
from pathlib import Path

import pytest

from tests.built import BUILD_MAX_S, Missing
from tests.gateway.connect import runner

# The runner is built by whoever is first.
pytestmark = pytest.mark.timeout(BUILD_MAX_S + runner.RUN_MAX_S)

KNOWN = Path(__file__).parent / "known_failing.txt"


def run(*arguments: str) -> tuple[int, int, str]:
    """How many cases passed and failed, and what the runner says."""
    try:
        done = runner.conformance(KNOWN, *arguments)
    except Missing as missing:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(f"connectrpc's conformance runner: {missing}")
    said = done.stdout + done.stderr
    found = re.search(r"(\d+) passed, (\d+) failed", said)
    assert found, said[-4000:]
    assert done.returncode == 0, said[-4000:]
    return int(found[1]), int(found[2]), said


@pytest.mark.skipif(
    not runner.is_built() and os.environ.get("CI") != "true",
    reason="connectrpc's conformance runner is not here; `make soak` builds it",
)
def test_all_cases_hold_that_are_neither_compressed_nor_encrypted() -> None:
    passed, failed, said = run("--skip", "**/TLS:true/**", *_skipping("GZIP", "BR", "ZSTD", "DEFLATE"))

    assert failed == 0, said
    assert passed > 250


@pytest.mark.soak
def test_all_cases_hold() -> None:
    passed, failed, said = run()

    assert failed == 0, said
    assert passed > 2_500


def _skipping(*compressions: str) -> list[str]:
    patterns = [f"**/Compression:COMPRESSION_{name}/**" for name in compressions]
    return [part for pattern in patterns for part in ("--skip", pattern)]

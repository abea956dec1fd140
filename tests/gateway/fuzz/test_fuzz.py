"""Whatever bytes come in: a refusal or an answer, soon, and nothing left behind."""

import asyncio
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.faults.platform import Platform
from tests.gateway.conformance.contract import ROOT
from tests.gateway.conformance.process import Running
from tests.gateway.fuzz import hammer
from tests.gateway.fuzz.seeds import SEEDS
from tests.gateway.fuzz.targets import TARGETS

GUIDED_S = 60
GROWTH_MAX_BYTES = 24 * 1024 * 1024


def _near(name: str) -> st.SearchStrategy[bytes]:
    """Any bytes, and inputs that were right before a few changes."""
    seeds = SEEDS[name]
    changed = st.builds(
        lambda seed, number: hammer.mutate(seed, seeds, random.Random(number)),
        st.sampled_from(seeds),
        st.integers(0, 2**32),
    )
    return st.one_of(st.binary(max_size=200), changed, changed, changed)


@pytest.mark.parametrize("name", TARGETS)
def test_bytes_become_a_request_or_a_refusal(name: str) -> None:
    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(_near(name))
    def run(data: bytes) -> None:
        TARGETS[name](data)

    run()


@pytest.mark.soak
@pytest.mark.parametrize("name", TARGETS)
def test_bytes_that_look_for_new_branches_find_no_fault(name: str, tmp_path: Path) -> None:
    pytest.importorskip("atheris", reason="there is no atheris for this Python; `make soak` installs it")
    command = [sys.executable, "-m", "tests.gateway.fuzz.guided", name, str(GUIDED_S), str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=GUIDED_S + 120)
    assert done.returncode == 0, done.stderr[-4000:]
    assert "stat::number_of_executed_units" in done.stderr, done.stderr[-2000:]


@pytest.fixture
def server() -> Iterator[Running]:
    running = Running("tests.gateway.conformance.server")
    yield running
    running.stop()


def _hammer(server: Running, count: int, seed: int) -> hammer.Result:
    address = server.ports["http"]
    result = asyncio.run(
        hammer.hammer(address, hammer.seeds_of_cases(), count=count, connections=64, seed=seed)
    )
    assert not result.wrong, result.wrong[:3]
    assert not result.hung, result.hung[:3]
    assert result.sent == count // 64 * 64
    assert result.statuses[200] > count / 4
    return result


def test_requests_that_are_nearly_right_are_answered_and_never_as_our_fault(server: Running) -> None:
    _hammer(server, 3_200, seed=1)


@pytest.mark.soak
def test_two_hundred_thousand_requests_leave_nothing_behind(server: Running) -> None:
    _hammer(server, 32_000, seed=2)  # caches and plans are full now
    before = hammer.rss_bytes(server.pid)
    result = _hammer(server, 200_000, seed=3)
    grown = hammer.rss_bytes(server.pid) - before
    print(f"slowest {result.slowest_s:.2f} s, grown {grown / 1e6:.1f} MB, {dict(result.statuses)}")
    assert grown < GROWTH_MAX_BYTES


@pytest.mark.soak
def test_requests_made_from_the_openapi_document_are_answered_as_it_says(tmp_path: Path) -> None:
    schemathesis = shutil.which("schemathesis", path=str(Path(sys.executable).parent))
    if schemathesis is None:
        pytest.skip("there is no schemathesis; `make soak` installs it")
    with Platform(tmp_path / "platform", environment={"BEDPLATE_ADDRESS_RATE": "0"}) as platform:
        checks = "not_a_server_error,status_code_conformance,content_type_conformance"
        checks += ",response_schema_conformance,response_headers_conformance"
        command = [
            schemathesis,
            "run",
            f"{platform.http_url}/openapi.json",
            "--checks",
            checks,
            "--seed",
            "1",
        ]
        command += ["-H", f"authorization: Bearer {platform.key}", "--max-examples", "100", "--no-color"]
        command += ["--phases", "examples,coverage,fuzzing,stateful", "--request-timeout", "20"]
        command += ["--generation-database", "none", "--output-truncate", "true"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=1500)
        print(done.stdout[-2000:])
        assert done.returncode == 0, done.stdout[-8000:]

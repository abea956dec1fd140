"""The commands of docs/gateway.md, typed word for word, give what the page shows."""

import os
import re
import shlex
import shutil
import subprocess

import pytest

from tests.cli.test_gateway import Gateway
from tests.cli.test_up import start
from tests.docs.test_readme import grpcurl
from tests.faults.platform import BEDPLATE, ROOT

PAGE = (ROOT / "docs" / "gateway.md").read_text()
FREE = {"BEDPLATE_HTTP_ADDRESS": "127.0.0.1:0", "BEDPLATE_GRPC_ADDRESS": "127.0.0.1:0"}


def blocks() -> list[tuple[str, str]]:
    """The blocks to type in "Trying it", each with what the page shows after it."""
    tour = PAGE.partition("## Trying it")[2].partition("\n## ")[0]
    found = re.findall(r"^```sh\n(.*?)^```\n(?:\n```\n(.*?)^```)?", tour, re.M | re.S)
    return [(typed, shown) for typed, shown in found]


@pytest.fixture
def grpc_address(tmp_path):
    process, printed = start(tmp_path, "up", env=FREE)
    yield next(line.split()[1] for line in printed.splitlines() if line.strip().startswith("gRPC"))
    process.terminate()
    process.communicate(timeout=30)


def run(typed: str, folder, replaced: dict[str, str]) -> str:
    for default, real in replaced.items():
        typed = typed.replace(default, real)
    path = os.pathsep.join([str(BEDPLATE.parent), os.environ["PATH"], str(ROOT / "build" / "bin")])
    done = subprocess.run(
        ["bash", "-c", typed], cwd=folder, env={"PATH": path}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def matches(shown: str, said: str) -> bool:
    return re.fullmatch(re.escape(shown.strip()).replace("…", ".*"), said.strip()) is not None


def arguments(typed: str) -> list[str]:
    words = shlex.split(typed)
    return words[words.index("gateway") + 1 :]


@pytest.mark.skipif(shutil.which("curl") is None, reason="the page asks with curl")
def test_the_tour_of_the_page_goes_as_it_says(tmp_path, grpc_address):
    (begin, said), *asks, (by_file, _) = blocks()
    ports = {"127.0.0.1:50051": grpc_address}

    with Gateway(tmp_path, *[ports.get(word, word) for word in arguments(begin)]) as gateway:
        ports["127.0.0.1:8090"] = gateway.url.removeprefix("http://")
        for default, real in ports.items():
            said = said.replace(default, real)
        assert matches(said, gateway.line)
        gateway.until("/readyz", 200)
        for typed, shown in asks:
            assert matches(shown, run(typed, tmp_path, ports)), typed

    make, serve = by_file.splitlines()
    if grpcurl() is None:
        return
    run(make, tmp_path, ports)
    with Gateway(tmp_path, *[ports.get(word, word) for word in arguments(serve)]) as gateway:
        assert gateway.until("/openapi.json", 200)


def test_the_numbers_on_the_page_are_those_of_the_code():
    from bedplate.gateway.elsewhere import policy, reflected
    from bedplate.server import edge, sources
    from bedplate.v1 import policy_pb2

    numbers = sorted(each.number for each in policy_pb2.DESCRIPTOR.extensions_by_name.values())
    assert f"({numbers[0]} to {numbers[-1]})" in PAGE
    assert (policy.DEADLINE_DEFAULT_S, policy.DEADLINE_MAX_S) == (30, 5 * 60)
    assert (policy.STREAM_DEFAULT_S, policy.STREAM_MAX_S) == (10 * 60, 24 * 3600)
    assert (sources.LOOK_EVERY_S, sources.ASK_EVERY_S, edge.FIRST_S) == (1, 30, 30)
    assert reflected.BYTES_MAX == 128 * 1024 * 1024

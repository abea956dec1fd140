"""README's commands, typed word for word, give what README shows.

A `…` in what it shows stands for whatever is there. The ports are the only
thing that differs: the page has the defaults, and a test must not take those.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.faults.platform import BEDPLATE, ROOT, Platform

HTTP, GRPC = "127.0.0.1:8080", "127.0.0.1:50051"


class Step(NamedTuple):
    """A block to type, and what README shows after it; None: nothing."""

    kind: str
    typed: str
    shown: str | None


def steps(page: Path, title: str = "## Five minutes") -> list[Step]:
    """The tour: the blocks of one section of a page."""
    tour = page.read_text().partition(title)[2].partition("\n## ")[0]
    blocks = re.findall(r"^```(\w+)\n(.*?)^```", tour, re.M | re.S)
    found: list[Step] = []
    for kind, text in blocks:
        if kind in ("sh", "python"):
            found.append(Step(kind, text, None))
        else:
            assert found[-1].shown is None, "what is shown twice?"
            found[-1] = found[-1]._replace(shown=text)
    return found


STEPS = steps(ROOT / "README.md")
# It goes on where README ends.
FURTHER = steps(ROOT / "docs" / "http.md", "## Trying it")


def grpcurl() -> str | None:
    return shutil.which("grpcurl", path=f"{os.environ['PATH']}{os.pathsep}{ROOT / 'build' / 'bin'}")


class Terminal:
    """One shell over all steps, in a folder like a checkout's."""

    def __init__(self, platform: Platform, folder: Path) -> None:
        self._ports = {HTTP: platform.http_url.removeprefix("http://"), GRPC: platform.grpc_address}
        self._folder = folder
        path = os.pathsep.join([os.environ["PATH"], str(ROOT / "build" / "bin")])
        self._shell = subprocess.Popen(
            ["bash"],
            cwd=folder,
            env={"PATH": path, "HOME": str(folder), "BEDPLATE_GRPC_ADDRESS": platform.grpc_address},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def type(self, step: Step) -> str:
        """Type a block; what came out of it."""
        text = step.typed
        for default, real in self._ports.items():
            text = text.replace(default, real)
        if step.kind == "python":
            (self._folder / "tour.py").write_text(text)
            text = f"{sys.executable} tour.py\n"
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.stdin.write(f"{text}\nprintf '\\n=== end\\n'\n")
        self._shell.stdin.flush()
        lines = []
        for line in self._shell.stdout:
            if line == "=== end\n":
                return "".join(lines)[:-1]
            lines.append(line)
        raise AssertionError(f"the shell ended after: {''.join(lines)}")

    def close(self) -> str:
        """End; what went to standard error."""
        return self._shell.communicate(timeout=10)[1]


def expected(shown: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, shown.split("…"))), re.S)


def test_the_tour_gives_what_the_page_shows(tmp_path):
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "bedplate").symlink_to(BEDPLATE)
    with Platform(tmp_path / ".bedplate") as platform:
        terminal = Terminal(platform, tmp_path)
        for step in STEPS + FURTHER:
            if "grpcurl" in step.typed and grpcurl() is None:
                continue  # the next test says so

            out = terminal.type(step)

            assert expected(step.shown or "").fullmatch(out), f"{step.typed}\ngave\n{out}"
        assert re.fullmatch(r"(error: .*\n(  .*\n)+)?", terminal.close())


def test_grpcurl_was_there_for_the_tour():
    if grpcurl() is None:
        pytest.skip("grpcurl is neither on the path nor in build/bin; `make grpcurl` installs it where Go is")


def test_the_tour_has_all_its_steps():
    typed = "\n".join(step.typed for step in STEPS)

    for word in ("curl -sS", "grpcurl -plaintext", "LedgerClient(", "bedplate call", "bedplate why"):
        assert word in typed
    assert sum(step.shown is not None for step in STEPS) >= 7


def test_the_two_commands_are_targets_of_the_makefile():
    readme, makefile = (ROOT / "README.md").read_text(), (ROOT / "Makefile").read_text()

    commands = re.findall(r"^make (\w+) ", readme.partition("## Two commands")[2].partition("## ")[0], re.M)

    assert commands == ["run", "test"]
    assert all(f"\n{command}:" in makefile for command in commands)


def test_the_contract_that_the_page_shows_is_in_the_style_of_the_real_one():
    shown = re.search(r"```proto\n(.*?)```", (ROOT / "README.md").read_text(), re.S)[1]
    real = (ROOT / "protos" / "bedplate" / "ledger" / "v1" / "ledger.proto").read_text()

    assert re.search(r"rpc GetLedger\(.*?\{", shown)[0] in real
    assert re.search(r"option \(google.api.http\).*", shown)[0] in real

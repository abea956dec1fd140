"""docs/tutorial.md, typed word for word by somebody who has our wheel and not our repository."""

import os
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.faults.platform import free_port
from tests.stranger.page import Running, Terminal, apply_diff, blocks, pattern
from tests.stranger.wheel import ROOT, build_wheel, environment, write_constraints

PAGE = ROOT / "docs" / "tutorial.md"
HTTP, GRPC = "127.0.0.1:8080", "127.0.0.1:50051"
# What has been done once a block with such a word ran.
WORDS = {
    "installed": "pip install",
    "generated and tested": "bedplate generate",
    "HTTP": "curl",
    "gRPC": "bedplate call",
    "client": "GreeterClient",
}
# From nothing to a call that is answered on both doors, in seconds of the
# machine's time; by the clock only where the machine has nothing else to do.
FIRST_CALLS_MAX_S = 180.0

# Where bedplate comes from, and all other places.
WHERE = "python -c 'import sys, bedplate.v1.policy_pb2 as pb; print(pb.__file__, sys.path)'"


def is_idle() -> bool:
    return os.getloadavg()[0] <= (os.cpu_count() or 1)


class Done(NamedTuple):
    """How long it took until something was done, since nothing was there; seconds."""

    clock_s: float
    processor_s: float


class Reader:
    """Reads the page from top to bottom and does what it says."""

    def __init__(self, folder: Path) -> None:
        wheel = build_wheel(folder / "wheel")
        write_constraints(folder / "constraints.txt")
        self.folder = folder / "acme"
        self._ports = {HTTP: f"127.0.0.1:{free_port()}", GRPC: f"127.0.0.1:{free_port()}"}
        self._words = {**self._ports, "'bedplate[dev]'": f"'bedplate[dev] @ {wheel.as_uri()}'"}
        self._environment = environment(
            PIP_CONSTRAINT=str(folder / "constraints.txt"),
            BEDPLATE_HTTP_ADDRESS=self._ports[HTTP],
            BEDPLATE_GRPC_ADDRESS=self._ports[GRPC],
            COLUMNS="120",
        )
        self.terminal = Terminal(folder, self._environment)
        self.server: Running | None = None
        self.begun = time.monotonic()
        self.done = dict[str, Done]()

    def read(self) -> None:
        """Do all of it."""
        printed = ""
        for kind, text in blocks(PAGE):
            word, _, rest = kind.partition(" ")
            text = self._ours(text)
            if kind == "sh server":
                self.server = Running(f"{self.folder}/.venv/bin/{text}", self.folder, self._environment)
            elif kind == "text server":
                assert self.server is not None
                self.server.expect(text)
            elif word == "diff":
                apply_diff(self.folder / rest, text)
            elif word == "sh":
                printed = self.terminal.type(text)
                self._note(text)
            else:
                assert pattern(text).fullmatch(printed), f"the page shows\n{text}\nand it was\n{printed}"

    def _ours(self, text: str) -> str:
        for theirs, ours in self._words.items():
            text = text.replace(theirs, ours)
        return text

    def _note(self, typed: str) -> None:
        """When something was done first."""
        for door, word in WORDS.items():
            if word in typed and door not in self.done:
                self.done[door] = Done(time.monotonic() - self.begun, self.terminal.processor_s())

    def close(self) -> int | None:
        """End what runs; the server's exit code."""
        self.terminal.close()
        return self.server.stop() if self.server else None


@pytest.mark.timeout(500)
def test_a_stranger_gets_from_an_empty_folder_to_calls_on_both_doors_and_to_a_change(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    idle = is_idle()
    reader = Reader(tmp_path)
    try:
        reader.read()
        found = reader.terminal.type(WHERE)
    finally:
        code = reader.close()

    assert code == 0
    assert set(reader.done) == set(WORDS)
    assert reader.done["client"].processor_s < FIRST_CALLS_MAX_S
    assert not idle or reader.done["client"].clock_s < FIRST_CALLS_MAX_S
    assert found.startswith(str(reader.folder / ".venv"))
    assert str(ROOT) not in found
    with capsys.disabled():
        print("\nA stranger, since nothing was there, by the clock and of the processor:")
        for what, (clock_s, processor_s) in reader.done.items():
            print(f"  {what:<22}{clock_s:5.0f} s {processor_s:5.0f} s")


def test_the_page_has_all_that_it_promises() -> None:
    kinds = [kind for kind, _ in blocks(PAGE)]
    typed = "\n".join(text for kind, text in blocks(PAGE) if kind.startswith("sh"))

    for word in (
        "bedplate new service",
        "bedplate generate",
        "bedplate up --reload",
        "curl",
        "bedplate call",
    ):
        assert word in typed
    assert sum(kind.startswith("diff ") for kind in kinds) >= 3
    assert kinds.count("text server") >= 4

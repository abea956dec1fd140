"""Types a page as its reader does: blocks for a terminal, for a server's terminal, and for an editor.

    ```sh         typed in the terminal; a block of `text` or `json` after it says what that prints
    ```sh server  typed in the server's terminal, and left running
    ```text server  what is printed there next, some time
    ```diff FILE  a change of a file

A `…` in what is printed stands for whatever is there.
"""

import os
import re
import signal
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

WAIT_MAX_S = 60.0


class Block(NamedTuple):
    """A block of the page."""

    kind: str
    text: str


def blocks(page: Path) -> list[Block]:
    """The blocks, in order."""
    return [Block(*found) for found in re.findall(r"^```([^\n]+)\n(.*?)^```$", page.read_text(), re.M | re.S)]


def pattern(shown: str) -> re.Pattern[str]:
    """What output must look like."""
    return re.compile(".*".join(map(re.escape, shown.split("…"))), re.S)


class Terminal:
    """A shell that stays."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._shell = subprocess.Popen(
            ["bash"],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def type(self, text: str) -> str:
        """Type a block and wait for its end; what it printed."""
        assert self._shell.stdin is not None
        assert self._shell.stdout is not None
        self._shell.stdin.write(f"{text}\nprintf '\\n=== end %s\\n' $?\n")
        self._shell.stdin.flush()
        lines: list[str] = []
        for line in self._shell.stdout:
            if line.startswith("=== end "):
                printed = "".join(lines)[:-1]
                assert line == "=== end 0\n", f"{text}\nended with {line}{printed}"
                return printed
            lines.append(line)
        raise AssertionError(f"the shell ended after {text}\n{''.join(lines)}")

    def processor_s(self) -> float:
        """Seconds of processor time that all it was told to do has taken."""
        found = re.findall(r"(\d+)m([\d.]+)s", self.type("times"))
        return sum(60 * int(minutes) + float(seconds) for minutes, seconds in found)

    def close(self) -> None:
        """End it."""
        self._shell.communicate(timeout=10)


class Running:
    """A command that runs on, and what it prints."""

    def __init__(self, command: str, folder: Path, environment: Mapping[str, str]) -> None:
        self._printed = ""
        self._read = 0
        self._ended = False
        self._more = threading.Condition()
        self.process = subprocess.Popen(
            ["bash", "-c", f"exec {command}"],
            cwd=folder,
            env=dict(environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._thread = threading.Thread(target=self._collect)
        self._thread.start()

    def expect(self, shown: str | re.Pattern[str], *, timeout_s: float = WAIT_MAX_S) -> str:
        """Wait until something is printed, after what was expected before; what it was."""
        wanted = shown if isinstance(shown, re.Pattern) else pattern(shown)
        found: re.Match[str] | None = None

        def seen() -> bool:
            nonlocal found
            found = wanted.search(self._printed, self._read)
            return found is not None or self._ended

        with self._more:
            self._more.wait_for(seen, timeout_s)
            assert found, f"not printed within {timeout_s:g} s: {wanted.pattern}\nbut:\n{self._printed}"
            self._read = found.end()
            return found[0]

    def expect_end(self, *, timeout_s: float = WAIT_MAX_S) -> None:
        """Wait until it is gone, and whatever it has started that prints there."""
        with self._more:
            assert self._more.wait_for(lambda: self._ended, timeout_s), f"it goes on after {timeout_s:g} s"

    def stop(self) -> int:
        """End it as Ctrl-C does; its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            code = self.process.wait(WAIT_MAX_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        self._thread.join()
        return code

    @property
    def printed(self) -> str:
        """All of it."""
        return self._printed

    def _collect(self) -> None:
        assert self.process.stdout is not None
        while part := os.read(self.process.stdout.fileno(), 65536):
            with self._more:
                self._printed += part.decode(errors="replace")
                self._more.notify_all()
        with self._more:
            self._ended = True
            self._more.notify_all()
        self.process.stdout.close()


def apply_diff(file: Path, diff: str) -> None:
    """Change a file as an editor does: whole, at once, in one place."""
    lines = diff.splitlines(keepends=True)
    before = "".join(line[1:] for line in lines if line[0] in " -")
    after = "".join(line[1:] for line in lines if line[0] in " +")
    text = file.read_text()
    assert text.count(before) == 1, f"{file} does not hold once:\n{before}"
    file.write_text(text.replace(before, after))

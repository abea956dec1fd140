"""Runs the `bedplate` command as a shell does."""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from typer.testing import CliRunner

from bedplate.cli.main import app
from tests.faults.platform import BEDPLATE, Platform

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Run = Callable[..., subprocess.CompletedProcess[str]]


def run_in(
    folder: Path, *arguments: str, env: Mapping[str, str] = {}, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder, with nothing of our environment but the path."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "COLUMNS": "120", **env}
    return subprocess.run(
        [str(BEDPLATE), *arguments],
        cwd=folder,
        env=environment,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """The command, in an empty folder."""
    return lambda *arguments, **named: run_in(tmp_path, *arguments, **named)


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, str, str]]:
    """The command without a process of its own: exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    for name in [name for name in os.environ if name.startswith("BEDPLATE_")]:
        monkeypatch.delenv(name)

    def invoke(*arguments: str) -> tuple[int, str, str]:
        # A command that serves takes the signals for itself, and gives none back: its process would end.
        before = {number: signal.getsignal(number) for number in SIGNALS}
        try:
            result = CliRunner().invoke(app, list(arguments))
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, result.stdout, result.stderr

    return invoke


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform that `bedplate up` began in a folder of its own."""
    with Platform(tmp_path_factory.mktemp("up") / ".bedplate") as started:
        yield started

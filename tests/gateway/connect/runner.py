"""connectrpc's conformance runner: built with Go, once, and run against our testee."""

import fcntl
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

from tests.built import Missing, is_newer, run

HERE = Path(__file__).parent
ROOT = HERE.parent.parent.parent
BUILD = ROOT / "build" / "connect"
RUN_MAX_S = 300

_MODULE = "connectrpc.com/conformance"
_PROGRAM, _CONTRACT = BUILD / "connectconformance", BUILD / "conformance.binpb"
_CONFIG = HERE / "config.yaml"


def built() -> tuple[Path, Path]:
    """The runner, and the descriptors of its contract.

    Raises:
        Missing: There is no Go, or it could not be built.
    """
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if go is None:
        raise Missing("no go was found on the path; install Go 1.26 or newer")
    BUILD.mkdir(parents=True, exist_ok=True)
    with open(BUILD / "lock", "w") as lock:  # tests run in several processes
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_built():
            run([go, "build", "-o", str(_PROGRAM), f"{_MODULE}/cmd/connectconformance"], HERE)
            listed = [go, "list", "-m", "-f", "{{.Dir}}", _MODULE]
            found = subprocess.run(listed, cwd=HERE, capture_output=True, text=True, check=True)
            buf = str(Path(sys.executable).parent / "buf")
            protos = f"{found.stdout.strip()}/proto"
            run([buf, "build", protos, "--as-file-descriptor-set", "-o", str(_CONTRACT)], HERE)
    return _PROGRAM, _CONTRACT


def is_built() -> bool:
    """Whether the runner is there; it takes minutes to build where Go has nothing of it yet."""
    return is_newer([_PROGRAM, _CONTRACT], [HERE / "go.mod", HERE / "go.sum"])


def conformance(known: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run all cases that config.yaml asks for.

    Args:
        known: Patterns of the cases that are known to fail.
        arguments: Further ones for the runner, such as `--run` and a pattern.

    Raises:
        Missing: The runner cannot be had on this machine.
    """
    program, contract = built()
    testee = BUILD / "testee"
    testee.write_text(f"#!/bin/sh\nexec {sys.executable} -m tests.gateway.connect.testee\n")
    testee.chmod(testee.stat().st_mode | stat.S_IXUSR)
    command = [str(program), "--mode", "server", "--conf", str(_CONFIG), "--known-failing", f"@{known}"]
    return subprocess.run(
        [*command, "--parallel", "2", "--max-servers", "2", *arguments, "--", str(testee)],
        cwd=ROOT,
        env={**os.environ, "TESTEE_DESCRIPTORS": str(contract)},
        capture_output=True,
        text=True,
        timeout=RUN_MAX_S,
    )

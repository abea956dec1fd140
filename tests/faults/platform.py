"""Starts `bedplate` as an operator does: a process of its own, with settings from the environment."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path

from bedplate.auth.keys import create_key

ROOT = Path(__file__).parent.parent.parent
BEDPLATE = Path(sys.executable).parent / "bedplate"

# A cold start under load on two cores; a start takes about a second.
READY_S = 60.0

SCOPES = ("ledger.read", "ledger.write", "ledger.import", "rates.read", "rates.write")


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


class Platform:
    """One `bedplate` process; the same folder, key and ports over all its starts."""

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        command: Sequence[str] = (),
        database_url: str = "",
        environment: Mapping[str, str] | None = None,
        key: str = "",
    ) -> None:
        self.folder = folder
        self.command = (*command, *arguments) if command else (str(BEDPLATE), *(arguments or ("up",)))
        self.http_port, self.grpc_port = free_port(), free_port()
        folder.mkdir(parents=True, exist_ok=True)
        keys = folder / "keys.json"
        self.key = key or create_key(keys, tenant="tenant-a", scopes=SCOPES)[1]
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "BEDPLATE_DATA_DIR": str(folder),
            "BEDPLATE_HTTP_ADDRESS": f"127.0.0.1:{self.http_port}",
            "BEDPLATE_GRPC_ADDRESS": f"127.0.0.1:{self.grpc_port}",
            **({"BEDPLATE_DATABASE_URL": database_url} if database_url else {}),
            # A machine that is busy with other tests is no overload.
            "BEDPLATE_LOAD_SHEDDING": "false",
            **(environment or {}),
        }
        self.process: subprocess.Popen[bytes] | None = None
        self.output = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__

    @property
    def grpc_address(self) -> str:
        """Where gRPC answers."""
        return f"127.0.0.1:{self.grpc_port}"

    @property
    def http_url(self) -> str:
        """Where HTTP answers."""
        return f"http://127.0.0.1:{self.http_port}"

    def start(self, *, wait: bool = True) -> "Platform":
        """Start the process, and wait until it is ready."""
        assert self.process is None or self.process.poll() is not None
        self.process = subprocess.Popen(
            self.command,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=self.output,
            stderr=self.output,
        )
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self) -> None:
        """Ask until the process says that it is ready; there is no signal to wait for across processes."""
        assert self.process is not None
        until = time.monotonic() + READY_S
        while time.monotonic() < until:
            if self.process.poll() is not None:
                raise AssertionError(f"bedplate ended with {self.process.returncode}:\n{self.read_output()}")
            try:
                with urllib.request.urlopen(f"{self.http_url}/readyz", timeout=1):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.02)
        raise AssertionError(f"bedplate was not ready within {READY_S:g} s:\n{self.read_output()}")

    def read_output(self) -> str:
        """What the process has printed."""
        self.output.seek(0)
        return self.output.read().decode(errors="replace")

    def metric(self, name: str, label: str = "") -> float:
        """Sum of a metric's samples, of those with a label's value when one is given."""
        with urllib.request.urlopen(f"{self.http_url}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        found = [line for line in lines if line.startswith((f"{name} ", f"{name}{{")) and label in line]
        return sum(float(line.rsplit(" ", 1)[1]) for line in found)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        """End it as a power cut does."""
        self.send(signal.SIGKILL)
        assert self.process is not None
        self.process.wait(10)

    def stop(self) -> int:
        """End it as an operator does; its exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def __enter__(self) -> "Platform":
        try:
            return self.start()
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.output.close()

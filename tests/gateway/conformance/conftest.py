"""The targets of the suite: each is started once, when the first case needs it."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.gateway.conformance.contract import compiled
from tests.gateway.conformance.peer import program
from tests.gateway.conformance.process import Running
from tests.gateway.conformance.run import Target

# As the server's own are; see process.py.
ELSEWHERE = (
    "address_rate=0",
    "load_shedding=false",
    "http_header_s=0.5",
    "http_body_s=1",
    "log_file=/dev/null",
)


class Targets:
    """The servers that run, by name."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._running: dict[str, Running] = {}
        self._file = ""

    def running(self, name: str, *command: str, **program: tuple[str, ...]) -> Running:
        """A process, started when it is not running yet; see `Running`."""
        found = self._running.get(name)
        if found is None:
            found = self._running[name] = Running(*command, **program)
            self._stack.callback(found.stop)
        return found

    def get(self, name: str) -> Target:
        """A target: `bedplate`, the gateway elsewhere in front of it or of a plain gRPC server, or a peer."""
        if name in ("elsewhere-grpc", "grpc-gateway"):
            behind = self.running("backend", "tests.gateway.conformance.backend")
        else:
            behind = self.running("server", "tests.gateway.conformance.server")
        if name == "grpc-gateway":
            peer = self.running(name, behind.ports["grpc"], program=(str(program()),))
            return Target(name, peer.ports["http"], house=False)
        if name == "bedplate":
            return Target(name, behind.ports["http"])
        gateway = self.running(
            name, "tests.gateway.elsewhere.serve", behind.ports["grpc"], self._contracts(), *ELSEWHERE
        )
        return Target(name, gateway.ports["http"])

    def _contracts(self) -> str:
        if not self._file:
            handle, self._file = tempfile.mkstemp(suffix=".binpb")
            self._stack.callback(os.unlink, self._file)
            with open(handle, "wb") as file:
                file.write(compiled())
        return self._file

    def stop(self) -> None:
        """End all, the last first."""
        self._stack.close()


@pytest.fixture(scope="session")
def targets() -> Iterator[Targets]:
    """The targets, by name."""
    made = Targets()
    yield made
    made.stop()

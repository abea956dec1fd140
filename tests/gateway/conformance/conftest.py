"""The targets of the suite: each is started once, when the first case needs it."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.gateway.conformance.process import Running
from tests.gateway.conformance.run import Target


class Targets:
    """The servers that run, by name."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._running: dict[str, Running] = {}

    def running(self, name: str, *command: str) -> Running:
        """A process, started when it is not running yet."""
        found = self._running.get(name)
        if found is None:
            found = self._running[name] = Running(*command)
            self._stack.callback(found.stop)
        return found

    def get(self, name: str) -> Target:
        """A target."""
        assert name == "bedplate"
        server = self.running("server", "tests.gateway.conformance.server")
        return Target("bedplate", server.ports["http"])

    def stop(self) -> None:
        """End all, the last first."""
        self._stack.close()


@pytest.fixture(scope="session")
def targets() -> Iterator[Targets]:
    """The targets, by name."""
    made = Targets()
    yield made
    made.stop()

"""A served echo, and a caller's scope."""

import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from bedplate.contract import scope
from bedplate.testing.serve import KEY, Served, serve
from tests.client.echo_client import AsyncEchoClient
from tests.protos import echo


@pytest.fixture
def handlers() -> echo.Handlers:
    """The handlers of the served echo."""
    return echo.Handlers()


@pytest.fixture
async def served(handlers: echo.Handlers) -> AsyncIterator[Served]:
    """A bedplate server with the echo service."""
    # No time for callers to look elsewhere: there is none else, and each test would wait for it.
    async with serve([echo.service(handlers)], drain_refuse_s=0.0) as running:
        yield running


@pytest.fixture
async def client(served: Served) -> AsyncIterator[AsyncEchoClient]:
    """A client of it, over gRPC."""
    async with AsyncEchoClient(served.grpc_address, key=KEY) as opened:
        yield opened


class Work:
    """A call that some code works for."""

    def __init__(
        self, left_s: float, credential: str = "", traceparent: str = "", criticality: str = ""
    ) -> None:
        self.deadline = self.outbound_deadline = time.monotonic() + left_s
        self.pending: list[Callable[[Any], None]] = []
        self.traceparent = traceparent
        self.credential = credential
        self.criticality = criticality


@contextmanager
def working(
    left_s: float, *, credential: str = "", traceparent: str = "", criticality: str = ""
) -> Iterator[Work]:
    """Code in the block works for a call that has so much time left."""
    work = Work(left_s, credential, traceparent, criticality)
    token = scope.CURRENT.set(work)
    try:
        yield work
    finally:
        scope.CURRENT.reset(token)

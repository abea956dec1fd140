"""What tests of the server share."""

from collections.abc import AsyncIterator

import pytest

from bedplate.testing.serve import Served, serve
from tests.protos import echo
from tests.protos.echo_client import EchoClient


@pytest.fixture
def handlers() -> echo.Handlers:
    """The handlers of the service that is served."""
    return echo.Handlers()


@pytest.fixture
async def served(handlers: echo.Handlers) -> AsyncIterator[Served]:
    """A server with the echo service."""
    async with serve([echo.service(handlers)], drain_refuse_s=0.1) as running:
        yield running


@pytest.fixture
async def client(served: Served) -> AsyncIterator[EchoClient]:
    """A plain gRPC client of it."""
    async with EchoClient(served.grpc_address) as connected:
        yield connected

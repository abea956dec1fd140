"""What tests of Connect and gRPC-Web share."""

from collections.abc import AsyncIterator

import pytest

from tests.gateway.protocols.contract import Opened, open_rpc


@pytest.fixture
async def rpc() -> AsyncIterator[Opened]:
    """A door with the contract behind it."""
    async with open_rpc() as opened:
        yield opened

"""What tests of the gateway share."""

from collections.abc import AsyncIterator

import pytest

from tests.gateway.http_door import Open, open_door


@pytest.fixture
async def served() -> AsyncIterator[Open]:
    """An HTTP door with the shop behind it."""
    async with open_door() as opened:
        yield opened

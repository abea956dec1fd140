"""What tests of the gateway share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gateway.http_door import Open, open_door
from tests.gateway.library import Library, open_library


@pytest.fixture
async def served() -> AsyncIterator[Open]:
    """An HTTP door with the shop behind it."""
    async with open_door() as opened:
        yield opened


@pytest.fixture
async def library(tmp_path: Path) -> AsyncIterator[Library]:
    """An HTTP door with the library behind it."""
    async with open_library(tmp_path) as opened:
        yield opened

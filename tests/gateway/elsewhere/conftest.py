"""The library of others, and the gateway in front of it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.gateway.elsewhere import stranger
from tests.gateway.elsewhere.edge import Opened, open_edge


@pytest.fixture(scope="session")
def contract(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library's descriptor set."""
    path = tmp_path_factory.mktemp("library") / "library.binpb"
    path.write_bytes(stranger.compiled())
    return path


@pytest.fixture
async def library() -> stranger.Library:
    """What the library does."""
    return stranger.Library()


@pytest.fixture
async def behind(library: stranger.Library) -> AsyncIterator[str]:
    """The library's address."""
    async with stranger.library_server(library) as address:
        yield address


@pytest.fixture
async def edge(behind: str, contract: Path) -> AsyncIterator[Opened]:
    """The gateway in front of the library."""
    async with open_edge(behind, contract) as opened:
        yield opened

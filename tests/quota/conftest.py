"""What tests of limits share: a clock that a test sets, and a real Valkey."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from bedplate.quota.shared import SharedBuckets
from bedplate.testing.valkey import ValkeyServer


class SetClock:
    """Tells the seconds that it was set to."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def valkey() -> Iterator[ValkeyServer]:
    """An empty server; its folder's path is short, as sockets want it."""
    folder = Path(tempfile.mkdtemp(prefix="bedplate-"))
    try:
        with ValkeyServer(folder) as server:
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
async def shared(valkey: ValkeyServer) -> AsyncIterator[SharedBuckets]:
    """Buckets on it, for which nobody waits longer than a second."""
    buckets = SharedBuckets(valkey.url, timeout_s=1.0)
    yield buckets
    await buckets.close()

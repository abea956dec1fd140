"""kill -9 of the server while it posts: what was acknowledged stays, once."""

import asyncio
import random
from pathlib import Path

import pytest

from tests.faults.books import Books
from tests.faults.platform import Platform

WRITERS = 8


async def kill_and_restart(platform: Platform, kills: int, seed: int) -> None:
    """Post from several writers, kill the server after a random number of answers, start it, go on."""
    moments = random.Random(seed)
    async with Books(platform.grpc_address, platform.key) as books:
        await books.open()
        enough = asyncio.Event()
        writers = [asyncio.create_task(books.post_until(enough)) for _ in range(WRITERS)]
        for _ in range(kills):
            target = len(books.acknowledged) + moments.randint(1, 60)
            while len(books.acknowledged) < target:
                await asyncio.sleep(0)
                for writer in writers:
                    if writer.done():
                        writer.result()
                await asyncio.sleep(moments.random() / 100)
            platform.kill()
            await asyncio.to_thread(platform.start)
        enough.set()
        await asyncio.wait_for(asyncio.gather(*writers), 60)
        await books.audit()


@pytest.mark.timeout(300)
async def test_nothing_acknowledged_is_lost_or_doubled_when_the_server_is_killed(
    database_url: str, tmp_path: Path
) -> None:
    with Platform(tmp_path / "data", database_url=database_url) as platform:
        await kill_and_restart(platform, kills=3, seed=1)


@pytest.mark.soak
@pytest.mark.timeout(1200)
async def test_nothing_acknowledged_is_lost_or_doubled_in_twenty_kills(
    database_url: str, tmp_path: Path
) -> None:
    with Platform(tmp_path / "data", database_url=database_url) as platform:
        await kill_and_restart(platform, kills=20, seed=2)

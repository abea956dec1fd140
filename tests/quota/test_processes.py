"""Eight processes on one Valkey let in together what one would."""

import asyncio
import sys
import time
from pathlib import Path

import pytest

from bedplate.quota.shared import SharedBuckets
from bedplate.testing.valkey import ValkeyServer

ROOT = Path(__file__).parent.parent.parent
PROCESSES = 8
PER_SECOND = 1_000.0
# What a busy machine may keep all of them from asking for, in tokens.
BURST = 1_000.0
WAIT_S = 60.0


async def spend(valkey: ValkeyServer, seconds: float) -> tuple[int, int]:
    """How many calls eight processes got in within so many seconds, beginning with an empty bucket."""
    command = [sys.executable, "-m", "tests.quota.spend", valkey.url, str(PER_SECOND), str(BURST)]
    pipe = asyncio.subprocess.PIPE
    processes = [
        await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdin=pipe, stdout=pipe)
        for _ in range(PROCESSES)
    ]
    buckets = SharedBuckets(valkey.url, timeout_s=1.0)
    try:
        async with asyncio.timeout(WAIT_S + seconds):
            for process in processes:
                assert process.stdout is not None
                assert await process.stdout.readline() == b"ready\n"
            left = await buckets.take("k", cost=BURST, per_second=PER_SECOND, burst=BURST, wait_s=1.0)
            assert left == 0
            end = time.monotonic() + seconds
            for process in processes:
                assert process.stdin is not None
                process.stdin.write(f"{end}\n".encode())
            told = [(await process.communicate())[0].split() for process in processes]
    finally:
        await buckets.close()
        for process in processes:
            if process.returncode is None:
                process.kill()
                await process.wait()
    return sum(int(admitted) for admitted, _ in told), sum(int(unanswered) for _, unanswered in told)


@pytest.mark.parametrize("seconds", [2.0, pytest.param(10.0, marks=pytest.mark.soak)])
async def test_eight_processes_let_in_together_what_the_limit_says(
    valkey: ValkeyServer, seconds: float
) -> None:
    admitted, unanswered = await spend(valkey, seconds)

    print(f"{admitted} of {PER_SECOND * seconds:.0f} in {seconds:g} s")
    assert unanswered == 0
    assert 0.98 * PER_SECOND * seconds <= admitted <= 1.02 * PER_SECOND * seconds

"""Spends one bucket as fast as it is let, in a process of its own; tells how many calls were admitted.

python -m tests.quota.spend URL PER_SECOND BURST; then a line on standard input with the
end, monotonic seconds.
"""

import asyncio
import sys
import time

from bedplate.quota.shared import SharedBuckets

CALLERS = 8
# A busy machine may stop all processes for a while.
PATIENCE_S = 10.0


async def spend(buckets: SharedBuckets, per_second: float, burst: float, until: float) -> tuple[int, int]:
    """How many calls one caller got in, and how many were not answered."""
    admitted = unanswered = 0
    while time.monotonic() < until:
        left = await buckets.take("k", cost=1, per_second=per_second, burst=burst, wait_s=PATIENCE_S)
        if left is None:
            unanswered += 1
        elif left >= 0:
            admitted += 1
        else:
            await asyncio.sleep(-left / per_second)  # as callers are told
    return admitted, unanswered


async def main() -> None:
    url, per_second, burst = sys.argv[1], float(sys.argv[2]), float(sys.argv[3])
    buckets = SharedBuckets(url, timeout_s=PATIENCE_S)
    await buckets.take("other", cost=1, per_second=1, burst=1, wait_s=PATIENCE_S)  # it is connected by then
    print("ready", flush=True)
    end = float(sys.stdin.readline())
    found = await asyncio.gather(*(spend(buckets, per_second, burst, end) for _ in range(CALLERS)))
    print(sum(admitted for admitted, _ in found), sum(unanswered for _, unanswered in found), flush=True)
    await buckets.close()


if __name__ == "__main__":
    asyncio.run(main())

"""All buckets of a process: which methods share one, and whether processes do."""

import time
from collections.abc import Callable
from typing import Literal

from bedplate.contract.promises import Rate
from bedplate.quota.address import AddressBudget
from bedplate.quota.bucket import Bucket
from bedplate.quota.shared import SharedBuckets

# What holds while Valkey does not answer: each process counts for itself, all
# calls pass, or none does.
Without = Literal["local", "open", "closed"]


class Quota:
    """How often callers may call.

    Attributes:
        addresses: What an address may try without showing who it is.
        shared: Where processes share their buckets; None: this one counts for itself.
        without: What holds while `shared` does not answer.
        clock: Seconds that never go back.
    """

    def __init__(
        self,
        *,
        addresses: AddressBudget | None = None,
        shared: SharedBuckets | None = None,
        without: Without = "local",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.addresses = addresses or AddressBudget(clock=clock)
        self.shared = shared
        self.without: Without = without
        self.clock = clock
        self._buckets: dict[str, Bucket] = {}

    @property
    def buckets(self) -> tuple[Bucket, ...]:
        """All of them, by name."""
        return tuple(bucket for _, bucket in sorted(self._buckets.items()))

    def claim(self, method: str, rate: Rate) -> Bucket:
        """The bucket that a method's calls take from, from now on.

        Raises:
            PolicyError: Another method of the bucket means other holders.
        """
        now = self.clock()
        bucket = self._buckets.get(rate.bucket, Bucket(rate.bucket, rate))
        bucket.claim(method, rate, now)
        self._buckets[rate.bucket] = bucket
        for other in self._buckets.values():
            if other is not bucket:
                other.release(method, now)
        return bucket

    def release(self, method: str) -> None:
        """A method is not limited any more."""
        now = self.clock()
        for bucket in self._buckets.values():
            bucket.release(method, now)

    async def close(self) -> None:
        """Let go of what it is connected to."""
        if self.shared is not None:
            await self.shared.close()

"""Whatever happens in whatever order, no answer is older than it may be, or another tenant's."""

import asyncio
import random

import pytest

from bedplate.cache import Answers, Entry, Key
from bedplate.cache.entry import OVERHEAD_BYTES
from bedplate.errors import Kind, Refusal

TTL_S, STALE_S = 10.0, 20.0
TENANTS = ("a", "b")
REQUESTS = (b"x", b"y", b"z")
METHOD = "a.v1.A/Get"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class World:
    """A value for each tenant and request, which changes; callers that read it through a cache."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.clock = Clock()
        # Room for three answers, so that some are pushed out; each is an eighth of it at most.
        self.cache = Answers(8 * (OVERHEAD_BYTES + 40), clock=self.clock, chance=self.random.random)
        self.values = {(tenant, request): 0 for tenant in TENANTS for request in REQUESTS}

        self.runs: list[asyncio.Future[None]] = []
        self.answered = 0

    async def read(self, tenant: str, request: bytes) -> Entry:
        """The handler: reads first, and answers when it is let go."""
        value = self.values[tenant, request]
        gate = asyncio.get_running_loop().create_future()
        self.runs.append(gate)
        await gate
        if self.random.random() < 0.2:
            raise self.random.choice(
                [RuntimeError("fault"), Refusal(Kind.UNAVAILABLE, "X", "x"), Refusal(Kind.STATE, "X", "x")]
            )
        body = f"{tenant} {request.decode()} {value}".encode()
        return self.cache.entry(body, [], ttl_s=TTL_S, stale_s=STALE_S)

    async def ask(self) -> None:
        tenant, request = self.random.choice(TENANTS), self.random.choice(REQUESTS)
        key = Key(METHOD, tenant, request, "")
        began, invalidated = self.clock.now, self.values[tenant, request]
        entry = self.cache.find(key)

        async def work() -> Entry:
            return await self.read(tenant, request)

        if entry is None:
            outcome, _ = await self.cache.load(key, work, limit_s=3600)
            if outcome.entry is None:
                return
            entry = outcome.entry
        else:
            assert entry.made >= began - TTL_S - STALE_S
            if entry.fresh_until <= began:
                self.cache.refresh(key, entry, work, limit_s=3600)
        of, what, value = entry.body.decode().split()
        assert (of, what) == (tenant, request.decode())
        # Each change is told to the cache, so a call never sees what was untrue before it came.
        assert int(value) >= invalidated
        self.answered += 1

    async def change(self) -> None:
        tenant, request = self.random.choice(list(self.values))
        self.values[tenant, request] += 1
        await self.cache.invalidate(METHOD, tenant=tenant)

    def let_go(self) -> None:
        if self.runs:
            gate = self.runs.pop(self.random.randrange(len(self.runs)))
            if not gate.done():
                gate.set_result(None)


@pytest.mark.parametrize("seed", range(40))
async def test_no_answer_is_untrue_too_old_or_anothers(seed: int) -> None:
    world = World(seed)
    asking: list[asyncio.Task[None]] = []
    for _ in range(400):
        step = world.random.random()
        if step < 0.5:
            asking.append(asyncio.create_task(world.ask()))
        elif step < 0.75:
            world.let_go()
        elif step < 0.8 and asking:
            world.random.choice(asking).cancel()
        elif step < 0.9:
            await world.change()
        else:
            world.clock.now += world.random.choice([0.5, 5, 30])
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    for _ in range(10_000):
        if all(task.done() for task in asking):
            break
        world.let_go()
        await asyncio.sleep(0)
    ended = await asyncio.gather(*asking, return_exceptions=True)
    await world.cache.close()

    assert [
        error for error in ended if error is not None and not isinstance(error, asyncio.CancelledError)
    ] == []
    assert world.answered > 50
    assert world.cache._flights._all == set()
    level = world.cache.local
    assert level.bytes == sum(entry.size for entry in level._entries.values()) <= 8 * (OVERHEAD_BYTES + 40)

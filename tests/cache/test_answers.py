"""The caches of two processes that share a second level."""

from collections.abc import Callable

from bedplate.cache import Answers, Entry, Key
from bedplate.cache.answers import Work
from bedplate.cache.level import LocalLevel

KEY = Key("a.v1.A/Get", "t", b"x", "")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def worker(cache: Answers, made: list[str], *, ttl_s: float = 10) -> Callable[[str], Work]:
    """Work that makes an entry of a text, and notes that it did."""

    def of(text: str) -> Work:
        async def work() -> Entry:
            made.append(text)
            return cache.entry(text.encode(), [], ttl_s=ttl_s, stale_s=60)

        return work

    return of


async def ask(cache: Answers, work: Work) -> bytes:
    entry = cache.find(KEY)
    if entry is None:
        outcome, _ = await cache.load(KEY, work, limit_s=5)
        entry = outcome.entry
    assert entry is not None
    return entry.body


async def test_what_one_process_made_the_other_need_not_make() -> None:
    clock, made = Clock(), list[str]()
    level = LocalLevel(100_000, clock=clock)
    one, other = (Answers(shared=level, clock=clock, chance=lambda: 0.0) for _ in range(2))

    answers = [
        await ask(one, worker(one, made)("first")),
        await ask(other, worker(other, made)("second")),
    ]

    assert (answers, made) == ([b"first", b"first"], ["first"])


async def test_what_is_no_longer_true_is_dropped_in_the_shared_level_too() -> None:
    clock, made = Clock(), list[str]()
    level = LocalLevel(100_000, clock=clock)
    one, other = (Answers(shared=level, clock=clock, chance=lambda: 0.0) for _ in range(2))
    await ask(one, worker(one, made)("before"))

    await one.invalidate(KEY.method, tenant="t")

    assert await ask(other, worker(other, made)("after")) == b"after"


async def test_a_refresh_asks_the_handler_and_tells_the_shared_level() -> None:
    clock, made = Clock(), list[str]()
    level = LocalLevel(100_000, clock=clock)
    one, other = (Answers(shared=level, clock=clock, chance=lambda: 0.0) for _ in range(2))
    await ask(one, worker(one, made)("old"))
    clock.now += 11
    stale = one.find(KEY)
    assert stale is not None

    one.refresh(KEY, stale, worker(one, made)("new"), limit_s=5)
    flight = one._flights.find(KEY)
    assert flight is not None
    await one._flights.wait(flight)

    assert await ask(other, worker(other, made)("other")) == b"new"
    assert made == ["old", "new"]


async def test_what_became_untrue_while_it_was_made_reaches_no_level() -> None:
    clock, made = Clock(), list[str]()
    level = LocalLevel(100_000, clock=clock)
    cache = Answers(shared=level, clock=clock)

    async def work() -> Entry:
        await cache.invalidate(KEY.method)
        return await worker(cache, made)("old")()

    assert await ask(cache, work) == b"old"
    assert (len(level), len(cache.local)) == (0, 0)

"""Buckets that processes share, on a real Valkey that is also killed and stalled."""

import asyncio
import time

import pytest

from bedplate.quota import shared as shared_module
from bedplate.quota.shared import SharedBuckets
from bedplate.settings import SettingsError
from bedplate.testing.valkey import ValkeyServer

WAIT_S = 20.0


def take(
    buckets: SharedBuckets, key: str = "k", *, cost: float = 1, per_second: float = 0.01, burst: float = 5
):
    return buckets.take(key, cost=cost, per_second=per_second, burst=burst, wait_s=10.0)


async def until_it_answers(buckets: SharedBuckets, changes: "asyncio.Queue[bool]") -> float:
    """Ask until it answers again; how long that took, seconds."""
    began = time.monotonic()
    async with asyncio.timeout(WAIT_S):
        while await take(buckets, "again", burst=1e9) is None:
            await asyncio.sleep(0.01)  # callers come all the time
        assert await changes.get()
    return time.monotonic() - began


async def test_a_burst_is_let_in_and_the_next_is_told_what_is_missing(shared: SharedBuckets) -> None:
    left = [await take(shared) for _ in range(6)]

    assert left[:5] == [pytest.approx(n, abs=0.1) for n in (4, 3, 2, 1, 0)]
    assert left[5] == pytest.approx(-1, abs=0.1)


async def test_calls_at_once_are_asked_for_together_and_counted_each(shared: SharedBuckets) -> None:
    left = await asyncio.gather(*(take(shared, burst=300) for _ in range(1_000)))

    assert sum(each is not None and each >= 0 for each in left) == 300


async def test_tokens_flow_back_by_the_servers_clock(shared: SharedBuckets) -> None:
    assert await take(shared, cost=5, per_second=50) == 0

    missing = await take(shared, cost=1, per_second=50)
    assert missing is not None
    assert -1 <= missing < 0
    await asyncio.sleep(-missing / 50)  # as callers are told

    left = await take(shared, cost=1, per_second=50)
    assert left is not None
    assert left >= 0


async def test_keys_do_not_share_and_cost_counts(shared: SharedBuckets) -> None:
    assert await take(shared, "a", cost=5) == 0
    assert await take(shared, "b", cost=2) == 3


async def test_a_smaller_burst_keeps_what_fits(shared: SharedBuckets) -> None:
    await take(shared, burst=100)

    assert await take(shared, burst=10) == pytest.approx(9, abs=0.1)


async def test_two_processes_share(shared: SharedBuckets, valkey: ValkeyServer) -> None:
    other = SharedBuckets(valkey.url, timeout_s=1.0)

    left = [await take(each) for each in (shared, other, shared, other, shared, other)]

    assert sum(each is not None and each >= 0 for each in left) == 5
    await other.close()


async def test_a_server_that_was_started_anew_is_taught_the_script_again(
    shared: SharedBuckets, valkey: ValkeyServer
) -> None:
    assert await take(shared) == 4
    changes: asyncio.Queue[bool] = asyncio.Queue()
    shared._on_change = changes.put_nowait

    valkey.kill()
    assert await take(shared) is None
    assert await changes.get() is False
    valkey.start()

    assert await until_it_answers(shared, changes) < 5
    assert await take(shared) == 4
    assert (shared.up, shared.failures >= 1) == (True, True)


async def test_nobody_waits_for_a_server_that_stalls_longer_than_it_may(valkey: ValkeyServer) -> None:
    changes: asyncio.Queue[bool] = asyncio.Queue()
    buckets = SharedBuckets(valkey.url, timeout_s=0.1, on_change=changes.put_nowait)
    assert await take(buckets) == 4

    valkey.stall()
    began = time.monotonic()
    assert await asyncio.gather(*(take(buckets) for _ in range(500))) == [None] * 500
    first_s = time.monotonic() - began
    then = [take(buckets) for _ in range(500)]
    at_once = [answer.done() for answer in then]
    valkey.resume()

    assert first_s < 0.5
    assert all(at_once), "while it does not answer, nobody waits for it at all"
    assert await changes.get() is False
    await until_it_answers(buckets, changes)
    await buckets.close()


async def test_a_call_with_less_time_than_that_waits_no_longer_than_it_has(
    shared: SharedBuckets, valkey: ValkeyServer
) -> None:
    assert await take(shared) == 4
    valkey.stall()
    began = time.monotonic()

    answer = await shared.take("k", cost=1, per_second=1, burst=5, wait_s=0.02)

    assert answer is None
    assert time.monotonic() - began < 0.5
    valkey.resume()


async def test_a_call_that_is_cancelled_disturbs_no_other(shared: SharedBuckets) -> None:
    async def one() -> float | None:
        return await take(shared, burst=1_000)

    tasks = [asyncio.ensure_future(one()) for _ in range(100)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    left = await asyncio.gather(*tasks[1::2])

    assert None not in left
    assert await take(shared, burst=1_000) is not None


async def test_what_waits_has_a_bound(shared: SharedBuckets, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_module, "WAITING_MAX", 10)

    answers = await asyncio.gather(*(take(shared, burst=100) for _ in range(11)))

    assert answers.count(None) == 1


async def test_a_level_that_somebody_spoilt_is_answered_as_by_a_server_that_does_not(
    shared: SharedBuckets, valkey: ValkeyServer
) -> None:
    from valkey.asyncio import Valkey

    async with Valkey.from_url(valkey.url) as client:
        await client.set("bedplate:rate:k", "nonsense")

    assert await take(shared) is None


async def test_full_buckets_take_no_memory(shared: SharedBuckets, valkey: ValkeyServer) -> None:
    from valkey.asyncio import Valkey

    await take(shared, cost=5, per_second=1)

    async with Valkey.from_url(valkey.url) as client:
        assert 0 < await client.pttl("bedplate:rate:k") <= 5_001


@pytest.mark.parametrize("url", ["http://x", "valkey", "valkey://h:port/0"])
def test_a_url_that_is_none_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(SettingsError) as error:
        SharedBuckets(url, timeout_s=1.0)

    assert "valkey://user:password@host:6379/0" in str(error.value)
    assert url not in str(error.value).replace("valkey://user", "")[:20]


def test_a_missing_client_is_told_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "valkey.asyncio", None)

    with pytest.raises(SettingsError, match=r"install bedplate\[valkey\]"):
        SharedBuckets("valkey://h", timeout_s=1.0)

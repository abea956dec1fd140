"""Calls with several transactions: one attempt at a time goes on, and the effect is one."""

import asyncio

import pytest

from tests.records.shop import Shop
from tests.records.test_replay import fail_with
from tests.records.till import Hold

# Longer than a lease: the till's deadline, and what clocks may differ by. Seconds.
AFTER_LEASE_S = 12.0


async def sell(shop: Shop, **given: object):
    return await shop.sell(method="SellInSteps", **given)  # type: ignore[arg-type]


async def test_a_call_in_steps_has_one_effect_and_one_answer(shop: Shop) -> None:
    first, second = await sell(shop), await sell(shop)

    assert first.sale_id == second.sale_id
    assert second.replayed
    assert await shop.sold() == [("tea", "sold")]


async def test_a_call_that_failed_between_its_steps_is_gone_on_with_at_once(shop: Shop, other: Shop) -> None:
    shop.handlers.points["between"] = fail_with(RuntimeError("a bug"))
    failed = await sell(shop)
    begun = await shop.sold()

    again = await sell(other)

    assert (failed.reason, again.reason, again.replayed) == ("INTERNAL", "OK", False)
    assert (begun, await shop.sold()) == ([("tea", "begun")], [("tea", "sold")])


async def test_nobody_goes_on_with_a_call_before_its_deadline_and_somebody_after_it(
    shop: Shop, other: Shop
) -> None:
    """A process that dies says nothing: its lease ends with the call's deadline."""
    hold = shop.handlers.points["between"] = Hold()
    dying = asyncio.create_task(sell(shop))
    await hold.reached.wait()
    dying.cancel()
    await asyncio.wait([dying])

    early, changed = await sell(other), await sell(other, item="coffee")
    shop.clock.advance(AFTER_LEASE_S)
    late = await sell(other)

    assert (early.reason, changed.reason) == ("IDEMPOTENCY_IN_PROGRESS", "IDEMPOTENCY_KEY_REUSED")
    assert early.failure is not None
    assert early.failure.retry_after_s == pytest.approx(5.0)
    assert (late.reason, late.replayed) == ("OK", False)
    assert await shop.sold() == [("tea", "sold")]


async def test_who_lost_its_call_to_another_changes_nothing_more_and_answers_the_same(
    shop: Shop, other: Shop
) -> None:
    hold = shop.handlers.points["between"] = Hold()
    stale = asyncio.create_task(sell(shop))
    await hold.reached.wait()
    shop.clock.advance(AFTER_LEASE_S)
    taken = await sell(other)
    written: list[bool] = []
    shop.handlers.points["written"] = lambda: written.append(True)
    hold.release.set()

    answer = await stale

    assert (answer.sale_id, answer.replayed, written) == (taken.sale_id, True, [])


async def test_who_lost_its_call_to_one_that_still_runs_is_aborted(shop: Shop, other: Shop) -> None:
    first = shop.handlers.points["between"] = Hold()
    stale = asyncio.create_task(sell(shop))
    await first.reached.wait()
    shop.clock.advance(AFTER_LEASE_S)
    second = other.handlers.points["between"] = Hold()
    taken = asyncio.create_task(sell(other))
    await second.reached.wait()

    first.release.set()
    answer = await stale
    second.release.set()

    assert answer.reason == "IDEMPOTENCY_IN_PROGRESS"
    assert (await taken).reason == "OK"
    assert await shop.sold() == [("tea", "sold")]


async def test_a_refusal_after_a_step_is_the_outcome(shop: Shop, other: Shop) -> None:
    item = f"rare-{shop.tenant}"
    await shop.set_sold_out(item, True)
    refused = await sell(shop, item=item)
    await shop.set_sold_out(item, False)

    again = await sell(other, item=item)

    assert (refused.reason, again.reason, again.replayed) == ("SOLD_OUT", "SOLD_OUT", True)
    assert await shop.sold() == [(item, "begun")]


async def test_an_attempt_whose_step_is_no_more_kept_ends(shop: Shop) -> None:
    hold = shop.handlers.points["between"] = Hold()
    slow = asyncio.create_task(sell(shop))
    await hold.reached.wait()
    shop.clock.advance(25 * 3600)
    hold.release.set()

    assert (await slow).reason == "IDEMPOTENCY_IN_PROGRESS"
    assert await shop.sold() == [("tea", "begun")]

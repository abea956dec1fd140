"""One effect for each request id, and the first answer for all who repeat it."""

import asyncio
import threading
from dataclasses import replace
from typing import Any

import pytest
from google.rpc import error_details_pb2

from bedplate.errors import Kind, Refusal
from tests.records.shop import SCOPES, Answer, Shop
from tests.records.till import Hold, SellRequest

TOGETHER = 25


def detail(answer: Answer, name: str) -> Any:
    """One detail of a failure."""
    found = getattr(error_details_pb2, name)()
    assert answer.failure is not None
    assert any(packed.Unpack(found) for packed in answer.failure.status.details), f"it has no {name}"
    return found


def fail_with(error: Exception) -> Any:
    def action() -> None:
        raise error

    return action


async def test_a_repeat_gets_the_first_answer_is_told_so_and_has_no_effect(shop: Shop) -> None:
    first, second = await shop.sell(), await shop.sell()

    assert first.response == second.response
    assert (first.replayed, second.replayed) == (False, True)
    assert await shop.sold() == [("tea", "sold")]
    assert (shop.handlers.entered, shop.repeats("replayed")) == (1, 1)


async def test_another_request_id_is_another_sale(shop: Shop) -> None:
    first, second = await shop.sell("one"), await shop.sell("two")

    assert first.sale_id != second.sale_id
    assert len(await shop.sold()) == 2


@pytest.mark.parametrize("whose", [{"key": "colleague"}, {"key": "stranger"}, {"method": "SellToo"}])
async def test_the_id_of_another_principal_tenant_or_method_is_another_id(
    shop: Shop, whose: dict[str, str]
) -> None:
    first = await shop.sell()
    answer = await shop.sell(**whose, amount_minor=5)  # type: ignore[arg-type]

    assert answer.sale_id != first.sale_id
    assert not answer.replayed
    assert len(await shop.sold()) == 2


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"item": "coffee"}, "item"),
        ({"amount_minor": 6}, "amount_minor"),
        ({"amount_minor": 0}, "amount_minor"),
        ({"lines": [{"item": "a", "count": 2}]}, "lines"),
        ({"lines": []}, "lines"),
        ({"tags": {"a": "1", "b": "3"}}, "tags"),
        ({"tags": {}, "item": "coffee"}, "item"),
    ],
)
async def test_another_request_under_the_same_id_is_refused_with_the_first_field_that_differs(
    shop: Shop, changed: dict[str, Any], field: str
) -> None:
    fields = {"amount_minor": 5, "lines": [{"item": "a", "count": 1}], "tags": {"a": "1", "b": "2"}}
    await shop.sell(**fields)

    answer = await shop.sell(**{**fields, **changed})

    assert (answer.reason, answer.replayed) == ("IDEMPOTENCY_KEY_REUSED", False)
    assert answer.failure is not None
    assert answer.failure.code == "ALREADY_EXISTS"
    assert detail(answer, "ErrorInfo").metadata["field"] == field
    assert [v.field for v in detail(answer, "BadRequest").field_violations] == [field]
    assert len(await shop.sold()) == 1
    assert shop.repeats("reused") == 1


async def test_ignored_fields_and_the_order_of_a_map_make_no_difference(shop: Shop) -> None:
    tags = {str(number): "x" for number in range(20)}
    first = await shop.sell(note="at noon", tags=tags)

    second = await shop.sell(note="later", tags=dict(reversed(tags.items())))

    assert second.sale_id == first.sale_id


@pytest.mark.parametrize("request_id", ["", "x" * 256, "with space", "tab\t", "zero\0", "ümlaut"])
async def test_an_id_that_is_none_is_refused_by_the_fields_name(shop: Shop, request_id: str) -> None:
    answer = await shop.sell(request_id)

    assert answer.reason == "INVALID_REQUEST"
    assert [v.field for v in detail(answer, "BadRequest").field_violations] == ["request_id"]
    assert shop.handlers.entered == 0


async def test_an_id_may_have_255_characters(shop: Shop) -> None:
    first, second = await shop.sell("x" * 255), await shop.sell("x" * 255)

    assert first.sale_id == second.sale_id


async def test_who_repeats_a_call_that_runs_is_told_to_wait(shop: Shop) -> None:
    hold = shop.handlers.points["entered"] = Hold()
    running = asyncio.create_task(shop.sell())
    await hold.reached.wait()

    same, different = await shop.sell(), await shop.sell(item="coffee")
    hold.release.set()

    assert (same.reason, different.reason) == ("IDEMPOTENCY_IN_PROGRESS", "IDEMPOTENCY_KEY_REUSED")
    assert same.failure is not None
    assert same.failure.code == "ABORTED"
    assert same.failure.retry_after_s == pytest.approx(0.1)
    assert (await shop.sell()).reason == "IDEMPOTENCY_IN_PROGRESS"
    assert (await running).sale_id == (await shop.sell()).sale_id


async def test_what_another_process_is_committing_is_not_done_again(shop: Shop, other: Shop) -> None:
    reached, release = threading.Event(), threading.Event()

    def hold() -> None:
        reached.set()
        assert release.wait(20)

    shop.handlers.points["written"] = hold
    running = asyncio.create_task(shop.sell())
    await asyncio.to_thread(reached.wait, 20)
    repeat = asyncio.create_task(other.sell())
    if shop.database.dialect == "postgresql":
        assert (await repeat).reason == "IDEMPOTENCY_IN_PROGRESS"  # at once: it does not wait for the lock
    release.set()

    answer = await running
    if shop.database.dialect == "sqlite":
        assert (await repeat).sale_id == answer.sale_id  # its transaction waited for its turn
    assert (await other.sell()).sale_id == answer.sale_id
    assert len(await shop.sold()) == 1


async def test_of_two_processes_in_their_handlers_the_second_answers_as_the_first(
    shop: Shop, other: Shop
) -> None:
    hold = shop.handlers.points["entered"] = Hold()
    slow = asyncio.create_task(shop.sell())
    await hold.reached.wait()

    quick = await other.sell()
    hold.release.set()

    late = await slow
    assert (late.sale_id, late.replayed, quick.replayed) == (quick.sale_id, True, False)
    assert len(await shop.sold()) == 1


async def test_fifty_at_once_have_one_effect_and_one_answer(shop: Shop, other: Shop) -> None:
    answers = await asyncio.gather(*(each.sell() for each in (shop, other) for _ in range(TOGETHER)))

    told = [answer.sale_id for answer in answers if answer.reason == "OK"]
    assert len(told) >= 1
    assert len(set(told)) == 1
    assert {answer.reason for answer in answers} <= {"OK", "IDEMPOTENCY_IN_PROGRESS"}
    assert await shop.sold() == [("tea", "sold")]


async def test_a_refusal_of_the_handler_stays_with_its_id_after_the_cause_is_gone(shop: Shop) -> None:
    item = f"rare-{shop.tenant}"
    await shop.set_sold_out(item, True)
    first = await shop.sell(item=item)
    await shop.set_sold_out(item, False)

    second = await shop.sell(item=item)

    assert first.reason == second.reason == "SOLD_OUT"
    assert (first.replayed, second.replayed) == (False, True)
    assert first.failure is not None
    assert second.failure is not None
    assert first.failure.status == second.failure.status
    assert first.failure.retry_after_s == second.failure.retry_after_s == 2.5
    assert (await shop.sell(item="tea")).reason == "IDEMPOTENCY_KEY_REUSED"
    assert (await shop.sell("fresh", item=item)).reason == "OK"


async def test_a_refusal_and_an_effect_of_one_id_do_not_both_happen(shop: Shop, other: Shop) -> None:
    """One process refuses; before it can say so, the other one sells."""
    item = f"rare-{shop.tenant}"
    await shop.set_sold_out(item, True)
    hold = Hold()
    keep = shop.outcomes.transact_apart

    async def later(work: Any, **given: Any) -> Any:
        await hold()
        return await keep(work, **given)

    shop.outcomes.transact_apart = later  # type: ignore[method-assign]
    refused = asyncio.create_task(shop.sell(item=item))
    await hold.reached.wait()
    await shop.set_sold_out(item, False)
    sold = await other.sell(item=item)
    hold.release.set()

    answer = await refused
    assert (answer.sale_id, answer.replayed) == (sold.sale_id, True)
    assert len(await shop.sold()) == 1


@pytest.mark.parametrize("point", ["entered", "begun", "written", "kept"])
@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError("a bug"), "INTERNAL"),
        (Refusal(Kind.UNAVAILABLE, "TILL_BUSY", "Try again."), "TILL_BUSY"),
        (Refusal(Kind.CONFLICT, "IDEMPOTENCY_IN_PROGRESS", "Wait."), "IDEMPOTENCY_IN_PROGRESS"),
        (Refusal(Kind.EXHAUSTED, "OVERLOADED", "Later."), "OVERLOADED"),
        (Refusal(Kind.FORBIDDEN, "SCOPE_MISSING", "Not you."), "SCOPE_MISSING"),
    ],
)
async def test_what_is_ours_or_passes_or_is_decided_anew_is_not_kept_and_a_repeat_tries_again(
    shop: Shop, point: str, error: Exception, reason: str
) -> None:
    shop.handlers.points[point] = fail_with(error)
    failed = await shop.sell()
    shop.handlers.points.clear()

    again = await shop.sell()

    assert failed.reason == reason
    assert (again.reason, again.replayed) == ("OK", False)
    assert len(await shop.sold()) == 1


async def test_a_call_that_fails_after_its_commit_has_its_outcome(shop: Shop) -> None:
    shop.handlers.points["committed"] = fail_with(RuntimeError("a bug"))
    failed = await shop.sell()

    again = await shop.sell()

    assert (failed.reason, again.reason, again.replayed) == ("INTERNAL", "OK", True)
    assert len(await shop.sold()) == 1


async def test_a_call_that_ran_out_of_time_may_be_repeated(shop: Shop) -> None:
    hold = shop.handlers.points["entered"] = Hold()
    late = await shop.sell(timeout_s=0.05)
    hold.release.set()

    again = await shop.sell()

    assert (late.reason, again.reason) == ("DEADLINE_EXCEEDED", "OK")
    assert len(await shop.sold()) == 1


async def test_a_caller_that_went_away_may_come_back(shop: Shop) -> None:
    hold = shop.handlers.points["committed"] = Hold()
    call = asyncio.create_task(shop.sell())
    await hold.reached.wait()
    call.cancel()
    await asyncio.wait([call])

    again = await shop.sell()

    assert call.cancelled()
    assert (again.reason, again.replayed) == ("OK", True)
    assert len(await shop.sold()) == 1


async def test_a_handler_that_changes_nothing_has_an_outcome_too(shop: Shop) -> None:
    first, second = await shop.sell(method="Guess"), await shop.sell(method="Guess")

    assert first.sale_id == second.sale_id
    assert (second.replayed, shop.handlers.entered) == (True, 1)


async def test_of_two_processes_that_change_nothing_the_second_answers_as_the_first(
    shop: Shop, other: Shop
) -> None:
    hold = shop.handlers.points["entered"] = Hold()
    slow = asyncio.create_task(shop.sell(method="Guess"))
    await hold.reached.wait()

    quick = await other.sell(method="Guess")
    hold.release.set()

    assert (await slow).sale_id == quick.sale_id


async def test_a_transaction_that_returns_no_response_commits_nothing_and_says_what_to_write(
    shop: Shop,
) -> None:
    answer = await shop.sell(method="Forget")

    assert answer.reason == "INTERNAL"
    assert await shop.sold() == []
    assert "must return its SellResponse" in shop.logged()


@pytest.mark.parametrize("item", ["altered", "refused", "again"])
async def test_a_handler_that_contradicts_what_it_committed_is_a_fault_and_the_outcome_stands(
    shop: Shop, item: str
) -> None:
    wrong = await shop.sell(method="Alter", item=item)

    again = await shop.sell(method="Alter", item=item)

    assert (wrong.reason, again.reason, again.replayed) == ("INTERNAL", "OK", True)
    assert again.sale_id != "altered"
    assert len(await shop.sold()) == 1


async def test_a_response_that_is_too_large_undoes_the_effect(shop: Shop) -> None:
    sell = shop.methods["Sell"]
    sell.apply(replace(sell.policy, response_bytes=4))
    refused = await shop.sell()
    sell.apply(replace(sell.policy, response_bytes=400))

    assert refused.reason == "MESSAGE_TOO_LARGE"
    assert await shop.sold() == []
    assert (await shop.sell()).reason == "OK"


@pytest.mark.parametrize(
    ("principal", "reason"),
    [
        (None, "CREDENTIAL_INVALID"),
        ({"scopes": frozenset()}, "SCOPE_MISSING"),
        ({"tenant": ""}, "TENANT_MISSING"),
    ],
)
async def test_who_may_call_no_more_gets_no_answer_again(
    shop: Shop, principal: dict[str, Any] | None, reason: str
) -> None:
    await shop.sell()
    known = shop.principals.pop("clerk")
    if principal is not None:
        shop.principals["clerk"] = replace(known, **principal)

    answer = await shop.sell()

    assert (answer.reason, answer.replayed) == (reason, False)
    assert known.scopes == SCOPES


async def test_an_outcome_is_kept_for_as_long_as_the_contract_says(shop: Shop) -> None:
    first = await shop.sell(method="SellHourly")
    shop.clock.advance(3599)
    second = await shop.sell(method="SellHourly")
    shop.clock.advance(2)

    third = await shop.sell(method="SellHourly", item="coffee")
    fourth = await shop.sell(method="SellHourly", item="coffee")

    assert first.sale_id == second.sale_id
    assert third.sale_id == fourth.sale_id != first.sale_id
    assert (second.replayed, third.replayed, fourth.replayed) == (True, False, True)


async def test_a_sweep_deletes_what_has_expired_and_nothing_else(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bedplate.records.outcomes.BATCH_MAX", 2)
    shop.clock.advance(-365 * 24 * 3600)  # no other test's outcomes have expired by then
    for number in range(5):
        await shop.sell(f"hourly-{number}", method="SellHourly")
    await shop.sell("daily")
    shop.clock.advance(3601)

    deleted = await shop.outcomes.sweep()

    assert deleted == 5
    assert (await shop.sell("daily")).replayed
    assert await shop.outcomes.sweep() == 0


async def test_a_sweep_does_a_bounded_piece_of_work(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bedplate.records.outcomes.BATCH_MAX", 2)
    monkeypatch.setattr("bedplate.records.outcomes.BATCHES_MAX", 2)
    shop.clock.advance(-2 * 365 * 24 * 3600)
    for number in range(5):
        await shop.sell(f"hourly-{number}", method="SellHourly")
    shop.clock.advance(3601)

    assert [await shop.outcomes.sweep() for _ in range(3)] == [4, 1, 0]


@pytest.mark.parametrize("error", [RuntimeError("a bug"), Refusal(Kind.UNAVAILABLE, "DRAINING", "Later.")])
async def test_sweeps_go_on_after_one_that_failed_until_they_are_stopped(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    monkeypatch.setattr("bedplate.records.outcomes.SWEEP_EVERY_S", 0.001)
    sweep, swept, sweeps = shop.outcomes.sweep, asyncio.Event(), 0

    async def failing_first() -> int:
        nonlocal sweeps
        sweeps += 1
        if sweeps == 1:
            raise error
        swept.set()
        return await sweep()

    shop.outcomes.sweep = failing_first  # type: ignore[method-assign]

    shop.outcomes.start()
    task = shop.outcomes._sweeping
    await asyncio.wait_for(swept.wait(), 20)
    await shop.outcomes.stop()

    assert task is not None
    assert task.cancelled()
    assert "expired outcomes are not deleted" in caplog.text


async def test_fields_that_this_version_does_not_know_make_a_difference(shop: Shop) -> None:
    """A server of the next version knows them: both must agree on what was asked."""
    newer = SellRequest.FromString(SellRequest().SerializeToString() + b"\xa2\x06\x01x")  # field 100
    await shop.sell()

    answer = await shop.sell()
    assert answer.replayed
    key, request = "newer", SellRequest(request_id="newer", item="tea")
    request.MergeFrom(newer)
    sell = shop.methods["Sell"]
    made = []
    for text in (request, request, SellRequest(request_id=key, item="tea")):
        sell.decode = lambda _, text=text: text  # type: ignore[assignment,misc]
        made.append((await shop.sell(key)).reason)
    assert made == ["OK", "OK", "IDEMPOTENCY_KEY_REUSED"]


async def test_a_repeat_is_answered_after_all_that_refuses_and_before_all_that_works(shop: Shop) -> None:
    stages = shop.methods["Sell"].stages
    plain = shop.methods["Sell"]
    plain.apply(replace(plain.policy, replay=None))

    place = stages.index("replay")
    assert {"authenticate", "authorise", "feasible", "decode", "validate"} <= set(stages[:place])
    assert set(stages[place + 1 :]) <= {"cache", "fault", "limits", "fields"}
    assert [name for name in stages if name != "replay"] == list(plain.stages)

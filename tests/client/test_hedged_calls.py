"""Hedged calls over real channels: which attempts are sent, what wins, and what is left of the others."""

import asyncio
import time
from typing import Any

import pytest

from bedplate.client.errors import (
    CallError,
    DeadlineExceeded,
    InvalidArgument,
    ResourceExhausted,
    Unavailable,
)
from bedplate.contract.headers import TRACEPARENT
from tests.client.conftest import working
from tests.client.finding import REQUEST, Attempt, Finder, Servers, calling, good, hold, refuse
from tests.client.plain import draining, plain_server

TRACE = "00-11111111111111111111111111111111-2222222222222222-01"


def tasks() -> set[Any]:
    """What runs in the loop, beside the servers' and grpcio's own."""
    return {
        task
        for task in asyncio.all_tasks()
        if "client/race" in str(task) or "_invoke" in str(task.get_coro())
    }


async def test_a_second_attempt_wins_where_the_first_gets_no_answer_and_the_first_is_cancelled() -> None:
    servers = Servers(hold, good)
    async with calling(servers) as client:
        answer = await client.call("Find", REQUEST)
        await servers.seen[0].cancelled.wait()

    assert answer.text == "1"
    assert servers.numbers == [None, "1"]


async def test_a_late_answer_of_the_first_attempt_wins_too() -> None:
    servers = Servers(lambda _: servers.release.wait(), hold)
    async with calling(servers) as client:
        call = asyncio.create_task(client.call("FindThrice", REQUEST))
        await servers.came(3)
        servers.release.set()

        assert (await call).text == "0"
        await asyncio.gather(*(attempt.cancelled.wait() for attempt in servers.seen[1:]))

    assert servers.numbers == [None, "1", "2"]


async def test_each_attempt_goes_to_another_server() -> None:
    servers = Servers(hold, hold, good)
    async with calling(servers, count=3) as client:
        await client.call("FindThrice", REQUEST)

    assert sorted(attempt.server for attempt in servers.seen) == [0, 1, 2]


async def test_an_answer_in_time_sends_nothing_more() -> None:
    servers = Servers(good)
    async with calling(servers) as client:
        await client.call("FindLate", REQUEST)

    assert servers.numbers == [None]


async def test_a_method_that_is_not_hedged_is_sent_once() -> None:
    servers = Servers(refuse("UNAVAILABLE"))
    async with calling(servers) as client:
        with pytest.raises(Unavailable):
            await client.call("FindOnce", REQUEST)

    assert servers.numbers == [None]


@pytest.mark.parametrize("code", ["UNAVAILABLE", "ABORTED"])
def test_a_failure_of_the_policys_codes_sends_the_next_attempt_at_once(code: str) -> None:
    async def go() -> None:
        servers = Servers(refuse(code), good)
        async with calling(servers) as client:
            started = time.monotonic()
            await client.call("FindLate", REQUEST)

        assert servers.numbers == [None, "1"]
        assert time.monotonic() - started < 8  # the delay is 10 s

    asyncio.run(go())


async def test_when_all_attempts_fail_the_last_answer_is_the_calls() -> None:
    servers = Servers(
        refuse("UNAVAILABLE"), refuse("ABORTED"), refuse("UNAVAILABLE", reason="OUTCOME_UNKNOWN")
    )
    async with calling(servers) as client:
        with pytest.raises(Unavailable) as refused:
            await client.call("FindLate", REQUEST)

    assert refused.value.reason == "OUTCOME_UNKNOWN"
    assert refused.value.request == REQUEST
    assert servers.numbers == [None, "1", "2"]


async def test_any_other_answer_ends_the_call_and_cancels_the_attempts_that_run() -> None:
    servers = Servers(hold, refuse("INVALID_ARGUMENT"))
    async with calling(servers) as client:
        with pytest.raises(InvalidArgument):
            await client.call("Find", REQUEST)
        await servers.seen[0].cancelled.wait()

    assert len(servers.seen) == 2


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("RESOURCE_EXHAUSTED", "OVERLOADED"),
        ("RESOURCE_EXHAUSTED", "RATE_LIMITED"),
        ("DEADLINE_EXCEEDED", "DEADLINE_TOO_SHORT"),
    ],
)
async def test_a_server_without_room_or_time_for_an_attempt_does_not_end_the_others(
    code: str, reason: str
) -> None:
    async def answer_after_the_refusal(attempt: Attempt) -> None:
        await servers.came(2)
        await servers.seen[1].ended.wait()

    servers = Servers(answer_after_the_refusal, refuse(code, reason=reason))
    async with calling(servers) as client:
        answer = await client.call("Find", REQUEST)

    assert answer.text == "0"
    assert len(servers.seen) == 2  # and nobody else was asked


async def test_a_refusal_for_load_is_the_answer_where_nothing_else_runs() -> None:
    servers = Servers(refuse("RESOURCE_EXHAUSTED", reason="OVERLOADED"))
    async with calling(servers) as client:
        with pytest.raises(ResourceExhausted) as refused:
            await client.call("FindLate", REQUEST)

    assert refused.value.reason == "OVERLOADED"
    assert len(servers.seen) == 1


@pytest.mark.parametrize("pushback", ["-1", "soon", "", "1.5", "9" * 5000])
async def test_a_server_that_says_no_more_is_obeyed(pushback: str) -> None:
    servers = Servers(refuse("UNAVAILABLE", metadata=(("grpc-retry-pushback-ms", pushback),)))
    async with calling(servers) as client:
        with pytest.raises(Unavailable):
            await client.call("FindLate", REQUEST)

    assert len(servers.seen) == 1


async def test_a_server_that_says_when_is_not_asked_before() -> None:
    servers = Servers(refuse("UNAVAILABLE", metadata=(("grpc-retry-pushback-ms", "80"),)), good)
    async with calling(servers) as client:
        await client.call("FindLate", REQUEST)

    assert servers.seen[1].at - servers.seen[0].at >= 0.078


async def test_a_server_that_stops_is_replaced_by_another_without_a_failure() -> None:
    servers = Servers(refuse("UNAVAILABLE", metadata=draining()), good)
    async with calling(servers, count=2) as client:
        budget = client._channel.budget
        before = budget.tokens
        await client.call("FindLate", REQUEST)

        assert budget.tokens == before  # what was not begun cost nothing

    assert len(servers.seen) == 2


async def test_a_server_that_dies_in_the_middle_is_replaced_by_another() -> None:
    servers = Servers(hold, good)
    first, second = plain_server(servers.answer(0)), plain_server(servers.answer(1))
    one, other = await first.__aenter__(), await second.__aenter__()
    async with Finder(f"ipv4:{one},{other}") as client:
        call = asyncio.create_task(client.call("FindLate", REQUEST))
        await servers.came(1)
        at = servers.seen[0].server
        await (first, second)[at].__aexit__(None, None, None)

        assert (await call).text == "1"

    assert servers.seen[1].server == 1 - at
    await (second, first)[at].__aexit__(None, None, None)


async def test_all_attempts_share_one_deadline() -> None:
    servers = Servers(hold)
    async with calling(servers) as client:
        started = time.monotonic()
        with pytest.raises(DeadlineExceeded):
            await client.call("FindShort", REQUEST)
        took_s = time.monotonic() - started

    assert 0.25 < took_s < 3
    first, *others = servers.seen
    assert others
    for attempt in others:
        # What is left shrinks as time passes; gRPC counts in milliseconds.
        assert attempt.left_s <= first.left_s - (attempt.at - first.at) + 0.02


async def test_the_deadline_of_the_caller_holds_for_all_attempts_and_shrinks_by_the_hop() -> None:
    servers = Servers(hold)
    async with calling(servers) as client:
        with working(0.2), pytest.raises(DeadlineExceeded):
            await client.call("Find", REQUEST)

    assert all(attempt.left_s < 0.2 for attempt in servers.seen)


async def test_a_cancelled_caller_cancels_all_attempts_and_leaves_nothing_behind() -> None:
    servers = Servers(hold)
    async with calling(servers) as client:
        call = asyncio.create_task(client.call("FindThrice", REQUEST))
        await servers.came(3)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

        assert not tasks()
        await asyncio.gather(*(attempt.cancelled.wait() for attempt in servers.seen))


async def test_a_call_that_is_won_leaves_nothing_behind() -> None:
    servers = Servers(hold, hold, good)
    async with calling(servers) as client:
        await client.call("FindThrice", REQUEST)

        assert not tasks()


async def test_calls_to_slow_servers_add_no_more_attempts_than_the_budget_has() -> None:
    servers = Servers(lambda _: servers.release.wait())
    async with calling(servers) as client:
        calls = [asyncio.create_task(client.call("Find", REQUEST)) for _ in range(30)]
        await servers.came(34)  # half of the 8 tokens: the rest is left for failures
        servers.release.set()
        await asyncio.gather(*calls)

    assert len(servers.seen) == 34


async def test_a_channel_that_is_being_closed_lets_the_attempts_that_run_end_and_sends_no_more() -> None:
    servers = Servers(lambda _: servers.release.wait(), hold)
    async with calling(servers) as client:
        call = asyncio.create_task(client.call("FindLate", REQUEST))
        await servers.came(1)
        closing = asyncio.create_task(client.close(grace_s=20))
        refused = asyncio.create_task(client.call("FindLate", REQUEST))
        await asyncio.wait([refused])
        servers.release.set()

        assert (await call).text == "0"
        assert isinstance(refused.exception(), RuntimeError)
        await closing


async def test_a_failure_after_the_channel_was_closed_is_told_and_nobody_else_is_asked() -> None:
    async def refuse_when_told(attempt: Attempt) -> None:
        await servers.release.wait()
        await attempt.refuse("UNAVAILABLE")

    servers = Servers(refuse_when_told, good)
    async with calling(servers) as client:
        call = asyncio.create_task(client.call("FindLate", REQUEST))
        await servers.came(1)
        closing = asyncio.create_task(client.close(grace_s=20))
        await asyncio.wait([asyncio.create_task(client.call("FindOnce", REQUEST))])
        servers.release.set()

        with pytest.raises(CallError):
            await call
        await closing

    assert len(servers.seen) == 1


async def test_all_attempts_are_children_of_the_callers_span() -> None:
    servers = Servers(hold, good)
    async with calling(servers) as client:
        with working(10, traceparent=TRACE):
            await client.call("Find", REQUEST)

    assert [attempt.metadata[TRACEPARENT] for attempt in servers.seen] == [TRACE, TRACE]

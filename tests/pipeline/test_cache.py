"""Answers that are kept: whose they are, how long, and what happens while they are made."""

import asyncio
import logging
import traceback
from typing import Any

import pytest

from bedplate.auth.principal import Principal
from bedplate.cache import Answers
from bedplate.cache.answers import REFRESH_AGAIN_S, REFRESHES_MAX
from bedplate.errors import Kind, Refusal, Violation
from bedplate.pipeline.call import Call
from bedplate.pipeline.failure import Failure
from bedplate.pipeline.stage import Parts
from bedplate.settings import Settings
from tests.pipeline.making import Made

READER = frozenset({"x.read"})
KEYS = {
    "ann": Principal("key:ann", "tenant-a", READER),
    "bob": Principal("key:bob", "tenant-a", READER),
    "eve": Principal("key:eve", "tenant-b", READER),
    "nobody": Principal("key:nobody", "tenant-a", frozenset()),
}
TENANT = "scope: CACHE_SCOPE_TENANT ttl { seconds: 10 }"
STALE = f"{TENANT} stale_while_revalidate {{ seconds: 60 }}"


class Keys:
    def authenticate(self, credential: str) -> Principal:
        return KEYS[credential]


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Desk:
    """A cached method, whose handler counts its answers and waits when it is told to."""

    def __init__(
        self, cache: str = TENANT, *, policy: str = "", auth: str = 'all_scopes: "x.read"', **answers: Any
    ) -> None:
        self.clock = Clock()
        answers = {"clock": self.clock, "chance": lambda: 0.0} | answers
        self.answers = Answers(**answers)
        self.gate: asyncio.Event | None = None
        self.entered = asyncio.Event()
        self.left = asyncio.Event()
        self.calls: list[Call] = []
        self.error: BaseException | type[BaseException] | None = None
        self.error_for = {principal.id for principal in KEYS.values()}
        self.made = Made(
            f"auth {{ {auth} }} idempotency: IDEMPOTENCY_READ_ONLY cache {{ {cache} }} {policy}",
            handler=self._answer,
            parts=Parts(authenticator=Keys(), settings=Settings(), answers=self.answers),
        )

    async def _answer(self, request: Any, call: Call) -> Any:
        self.calls.append(call)
        number = len(self.calls)
        self.entered.set()
        try:
            if self.gate is not None:
                await self.gate.wait()
            if self.error is not None and call.principal.id in self.error_for:
                raise self.error
            call.response_headers.append(("x-number", str(number)))
            return type(request)(text=f"{request.text} {number}")
        finally:
            self.left.set()

    async def ask(self, text: str = "hi", *, key: str = "ann", **options: Any) -> str:
        call = self.made.call(key=key, **options)
        answer: Any = await self.made.method.unary(call, self.made.payload(text=text))
        return str(answer.text)

    async def fail(self, **options: Any) -> Failure:
        with pytest.raises(Failure) as caught:
            await self.ask(**options)
        return caught.value

    def start(self, **options: Any) -> "asyncio.Task[str]":
        return asyncio.create_task(self.ask(**options))

    async def settle(self) -> None:
        """Let every task that can run do so."""
        for _ in range(20):
            await asyncio.sleep(0)

    @property
    def counts(self) -> dict[str, int]:
        found = self.answers.metrics.counts(self.made.method.name)
        return {name: getattr(found, name) for name in found.__slots__ if getattr(found, name)}


async def test_a_kept_answer_is_given_until_its_time_is_over() -> None:
    desk = Desk()

    first = await desk.ask()
    desk.clock.now += 9.9
    second = await desk.ask()
    desk.clock.now += 0.1
    third = await desk.ask()

    assert (first, second, third) == ("hi 1", "hi 1", "hi 2")
    assert desk.counts == {"hit": 1, "miss": 2}


async def test_another_request_has_another_answer() -> None:
    desk = Desk()

    assert [await desk.ask("a"), await desk.ask("b"), await desk.ask("a")] == ["a 1", "b 2", "a 1"]


async def test_an_answer_is_its_tenants() -> None:
    desk = Desk()

    assert [await desk.ask(key=key) for key in ("ann", "bob", "eve")] == ["hi 1", "hi 1", "hi 2"]


async def test_an_answer_of_public_scope_still_stays_with_its_tenant() -> None:
    desk = Desk("scope: CACHE_SCOPE_PUBLIC ttl { seconds: 10 }")

    assert [await desk.ask(key=key) for key in ("ann", "bob", "eve")] == ["hi 1", "hi 1", "hi 2"]


async def test_anonymous_callers_share_the_answers_of_a_public_method() -> None:
    desk = Desk("scope: CACHE_SCOPE_PUBLIC ttl { seconds: 10 }", auth="anonymous: true")

    assert [await desk.ask(key=key) for key in ("ann", "eve", "")] == ["hi 1"] * 3


async def test_an_answer_of_principal_scope_is_the_principals_own() -> None:
    desk = Desk("scope: CACHE_SCOPE_PRINCIPAL ttl { seconds: 10 }")

    assert [await desk.ask(key=key) for key in ("ann", "bob", "ann")] == ["hi 1", "hi 2", "hi 1"]


async def test_where_the_right_to_an_answer_is_the_callers_own_so_is_the_answer() -> None:
    desk = Desk(auth='all_scopes: "x.read" step_up { level: 1 }')
    stage = desk.made.method._chain.around
    request = desk.made.message_class(text="hi")
    answers = []
    for key in ("ann", "bob", "ann"):
        call = desk.made.call(key=key)
        call.principal = KEYS[key]
        assert stage is not None
        answers.append((await stage(call, request)).text)  # type: ignore[attr-defined]

    assert answers == ["hi 1", "hi 2", "hi 1"]


async def test_a_kept_answer_is_never_given_past_an_authorisation() -> None:
    desk = Desk()
    await desk.ask()

    assert (await desk.fail(key="nobody")).reason == "SCOPE_MISSING"


async def test_nobody_can_change_what_others_get() -> None:
    desk = Desk()
    method, payload = desk.made.method, desk.made.payload()
    for _ in range(3):
        answer: Any = await method.unary(desk.made.call(key="ann"), payload)
        answer.text = "spoilt"

    assert await desk.ask() == "hi 1"


async def test_headers_of_the_handler_come_with_the_kept_answer() -> None:
    desk = Desk()
    await desk.ask()
    call = desk.made.call(key="bob")

    await desk.made.method.unary(call, desk.made.payload())

    assert call.response_headers == [("x-number", "1")]


async def test_http_callers_see_that_an_answer_was_kept_and_how_old_it_is() -> None:
    desk = Desk()
    first, second = desk.made.call(key="ann", door="http"), desk.made.call(key="ann", door="http")

    await desk.made.method.unary(first, desk.made.payload())
    desk.clock.now += 4.2
    await desk.made.method.unary(second, desk.made.payload())

    assert ("cache-status", "bedplate; fwd=uri-miss") in first.response_headers
    assert {("age", "4"), ("cache-status", "bedplate; hit; ttl=5")} <= set(second.response_headers)


async def test_times_differ_at_random_and_are_never_longer_than_promised() -> None:
    desk = Desk(chance=lambda: 1.0)
    await desk.ask()

    desk.clock.now += 8.9
    assert await desk.ask() == "hi 1"
    desk.clock.now += 0.2
    assert await desk.ask() == "hi 2"


async def test_a_refusal_is_kept_only_where_the_contract_says_so_and_only_not_found() -> None:
    silent, negative = Desk(), Desk(f"{TENANT} negative_ttl {{ seconds: 2 }}")
    for desk in (silent, negative):
        desk.error = Refusal(
            Kind.NOT_FOUND, "OVERRIDE_NOT_FOUND", "None.", violations=[Violation("text", "Another.")], a=1
        )
        first, second = await desk.fail(), await desk.fail()
        assert first.status == second.status
    negative.clock.now += 2
    await negative.fail()
    negative.error = Refusal(Kind.STATE, "FAULTS_FORBIDDEN", "No.")
    await negative.fail(text="other")
    await negative.fail(text="other")

    assert silent.counts == {"miss": 2}
    assert negative.counts == {"miss": 4, "negative": 1}


async def test_those_who_ask_for_the_same_at_once_share_one_answer() -> None:
    desk = Desk()
    desk.gate = asyncio.Event()
    waiting = [desk.start(key=key) for key in ("ann", "bob") * 25]
    await desk.entered.wait()
    await desk.settle()

    desk.gate.set()
    answers = await asyncio.gather(*waiting)

    assert set(answers) == {"hi 1"}
    assert desk.counts == {"miss": 1, "joined": 49}


async def test_they_share_it_even_when_nothing_is_kept() -> None:
    desk = Desk(bytes_max=0)
    desk.gate = asyncio.Event()
    waiting = [desk.start() for _ in range(10)]
    await desk.entered.wait()
    await desk.settle()

    desk.gate.set()

    assert set(await asyncio.gather(*waiting)) == {"hi 1"}
    desk.gate = None
    assert await desk.ask() == "hi 2"


async def test_the_end_of_the_first_caller_is_not_the_end_of_the_others() -> None:
    desk = Desk()
    desk.gate = asyncio.Event()
    first, second = desk.start(key="ann"), desk.start(key="bob")
    await desk.entered.wait()
    await desk.settle()

    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    desk.gate.set()

    assert await second == "hi 1"
    assert len(desk.calls) == 1


async def test_http_callers_see_that_they_shared_the_work_of_another() -> None:
    desk = Desk()
    desk.gate = asyncio.Event()
    calls = [desk.made.call(key="ann", door="http") for _ in range(2)]
    waiting = [asyncio.create_task(desk.made.method.unary(call, desk.made.payload())) for call in calls]
    await desk.entered.wait()
    await desk.settle()

    desk.gate.set()
    await asyncio.gather(*waiting)

    assert [dict(call.response_headers)["cache-status"] for call in calls] == [
        "bedplate; fwd=uri-miss",
        "bedplate; fwd=uri-miss; collapsed",
    ]


async def test_each_caller_waits_in_its_own_time() -> None:
    desk = Desk()
    desk.gate = asyncio.Event()
    patient = desk.start(key="ann")
    await desk.entered.wait()

    hasty = await desk.fail(key="bob", requested_timeout_s=0.05)
    desk.gate.set()

    assert hasty.reason == "DEADLINE_EXCEEDED"
    assert await patient == "hi 1"


async def test_a_first_caller_in_a_hurry_leaves_the_work_to_the_others() -> None:
    desk = Desk()
    desk.gate = asyncio.Event()
    hasty = asyncio.create_task(desk.fail(key="ann", requested_timeout_s=0.05))
    await desk.entered.wait()
    patient = desk.start(key="bob")

    assert (await hasty).reason == "DEADLINE_EXCEEDED"
    desk.gate.set()

    assert await patient == "hi 1"
    assert desk.calls[0].remaining_s() > 20  # it has the longest time that any caller may get


async def test_work_that_nobody_waits_for_any_more_is_cancelled_and_joined_by_nobody() -> None:
    desk = Desk()
    desk.gate = asyncio.Event()

    first = await desk.fail(requested_timeout_s=0.05)
    desk.gate.set()
    second = await desk.ask()

    assert first.reason == "DEADLINE_EXCEEDED"
    assert desk.left.is_set()
    assert second == "hi 2"


async def test_no_work_takes_longer_than_the_contract_lets_a_call_take() -> None:
    desk = Desk(policy="deadline { default { nanos: 50000000 } max { nanos: 50000000 } }")
    desk.gate = asyncio.Event()

    refused = await asyncio.gather(*(desk.fail() for _ in range(3)))

    assert {failure.reason for failure in refused} == {"DEADLINE_EXCEEDED"}
    assert desk.left.is_set()


async def test_when_the_first_one_fails_one_of_the_others_tries_again() -> None:
    desk = Desk()
    desk.gate = asyncio.Event()
    desk.error = RuntimeError("the disk is on fire")
    waiting = [asyncio.create_task(desk.fail()) for _ in range(10)]
    await desk.entered.wait()
    await desk.settle()

    desk.gate.set()
    failures = await asyncio.gather(*waiting)

    assert {failure.reason for failure in failures} == {"INTERNAL"}
    assert len(desk.calls) == 2


async def test_each_of_them_tells_the_fault_as_if_it_were_the_only_one() -> None:
    desk = Desk()
    desk.gate = asyncio.Event()
    desk.error = RuntimeError  # a new one each time
    waiting = [asyncio.create_task(desk.fail()) for _ in range(10)]
    await desk.entered.wait()
    await desk.settle()

    desk.gate.set()
    failures = await asyncio.gather(*waiting)

    causes = {failure.__cause__ for failure in failures}
    assert len(causes) == 2  # of the first one, and of the one that all others waited for
    for cause in causes:
        assert cause is not None
        names = [frame.name for frame in traceback.extract_tb(cause.__traceback__)]
        assert (names.count("_load"), names[-1]) == (1, "_answer")


async def test_the_second_try_serves_all_who_waited() -> None:
    desk = Desk()
    desk.gate = asyncio.Event()
    desk.error = Refusal(Kind.UNAVAILABLE, "DEPENDENCY_UNAVAILABLE", "Not now.")
    first = asyncio.create_task(desk.fail())
    await desk.entered.wait()
    others = [desk.start(key="bob") for _ in range(5)]
    await desk.settle()

    desk.gate.set()
    failure = await first
    desk.error = None
    answers = await asyncio.gather(*others, return_exceptions=True)

    assert failure.reason == "DEPENDENCY_UNAVAILABLE"
    assert set(answers) == {"hi 2"}


async def test_a_refusal_of_the_first_caller_itself_is_not_the_others() -> None:
    desk = Desk()
    desk.gate = asyncio.Event()
    desk.error = Refusal(Kind.FORBIDDEN, "RELATION_MISSING", "Not yours.")
    desk.error_for = {"key:ann"}
    first = asyncio.create_task(desk.fail(key="ann"))
    await desk.entered.wait()
    second = desk.start(key="bob")
    await desk.settle()

    desk.gate.set()

    assert (await first).reason == "RELATION_MISSING"
    assert await second == "hi 2"


async def test_a_handler_that_raises_cancelled_error_is_a_fault_for_all() -> None:
    desk = Desk()
    desk.error = asyncio.CancelledError()

    failures = await asyncio.gather(desk.fail(), desk.fail())

    assert {failure.reason for failure in failures} == {"INTERNAL"}


async def test_a_handler_that_answers_the_wrong_type_is_a_fault_and_nothing_is_kept() -> None:
    desk = Desk()

    async def wrong(request: Any, call: Call) -> Any:
        return "text"

    desk.made.method._handler.__self__._handler = wrong

    assert (await desk.fail()).reason == "INTERNAL"
    assert len(desk.answers.local) == 0


async def test_a_stale_answer_is_served_while_one_fresh_one_is_made() -> None:
    desk = Desk(STALE)
    await desk.ask()
    desk.clock.now += 11
    desk.gate = asyncio.Event()

    stale = [await desk.ask() for _ in range(5)]
    await desk.settle()
    desk.gate.set()
    await desk.settle()
    fresh = await desk.ask()

    assert stale == ["hi 1"] * 5
    assert fresh == "hi 2"
    assert desk.counts == {"miss": 1, "stale": 5, "hit": 1}


async def test_a_refresh_runs_as_the_caller_that_made_it_necessary_and_outlives_its_call() -> None:
    desk = Desk(STALE)
    await desk.ask(key="ann")
    desk.clock.now += 11

    await desk.ask(key="bob", metadata={"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"})
    await desk.settle()

    refresh = desk.calls[1]
    assert refresh.principal == KEYS["bob"]
    assert refresh.trace_id == "a" * 32
    assert refresh.remaining_s() > 20
    assert not refresh.expired


async def test_a_refresh_that_fails_keeps_the_stale_answer_until_its_end_and_is_not_tried_at_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    desk = Desk(STALE)
    await desk.ask()
    desk.clock.now += 11
    desk.error = RuntimeError("secret-of-the-database")

    for _ in range(3):
        assert await desk.ask() == "hi 1"
        await desk.settle()
    assert len(desk.calls) == 2
    desk.clock.now += REFRESH_AGAIN_S
    assert await desk.ask() == "hi 1"
    await desk.settle()
    assert len(desk.calls) == 3
    desk.clock.now = 1070

    assert (await desk.fail()).reason == "INTERNAL"
    assert desk.answers.metrics.refreshed == {"ok": 0, "failed": 2}
    assert "a refresh failed with RuntimeError" in caplog.text
    assert "secret-of-the-database" not in "".join(
        record.getMessage() for record in caplog.records if record.name == "bedplate.cache"
    )


async def test_what_is_gone_is_not_served_stale_once_that_is_known() -> None:
    desk = Desk(STALE)
    await desk.ask()
    desk.clock.now += 11
    desk.error = Refusal(Kind.NOT_FOUND, "OVERRIDE_NOT_FOUND", "None.")

    await desk.ask()
    await desk.settle()

    assert (await desk.fail()).reason == "OVERRIDE_NOT_FOUND"


async def test_so_many_refreshes_run_at_once_and_no_more(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    desk = Desk(STALE)
    for number in range(REFRESHES_MAX + 1):
        await desk.ask(str(number))
    desk.clock.now += 11
    desk.gate = asyncio.Event()

    for number in range(REFRESHES_MAX + 1):
        await desk.ask(str(number))
    await desk.settle()

    assert len(desk.calls) == 2 * REFRESHES_MAX + 1
    await desk.answers.close()
    assert desk.answers._flights.refreshes == 0


async def test_what_is_no_longer_true_is_dropped_for_its_tenant_only() -> None:
    desk = Desk()
    name = desk.made.method.name
    for key in ("ann", "eve"):
        await desk.ask("a", key=key)
        await desk.ask("b", key=key)

    await desk.answers.invalidate(name, desk.made.message_class(text="a"), tenant="tenant-a")

    assert [await desk.ask(text) for text in "ab"] == ["a 5", "b 2"]
    assert [await desk.ask(text, key="eve") for text in "ab"] == ["a 3", "b 4"]
    await desk.answers.invalidate(name, tenant="tenant-b")
    assert [await desk.ask(text, key="eve") for text in "ab"] == ["a 6", "b 7"]
    assert [await desk.ask(text) for text in "ab"] == ["a 5", "b 2"]
    await desk.answers.invalidate(name)
    assert [await desk.ask(text) for text in "ab"] == ["a 8", "b 9"]


async def test_an_answer_that_was_being_made_when_it_became_untrue_is_not_kept_nor_joined() -> None:
    desk = Desk()
    desk.gate = asyncio.Event()
    before = desk.start()
    await desk.entered.wait()

    await desk.answers.invalidate(desk.made.method.name, tenant="tenant-a")
    after = desk.start()
    await desk.settle()
    desk.gate.set()

    assert (await before, await after) == ("hi 1", "hi 2")
    assert await desk.ask() == "hi 2"


async def test_a_refresh_that_was_on_its_way_does_not_bring_the_untrue_back() -> None:
    desk = Desk(STALE)
    await desk.ask()
    desk.clock.now += 11
    desk.gate = asyncio.Event()
    await desk.ask()
    await desk.settle()

    await desk.answers.invalidate(desk.made.method.name, tenant="tenant-a")
    desk.gate.set()
    await desk.settle()

    assert await desk.ask() == "hi 3"


async def test_an_answer_that_is_too_large_to_be_given_is_not_kept() -> None:
    desk = Desk(policy="limits { response_bytes: 20 }")

    assert (await desk.fail(text="x" * 30)).reason == "MESSAGE_TOO_LARGE"
    assert len(desk.answers.local) == 0


async def test_an_overridden_policy_keeps_what_is_kept() -> None:
    desk = Desk()
    await desk.ask()

    desk.made.method.apply(desk.made.method.policy)

    assert await desk.ask() == "hi 1"


def test_a_method_that_only_lets_http_callers_keep_answers_has_no_stage() -> None:
    desk = Desk("scope: CACHE_SCOPE_TENANT http_max_age { seconds: 10 }")

    assert "cache" not in desk.made.method.stages


async def test_what_the_cache_does_is_counted() -> None:
    desk = Desk()
    desk.made.telemetry.registry.register(desk.answers.metrics)
    await desk.ask()
    await desk.ask()

    assert desk.made.sample("bedplate_cache_answers_total", how="hit") == 1
    assert desk.made.sample("bedplate_cache_answers_total", how="miss") == 1
    sample = desk.made.telemetry.registry.get_sample_value
    assert sample("bedplate_cache_entries") == 1
    assert (sample("bedplate_cache_bytes") or 0) > 800

"""Faults that an operator injects: which calls they hit, and what those see."""

import asyncio
import random
import time
from typing import Any

import pytest

from bedplate.pipeline.compile import compile_method
from bedplate.pipeline.failure import Failure, FailureMaker
from bedplate.pipeline.stage import Parts, Stage
from bedplate.pipeline.stages import fault as stage
from bedplate.policy.faults import (
    FAULTS_MAX,
    Abort,
    Delay,
    Drop,
    Effect,
    Fault,
    Faults,
    FullError,
    Pushback,
)
from bedplate.policy.live import Live
from bedplate.settings import Settings
from bedplate.telemetry.recorder import Recorder
from tests.pipeline.conftest import Bench
from tests.pipeline.making import READ, READER, Anyone, Made
from tests.pipeline.running import detail, fail, run
from tests.protos.echo import EchoRequest

KINDS = ["Echo", "Collect", "Repeat", "Chat"]
METHOD = "a.v1.AService/Do"


class Clock:
    """A clock that stands until a test moves it; seconds."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def inject(bench: Bench, effect: Effect, method: str = "Echo", **more: Any) -> None:
    """Set a fault for a method of the bench."""
    bench.parts.live.faults.set(Fault("f", bench.methods[method].name, effect, **more))


# Which calls a fault hits.


@pytest.mark.parametrize(
    ("target", "hits"),
    [
        (METHOD, True),
        ("a.v1.AService/*", True),
        ("a.v1.AService/Other", False),
        ("a.v1.Other/*", False),
        ("a.v1.AServiceMore/*", False),
    ],
)
def test_a_fault_hits_its_method_or_all_of_its_service(target: str, hits: bool) -> None:
    faults = Faults()
    faults.set(Fault("f", target, Abort("INTERNAL")))

    assert bool(faults.hit(METHOD)) is hits


def test_a_share_of_the_calls_is_hit() -> None:
    faults = Faults(draw=random.Random(1).random)
    faults.set(Fault("f", METHOD, Abort("INTERNAL"), share=0.25))

    assert 900 < sum(bool(faults.hit(METHOD)) for _ in range(4000)) < 1100


def test_a_fault_with_a_limit_ends_after_so_many_hits() -> None:
    faults = Faults()
    faults.set(Fault("f", METHOD, Abort("INTERNAL"), limit=2))

    assert [bool(faults.hit(METHOD)) for _ in range(4)] == [True, True, False, False]
    assert not faults.armed
    assert faults.all() == ()


def test_a_fault_ends_when_its_time_is_over() -> None:
    clock = Clock()
    faults = Faults(clock=clock)
    made = faults.set(Fault("f", METHOD, Abort("INTERNAL"), lasts_s=10))

    assert faults.left_s(made) == 10
    clock.now += 9.9
    assert faults.hit(METHOD)
    clock.now += 0.1
    assert not faults.hit(METHOD)
    assert not faults.armed


def test_a_fault_of_the_same_id_takes_the_place_of_the_other() -> None:
    faults = Faults()
    faults.set(Fault("f", METHOD, Abort("INTERNAL")))
    faults.hit(METHOD)

    faults.set(Fault("f", METHOD, Abort("ABORTED")))

    [only] = faults.all()
    assert (only.effect, only.hits) == (Abort("ABORTED"), 0)


def test_there_are_no_more_faults_than_there_may_be() -> None:
    faults = Faults()
    for number in range(FAULTS_MAX):
        faults.set(Fault(str(number), METHOD, Drop()))

    faults.set(Fault("0", METHOD, Drop()))
    with pytest.raises(FullError):
        faults.set(Fault("one more", METHOD, Drop()))


def test_delays_add_up_and_the_first_of_the_others_ends_the_call() -> None:
    faults = Faults()
    effects = [Delay(1, 1), Delay(2, 2), Pushback(1), Delay(3, 3), Drop()]
    for number, effect in enumerate(effects):
        faults.set(Fault(str(number), METHOD, effect))

    assert faults.hit(METHOD) == tuple(effects[:3])
    assert [each.hits for each in faults.all()] == [1, 1, 1, 0, 0]


def test_a_delay_is_drawn_from_its_range() -> None:
    faults = Faults(draw=random.Random(1).random)

    times = [faults.wait_s(Delay(0.1, 0.3)) for _ in range(500)]

    assert 0.1 <= min(times) < 0.11
    assert 0.29 < max(times) <= 0.3


# What a call sees.


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("code", ["INTERNAL", "UNAVAILABLE", "ABORTED", "DATA_LOSS"])
async def test_an_aborted_call_ends_with_the_code_before_its_handler(
    bench: Bench, kind: str, code: str
) -> None:
    inject(bench, Abort(code), kind)

    failure = await fail(bench.methods[kind], bench.call(kind))

    assert (failure.code, failure.reason) == (code, "FAULT_INJECTED")
    assert detail(failure, "ErrorInfo").domain == "bedplate"
    assert bench.handlers.entered == []


@pytest.mark.parametrize("kind", KINDS)
async def test_pushback_says_when_to_come_back(bench: Bench, kind: str) -> None:
    inject(bench, Pushback(1.5), kind)

    failure = await fail(bench.methods[kind], bench.call(kind))

    assert (failure.code, failure.reason, failure.retry_after_s) == ("UNAVAILABLE", "FAULT_INJECTED", 1.5)
    assert detail(failure, "RetryInfo").retry_delay.ToMilliseconds() == 1500


@pytest.mark.parametrize("kind", KINDS)
async def test_a_delayed_call_is_answered_later(bench: Bench, kind: str) -> None:
    inject(bench, Delay(0.05, 0.06), kind)
    began = time.monotonic()

    assert await run(bench.methods[kind], bench.call(kind), EchoRequest(text="hi", times=1))

    assert time.monotonic() - began >= 0.05


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("effect", [Drop(), Delay(60, 60)])
async def test_a_dropped_call_and_one_that_is_delayed_for_too_long_end_at_their_deadline(
    bench: Bench, kind: str, effect: Effect
) -> None:
    inject(bench, effect, kind)

    failure = await fail(bench.methods[kind], bench.call(kind, requested_timeout_s=0.05))

    assert failure.reason == "DEADLINE_EXCEEDED"
    assert bench.handlers.entered == []


async def test_a_dropped_call_without_a_deadline_ends_all_the_same(monkeypatch: Any) -> None:
    monkeypatch.setattr(stage, "DROP_MAX_S", 0.01)
    made = Made(f"{READ} deadline {{ mode: DEADLINE_MODE_OBSERVE }}")
    made.parts.live.faults.set(Fault("f", made.method.name, Drop()))

    with pytest.raises(Failure, match="FAULT_INJECTED"):
        await made.method.unary(made.call(), made.payload())


async def test_who_may_not_call_or_sends_nonsense_meets_no_fault(bench: Bench) -> None:
    inject(bench, Abort("INTERNAL"))
    echo = bench.methods["Echo"]

    assert (await fail(echo, bench.call(key="nothing"))).reason == "SCOPE_MISSING"
    assert (await fail(echo, bench.call(), b"\xff\xff")).reason == "MALFORMED_REQUEST"
    [only] = bench.parts.live.faults.all()
    assert only.hits == 0


async def test_other_methods_go_on(bench: Bench) -> None:
    inject(bench, Abort("INTERNAL"))

    assert await run(bench.methods["EchoQuick"], bench.call("EchoQuick"))


async def test_hits_are_counted_by_method_and_effect(bench: Bench) -> None:
    inject(bench, Abort("INTERNAL"))
    await fail(bench.methods["Echo"], bench.call())

    labels = {"method": bench.methods["Echo"].name, "effect": "abort"}
    assert bench.parts.registry.get_sample_value("bedplate_faults_injected_total", labels) == 1


# Where it stands, and what it costs.


@pytest.mark.parametrize("kind", KINDS)
def test_a_process_in_production_has_no_such_stage(kind: str) -> None:
    bench = Bench(settings=Settings(production=True))

    assert "fault" not in bench.methods[kind].stages
    bench.close()


async def test_it_is_the_last_one_where_other_stages_wrap_the_handler() -> None:
    """A cached answer is one that no fault hits; a fault is one that the record of calls shows."""
    order: list[str] = []

    async def around(call: Any, request: Any, proceed: Any) -> Any:
        order.append("around")
        return await proceed(call, request)

    def before(call: Any) -> None:
        order.append("before")

    async def handle(request: Any, call: Any) -> Any:
        order.append("handler")
        return request

    made = Made(READ)
    method = compile_method(
        made.descriptor,
        made.method.policy,
        handle,
        parts=made.parts,
        recorder=Recorder(made.telemetry, made.method.name),
        failures=FailureMaker({}, domain="test", strict=True),
        stages=(
            lambda policy, parts: Stage("first", before=before),
            lambda policy, parts: Stage("cache", around=around),
            lambda policy, parts: Stage("last", before=before),
        ),
    )
    await method.unary(made.call(), made.message_class(text="hi"))

    assert order == ["before", "around", "before", "handler"]


def test_it_costs_next_to_nothing_while_there_are_no_faults() -> None:
    parts = Parts(authenticator=Anyone(READER), settings=Settings(), live=Live())
    made = Made(READ, parts=parts)
    found = stage.compile(made.method.policy, parts)
    assert found is not None
    assert found.before is not None
    before, call, calls, best_s = found.before, made.call(), 20_000, 1.0

    for _ in range(5):
        began = time.perf_counter()
        for _ in range(calls):
            before(call)
        best_s = min(best_s, (time.perf_counter() - began) / calls)

    assert best_s < 0.5e-6


async def test_a_caller_that_goes_away_ends_a_dropped_call() -> None:
    made = Made(READ)
    made.parts.live.faults.set(Fault("f", made.method.name, Drop()))
    task = asyncio.ensure_future(made.method.unary(made.call(), made.payload()))
    while not any(each.hits for each in made.parts.live.faults.all()):
        await asyncio.sleep(0)

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task

"""Address: who fails to authenticate too often is not looked at any more, for a while."""

from typing import Any

import pytest

from bedplate.quota.address import FAILURE_COST, AddressBudget
from tests.pipeline.conftest import Bench
from tests.pipeline.running import detail, fail, run
from tests.protos.echo import EchoRequest
from tests.quota.conftest import SetClock

FAILURES = 10
PER_SECOND = 50.0
ELSEWHERE = "ipv4:192.0.2.9:1"


@pytest.fixture
def clock(bench: Bench) -> SetClock:
    """The time that budgets go by; every address may fail FAILURES times at once."""
    clock = SetClock()
    bench.parts.quota.addresses = AddressBudget(PER_SECOND, FAILURES * FAILURE_COST, clock=clock)
    for method in bench.methods.values():
        method.apply(method.policy)
    return clock


async def reason(bench: Bench, method: str = "Echo", **options: Any) -> str:
    call = bench.call(method, **options)
    try:
        await run(bench.methods[method], call, EchoRequest(text="hi"))
    except Exception:
        return call.reason
    return ""


@pytest.mark.parametrize("slow", [False, True])
@pytest.mark.parametrize("key", ["", "wrong"])
async def test_after_so_many_failures_nobody_from_there_is_looked_at(
    bench: Bench, clock: SetClock, key: str, slow: bool
) -> None:
    bench.keys.slow = slow
    failed = "CREDENTIAL_INVALID" if key else "CREDENTIAL_MISSING"
    assert [await reason(bench, key=key) for _ in range(FAILURES)] == [failed] * FAILURES

    refused = await fail(bench.methods["Echo"], bench.call(key="reader", peer="ipv4:127.0.0.1:99"))

    assert (refused.code, refused.reason) == ("RESOURCE_EXHAUSTED", "ADDRESS_LIMITED")
    assert refused.retry_after_s == FAILURE_COST / PER_SECOND
    assert detail(refused, "RetryInfo").retry_delay.ToMilliseconds() == 100
    assert await reason(bench, peer=ELSEWHERE) == ""
    clock.now += 0.1
    assert await reason(bench) == ""
    assert await reason(bench, key=key) == failed
    assert await reason(bench) == "ADDRESS_LIMITED"


@pytest.mark.usefixtures("clock")
async def test_calls_with_a_valid_key_take_nothing_whatever_becomes_of_them(bench: Bench) -> None:
    for _ in range(3 * FAILURES * FAILURE_COST):
        assert await reason(bench, key="nothing") == "SCOPE_MISSING"

    assert await reason(bench) == ""


@pytest.mark.usefixtures("clock")
async def test_calls_of_a_method_that_anyone_may_call_are_counted_with_or_without_a_key(bench: Bench) -> None:
    room = FAILURES * FAILURE_COST
    answered = [await reason(bench, "EchoOpen", key="reader" if n % 2 else "") for n in range(room)]

    assert set(answered) == {""}
    assert await reason(bench, "EchoOpen") == "ADDRESS_LIMITED"
    assert await reason(bench, "EchoOpen", peer=ELSEWHERE) == ""
    assert await reason(bench) == "", "a call with a key needs nothing of the budget"


@pytest.mark.usefixtures("clock")
async def test_a_call_in_process_has_no_address_to_be_counted(bench: Bench) -> None:
    for _ in range(2 * FAILURES * FAILURE_COST):
        assert await reason(bench, key="wrong", peer="local:", door="local") == "CREDENTIAL_INVALID"
        assert await reason(bench, "EchoOpen", peer="local:", door="local") == ""


@pytest.mark.usefixtures("clock")
async def test_nobodys_address_is_asked_for_while_none_is_blocked(bench: Bench) -> None:
    asked = []
    call = bench.call(peer=lambda: asked.append(1) or "ipv4:127.0.0.1:1")

    await run(bench.methods["Echo"], call)

    assert asked == []


async def test_a_rate_of_0_is_no_budget(bench: Bench) -> None:
    bench.parts.quota.addresses = AddressBudget(0.0, FAILURE_COST)
    for method in bench.methods.values():
        method.apply(method.policy)

    assert "address" not in bench.methods["Echo"].stages
    assert [await reason(bench, key="wrong") for _ in range(100)] == ["CREDENTIAL_INVALID"] * 100

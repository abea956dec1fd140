"""Rate: no more calls of one caller than the contract says, by principal, tenant or address."""

from dataclasses import replace
from typing import Any

import pytest

from bedplate.auth.principal import Principal
from bedplate.contract.policy import PolicyError
from bedplate.contract.promises import Cache, CacheScope, Rate, RateScope
from bedplate.gateway.headers import call_lines
from bedplate.pipeline.call import Call
from bedplate.pipeline.stages import rate
from bedplate.policy.explain import explain
from tests.pipeline.conftest import KEYS, Bench
from tests.pipeline.running import detail, fail, run
from tests.pipeline.test_contract import check
from tests.protos.echo import EchoRequest
from tests.quota.conftest import SetClock

PER_SECOND, BURST = 10.0, 5


def told_lines(call: Call) -> str:
    """The header lines of a call behind its two ids."""
    return "".join(call_lines(call).splitlines(keepends=True)[2:])


@pytest.fixture
def clock(bench: Bench) -> SetClock:
    """The time that buckets go by."""
    clock = bench.parts.quota.clock = SetClock()
    return clock


def limit(
    bench: Bench, method: str = "Echo", *, per: RateScope = RateScope.PRINCIPAL, **changes: Any
) -> None:
    """Put a limit on a method."""
    policy = bench.methods[method].policy
    rate = replace(Rate(1, policy.method, PER_SECOND, BURST, per), **changes)
    bench.methods[method].apply(replace(policy, rate=rate))


async def answers(bench: Bench, count: int = BURST + 1, method: str = "Echo", **options: Any) -> list[str]:
    """The reasons of so many calls; empty for those that were answered."""
    found = []
    for _ in range(count):
        call = bench.call(method, **options)
        try:
            await run(bench.methods[method], call, EchoRequest(text="hi"))
        except Exception:
            found.append(call.reason)
        else:
            found.append("")
    return found


ALL_BUT_ONE = [""] * BURST + ["RATE_LIMITED"]


@pytest.mark.usefixtures("clock")
def test_only_a_method_with_a_limit_has_the_stage_right_after_authentication(bench: Bench) -> None:
    limit(bench)

    stages = bench.methods["Echo"].stages
    assert stages[stages.index("authenticate") + 1] == "rate"
    assert "rate" not in bench.methods["Collect"].stages


@pytest.mark.usefixtures("clock")
@pytest.mark.parametrize("method", ["Echo", "Collect", "Repeat", "Chat"])
async def test_the_call_after_the_burst_is_refused_whatever_its_kind(bench: Bench, method: str) -> None:
    limit(bench, method)

    assert await answers(bench, method=method) == ALL_BUT_ONE


async def test_a_refusal_says_what_the_limit_is_and_when_to_call_again_to_the_millisecond(
    bench: Bench, clock: SetClock
) -> None:
    limit(bench, cost=3)
    await run(bench.methods["Echo"], bench.call(), EchoRequest(text="hi"))
    clock.now += 0.0251

    refused = await fail(bench.methods["Echo"], bench.call())

    assert (refused.code, refused.reason) == ("RESOURCE_EXHAUSTED", "RATE_LIMITED")
    assert refused.retry_after_s == 0.075  # 0.749 tokens are missing
    assert detail(refused, "RetryInfo").retry_delay.ToMilliseconds() == 75
    assert dict(detail(refused, "ErrorInfo").metadata) == {
        "bucket": bench.methods["Echo"].name,
        "per": "PRINCIPAL",
        "per_second": "10",
        "burst": "5",
        "cost": "3",
    }
    clock.now += 0.074
    assert await answers(bench, 1) == ["RATE_LIMITED"]
    clock.now += 0.001
    assert await answers(bench, 1) == [""]


@pytest.mark.usefixtures("clock")
async def test_a_principal_has_its_own_bucket_even_under_an_id_that_another_tenant_uses(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(bench)
    scopes = frozenset({"echo.read"})
    monkeypatch.setitem(KEYS, "colleague", Principal("key:colleague", "tenant-a", scopes))
    monkeypatch.setitem(KEYS, "namesake", Principal("key:reader", "tenant-b", scopes))

    for key in ("reader", "colleague", "namesake"):
        assert await answers(bench, key=key) == ALL_BUT_ONE


@pytest.mark.usefixtures("clock")
async def test_all_principals_of_a_tenant_share_a_tenants_bucket(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit(bench, per=RateScope.TENANT)
    scopes = frozenset({"echo.read"})
    monkeypatch.setitem(KEYS, "colleague", Principal("key:colleague", "tenant-a", scopes))
    monkeypatch.setitem(KEYS, "stranger", Principal("key:reader", "tenant-b", scopes))

    assert await answers(bench, 3) == [""] * 3
    assert await answers(bench, 3, key="colleague") == ["", "", "RATE_LIMITED"]
    assert await answers(bench, key="stranger") == ALL_BUT_ONE


@pytest.mark.usefixtures("clock")
async def test_a_limit_by_address_counts_addresses_and_no_call_in_process(bench: Bench) -> None:
    limit(bench, "EchoOpen", per=RateScope.ADDRESS)

    for peer in ("ipv4:192.0.2.1:1", "ipv6:[2001:db8::1]:1"):
        assert await answers(bench, method="EchoOpen", peer=peer) == ALL_BUT_ONE
    assert await answers(bench, 1, method="EchoOpen", peer="ipv4:192.0.2.1:2") == ["RATE_LIMITED"]
    assert await answers(bench, 1, method="EchoOpen", peer="ipv6:[2001:db8::2]:1") == ["RATE_LIMITED"]
    assert await answers(bench, method="EchoOpen", peer="local:", door="local") == [""] * 6


@pytest.mark.usefixtures("clock")
async def test_methods_that_name_one_bucket_share_it_and_each_has_its_cost(bench: Bench) -> None:
    limit(bench, "Echo", bucket="both", cost=1)
    limit(bench, "EchoSmall", bucket="both", cost=2)

    assert await answers(bench, 2, method="EchoSmall") == ["", ""]
    assert await answers(bench, 2, method="Echo") == ["", "RATE_LIMITED"]
    assert await answers(bench, 1, method="EchoAny") == [""]


@pytest.mark.usefixtures("clock")
async def test_who_may_not_call_takes_tokens_of_nobody_else(bench: Bench) -> None:
    limit(bench)

    assert set(await answers(bench, 20, key="wrong")) == {"CREDENTIAL_INVALID"}
    assert set(await answers(bench, 6, key="nothing")) == {"SCOPE_MISSING", "RATE_LIMITED"}
    assert await answers(bench) == ALL_BUT_ONE


async def test_another_rate_put_into_force_keeps_what_was_used(bench: Bench, clock: SetClock) -> None:
    limit(bench)
    assert await answers(bench) == ALL_BUT_ONE

    limit(bench, per_second=1.0, burst=3)
    assert await answers(bench, 1) == ["RATE_LIMITED"]
    clock.now += 2.0
    assert await answers(bench, 3) == ["", "", "RATE_LIMITED"]

    bench.methods["Echo"].apply(replace(bench.methods["Echo"].policy, rate=None))
    assert await answers(bench, 20) == [""] * 20


@pytest.mark.usefixtures("clock")
async def test_a_policy_that_cannot_be_kept_leaves_the_limit_as_it_was(bench: Bench) -> None:
    limit(bench)
    echo = bench.methods["Echo"]
    assert echo.policy.rate is not None

    with pytest.raises(PolicyError):
        echo.apply(
            replace(
                echo.policy,
                rate=replace(echo.policy.rate, burst=1),
                cache=Cache(CacheScope.TENANT, 1, 0, 0, 0),
                audit=True,
            )
        )

    assert await answers(bench) == ALL_BUT_ONE


@pytest.mark.usefixtures("clock")
async def test_http_callers_are_told_what_they_have_left(bench: Bench) -> None:
    limit(bench, "Echo", bucket='a "b"', burst=30)
    told = []
    for door in ("http", "http", "grpc"):
        call = bench.call(door=door)
        await run(bench.methods["Echo"], call, EchoRequest(text="hi"))
        told.append(told_lines(call))

    policy = 'ratelimit-policy: "a \\"b\\"";q=30;w=3\r\n'
    assert told == [
        f'{policy}ratelimit: "a \\"b\\"";r=29;t=1\r\n',
        f'{policy}ratelimit: "a \\"b\\"";r=28;t=1\r\n',
        "",
    ]


@pytest.mark.parametrize("bucket", ["caf\u00e9", "a\r\nset-cookie: b"])
async def test_a_bucket_whose_name_no_header_can_hold_is_counted_and_not_told(
    bench: Bench, bucket: str
) -> None:
    limit(bench, "Echo", bucket=bucket)
    call = bench.call(door="http")
    await run(bench.methods["Echo"], call, EchoRequest(text="hi"))

    assert told_lines(call) == ""
    assert [one.holders for one in bench.parts.quota.buckets if one.name == bucket] == [1]


@pytest.mark.usefixtures("clock")
async def test_http_callers_are_told_of_the_limit_in_force_when_another_method_tightens_it(
    bench: Bench,
) -> None:
    limit(bench, "Echo", bucket="one", per_second=10.0, burst=30)
    told = []
    for burst in (30, 20):
        limit(bench, "EchoSmall", bucket="one", per_second=10.0, burst=burst)
        call = bench.call(door="http")
        await run(bench.methods["Echo"], call, EchoRequest(text="hi"))
        told.append(told_lines(call).splitlines()[0])

    assert told == ['ratelimit-policy: "one";q=30;w=3', 'ratelimit-policy: "one";q=20;w=2']


@pytest.mark.usefixtures("clock")
async def test_a_caller_is_told_of_no_more_than_the_limit_that_came_into_force_while_its_call_ran(
    bench: Bench,
) -> None:
    limit(bench, "Echo", bucket="one", per_second=10.0, burst=30)
    call = bench.call(door="http")
    await run(bench.methods["Echo"], call, EchoRequest(text="hi"))

    limit(bench, "Echo", bucket="one", per_second=10.0, burst=20)

    assert told_lines(call).splitlines()[1] == 'ratelimit: "one";r=20;t=0'


@pytest.mark.usefixtures("clock")
async def test_an_http_caller_that_is_refused_is_told_so_too(bench: Bench) -> None:
    limit(bench, cost=3)
    await answers(bench, 1)
    call = bench.call(door="http")

    await fail(bench.methods["Echo"], call)

    assert f'ratelimit: "{bench.methods["Echo"].name}";r=2;t=1' in told_lines(call).splitlines()


@pytest.mark.usefixtures("clock")
async def test_nothing_is_read_and_nothing_parsed_of_a_call_above_its_limit(bench: Bench) -> None:
    limit(bench)
    await answers(bench)
    call = bench.call()
    parsed = []
    call.decode = lambda payload: parsed.append(payload)

    assert (await fail(bench.methods["Echo"], call)).reason == "RATE_LIMITED"

    assert parsed == []


def test_a_contract_that_asks_for_a_limit_gets_it_and_why_shows_who_keeps_it(bench: Bench) -> None:
    policy = check(
        'auth { all_scopes: "x.read" } rate { per_second: 2.5 burst: 10 cost: 2 bucket: "reports" }'
    )

    assert policy.rate == Rate(2, "reports", 2.5, 10, RateScope.PRINCIPAL)
    assert rate.compile(policy, bench.parts) is not None
    told = {line.option: (line.value, line.keeper) for line in explain(policy.descriptor)}
    assert told["rate.per_second"] == ("2.5", "server")
    assert told["rate.bucket"] == ("reports", "server")


@pytest.mark.usefixtures("clock")
async def test_callers_of_one_method_do_not_use_up_what_another_has(bench: Bench) -> None:
    limit(bench, "Echo")
    limit(bench, "EchoAny")

    assert await answers(bench, method="Echo") == ALL_BUT_ONE
    assert await answers(bench, method="EchoAny") == ALL_BUT_ONE

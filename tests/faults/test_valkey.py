"""Limits that processes share, while Valkey is there, is killed, stalls, and comes back."""

import asyncio
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from bedplate.contract.promises import Rate, RateScope
from bedplate.testing.serve import Served, serve
from bedplate.testing.valkey import ValkeyServer
from tests.protos import echo
from tests.protos.echo import EchoRequest
from tests.protos.echo_client import EchoClient, Refused

BURST = 5
SLOW = 0.001
# How long a call may wait where that is measured, and where it is not: a busy machine is slow.
SHORT_S = 0.1
PATIENT_S = 2.0
# What a busy machine may add to what is measured, seconds.
SLACK_S = 0.4
WAIT_S = 20.0


@pytest.fixture
def valkey() -> Iterator[ValkeyServer]:
    """An empty server; its folder's path is short, as sockets want it."""
    folder = Path(tempfile.mkdtemp(prefix="bedplate-"))
    try:
        with ValkeyServer(folder) as server:
            yield server
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@asynccontextmanager
async def replicas(
    valkey: ValkeyServer, count: int, without: str, *, timeout_s: float = PATIENT_S
) -> AsyncIterator[list[Served]]:
    """Processes with one limit: so many calls, and no token flows back."""
    async with AsyncExitStack() as stack:
        started = []
        for _ in range(count):
            served = await stack.enter_async_context(
                serve(
                    [echo.service(echo.Handlers())],
                    valkey_url=valkey.url,
                    valkey_timeout_s=timeout_s,
                    valkey_without=without,
                    drain_refuse_s=0.0,
                )
            )
            method = served.app.methods["tests.echo.v1.EchoService/Echo"]
            method.apply(replace(method.policy, rate=Rate(1, "echo", SLOW, BURST, RateScope.PRINCIPAL)))
            started.append(served)
        yield started


async def ask(served: Served, count: int, **options: float) -> list[str]:
    """The reasons of so many calls, one after the other; OK for those that were answered."""
    found = []
    async with EchoClient(served.grpc_address) as client:
        for _ in range(count):
            try:
                await client.call("Echo", EchoRequest(text="hi"), **options)
            except Refused as refused:
                found.append(refused.reason or refused.code)
            else:
                found.append("OK")
    return found


async def until_it_is_up(served: Served) -> None:
    """Call until Valkey is asked again."""
    async with asyncio.timeout(WAIT_S):
        while not metric(served, "up"):
            await ask(served, 1)


def metric(served: Served, name: str) -> float:
    value = served.app.telemetry.registry.get_sample_value(f"bedplate_rate_valkey_{name}")
    assert value is not None
    return value


async def test_two_processes_let_in_together_what_one_would(valkey: ValkeyServer) -> None:
    async with replicas(valkey, 2, "closed") as (one, other):
        answers = [*await ask(one, 3), *await ask(other, 3)]

        assert answers == ["OK"] * 5 + ["RATE_LIMITED"]
        assert metric(one, "up") == 1


@pytest.mark.parametrize(
    ("without", "expected"),
    [
        ("open", ["OK"] * 8),
        ("closed", ["DEPENDENCY_UNAVAILABLE"] * 8),
        ("local", ["OK"] * BURST + ["RATE_LIMITED"] * 3),
    ],
)
async def test_without_valkey_the_setting_holds_and_with_it_the_limit_again(
    valkey: ValkeyServer, without: str, expected: list[str]
) -> None:
    async with replicas(valkey, 1, without) as (served,):
        assert await ask(served, 1) == ["OK"]

        valkey.kill()
        assert await ask(served, 8) == expected
        assert metric(served, "up") == 0
        valkey.start()
        await until_it_is_up(served)

        assert "RATE_LIMITED" in await ask(served, BURST + 1)
        served.app.telemetry.log.flush()
        log = served.log.read_text()
        assert log.count('"event":"valkey"') == 2
        assert "valkey.sock" not in log
        assert metric(served, "failures_total") >= 1


async def test_a_call_waits_for_a_valkey_that_stalls_no_longer_than_it_may(valkey: ValkeyServer) -> None:
    async with replicas(valkey, 1, "open", timeout_s=SHORT_S) as (served,):
        assert await ask(served, 1) == ["OK"]

        valkey.stall()
        began = time.monotonic()
        assert await ask(served, 1) == ["OK"]
        took_s = time.monotonic() - began
        valkey.resume()

    assert took_s < SHORT_S + SLACK_S


async def test_a_server_starts_without_valkey_and_uses_it_when_it_comes(valkey: ValkeyServer) -> None:
    valkey.kill()
    async with replicas(valkey, 1, "open") as (served,):
        assert await ask(served, 1) == ["OK"]
        valkey.start()
        await until_it_is_up(served)

        assert "RATE_LIMITED" in await ask(served, BURST + 1)


async def test_calls_of_methods_without_a_limit_do_not_ask_it(valkey: ValkeyServer) -> None:
    async with replicas(valkey, 1, "closed") as (served,):
        valkey.kill()
        async with EchoClient(served.grpc_address) as client:
            answer = await client.call("EchoAny", EchoRequest(text="hi"))

        assert answer.tenant == "tenant-a"
        assert metric(served, "failures_total") == 0

"""Those who are slow, or say nothing, hold nobody else up, and not for long."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from google.protobuf.json_format import MessageToJson

from bedplate.transport.open_files import room_for
from tests.bench import contract
from tests.bench.servers.process import KEY, PATH
from tests.gateway.http_door import open_door
from tests.gateway.wire import Wire
from tests.transport.certificates import Authority
from tests.transport.slow import Load, Measured, Slow, open_idle, slow_callers

VIEWER = "/reference/rapidoc-9.3.8.js"  # the largest answer that every server has
IDLE = 1000
SLOW = 50
CLOSED_WITHIN_S = 30.0
P99_MAX_S = 0.1
# Whom the limits of a test close within a second. Seconds.
SOON = {"http_header_s": 0.2, "http_body_s": 0.5, "http_idle_s": 60.0}


async def test_every_slow_caller_is_closed_in_its_time_and_idle_ones_stay():
    async with open_door(**SOON) as served:
        port = int(served.address.rpartition(":")[2])
        idle = await open_idle(port, 50)
        slow = slow_callers(20, large=VIEWER)
        async with Wire(served.address) as wire, asyncio.timeout(15), asyncio.TaskGroup() as group:
            for caller in slow:
                group.create_task(caller.hold(port, every_s=0.02))
            for _ in range(50):
                assert (await wire.call("GET", "/v1/things/a")).status == 200
        lost = [one for one in idle if one.lost]
        for one in idle:
            one.transport.close()

    assert lost == []
    assert all(caller.closed_s > 0 for caller in slow)


async def test_a_handshake_that_drips_ends_like_one_that_stops(tmp_path):
    certificate, key = Authority(tmp_path).issue("server")
    async with open_door(tls_certificate=certificate, tls_key=key, http_header_s=0.2) as served:
        port = int(served.address.rpartition(":")[2])
        slow = [Slow("handshake", b"\x16\x03\x01\x02\x00\x01", b"\x00") for _ in range(5)]
        async with asyncio.timeout(15), asyncio.TaskGroup() as group:
            for caller in slow:
                group.create_task(caller.hold(port, every_s=0.01))

    assert all(0 < caller.closed_s < 10 for caller in slow)


@asynccontextmanager
async def platform() -> AsyncIterator[int]:
    """A server in a process of its own with everything on; its port."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.bench.servers.bedplate_platform"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield int((await process.stdout.readline()).split()[-1])
    finally:
        process.stdin.close()
        await process.wait()


@pytest.mark.soak
async def test_at_half_of_what_it_can_do_callers_wait_a_tenth_of_a_second_at_most(capsys):
    if room_for(IDLE + SLOW + 200, 0) < IDLE + SLOW + 200:
        pytest.skip("this machine lets no process have so many files open")
    body = MessageToJson(contract.request(), indent=None).encode()
    request = (
        f"POST {PATH} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    ).encode() + body
    async with platform() as port:
        load = Load(request)
        await load.connect(port, 32)
        await load.as_fast_as_it_goes(2)
        capacity = (await load.as_fast_as_it_goes(5)).rate
        alone = await load.at(capacity / 2, 8)
        idle = await open_idle(port, IDLE)
        slow = slow_callers(SLOW, large=VIEWER)
        holding = [asyncio.ensure_future(caller.hold(port, every_s=1.0)) for caller in slow]
        measured = await load.at(capacity / 2, CLOSED_WITHIN_S + 2)
        lost = sum(one.lost for one in idle)
        await asyncio.wait(holding, timeout=60)
        load.close()
        for one in idle:
            one.transport.close()

    longest = {caller.name: caller.closed_s for caller in sorted(slow, key=lambda caller: caller.closed_s)}
    with capsys.disabled():
        print(
            f"\ncapacity {capacity:.0f}/s; at half, alone: {_tells(alone)}; "
            f"with {IDLE} idle and {SLOW} slow: {_tells(measured)}; closed after "
            + ", ".join(f"{name} {seconds:.1f} s" for name, seconds in longest.items())
        )
    assert all(0 < caller.closed_s <= CLOSED_WITHIN_S for caller in slow), longest
    assert lost == 0
    if alone.failed or alone.quantile_s(0.99) > P99_MAX_S / 2:
        pytest.skip("the machine is busy with something else: callers wait without anybody slow too")
    assert measured.failed == 0
    assert measured.quantile_s(0.99) < P99_MAX_S


def _tells(measured: Measured) -> str:
    p50, p99 = measured.quantile_s(0.5) * 1e3, measured.quantile_s(0.99) * 1e3
    return f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, {measured.failed} refused"

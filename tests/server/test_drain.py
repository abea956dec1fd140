"""The end of a real process: every call that was begun is answered, and nobody sees CANCELLED."""

import asyncio
import signal
from collections import Counter
from pathlib import Path

import pytest

from tests.protos.echo import EchoRequest
from tests.protos.echo_client import EchoClient, Refused
from tests.server.process import Process, process

CALLERS = 50


class Callers:
    """Callers that call one after the other, each on a connection of its own."""

    def __init__(self, server: Process, *, stubborn: bool) -> None:
        self.answered: set[str] = set()
        self.codes: Counter[str] = Counter()
        self._server = server
        self._stubborn = stubborn
        self._tasks = [asyncio.create_task(self._call(number)) for number in range(CALLERS)]

    async def _call(self, number: int) -> None:
        async with EchoClient(self._server.grpc_address) as client:
            for turn in range(100_000):
                text = f"{number}-{turn}"
                try:
                    await client.call("Echo", EchoRequest(text=text))
                except Refused as refused:
                    self.codes[f"{refused.code} {refused.reason}".strip()] += 1
                    # A stubborn caller heeds no refusal; it ends when nobody listens any more.
                    if not (self._stubborn and refused.reason == "DRAINING"):
                        return
                else:
                    self.answered.add(text)

    async def ended(self) -> None:
        """Wait until each has been refused."""
        await asyncio.wait_for(asyncio.gather(*self._tasks), 60)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_every_call_that_was_begun_is_answered_and_the_others_are_unavailable(
    tmp_path: Path, number: signal.Signals
) -> None:
    async with process(tmp_path) as server:
        callers = Callers(server, stubborn=False)
        await server.until(4 * CALLERS)

        server.send(number)

        assert await server.exit_code() == 0
        await callers.ended()
    assert set(server.began) == set(server.ended) == callers.answered
    assert callers.codes == {"UNAVAILABLE DRAINING": CALLERS}


async def test_callers_who_heed_no_refusal_see_no_cancelled_either(tmp_path: Path) -> None:
    async with process(tmp_path, drain_refuse_s=0.5) as server:
        callers = Callers(server, stubborn=True)
        await server.until(2 * CALLERS)

        server.send(signal.SIGTERM)

        assert await server.exit_code() == 0
        await callers.ended()
    assert set(server.began) == callers.answered
    assert set(callers.codes) <= {"UNAVAILABLE DRAINING", "UNAVAILABLE"}


async def test_a_call_that_outlasts_the_grace_is_told_that_its_outcome_is_unknown(tmp_path: Path) -> None:
    async with process(tmp_path, stop_grace_s=0.2) as server, EchoClient(server.grpc_address) as client:
        calls = [
            asyncio.create_task(client.refusal("Echo", EchoRequest(text="long-1"))),
            asyncio.create_task(client.refusal("Repeat", EchoRequest(text="long-2"))),
        ]
        await server.until(2)

        server.send(signal.SIGTERM)

        for refused in await asyncio.gather(*calls):
            assert (refused.code, refused.reason) == ("UNAVAILABLE", "OUTCOME_UNKNOWN")
        assert await server.exit_code() == 0


async def test_a_second_signal_stops_at_once_and_still_answers(tmp_path: Path) -> None:
    async with (
        process(tmp_path, drain_wait_s=300, stop_grace_s=300) as server,
        EchoClient(server.grpc_address) as client,
    ):
        call = asyncio.create_task(client.refusal("Echo", EchoRequest(text="long")))
        await server.until(1)

        server.send(signal.SIGTERM)
        server.send(signal.SIGINT)

        assert (await call).code == "UNAVAILABLE"
        assert await asyncio.wait_for(server.exit_code(), 20) == 0

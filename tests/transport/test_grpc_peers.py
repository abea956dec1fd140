"""What a hostile or broken peer sends, byte by byte: the door answers it and serves everyone else."""

import asyncio
import struct

import pytest

from bedplate.testing.serve import KEY, Served, serve
from bedplate.transport import grpc_strangers
from tests.protos import echo
from tests.protos.echo import EchoRequest
from tests.protos.echo_client import EchoClient
from tests.transport.http2 import METHOD, connect

SERVICE = "/tests.echo.v1.EchoService"
AUTHORIZED = (("authorization", f"Bearer {KEY}"),)
HI = EchoRequest(text="hi").SerializeToString()

INVALID_ARGUMENT, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, UNAUTHENTICATED = 3, 4, 8, 16


@pytest.mark.parametrize("method", ["Echo", "Collect", "Repeat", "Chat"])
async def test_a_call_that_says_nothing_is_ended_with_a_status(served: Served, method: str) -> None:
    async with connect(served.grpc_address) as peer:
        silent = await peer.result(peer.call(f"{SERVICE}/{method}", end=False, extra=AUTHORIZED))

        assert silent.code == DEADLINE_EXCEEDED
        assert "no message within 0.2 s" in silent.headers["grpc-message"]
        assert len(silent.status.details) == 1
        honest = await peer.result(peer.call(message=HI, extra=AUTHORIZED))
        assert honest.code == 0


@pytest.mark.parametrize("method", ["Echo", "Collect", "Repeat", "Chat"])
async def test_a_caller_who_may_not_call_is_told_before_it_has_sent_its_message(
    served: Served, method: str
) -> None:
    async with connect(served.grpc_address) as peer:
        stranger = await peer.result(peer.call(f"{SERVICE}/{method}", end=False))

    assert stranger.code == UNAUTHENTICATED


@pytest.mark.parametrize("method", ["Echo", "Repeat"])
async def test_a_call_that_ends_without_its_message_is_refused(served: Served, method: str) -> None:
    async with connect(served.grpc_address) as peer:
        empty = await peer.result(peer.call(f"{SERVICE}/{method}", extra=AUTHORIZED))

        assert empty.code == INVALID_ARGUMENT
        assert "without a message" in empty.headers["grpc-message"]


async def test_half_a_message_is_no_message(served: Served) -> None:
    async with connect(served.grpc_address) as peer:
        stream = peer.call(end=False, extra=AUTHORIZED)
        peer.send(stream, b"\x00\x00\x00\x00\x0a123")

        assert (await peer.result(stream)).code == DEADLINE_EXCEEDED


async def test_silent_calls_stop_no_honest_one(served: Served, client: EchoClient) -> None:
    async with connect(served.grpc_address) as peer:
        silent = [peer.call(end=False, extra=AUTHORIZED) for _ in range(64)]

        answers = [await client.call("Echo", EchoRequest(text="hi"), timeout=5) for _ in range(20)]
        await asyncio.gather(*(peer.result(stream) for stream in silent))

        assert len(answers) == 20
        assert {stream.code for stream in silent} == {DEADLINE_EXCEEDED}
    assert not served.app.telemetry.in_flight


async def test_a_connection_may_have_100_calls_at_once(served: Served) -> None:
    async with connect(served.grpc_address) as peer:
        await peer.result(peer.call(message=HI, extra=AUTHORIZED))

        MAX_CONCURRENT_STREAMS = 3
        assert peer.settings[MAX_CONCURRENT_STREAMS] == 100


async def test_an_encoding_that_nobody_knows_spoils_no_later_call_of_the_connection(served: Served) -> None:
    async with connect(served.grpc_address) as peer:
        await peer.result(peer.call(message=HI, extra=AUTHORIZED))  # its settings are known by then
        bad = await peer.result(peer.call(message=HI, extra=(*AUTHORIZED, ("grpc-encoding", "sparkle"))))
        plain = await peer.result(peer.call(message=HI, extra=AUTHORIZED))
        gzip = await peer.result(peer.call(message=HI, extra=(*AUTHORIZED, ("grpc-encoding", "gzip"))))

    assert bad.code != 0
    assert (plain.code, gzip.code) == (0, 0)


async def test_a_connection_that_was_spoilt_before_the_servers_settings_came_recovers(served: Served) -> None:
    async with connect(served.grpc_address) as peer:
        await peer.result(peer.call(message=HI, extra=(*AUTHORIZED, ("grpc-encoding", "sparkle"))))

        later = await peer.result(peer.call(message=HI, extra=(*AUTHORIZED, ("grpc-encoding", "identity"))))

    assert later.code == 0


async def test_what_is_no_grpc_call_is_answered_and_the_connection_lives(served: Served) -> None:
    async with connect(served.grpc_address) as peer:
        odd = [
            peer.call("/", message=HI),
            peer.call("/a/b/c/d", message=HI),
            peer.call("/" + "x" * 3000, message=HI),
            peer.call(METHOD, message=HI, extra=(("grpc-timeout", "soon"), *AUTHORIZED)),
            peer.call(METHOD, message=HI, extra=(("grpc-timeout", "99999999H"), *AUTHORIZED)),
        ]
        for stream in odd:
            assert "grpc-status" in (await peer.result(stream)).headers

        assert (await peer.result(peer.call(message=HI, extra=AUTHORIZED))).code == 0


async def test_a_deadline_that_has_passed_is_refused_without_running_the_handler(
    served: Served, handlers: echo.Handlers
) -> None:
    async with connect(served.grpc_address) as peer:
        late = await peer.result(peer.call(message=HI, extra=(*AUTHORIZED, ("grpc-timeout", "0n"))))

        assert late.error_code is not None or late.code == DEADLINE_EXCEEDED
    assert handlers.entered == []


async def test_a_peer_that_resets_thousands_of_calls_stops_no_honest_one(
    served: Served, client: EchoClient
) -> None:
    async with connect(served.grpc_address) as peer:
        for _ in range(2_000):
            peer.reset(peer.call(message=HI, extra=AUTHORIZED))
            if peer.closed.is_set():
                break
        answer = await client.call("Echo", EchoRequest(text="hi"), timeout=5)

    assert answer.text == "hi"


async def test_a_peer_that_reads_nothing_does_not_keep_the_handler(
    served: Served, handlers: echo.Handlers
) -> None:
    async with connect(served.grpc_address, window=1) as peer:
        request = EchoRequest(text="r", times=1_000, payload=bytes(10_000)).SerializeToString()
        peer.call(f"{SERVICE}/Repeat", message=request, extra=(*AUTHORIZED, ("grpc-timeout", "300m")))

        await asyncio.wait_for(handlers.closed.wait(), 5)

    assert handlers.entered == []  # it never came to its end


async def test_one_connection_more_than_allowed_is_closed_and_the_others_live() -> None:
    async with (
        serve([echo.service(echo.Handlers())], grpc_connections=2, drain_refuse_s=0.0) as served,
        connect(served.grpc_address) as first,
        connect(served.grpc_address) as second,
    ):
        for peer in (first, second):
            assert (await peer.result(peer.call(message=HI, extra=AUTHORIZED))).code == 0

        async with connect(served.grpc_address) as third:
            await asyncio.wait_for(third.closed.wait(), 20)

        for peer in (first, second):
            assert (await peer.result(peer.call(message=HI, extra=AUTHORIZED))).code == 0


@pytest.mark.parametrize("path", [f"{SERVICE}/EchoOpen", "/grpc.health.v1.Health/Check"])
async def test_strangers_who_do_not_end_their_messages_give_way_the_oldest_first(
    monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(grpc_strangers, "STRANGERS_MAX", 4)
    monkeypatch.setattr(grpc_strangers, "STRANGER_S", 0.0)
    async with (
        serve([echo.service(echo.Handlers())], first_message_s=60, drain_refuse_s=0.0) as served,
        connect(served.grpc_address) as peer,
    ):
        half = [peer.call(path, end=False) for _ in range(4)]
        for stream in half:
            peer.send(stream, struct.pack(">BI", 0, 4_000_000) + bytes(10_000))
        known = peer.call(end=False, extra=AUTHORIZED)
        more = [peer.call(path, end=False) for _ in range(3)]

        ended = [(await peer.result(stream)).code for stream in half[:3]]

        assert ended == [RESOURCE_EXHAUSTED] * 3
        assert "Too many calls wait" in half[0].headers["grpc-message"]
        message = b"" if "health" in path else HI
        assert (await peer.result(peer.call(path, message=message))).code == 0
        assert half[3].code == RESOURCE_EXHAUSTED
        assert not any(stream.ended.is_set() for stream in (known, *more))


async def test_strangers_whose_messages_come_give_way_to_nobody(
    monkeypatch: pytest.MonkeyPatch, client: EchoClient
) -> None:
    monkeypatch.setattr(grpc_strangers, "STRANGERS_MAX", 0)

    answers = await asyncio.gather(*(client.call("EchoOpen", EchoRequest(text="hi")) for _ in range(100)))

    assert len(answers) == 100


async def test_core_is_not_asked_for_calls_once_the_server_stops() -> None:
    async with serve([echo.service(echo.Handlers())], drain_refuse_s=0.0) as served:
        async with connect(served.grpc_address) as peer:
            await peer.result(peer.call(message=HI, extra=AUTHORIZED))
        accepting = served.app._grpc._server._server  # type: ignore[union-attr]
    accepting._waiting.note(METHOD)

    accepting._waiting.probe(4, lambda came: None)

    # Asked, a server that is gone raises what nobody would hear of, or ends the process.
    assert await asyncio.gather(*accepting._waiting._tasks) == [None] * 4

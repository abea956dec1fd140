"""The HTTP door over TLS, on the loop of the process and on asyncio's own."""

import asyncio
import ssl

import pytest
import uvloop

from tests.gateway.http_door import open_door
from tests.gateway.wire import Wire, request
from tests.transport.certificates import Authority

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}


@pytest.fixture(params=LOOPS)
def run(request):
    """Runs a coroutine on one of the loops."""
    with asyncio.Runner(loop_factory=LOOPS[request.param]) as runner:
        yield runner.run


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


def settings_of(authority, **more):
    certificate, key = authority.issue("server")
    return {"tls_certificate": certificate, "tls_key": key, **more}


def test_calls_go_over_tls(run, authority):
    async def scenario():
        async with open_door(**settings_of(authority)) as served:
            async with Wire(served.address, tls=authority.trusted()) as wire:
                for number in range(3):
                    reply = await wire.call("GET", f"/v1/things/{number}")
                    assert (reply.status, reply.json["thing"]["name"]) == (200, str(number))
                version = wire.transport.get_extra_info("ssl_object").version()
            # What comes in one piece with the end of the handshake is not lost.
            async with Wire(served.address, tls=authority.trusted()) as wire:
                await wire.send(request("GET", "/v1/things/a") * 5)
                replies = [await wire.reply() for _ in range(5)]
            return version, [reply.status for reply in replies]

    assert run(scenario()) == ("TLSv1.3", [200] * 5)


def test_what_speaks_no_tls_gets_no_answer(run, authority):
    async def scenario():
        async with open_door(**settings_of(authority)) as served, Wire(served.address) as wire:
            await wire.send(request("GET", "/v1/things/a"))
            return await wire.rest()

    assert b"HTTP" not in run(scenario())


def test_a_handshake_that_is_not_finished_counts_and_ends(run, authority):
    async def scenario():
        settings = settings_of(authority, http_header_s=0.2, http_connections=1)
        async with open_door(**settings) as served, Wire(served.address) as silent:
            while served.door.connections == 0:
                await asyncio.sleep(0)
            with pytest.raises((ssl.SSLError, OSError)):
                await Wire(served.address, tls=authority.trusted()).__aenter__()
            assert await silent.rest() == b""
            while served.door.connections:
                await asyncio.sleep(0)
            async with Wire(served.address, tls=authority.trusted()) as wire:
                return (await wire.call("GET", "/v1/things/a")).status

    assert run(scenario()) == 200


def test_callers_show_a_certificate_where_the_settings_ask_for_one(run, authority, tmp_path):
    other = Authority(tmp_path, "other")

    async def scenario(context):
        settings = settings_of(authority, tls_client_ca=authority.certificate)
        async with open_door(**settings) as served, Wire(served.address, tls=context) as wire:
            return (await wire.call("GET", "/v1/things/a")).status

    known = authority.trusted()
    known.load_cert_chain(*authority.issue("caller"))
    assert run(scenario(known)) == 200
    unknown = authority.trusted()
    unknown.load_cert_chain(*other.issue("stranger"))
    for context in (authority.trusted(), unknown):
        with pytest.raises((ssl.SSLError, OSError, asyncio.IncompleteReadError)):
            run(scenario(context))


def test_a_new_certificate_is_used_without_a_restart(run, authority):
    async def scenario():
        async with open_door(**settings_of(authority)) as served:
            names = []
            for _ in range(2):
                async with Wire(served.address, tls=authority.trusted()) as wire:
                    names.append(wire.transport.get_extra_info("ssl_object").getpeercert()["serialNumber"])
                authority.issue("server")
            return names

    one, two = run(scenario())
    assert one != two


def test_a_body_too_large_is_answered_over_tls_too(run, authority):
    async def scenario():
        settings, trusted = settings_of(authority), authority.trusted()
        async with open_door(**settings) as served, Wire(served.address, tls=trusted) as wire:
            head = b"POST /v1/things HTTP/1.1\r\nhost: x\r\ncontent-length: 10000000\r\n\r\n"
            sending = asyncio.ensure_future(wire.send(head + bytes(10_000_000)))
            reply = await wire.reply()
            await asyncio.wait([sending])
            return reply.status

    assert run(scenario()) == 413

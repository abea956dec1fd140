"""Which TLS is spoken, and that a change of certificates costs no call."""

import asyncio
import ssl

import pytest

from tests.gateway.http_door import open_door
from tests.gateway.wire import Wire
from tests.transport.certificates import Authority


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


def settings_of(authority, **more):
    certificate, key = authority.issue("server")
    return {"tls_certificate": certificate, "tls_key": key, **more}


def caller(authority, newest: ssl.TLSVersion) -> ssl.SSLContext:
    context = authority.trusted()
    context.maximum_version = newest
    return context


@pytest.mark.parametrize(
    ("minimum", "newest", "spoken"),
    [
        ("1.3", ssl.TLSVersion.TLSv1_3, "TLSv1.3"),
        ("1.3", ssl.TLSVersion.TLSv1_2, None),
        ("1.2", ssl.TLSVersion.TLSv1_2, "TLSv1.2"),
        ("1.2", ssl.TLSVersion.TLSv1_3, "TLSv1.3"),
    ],
)
async def test_tls_is_as_new_as_the_settings_say(authority, minimum, newest, spoken):
    async with open_door(**settings_of(authority, tls_minimum=minimum)) as served:
        wire = Wire(served.address, tls=caller(authority, newest))
        if spoken is None:
            with pytest.raises((ssl.SSLError, OSError)):
                await wire.__aenter__()
            return
        async with wire:
            assert (await wire.call("GET", "/v1/things/a")).status == 200
            assert wire.transport.get_extra_info("ssl_object").version() == spoken


@pytest.mark.parametrize(
    ("offered", "taken"), [(["h2", "http/1.1"], "http/1.1"), (["http/1.1"], "http/1.1"), (["h2"], None)]
)
async def test_http_1_1_is_what_is_agreed_on(authority, offered, taken):
    context = authority.trusted()
    context.set_alpn_protocols(offered)
    async with open_door(**settings_of(authority)) as served, Wire(served.address, tls=context) as wire:
        reply = await wire.call("GET", "/v1/things/a")
        agreed = wire.transport.get_extra_info("ssl_object").selected_alpn_protocol()

    assert (reply.status, agreed) == (200, taken)


async def test_certificates_change_and_no_call_is_lost(authority):
    """Callers with connections that stay and callers that connect anew, while the files are replaced."""
    changes, statuses, serials = 5, [], set()
    done = asyncio.Event()

    async def stay(served) -> None:
        async with Wire(served.address, tls=authority.trusted()) as wire:
            while not done.is_set():
                statuses.append((await wire.call("GET", "/v1/things/a")).status)

    async def come_again(served) -> None:
        while not done.is_set():
            async with Wire(served.address, tls=authority.trusted()) as wire:
                serials.add(wire.transport.get_extra_info("ssl_object").getpeercert()["serialNumber"])
                statuses.append((await wire.call("GET", "/v1/things/a")).status)

    async def change() -> None:
        for number in range(1, changes + 2):
            while len(serials) < number:
                await asyncio.sleep(0)
            if number <= changes:
                authority.issue("server")
        done.set()

    async with (
        open_door(**settings_of(authority)) as served,
        asyncio.timeout(60),
        asyncio.TaskGroup() as group,
    ):
        for start in (stay, stay, come_again, come_again):
            group.create_task(start(served))
        group.create_task(change())

    assert len(serials) == changes + 1
    assert set(statuses) == {200}

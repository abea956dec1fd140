"""No address takes all connections, and those that bring many callers may."""

import asyncio
import resource
import subprocess
import sys

import pytest

from bedplate.transport import http_sources
from bedplate.transport.forwarded import Proxies
from bedplate.transport.http_sources import Sources
from tests.gateway.http_door import open_door
from tests.gateway.wire import Wire
from tests.transport.certificates import Authority

PROXIES = Proxies(["10.0.0.0/8", "2001:db8:ffff::/48"])


def test_an_address_has_so_many_connections_and_no_more():
    sources = Sources(2, PROXIES)

    assert [sources.add(f"ipv4:203.0.113.7:{port}") for port in (1, 2, 3)] == [True, True, False]
    assert sources.add("ipv4:203.0.113.8:1")
    sources.discard("ipv4:203.0.113.7:1")
    assert [sources.add(f"ipv4:203.0.113.7:{port}") for port in (4, 5)] == [True, False]


def test_who_has_a_64_has_one_limit_for_all_its_addresses():
    sources = Sources(2, None)

    added = [sources.add(f"ipv6:[2001:db8::{host}]:1") for host in (1, 2, 3)]
    mapped = [sources.add(f"ipv6:[::ffff:203.0.113.7]:{port}") for port in (1, 2)]

    assert added == [True, True, False]
    assert mapped == [True, True]
    assert not sources.add("ipv4:203.0.113.7:3")


@pytest.mark.parametrize(
    "peer",
    [
        *("ipv4:10.1.1.1:1", "ipv6:[2001:db8:ffff::1]:1", "ipv6:[::ffff:10.1.1.1]:1"),
        *("ipv4:127.0.0.1:1", "ipv4:127.8.8.8:1", "ipv6:[::1]:1", "ipv6:[::ffff:127.0.0.1]:1", "unix:"),
    ],
)
def test_proxies_and_this_machine_have_no_limit(peer):
    sources = Sources(1, PROXIES)

    assert all(sources.add(peer) for _ in range(3))
    for _ in range(3):
        sources.discard(peer)


def test_addresses_that_have_gone_are_forgotten():
    sources = Sources(1, None)
    for number in range(100):
        sources.add(f"ipv4:203.0.113.{number}:1")
    for number in range(100):
        sources.discard(f"ipv4:203.0.113.{number}:1")

    assert sources._counts == {}


async def test_a_connection_too_many_of_an_address_is_told_so_and_closed(monkeypatch):
    monkeypatch.setattr(http_sources, "is_loopback", lambda address: False)
    async with open_door(http_connections_per_address=2) as served:
        async with Wire(served.address) as one, Wire(served.address) as two:
            assert (await one.call("GET", "/v1/things/a")).status == 200
            assert (await two.call("GET", "/v1/things/a")).status == 200
            async with Wire(served.address) as three:
                refused = await three.reply()
                assert await three.rest() == b""
        while served.door.connections:
            await asyncio.sleep(0)
        async with Wire(served.address) as four:
            again = await four.call("GET", "/v1/things/a")

    assert (refused.status, refused.json["reason"], refused["connection"]) == (503, "HTTP_CROWDED", "close")
    assert again.status == 200


async def test_over_tls_it_is_closed_before_its_handshake(monkeypatch, tmp_path):
    monkeypatch.setattr(http_sources, "is_loopback", lambda address: False)
    authority = Authority(tmp_path)
    certificate, key = authority.issue("server")
    settings = {"tls_certificate": certificate, "tls_key": key, "http_connections_per_address": 1}
    async with open_door(**settings) as served:
        async with Wire(served.address, tls=authority.trusted()) as one:
            assert (await one.call("GET", "/v1/things/a")).status == 200
            async with Wire(served.address) as two:  # says nothing, and is closed all the same
                assert await two.rest() == b""
            assert (await one.call("GET", "/v1/things/a")).status == 200
        while served.door.connections:
            await asyncio.sleep(0)
        async with Wire(served.address, tls=authority.trusted()) as three:
            assert (await three.call("GET", "/v1/things/a")).status == 200


LIMITED = """
import resource, sys
soft, hard = int(sys.argv[1]), int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
from bedplate.transport.open_files import room_for
print(room_for(3000, 1000), resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


@pytest.mark.parametrize(
    ("soft", "hard", "room", "limit"),
    [(256, 8192, 3000, 4256), (4500, 8192, 3000, 4500), (512, 1256, 750, 1256), (64, 64, 1, 64)],
)
def test_the_limit_of_open_files_is_raised_as_far_as_it_may_be(soft, hard, room, limit):
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 8192:
        pytest.skip("this machine lets no process have so many files open")
    command = [sys.executable, "-c", LIMITED, str(soft), str(hard)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)

    assert done.stdout.split() == [str(room), str(limit)]
    assert ("raise the limit of open files to 4256" in done.stderr) is (room < 3000)

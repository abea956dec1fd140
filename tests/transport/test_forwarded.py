"""Who is behind a proxy is what trusted proxies say, and nothing that callers say."""

import json
import re

import pytest

from bedplate.settings import Settings, SettingsError
from bedplate.transport.forwarded import HOPS_MAX, Proxies
from tests.gateway.http_door import open_door
from tests.gateway.wire import Wire

PROXY = "ipv4:10.0.0.1:4711"
NETWORKS = ["10.0.0.0/8", "2001:db8:ffff::/48"]

X_FORWARDED_FOR = {
    "": PROXY,
    "203.0.113.7": "ipv4:203.0.113.7:0",
    "203.0.113.7:4711": "ipv4:203.0.113.7:4711",
    " 203.0.113.7 ": "ipv4:203.0.113.7:0",
    "2001:db8::7": "ipv6:[2001:db8::7]:0",
    "[2001:db8::7]": "ipv6:[2001:db8::7]:0",
    "[2001:db8::7]:80": "ipv6:[2001:db8::7]:80",
    "2001:DB8:0:0::7": "ipv6:[2001:db8::7]:0",
    "::ffff:203.0.113.7": "ipv4:203.0.113.7:0",
    # The caller may have written all that is left of what the proxy wrote.
    "1.2.3.4, 203.0.113.7": "ipv4:203.0.113.7:0",
    "1.2.3.4,203.0.113.7": "ipv4:203.0.113.7:0",
    "<script>, 203.0.113.7": "ipv4:203.0.113.7:0",
    "1.2.3.4, 203.0.113.7, 10.1.1.1": "ipv4:203.0.113.7:0",
    "203.0.113.7, 2001:db8:ffff::1, 10.1.1.1:99": "ipv4:203.0.113.7:0",
    "::ffff:10.1.1.1, ::ffff:10.1.1.2": "ipv4:10.1.1.1:0",
    "10.1.1.1, 10.1.1.2": "ipv4:10.1.1.1:0",
    # Whoever wrote what cannot be read is the last one known.
    "unknown": PROXY,
    "_hidden": PROXY,
    "1.2.3.4, unknown": PROXY,
    "1.2.3.4, unknown, 10.1.1.1": "ipv4:10.1.1.1:0",
    "203.0.113.7,": PROXY,
    ",": PROXY,
    "203.0.113": PROXY,
    "203.0.113.007": PROXY,
    "203.0.113.256": PROXY,
    "0x7f.1": PROXY,
    "203.0.113.7:": PROXY,
    "203.0.113.7:99999": PROXY,
    "203.0.113.7:-1": PROXY,
    "[203.0.113.7]:80": PROXY,
    "[2001:db8::7": PROXY,
    "[2001:db8::7]80": PROXY,
    "[2001:db8::7]:": PROXY,
    "[fe80::1%eth0]": PROXY,
    "fe80::1%eth0": PROXY,
    "localhost": PROXY,
    "for=203.0.113.7": PROXY,
    '"203.0.113.7"': PROXY,
    "1.2.3.4 203.0.113.7": PROXY,
    "1" * 300: PROXY,
}

FORWARDED = {
    "": PROXY,
    "for=203.0.113.7": "ipv4:203.0.113.7:0",
    "For=203.0.113.7;proto=https;by=10.0.0.1;host=shop.example": "ipv4:203.0.113.7:0",
    "proto=https; FOR=203.0.113.7": "ipv4:203.0.113.7:0",
    'for="203.0.113.7:4711"': "ipv4:203.0.113.7:4711",
    'for="[2001:db8::7]"': "ipv6:[2001:db8::7]:0",
    'for="[2001:db8::7]:4711"': "ipv6:[2001:db8::7]:4711",
    'for="203.0.113.7:_port"': "ipv4:203.0.113.7:0",
    "for=1.2.3.4, for=203.0.113.7": "ipv4:203.0.113.7:0",
    "for=203.0.113.7,for=10.1.1.1": "ipv4:203.0.113.7:0",
    'for=203.0.113.7;host="a,b", for="10.1.1.1"': "ipv4:203.0.113.7:0",
    # A quote that the caller left open swallows nothing of what the proxy wrote.
    'for=", for=203.0.113.7': "ipv4:203.0.113.7:0",
    'for="x\\", for=203.0.113.7': "ipv4:203.0.113.7:0",
    'for="1.2.3.4, for=203.0.113.7': "ipv4:203.0.113.7:0",
    "for=unknown": PROXY,
    'for="_hidden"': PROXY,
    "for=1.2.3.4, for=_gazonk": PROXY,
    "proto=https": PROXY,
    "for=203.0.113.7;for=203.0.113.8": PROXY,
    "for=2001:db8::7": PROXY,
    'for="2001:db8::7"': PROXY,
    "for=203.0.113.7:80": PROXY,
    "for": PROXY,
    "for=": PROXY,
    "for =203.0.113.7": PROXY,
    'for="203.0.113.7': PROXY,
    "203.0.113.7": PROXY,
    "for=203.0.113.7;" + "x=y;" * 100: PROXY,
}


@pytest.mark.parametrize("said", X_FORWARDED_FOR)
def test_the_caller_is_the_last_who_is_no_proxy(said):
    assert Proxies(NETWORKS).caller(PROXY, said) == X_FORWARDED_FOR[said]


@pytest.mark.parametrize("said", FORWARDED)
def test_the_caller_is_the_last_who_is_no_proxy_in_rfc_7239_too(said):
    assert Proxies(NETWORKS, "forwarded").caller(PROXY, said) == FORWARDED[said]


def test_so_many_proxies_are_believed_one_behind_the_other():
    hops = [f"10.1.1.{number}" for number in range(HOPS_MAX)]

    assert Proxies(NETWORKS).caller(PROXY, ", ".join(["1.2.3.4", *hops[1:]])) == "ipv4:1.2.3.4:0"
    assert Proxies(NETWORKS).caller(PROXY, ", ".join(["1.2.3.4", *hops])) == "ipv4:10.1.1.0:0"


@pytest.mark.parametrize(
    ("peer", "trusted"),
    [
        ("ipv4:10.9.9.9:1", True),
        ("ipv6:[::ffff:10.9.9.9]:1", True),
        ("ipv6:[2001:db8:ffff::1]:1", True),
        ("ipv6:[2001:db8:ffff::1%eth0]:1", True),
        ("ipv4:11.0.0.1:1", False),
        ("ipv6:[2001:db8::1]:1", False),
        ("unix:", False),
    ],
)
def test_a_connection_is_a_proxys_by_its_address(peer, trusted):
    assert Proxies(NETWORKS).sent(peer) is trusted


@pytest.mark.parametrize(
    "text", ["10.0.0.1/8", "proxy.example", "0.0.0.0/0", "::/0", "10.0.0.0/8;10.1.1.1", "*"]
)
def test_what_names_no_proxies_stops_the_start(monkeypatch, text):
    monkeypatch.setenv("BEDPLATE_TRUSTED_PROXIES", text)

    with pytest.raises(SettingsError, match="BEDPLATE_TRUSTED_PROXIES"):
        Settings.load()


def test_proxies_are_named_with_commas(monkeypatch):
    monkeypatch.setenv("BEDPLATE_TRUSTED_PROXIES", "10.0.0.0/8, 2001:db8::7")

    assert Settings.load().trusted_proxies == {"10.0.0.0/8", "2001:db8::7"}


def peers(served) -> list[str]:
    """Where calls came from, as the log has it."""
    lines = [json.loads(line) for line in served.logged().splitlines()]
    return [re.sub(":[1-9][0-9]*$", ":port", line["peer"]) for line in lines if "peer" in line]


async def test_the_caller_behind_a_proxy_is_the_one_that_is_recorded_and_limited():
    settings = {"trusted_proxies": {"127.0.0.0/8"}, "address_rate": 0.001, "address_burst": 5}
    async with open_door(**settings) as served, Wire(served.address) as wire:
        wrong = [
            (await wire.call("GET", "/v1/things/a", key="wrong", x_forwarded_for=caller)).status
            for caller in ("203.0.113.7", "203.0.113.7", "1.2.3.4, 203.0.113.7", "203.0.113.8")
        ]
        right = [
            (await wire.call("GET", "/v1/things/a", x_forwarded_for=caller)).status
            for caller in ("203.0.113.7", "203.0.113.9")
        ]

    assert wrong == [401, 429, 429, 401]
    assert right == [429, 200]
    assert peers(served)[:2] == ["ipv4:203.0.113.7:0"] * 2


async def test_lines_of_the_header_are_one_list_and_what_is_refused_early_is_recorded_too():
    async with open_door(trusted_proxies={"127.0.0.1"}) as served, Wire(served.address) as wire:
        await wire.send(
            b"GET /v1/things/a HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 1.2.3.4\r\n"
            b"X-Forwarded-For: 203.0.113.7\r\n\r\n"
        )
        await wire.reply()
        await wire.call("GET", "/nowhere", x_forwarded_for="203.0.113.8")
        await wire.call("POST", "/v1/small", b"x" * 65, x_forwarded_for="203.0.113.9")

    assert peers(served) == ["ipv4:203.0.113.7:0", "ipv4:203.0.113.8:0", "ipv4:203.0.113.9:0"]


async def test_a_caller_cannot_have_its_address_forgotten_through_a_proxy_that_hands_all_on():
    async with open_door(trusted_proxies={"127.0.0.1"}) as served, Wire(served.address) as wire:
        await wire.send(
            b"GET /v1/things/a HTTP/1.1\r\nhost: x\r\nconnection: keep-alive, x-forwarded-for\r\n"
            b"x-forwarded-for: 203.0.113.7\r\n\r\n"
        )
        await wire.reply()

    assert peers(served) == ["ipv4:203.0.113.7:0"]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"trusted_proxies": {"10.0.0.0/8"}},
        {"trusted_proxies": {"127.0.0.1"}, "trusted_proxy_header": "forwarded"},
    ],
)
async def test_nobody_else_is_believed(settings):
    async with open_door(**settings) as served, Wire(served.address) as wire:
        reply = await wire.call("GET", "/v1/things/a", x_forwarded_for="203.0.113.7", x_real_ip="203.0.113.7")

    assert peers(served) == ["ipv4:127.0.0.1:port"]
    assert "203.0.113.7" not in str(reply.json)


async def test_what_a_proxy_says_of_its_caller_is_no_metadata():
    settings = {"trusted_proxies": {"127.0.0.1"}, "trusted_proxy_header": "forwarded"}
    async with open_door(**settings) as served, Wire(served.address) as wire:
        reply = await wire.call("GET", "/v1/things/a", forwarded="for=203.0.113.7")

    assert "203.0.113.7" not in str(reply.json)
    assert peers(served) == ["ipv4:203.0.113.7:0"]

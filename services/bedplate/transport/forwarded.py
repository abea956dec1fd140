"""Who is behind a proxy: the caller's address out of X-Forwarded-For, or of Forwarded (RFC 7239).

Each proxy adds at the right end whom it was called by. So they are read from
the right: what a trusted proxy wrote is believed, and the first address that is
no trusted proxy's is the caller. All that is left of it the caller may have
written itself.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import NamedTuple

from bedplate.settings import Settings

# Proxies that are believed one behind the other; nobody has so many.
HOPS_MAX = 16
# What is longer names no address. Characters.
ELEMENT_MAX = 256
# Addresses that are remembered, for reading one takes 5 us.
REMEMBERED = 4096

_PORT = re.compile(r"[0-9]{1,5}")
_OBFUSCATED_PORT = re.compile(r"_[A-Za-z0-9._-]+")
_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PAIR = re.compile(rf'[ \t]*({_WORD})=({_WORD}|"[^"\\\x00-\x1f]*")[ \t]*')


class Hop(NamedTuple):
    """One who sent the request on, or the caller.

    Attributes:
        peer: The address as doors tell it, such as `ipv4:192.0.2.1:0`; port 0: nobody said which.
        trusted: Whether it is a trusted proxy's.
    """

    peer: str
    trusted: bool


class Proxies:
    """The proxies that are believed when they tell whom they are called by.

    Attributes:
        header: Where they say it: `x-forwarded-for` or `forwarded`. The other one
            is never read: a proxy lets pass what it does not know.
    """

    def __init__(self, networks: Iterable[str], header: str = "x-forwarded-for") -> None:
        """Prepare them.

        Args:
            networks: Their addresses, such as `10.0.0.0/8` or `2001:db8::7`.
            header: `x-forwarded-for` or `forwarded`.
        """
        self.header = header
        self._networks = tuple(ip_network(network) for network in networks)
        self._split = _before_and_last if header == "x-forwarded-for" else _before_and_last_forwarded
        self._hop = lru_cache(maxsize=REMEMBERED)(self._read)

    @classmethod
    def from_settings(cls, settings: Settings) -> "Proxies | None":
        """The proxies that the settings name; None: they name none."""
        if not settings.trusted_proxies:
            return None
        return cls(settings.trusted_proxies, settings.trusted_proxy_header)

    def sent(self, peer: str) -> bool:
        """Whether a connection is a trusted proxy's; `peer` is its address as doors tell it."""
        host = peer.partition(":")[2].rpartition(":")[0].strip("[]").partition("%")[0]
        try:
            return self._trusts(_plain(ip_address(host)))
        except ValueError:  # no address at all
            return False

    def caller(self, peer: str, said: str) -> str:
        """The address of the caller that a proxy called for.

        Args:
            peer: The proxy's own, which is the answer where it says nothing that can be read.
            said: The values of its header, with commas.
        """
        rest = said
        for _ in range(HOPS_MAX):
            rest, element = self._split(rest)
            hop = self._hop(element) if 0 < len(element) <= ELEMENT_MAX else None
            if hop is None:  # `unknown`, hidden or malformed: whoever wrote it is the last one known
                return peer
            peer = hop.peer
            if not hop.trusted or not rest:
                return peer
        return peer

    def _trusts(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in self._networks)

    def _read(self, element: str) -> Hop | None:
        node = element if self.header == "x-forwarded-for" else _forwarded_for(element)
        address, port = _host_and_port(node, bare=self.header == "x-forwarded-for")
        if address is None:
            return None
        host = f"ipv4:{address}" if address.version == 4 else f"ipv6:[{address}]"
        return Hop(f"{host}:{port}", self._trusts(address))


def _before_and_last(said: str) -> tuple[str, str]:
    before, _, last = said.rpartition(",")
    return before.rstrip(" \t,"), last.strip(" \t")


def _before_and_last_forwarded(said: str) -> tuple[str, str]:
    """As above, where commas may be quoted; from the right, where no caller can have left a quote open."""
    quoted = False
    for at in range(len(said) - 1, max(-1, len(said) - 2 - ELEMENT_MAX), -1):
        character = said[at]
        if character == '"':
            quoted = not quoted
        elif character == "," and not quoted:
            return said[:at].rstrip(" \t,"), said[at + 1 :].strip(" \t")
    return "", said.strip(" \t")


def _forwarded_for(element: str) -> str:
    """What an element of Forwarded says in `for`; empty: nothing, or it is malformed."""
    found = ""
    for pair in element.split(";"):
        parts = _PAIR.fullmatch(pair)
        if parts is None:
            return ""
        if parts[1].lower() == "for":
            if found:
                return ""
            found = parts[2].strip('"')
    return found


def _host_and_port(node: str, *, bare: bool) -> tuple[IPv4Address | IPv6Address | None, str]:
    """Address and port of what names one; no address: it names none. `bare`: IPv6 may lack its brackets."""
    host, port = node, ""
    if node.startswith("["):
        host, bracket, port = node[1:].partition("]")
        if not bracket or ":" not in host or (port and port[0] != ":"):
            return None, ""
        port = port[1:] if port else ""
        if node.endswith(":"):
            return None, ""
    elif node.count(":") == 1:
        host, _, port = node.partition(":")
        if not port:
            return None, ""
    elif ":" in node and not bare:
        return None, ""
    if not port or _OBFUSCATED_PORT.fullmatch(port):
        port = "0"
    elif not _PORT.fullmatch(port) or int(port) > 65535:
        return None, ""
    try:
        return (None, "") if "%" in host else (_plain(ip_address(host)), port)
    except ValueError:
        return None, ""


def _plain(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """An IPv4 address as such, also where a socket of both kinds tells it as IPv6."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address

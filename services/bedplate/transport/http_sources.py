"""How many connections each address has."""

from ipaddress import ip_address

from bedplate.quota.address import source
from bedplate.transport.forwarded import Proxies


class Sources:
    """Counts connections by where they come from.

    One address must not take all connections there may be. Trusted proxies may,
    for they bring the calls of many; so may callers on the same machine, which
    are such a proxy, a probe or a benchmark.
    """

    def __init__(self, most: int, proxies: Proxies | None) -> None:
        """Begin.

        Args:
            most: Connections that an address may have; of an IPv6 address, its /64.
            proxies: Those without a limit, beside this machine.
        """
        self._most = most
        self._proxies = proxies
        self._counts: dict[str, int] = {}

    def add(self, peer: str) -> bool:
        """Count a connection; False when its address has as many as it may.

        Args:
            peer: As doors tell it, such as `ipv4:192.0.2.1:4711`.
        """
        if self._is_free(peer):
            return True
        address = source(peer)
        count = self._counts.get(address, 0)
        if count >= self._most:
            return False
        self._counts[address] = count + 1
        return True

    def discard(self, peer: str) -> None:
        """Count a connection no more that was counted."""
        if self._is_free(peer):
            return
        address = source(peer)
        if self._counts[address] == 1:
            del self._counts[address]
        else:
            self._counts[address] -= 1

    def _is_free(self, peer: str) -> bool:
        address = source(peer)
        if not address or (self._proxies is not None and self._proxies.sent(peer)):
            return True
        return is_loopback(address)


def is_loopback(address: str) -> bool:
    """Whether an address, as `source` has it, is of this machine; of IPv6, `::/64` holds only `::1`."""
    return ip_address(address.partition("/")[0]).is_loopback or address == "::/64"

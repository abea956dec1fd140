"""Where a channel leads to."""

import ipaddress
import re

_SCHEME = re.compile(r"^(unix|unix-abstract|vsock|ipv4|ipv6|dns|xds|google-c2p):", re.IGNORECASE)
_PORT_MAX = 65535


def normalised(target: str) -> str:
    """A gRPC target; a bare `host:port` is looked up by DNS, and all its addresses are used.

    Raises:
        ValueError: It is empty, a URL, or has no port.
    """
    if _SCHEME.match(target):
        return target
    if "://" in target:
        raise ValueError(f"{target!r} is a URL; give the gRPC address as host:port, such as 127.0.0.1:50051")
    host, _, port = target.rpartition(":")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) <= _PORT_MAX:
        raise ValueError(
            f"{target!r} has no port; give the gRPC address as host:port, such as 127.0.0.1:50051"
        )
    return f"dns:///{target}"


def is_loopback(target: str) -> bool:
    """Whether what is sent to a normalised target stays on this machine."""
    scheme, _, rest = target.partition(":")
    if scheme.lower() in ("unix", "unix-abstract"):
        return True
    if scheme.lower() not in ("dns", "ipv4", "ipv6"):
        return False
    return all(_is_local_host(_host(address)) for address in rest.rpartition("/")[2].split(","))


def _host(address: str) -> str:
    if address.startswith("["):
        return address[1:].partition("]")[0]
    return address.rpartition(":")[0] if address.count(":") == 1 else address


def _is_local_host(host: str) -> bool:
    if host.lower() in ("localhost", "localhost."):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

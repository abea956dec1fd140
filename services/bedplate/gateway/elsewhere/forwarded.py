"""From where a request came, told to the server behind: it sees one caller, the gateway.

`x-forwarded-for` holds one address, as the HTTP door knows it: what a caller
sends under that name counts only from proxies that the operator trusts.
"""

import re
from collections.abc import Callable, Iterator

from google.protobuf.message import Message

from bedplate.contract.headers import FORWARDED_FOR
from bedplate.gateway.endpoint import Endpoint, Feature
from bedplate.gateway.exchange import Request
from bedplate.pipeline.call import Call

HOST = "x-forwarded-host"
PROTO = "x-forwarded-proto"

_HOST = re.compile(r"[A-Za-z0-9._\[\]:-]{1,255}")


def feature(*, tls: bool) -> Callable[[Endpoint], Feature]:
    """The feature that keeps what only the request's head tells; `tls`: callers come over TLS."""
    proto = "https" if tls else "http"

    def fill(request: Request, message: Message) -> None:
        call = request.call
        if call is None:
            return
        told: dict[str, str | bytes] = {PROTO: proto}
        host = request.headers.get("host", "")
        if _HOST.fullmatch(host):
            told[HOST] = host
        call.metadata = {**call.metadata, **told}

    return lambda endpoint: Feature("forwarded", fill=fill)


def metadata_of(call: Call) -> Iterator[tuple[str, str]]:
    """What is told of a call."""
    address = _address(call.peer)
    if address:
        yield FORWARDED_FOR, address
    for name in (PROTO, HOST):
        if name in call.metadata:
            yield name, str(call.metadata[name])


def _address(peer: str) -> str:
    """The bare address of `ipv4:127.0.0.1:4711` or `ipv6:[::1]:4711`; empty for other peers."""
    kind, _, rest = peer.partition(":")
    if kind not in ("ipv4", "ipv6"):
        return ""
    return rest.rpartition(":")[0].strip("[]")

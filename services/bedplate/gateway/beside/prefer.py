"""Prefer (RFC 7240): a caller that wants no answer to a change, only to know that it was made.

`wait` is passed over, as the RFC allows: grpc-timeout and x-server-timeout say
how long a call may take, and end it. All other preferences are too.
"""

import re

from bedplate.gateway.endpoint import Endpoint, Feature
from bedplate.gateway.exchange import Request, Response

_PREFERENCE = re.compile(r'[ \t]*return[ \t]*=[ \t]*"?(minimal|representation)"?[ \t]*(;.*)?', re.IGNORECASE)


def compile(endpoint: Endpoint) -> Feature | None:
    """Leave the answer out where it is not wanted; None for reads and for what streams."""
    if endpoint.binding.http_method in ("GET", "HEAD") or endpoint.method.server_streaming:
        return None
    return Feature("prefer", reply=_reply)


def _reply(request: Request, response: Response) -> None:
    value = request.headers.get("prefer")
    if value is None:
        return
    for part in value.split(","):
        found = _PREFERENCE.fullmatch(part)
        if found is not None:  # the first one holds, as the RFC says
            break
    else:
        return
    wanted = found[1].lower()
    response.add("preference-applied", f"return={wanted}")
    if wanted == "minimal":
        if response.status == 200:
            response.status = 204
        response.body = b""
        response.set("content-type", "")

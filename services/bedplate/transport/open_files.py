"""How many files the process may have open: each connection is one."""

import logging
import resource

# For everything that is no connection of a caller: databases, upstreams, logs, code.
RESERVED = 256

_log = logging.getLogger("bedplate.transport")


def room_for(http: int, grpc: int) -> int:
    """Raise the process's own limit of open files as far as it may, for as many connections as are set.

    Without room, `accept` would fail for callers of all doors, and a database
    could not be connected to either.

    Args:
        http: HTTP connections that there may be.
        grpc: gRPC connections that there may be.

    Returns:
        How many HTTP connections there is room for, at most `http`.
    """
    wanted = http + grpc + RESERVED
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return http
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if limit > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    if limit == wanted:
        return http
    room = max(1, (limit - RESERVED) * http // (http + grpc))
    _log.warning(
        "this process may have %d files open, which is room for %d HTTP connections instead of %d; raise the "
        "limit of open files to %d, or lower BEDPLATE_HTTP_CONNECTIONS",
        limit,
        room,
        http,
        wanted,
    )
    return room

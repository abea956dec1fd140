"""What the commands share that operate a server through its admin service."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any

from bedplate.cli.caller import Caller
from bedplate.cli.exits import CALL_EXITS, Exit, Stop, tell
from bedplate.cli.methods import find_method

if TYPE_CHECKING:
    from bedplate.client.errors import CallError
    from bedplate.clients.admin import AsyncAdminClient

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def operate(caller: Caller, ask: "Callable[[AsyncAdminClient], Awaitable[Any]]") -> Any:
    """Ask a server's admin service; a refusal ends the command with what to do about it."""
    from bedplate.client.errors import CallError
    from bedplate.clients.admin import AsyncAdminClient

    async def run() -> Any:
        async with caller.connect(AsyncAdminClient.SERVICE) as channel:
            return await ask(AsyncAdminClient(channel))

    try:
        return asyncio.run(run())
    except CallError as error:
        raise Stop(CALL_EXITS.get(error.code, Exit.FAULT), str(error), *_details(error, caller)) from error


def method_name(text: str) -> str:
    """The full name of a method by what a person types."""
    method = find_method(text)
    return f"{method.containing_service.full_name}/{method.name}"


def set_time(duration: Any, text: str, option: str) -> None:
    """Set a duration from a text such as `300ms`, `2s`, `10m`, `1h` or `1d`."""
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h|d)", text.strip())
    if found is None:
        raise Stop(Exit.USAGE, f"{option} {text} is no time; write 300ms, 2s, 10m or 1h.")
    duration.FromNanoseconds(round(float(found[1]) * _UNITS_S[found[2]] * 1e9))


def _details(error: "CallError", caller: Caller) -> Iterator[str]:
    from bedplate.admin.v1 import admin_pb2
    from bedplate.contract import reasons

    yield from tell(error.sentence, error.violations)
    known = {**reasons.platform(), **reasons.of_file(admin_pb2.DESCRIPTOR)}.get(error.reason)
    if known is not None:
        yield known.help
    elif error.code == "UNAVAILABLE":
        yield f"Nothing answers at {caller.target}. Start a server with `bedplate up`, or give --target."

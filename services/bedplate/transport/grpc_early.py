"""Refuses gRPC calls for load before anything is done for them.

In grpc.aio a call that the pipeline refuses costs nearly what an answered one
does: a task, a handler that is looked for, a context, a message that is read. A
process that has no time left cannot spend it on that. Here nothing is known of
a call but its method, which is enough: a caller can only lower what the
contract says, so whoever is refused here would be refused there.

These calls are counted like all others, and one log line a second tells how
many there were.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

import grpc

from bedplate.pipeline.compile import Method
from bedplate.pipeline.load import overloaded
from bedplate.pipeline.load.load import Door, Probe
from bedplate.pipeline.stage import Parts
from bedplate.telemetry.metrics import Cell, Tally
from bedplate.telemetry.recorder import Telemetry
from bedplate.transport.grpc_status import Trailers, trailers

TELL_EVERY_S = 1.0

_CODE: int = grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]

Refused = tuple[int, str, Trailers]


@dataclass(slots=True)
class _Shed:
    """One method: whom to ask, and where to count."""

    method: Method
    door: Door
    tally: Tally
    cell: Cell | None = None
    untold: int = 0


class EarlyRefusal:
    """Called with the name of a method, `/package.Service/Method`, for each new call."""

    def __init__(self, methods: Mapping[str, Method], parts: Parts, telemetry: Telemetry) -> None:
        """Take the methods that are refused under load; all others always come in."""
        self._load, self._gate, self._log = parts.load, parts.gate, telemetry.log
        self._calls = telemetry.calls
        self._methods = {
            f"/{name}": _Shed(
                method,
                parts.load.door(name),
                telemetry.calls.tally(name),
            )
            for name, method in methods.items()
        }
        self._telling: asyncio.TimerHandle | None = None

    def __call__(self, name: str) -> Refused | None:
        """What to refuse a call with; None: it may come in."""
        shed = self._methods.get(name)
        if shed is None or self._gate.draining:
            return None
        failure = self._load.refusal(shed.door, shed.method.policy.criticality)
        if failure is None:
            return None
        shed.tally.begun += 1
        shed.tally.ended += 1
        if shed.cell is None:
            shed.cell = self._calls.cell(name[1:], "grpc", overloaded.CODE)
        shed.cell.add(0.0)
        shed.untold += 1
        if self._telling is None:
            self._telling = asyncio.get_running_loop().call_later(TELL_EVERY_S, self._tell)
        assert failure.retry_after_s is not None
        return _refused(failure.retry_after_s)

    def watch(self, probe: Probe) -> None:
        """Have a server look for calls that wait, when the load asks for it."""
        self._load.probe = probe

    def _tell(self) -> None:
        self._telling = None
        for name, shed in self._methods.items():
            if shed.untold:
                self._log.write("warning", "shed", {"method": name[1:], "calls": shed.untold})
                shed.untold = 0


@cache
def _refused(wait_s: float) -> Refused:
    """The answer, which is the same for all who are asked to wait as long."""
    failure = overloaded.overloaded(wait_s)
    return (_CODE, *trailers(failure.status, failure.retry_after_s))

"""A service whose calls share a narrow place, or none; one method for each criticality."""

import asyncio
import time
from typing import Any

from google.protobuf.message_factory import GetMessageClass

from bedplate.server.service import Context, Service, ServiceType
from tests.protos import add_file, field

# The narrow place: so many calls at once, of so long. It stands for a pool of
# connections; nothing tells the server of it.
SLOTS = 8
WORK_S = 0.020
CAPACITY = SLOTS / WORK_S
# Calls of the method with declared slots that wait behind them.
QUEUE = 24

# What a heavy call computes, and so how many there can be.
HEAVY_S = 0.005
HEAVY_CAPACITY = 1 / HEAVY_S

DEADLINE_S = 1.0
SCOPE = "load.call"
LEVELS = ("Critical", "Default", "Sheddable")


def _method(name: str, policy: str) -> str:
    return (
        f'method {{ name: "{name}" input_type: ".tests.load.v1.LoadRequest" '
        f'output_type: ".tests.load.v1.LoadResponse" options {{ [bedplate.v1.policy] {{ {policy} }} }} }}\n'
    )


FILE = add_file(
    'name: "tests/load/v1/load.proto" package: "tests.load.v1"\n'
    'dependency: "bedplate/v1/policy.proto"\n'
    'message_type { name: "LoadRequest" ' + field("text", 1, "string") + "}\n"
    'message_type { name: "LoadResponse" ' + field("text", 1, "string") + "}\n"
    'service { name: "LoadService"\n'
    f'  options {{ [bedplate.v1.service] {{ defaults {{ auth {{ all_scopes: "{SCOPE}" }} '
    "deadline { default { seconds: 1 } max { seconds: 2 } } } } }\n"
    + "".join(
        _method(f"{kind}{level}", f"criticality: CRITICALITY_{level.upper()}")
        for kind in ("Narrow", "Cheap", "Heavy")
        for level in LEVELS
    )
    + _method("Slotted", f"criticality: CRITICALITY_CRITICAL concurrency {{ limit: {SLOTS} queue: {QUEUE} }}")
    + "}\n"
)
SERVICE = FILE.services_by_name["LoadService"]
Request: Any = GetMessageClass(FILE.message_types_by_name["LoadRequest"])
Response: Any = GetMessageClass(FILE.message_types_by_name["LoadResponse"])


class Handlers:
    """The three kinds of work."""

    def __init__(self) -> None:
        self._place = asyncio.Semaphore(SLOTS)

    async def _narrow(self, request: Any, call: Any) -> Any:
        async with self._place:
            await asyncio.sleep(WORK_S)
        return Response(text=request.text)

    async def _cheap(self, request: Any, call: Any) -> Any:
        return Response(text=request.text)

    async def Slotted(self, request: Any, call: Any) -> Any:
        """Work in one of the slots that the contract declares."""
        await asyncio.sleep(WORK_S)
        return Response(text=request.text)

    async def _heavy(self, request: Any, call: Any) -> Any:
        until = time.thread_time() + HEAVY_S
        while time.thread_time() < until:
            pass
        return Response(text=request.text)

    HeavyCritical = HeavyDefault = HeavySheddable = _heavy
    NarrowCritical = NarrowDefault = NarrowSheddable = _narrow
    CheapCritical = CheapDefault = CheapSheddable = _cheap


def build(context: Context) -> Service:
    """The service."""
    return Service("load", SERVICE, Handlers())


TYPE = ServiceType("load", build)

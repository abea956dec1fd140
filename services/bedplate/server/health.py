"""Health v1: whether the process, and each of its services, takes calls."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

from grpc_health.v1 import health_pb2

from bedplate.errors import Kind, Refusal
from bedplate.pipeline.call import Call
from bedplate.server.service import Service

# The name under which load balancers ask for the process as a whole.
OVERALL = ""

# The package's types do not know all of its messages.
pb: Any = health_pb2

_SERVING: int = pb.HealthCheckResponse.SERVING
_NOT_SERVING: int = pb.HealthCheckResponse.NOT_SERVING
_UNKNOWN: int = pb.HealthCheckResponse.SERVICE_UNKNOWN


class Health:
    """The handlers of `grpc.health.v1.Health`, and what the process tells them."""

    def __init__(self, services: Iterable[str]) -> None:
        """All are NOT_SERVING until told otherwise; names are full, such as `a.v1.AService`."""
        self._statuses: dict[str, int] = dict.fromkeys([OVERALL, *services], _NOT_SERVING)
        self._changed = asyncio.Event()
        self._closed = False

    @property
    def service(self) -> Service:
        """The service, to be served."""
        return Service("health", pb.DESCRIPTOR.services_by_name["Health"], self)

    def serve(self) -> None:
        """All services take calls."""
        self._set_all(_SERVING)

    def refuse(self) -> None:
        """No service takes calls any more, or soon none will."""
        self._set_all(_NOT_SERVING)

    def close(self) -> None:
        """End the calls that watch, so that the server need not wait for them."""
        self._closed = True
        self._wake()

    def _set_all(self, status: int) -> None:
        self._statuses = dict.fromkeys(self._statuses, status)
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def Check(self, request: Any, call: Call) -> Any:
        """The status of one service. Refuses with NOT_FOUND SERVICE_NOT_FOUND."""
        status = self._statuses.get(request.service)
        if status is None:
            raise Refusal(Kind.NOT_FOUND, "SERVICE_NOT_FOUND", "There is no such service here.")
        return pb.HealthCheckResponse(status=status)

    async def List(self, request: Any, call: Call) -> Any:
        """The status of every service."""
        answer = pb.HealthListResponse()
        for name, status in self._statuses.items():
            answer.statuses[name].status = status
        return answer

    async def Watch(self, request: Any, call: Call) -> AsyncIterator[Any]:
        """The status of one service now and whenever it changes."""
        sent: int | None = None
        while not self._closed:
            changed = self._changed
            status = self._statuses.get(request.service, _UNKNOWN)
            if status != sent:
                sent = status
                yield pb.HealthCheckResponse(status=status)
            else:
                await changed.wait()
        raise Refusal(Kind.UNAVAILABLE, "DRAINING", "This server is about to stop; watch again.")

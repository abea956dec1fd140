"""The contract's methods as services of bedplate: the HTTP door and the gRPC door of one process.

    python -m tests.gateway.conformance.server

prints the ports that it listens on, and answers until its standard input ends.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

from bedplate.transport.tuning import tune

tune()  # as the command does, before grpc is imported

# ruff: noqa: E402
from bedplate.auth.principal import Principal
from bedplate.data import Database
from bedplate.errors import Kind, Refusal, Violation
from bedplate.pipeline.call import Call
from bedplate.server.service import Context as Process
from bedplate.server.service import Service, ServiceType
from bedplate.testing.serve import serve as serve_app
from tests.gateway.conformance import contract
from tests.gateway.conformance.logic import Context, Logic, Refused
from tests.gateway.conformance.process import LIMITS, serve

KEY = "conformance-key"
SCOPES = frozenset({"conformance.guarded"})


class Handlers:
    """The methods of one service, by name."""

    def __init__(self, name: str, logic: Logic, database: Database) -> None:
        for method in contract.service(name).methods:
            if method.client_streaming:
                handler = _collecting(method.name, logic)
            elif method.server_streaming:
                handler = _streaming(method.name, logic)
            elif method.name == "PlaceOrder":
                handler = _ordering(method.name, logic, database)
            else:
                handler = _unary(method.name, logic)
            setattr(self, method.name, handler)


def _unary(name: str, logic: Logic) -> Any:
    async def answer(request: Any, call: Call) -> Any:
        try:
            return await logic.answer(name, request, _context(call))
        except Refused as refused:
            raise _refusal(refused) from None

    return answer


def _ordering(name: str, logic: Logic, database: Database) -> Any:
    async def answer(request: Any, call: Call) -> Any:
        response = await logic.answer(name, request, _context(call))
        return await database.transact(lambda connection: response)  # which keeps its outcome

    return answer


def _streaming(name: str, logic: Logic) -> Any:
    async def answer(request: Any, call: Call) -> AsyncIterator[Any]:
        try:
            async for response in logic.stream(name, request, _context(call)):
                yield response
        except Refused as refused:
            raise _refusal(refused) from None

    return answer


def _collecting(name: str, logic: Logic) -> Any:
    async def answer(requests: AsyncIterator[Any], call: Call) -> Any:
        last = contract.message("CollectRequest")()
        async for request in requests:
            last = request
        return await logic.answer(name, last, _context(call))

    return answer


def _context(call: Call) -> Context:
    return Context(
        {name: value if isinstance(value, str) else value.hex() for name, value in call.metadata.items()},
        call.remaining_s(),
        lambda name, value: call.response_headers.append((name, value)),
        asyncio.Event().wait,
    )


def _refusal(refused: Refused) -> Refusal:
    violations = [Violation(refused.field, refused.text, "conformance.told")] if refused.field else []
    reason = refused.reason or f"TOLD_{refused.code}"
    return Refusal(
        Kind(refused.code),
        reason,
        refused.text,
        violations=violations,
        retry_after_s=refused.retry_s,
        **refused.facts,
    )


def _type(name: str, logic: Logic) -> ServiceType:
    def build(process: Process) -> Service:
        return Service(noun, contract.service(name), Handlers(name, logic, process.database))

    noun = name.removesuffix("Service").lower()
    return ServiceType(noun, build)


async def start() -> tuple[dict[str, Any], Any]:
    """Listen; what it listens on, and what stops it."""
    logic = Logic()
    stack = AsyncExitStack()
    served = await stack.enter_async_context(
        serve_app(
            [_type(name, logic) for name in contract.SERVICES],
            principals={KEY: Principal("key:conformance", "tenant", SCOPES)},
            **LIMITS,
        )
    )
    return {"http": served.http_address, "grpc": served.grpc_address}, stack.aclose


if __name__ == "__main__":
    asyncio.run(serve(start))

"""A small service with all four kinds of call, whose handlers do what the request says."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from google.protobuf.message_factory import GetMessageClass

from bedplate.errors import Kind, Refusal
from bedplate.server.service import Context, Service, ServiceType
from tests.protos import add_file, field

_POLICY = "[bedplate.v1.policy]"
_REQUIRED = "[google.api.field_behavior]: REQUIRED"
_SHORT = "[buf.validate.field] { string { max_len: 1000 } }"
_SECRET = "[bedplate.v1.field] { sensitive: SENSITIVE_SECRET }"


def _method(name: str, policy: str, *, kind: str = "") -> str:
    return (
        f'method {{ name: "{name}" input_type: ".tests.echo.v1.EchoRequest" '
        f'output_type: ".tests.echo.v1.EchoResponse" {kind} options {{ {_POLICY} {{ {policy} }} }} }}\n'
    )


FILE = add_file(
    'name: "tests/echo/v1/echo.proto" package: "tests.echo.v1"\n'
    'dependency: "bedplate/v1/policy.proto" dependency: "buf/validate/validate.proto"\n'
    'dependency: "google/api/field_behavior.proto"\n'
    'enum_type { name: "Reason" options { [bedplate.v1.reasons] {} }\n'
    '  value { name: "REASON_UNSPECIFIED" number: 0 }\n'
    '  value { name: "REASON_ECHO_NOT_FOUND" number: 1 options { [bedplate.v1.reason] '
    '{ code: NOT_FOUND help: "Say something." } } } }\n'
    'message_type { name: "EchoRequest"\n'
    + field("text", 1, "string", f"{_REQUIRED} {_SHORT}")
    + field("secret", 2, "string", _SECRET)
    + field("times", 3, "int32", "[buf.validate.field] { int32 { gte: 0 } }")
    + field("payload", 4, "bytes")
    + "}\n"
    'message_type { name: "EchoResponse"\n'
    + field("text", 1, "string")
    + field("tenant", 2, "string")
    + field("payload", 3, "bytes")
    + "}\n"
    'service { name: "EchoService"\n'
    '  options { [bedplate.v1.service] { defaults { auth { all_scopes: "echo.read" } '
    "deadline { default { seconds: 5 } max { seconds: 30 } } } } }\n"
    + _method("Echo", "idempotency: IDEMPOTENCY_READ_ONLY retry { max_attempts: 4 codes: UNAVAILABLE }")
    + _method("EchoQuick", "deadline { default { nanos: 200000000 } max { nanos: 200000000 } }")
    + _method("EchoOpen", "auth { anonymous: true }")
    + _method("EchoSmall", "limits { request_bytes: 64 response_bytes: 64 }")
    + _method("EchoAny", 'auth { any_scopes: "echo.read" any_scopes: "echo.admin" }')
    + _method("Collect", "", kind="client_streaming: true")
    + _method("Repeat", "", kind="server_streaming: true")
    + _method("Chat", "", kind="client_streaming: true server_streaming: true")
    + "}\n"
)
SERVICE = FILE.services_by_name["EchoService"]
EchoRequest: Any = GetMessageClass(FILE.message_types_by_name["EchoRequest"])
EchoResponse: Any = GetMessageClass(FILE.message_types_by_name["EchoResponse"])

# What a handler does for a request, by its text, instead of answering it.
Action = Callable[[Any], Awaitable[None]]


class Handlers:
    """Answers what it is told; does first what `actions` says for a text.

    Attributes:
        actions: What to do before answering a text.
        entered: Texts whose handlers began.
        left: Texts whose handlers ended, however they ended.
        closed: Set once a Repeat has ended, however it ended.
    """

    def __init__(self) -> None:
        self.actions: dict[str, Action] = {}
        self.entered: list[str] = []
        self.left: list[str] = []
        self.closed = asyncio.Event()
        self._ended = asyncio.Event()

    async def all_left(self) -> None:
        """Wait until every handler that began has ended."""
        while len(self.left) < len(self.entered):
            self._ended.clear()
            await self._ended.wait()

    async def _answer(self, request: Any, call: Any) -> Any:
        self.entered.append(request.text)
        try:
            if action := self.actions.get(request.text):
                await action(call)
            if request.text == "nobody":
                raise Refusal(Kind.NOT_FOUND, "ECHO_NOT_FOUND", "There is no echo here.", text=request.text)
            return EchoResponse(text=request.text, tenant=call.tenant, payload=request.payload)
        finally:
            self.left.append(request.text)
            self._ended.set()

    async def Echo(self, request: Any, call: Any) -> Any:
        return await self._answer(request, call)

    EchoQuick = EchoOpen = EchoSmall = EchoAny = Echo

    async def Collect(self, requests: AsyncIterator[Any], call: Any) -> Any:
        texts = []
        async for request in requests:
            await self._answer(request, call)
            texts.append(request.text)
        return EchoResponse(text=" ".join(texts), tenant=call.tenant)

    async def Repeat(self, request: Any, call: Any) -> AsyncIterator[Any]:
        try:
            for number in range(request.times):
                yield EchoResponse(
                    text=f"{request.text} {number}", tenant=call.tenant, payload=request.payload
                )
            await self._answer(request, call)
        finally:
            self.closed.set()

    async def Chat(self, requests: AsyncIterator[Any], call: Any) -> AsyncIterator[Any]:
        async for request in requests:
            yield await self._answer(request, call)


class Hold:
    """An action that holds a handler until it is let go; tells when the handler is in it."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.release = asyncio.Event()

    async def __call__(self, call: Any) -> None:
        self.reached.set()
        await self.release.wait()


def service(handlers: object) -> Service:
    """The service with these handlers."""
    return Service("echo", SERVICE, handlers)


def build(context: Context) -> Service:
    """The service as a process runs it; see tests/server/serve_echo.py."""
    return service(Handlers())


TYPE = ServiceType("echo", build)

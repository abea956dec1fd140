"""Makes a compiled method of a policy's text, so that a test says in one line what it is about."""

from collections.abc import Callable
from itertools import count
from typing import Any

from google.protobuf.message_factory import GetMessageClass

from bedplate.auth.principal import Principal
from bedplate.pipeline.call import Call
from bedplate.pipeline.compile import Method
from bedplate.pipeline.stage import Parts
from bedplate.server.service import Service
from bedplate.server.table import methods_of
from bedplate.settings import Settings
from bedplate.telemetry.logs import LogWriter
from bedplate.telemetry.recorder import Telemetry
from tests.protos import add_file, field

READ = 'auth { all_scopes: "x.read" }'
READER = Principal("key:reader", "tenant-a", frozenset({"x.read"}))

_number = count(1)


class Anyone:
    """Takes every credential as that of one principal."""

    def __init__(self, principal: Principal) -> None:
        self.principal = principal

    def authenticate(self, credential: str) -> Principal:
        return self.principal


class Made:
    """A service `TestService` with one method `Do`, compiled.

    Attributes:
        method: The method; its messages have one field `text`.
        parts: What its stages were made with.
        telemetry: Where calls are recorded.
    """

    def __init__(
        self,
        policy: str,
        *,
        handler: Callable[[Any, Call], Any] | None = None,
        principal: Principal = READER,
        fields: str = "",
        settings: Settings | None = None,
        parts: Parts | None = None,
        syntax: str = "proto3",
    ) -> None:
        package = f"tests.making{next(_number)}.v1"
        file = add_file(
            f'name: "{package}.proto" package: "{package}" syntax: "{syntax}"\n'
            'dependency: "bedplate/v1/policy.proto" dependency: "buf/validate/validate.proto"\n'
            f'message_type {{ name: "Message" {field("text", 1, "string")} {fields} }}\n'
            'service { name: "TestService" method { name: "Do" '
            f'input_type: ".{package}.Message" output_type: ".{package}.Message"\n'
            f"    options {{ [bedplate.v1.policy] {{ {policy} }} }} }} }}"
        )
        self.message_class: Any = GetMessageClass(file.message_types_by_name["Message"])
        self.descriptor = file.services_by_name["TestService"].methods_by_name["Do"]
        self.telemetry = Telemetry(log=LogWriter.open("/dev/null"))
        self.parts = parts or Parts(
            authenticator=Anyone(principal),
            settings=settings or Settings(),
            registry=self.telemetry.registry,
        )
        service = Service("test", self.descriptor.containing_service, _Handlers(handler or _echo))
        made = methods_of(service, self.parts, self.telemetry, strict=True)
        self.method: Method = made[f"{package}.TestService/Do"]

    def call(self, *, door: str = "grpc", key: str = "reader", **options: Any) -> Call:
        """A call as a door makes it."""
        metadata = {"authorization": f"Bearer {key}"} if key else {}
        return Call(
            method=self.method.name,
            door=door,
            decode=self.message_class.FromString,
            peer=options.pop("peer", "ipv4:127.0.0.1:1"),
            metadata=metadata | options.pop("metadata", {}),
            **options,
        )

    def payload(self, **fields: Any) -> bytes:
        """A request's bytes."""
        payload: bytes = self.message_class(**({"text": "hi"} | fields)).SerializeToString()
        return payload

    def sample(self, name: str, **labels: str) -> float:
        """A metric's value; 0 when there is none."""
        return self.telemetry.registry.get_sample_value(name, {"method": self.method.name} | labels) or 0.0


class _Handlers:
    def __init__(self, handler: Callable[[Any, Call], Any]) -> None:
        self._handler = handler

    async def Do(self, request: Any, call: Call) -> Any:
        return await self._handler(request, call)


async def _echo(request: Any, call: Call) -> Any:
    return type(request)(text=request.text)

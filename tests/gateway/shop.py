"""A contract with every sort of http rule, whose handlers send back what they got."""

from collections.abc import AsyncIterator
from typing import Any

from google.api import httpbody_pb2
from google.protobuf import any_pb2, duration_pb2, field_mask_pb2, timestamp_pb2, wrappers_pb2  # noqa: F401
from google.protobuf.message_factory import GetMessageClass

from bedplate.auth.principal import Principal
from bedplate.errors import Kind, Refusal
from bedplate.pipeline.compile import Method
from bedplate.pipeline.stage import OpenGate, Parts
from bedplate.quota.address import AddressBudget
from bedplate.quota.quota import Quota
from bedplate.server.service import Service
from bedplate.server.table import methods_of
from bedplate.settings import Settings
from bedplate.telemetry.recorder import Telemetry
from tests.protos import add_file, field

KEY = "shop-key"
WEAK_KEY = "shop-key-without-scopes"

_ENUM = 'type: TYPE_ENUM type_name: ".tests.shop.v1.Colour"'


def _special(name: str, number: int, what: str, *, label: str = "OPTIONAL") -> str:
    return f'field {{ name: "{name}" number: {number} label: LABEL_{label} {what} }}\n'


def _method(
    name: str, rule: str, policy: str = "", *, kind: str = "", answer: str = ".tests.shop.v1.Answer"
) -> str:
    http = f"[google.api.http] {{ {rule} }}" if rule else ""
    return (
        f'method {{ name: "{name}" input_type: ".tests.shop.v1.Thing" output_type: "{answer}" '
        f"{kind} options {{ {http} [bedplate.v1.policy] {{ {policy} }} }} }}\n"
    )


FILE = add_file(
    'name: "tests/shop/v1/shop.proto" package: "tests.shop.v1"\n'
    'dependency: "bedplate/v1/policy.proto" dependency: "google/api/annotations.proto"\n'
    'dependency: "google/protobuf/timestamp.proto" dependency: "google/protobuf/duration.proto"\n'
    'dependency: "google/protobuf/field_mask.proto" dependency: "google/protobuf/wrappers.proto"\n'
    'dependency: "google/protobuf/any.proto" dependency: "google/api/httpbody.proto"\n'
    'enum_type { name: "Colour" value { name: "COLOUR_UNSPECIFIED" number: 0 } '
    'value { name: "RED" number: 1 } value { name: "BLUE" number: 2 } }\n'
    'enum_type { name: "Reason" options { [bedplate.v1.reasons] { domain: "shop.tests" } }\n'
    '  value { name: "REASON_UNSPECIFIED" number: 0 }\n'
    '  value { name: "REASON_SOLD_OUT" number: 1 options { [bedplate.v1.reason] '
    '{ code: FAILED_PRECONDITION help: "Take another." } } } }\n'
    'message_type { name: "Thing"\n'
    + field("name", 1, "string")
    + field("part", 2, ".tests.shop.v1.Thing")
    + _special("colours", 3, _ENUM, label="REPEATED")
    + field("limit", 4, "int32")
    + field("flag", 5, "bool")
    + field("at", 6, ".google.protobuf.Timestamp")
    + field("span", 7, ".google.protobuf.Duration")
    + field("mask", 8, ".google.protobuf.FieldMask")
    + field("note", 9, ".google.protobuf.StringValue")
    + _special("left", 10, "type: TYPE_STRING oneof_index: 0")
    + _special("right", 11, "type: TYPE_INT32 oneof_index: 0")
    + field("labels", 12, ".tests.shop.v1.Thing.LabelsEntry", repeated=True)
    + field("ratio", 13, "double")
    + field("raw", 14, "bytes")
    + _special("maybe", 15, "type: TYPE_INT32 oneof_index: 1 proto3_optional: true")
    + field("tags", 16, "string", repeated=True)
    + field("big", 17, "int64")
    + field("parts", 18, ".tests.shop.v1.Thing", repeated=True)
    + _special("colour", 19, _ENUM)
    + field("wrapped", 20, ".google.protobuf.Int64Value", repeated=True)
    + field("display_name", 21, "string")
    + field("detail", 22, ".google.protobuf.Any")
    + field("resume_token", 23, "string")
    + 'oneof_decl { name: "side" } oneof_decl { name: "_maybe" }\n'
    + 'nested_type { name: "LabelsEntry" options { map_entry: true }\n'
    + field("key", 1, "string")
    + field("value", 2, "string")
    + "}}\n"
    + 'message_type { name: "Answer"\n'
    + field("method", 1, "string")
    + field("thing", 2, ".tests.shop.v1.Thing")
    + field("tags", 3, "string", repeated=True)
    + field("metadata", 4, ".tests.shop.v1.Thing.LabelsEntry", repeated=True)
    + field("resume_token", 5, "string")
    + "}\n"
    'message_type { name: "Secret"\n'
    + field("secret", 1, "string", "[bedplate.v1.field] { sensitive: SENSITIVE_SECRET }")
    + "}\n"
    'service { name: "ShopService" options { [bedplate.v1.service] { defaults { '
    'auth { all_scopes: "shop.all" } visibility: VISIBILITY_PUBLIC '
    "deadline { default { seconds: 5 } max { seconds: 30 } } } } }\n"
    + _method("GetThing", 'get: "/v1/things/{name}"')
    + _method("ListThings", 'get: "/v1/things" additional_bindings { get: "/v1/boxes/{limit}/things" }')
    + _method("CreateThing", 'post: "/v1/things" body: "*"')
    + _method("MarkThing", 'post: "/v1/things/{name}:mark" body: "*"')
    + _method("PutPart", 'put: "/v1/things/{name}/part" body: "part"')
    + _method("PatchPart", 'patch: "/v1/{part.name=racks/*/parts/*}" body: "part"')
    + _method("PutTags", 'put: "/v1/things/{name}/tags" body: "tags"')
    + _method("DeleteThing", 'delete: "/v1/things/{name}"')
    + _method("GetFile", 'get: "/v1/files/{name=**}"')
    + _method("ReadFile", 'get: "/v1/files/{name=**}:read"')
    + _method("PurgeThing", 'custom { kind: "PURGE" path: "/v1/things/{name}" }')
    + _method("AnyThing", 'custom { kind: "*" path: "/v1/any/{name}" } body: "*"')
    + _method("GetTags", 'get: "/v1/things/{name}/tags" response_body: "tags"')
    + _method(
        "OpenThing", 'get: "/v1/open/{name}"', "auth { anonymous: true } limits { response_bytes: 67108864 }"
    )
    + _method("SmallThing", 'post: "/v1/small" body: "*"', "limits { request_bytes: 64 }")
    + _method("PartnerThing", 'get: "/v1/partner"', "visibility: VISIBILITY_PARTNER")
    + _method("InnerThing", 'get: "/v1/inner"', "visibility: VISIBILITY_INTERNAL")
    + _method("Unbound", "")
    + _method(
        "PageThing",
        'post: "/v1/pages/{name}" body: "*"',
        'http { cors { origins: ["https://shop.example.com", "http://localhost:3000"] credentials: true '
        "max_age { seconds: 60 } } }",
    )
    + _method("GetPage", 'get: "/v1/pages/{name}"', 'http { cors { origins: "*" } } auth { anonymous: true }')
    + _method("DropPage", 'delete: "/v1/pages/{name}"')
    + _method(
        "AnyPage",
        'custom { kind: "*" path: "/v1/anypages/{name}" } body: "*"',
        'http { cors { origins: "*" } }',
    )
    + _method("StreamThings", 'get: "/v1/stream"', kind="server_streaming: true")
    + _method(
        "StreamLenient",
        'get: "/v1/stream-lenient"',
        "http { json: JSON_MODE_LENIENT }",
        kind="server_streaming: true",
    )
    + _method(
        "StreamData",
        'get: "/v1/stream-data"',
        kind="server_streaming: true",
        answer=".google.api.HttpBody",
    )
    + _method(
        "StreamSecrets",
        'get: "/v1/stream-secrets"',
        kind="server_streaming: true",
        answer=".tests.shop.v1.Secret",
    )
    + "}\n"
)
SERVICE = FILE.services_by_name["ShopService"]
Thing: Any = GetMessageClass(FILE.message_types_by_name["Thing"])
Answer: Any = GetMessageClass(FILE.message_types_by_name["Answer"])
Secret: Any = GetMessageClass(FILE.message_types_by_name["Secret"])


class Handlers:
    """Sends back the request and the metadata; `before` runs first.

    Attributes:
        before: What a handler does before it answers: an async function of the request and the call.
        entered: Names of the methods whose handlers ran.
    """

    def __init__(self) -> None:
        self.before: Any = None
        self.entered: list[str] = []

    def __getattr__(self, name: str) -> Any:
        if name not in SERVICE.methods_by_name:
            raise AttributeError(name)

        async def answer(request: Any, call: Any) -> Any:
            self.entered.append(name)
            if self.before is not None:
                await self.before(request, call)
            metadata = {key: str(value) for key, value in call.metadata.items()}
            return Answer(method=name, thing=request, tags=request.tags, metadata=metadata)

        return answer

    async def StreamThings(self, request: Any, call: Any) -> AsyncIterator[Any]:
        """As many answers as the request's limit says."""
        self.entered.append("StreamThings")
        first = int(request.resume_token or 0)
        for number in range(first, request.limit):
            if self.before is not None:
                await self.before(request, call)
            yield Answer(method=f"StreamThings {number}", thing=request, resume_token=str(number + 1))

    StreamLenient = StreamThings

    async def StreamData(self, request: Any, call: Any) -> AsyncIterator[Any]:
        """As many bytes as the request's limit says, one by one, with the request's detail beside each."""
        for number in range(request.limit):
            if self.before is not None:
                await self.before(request, call)
            yield httpbody_pb2.HttpBody(data=bytes([number]), extensions=[request.detail])

    async def StreamSecrets(self, request: Any, call: Any) -> AsyncIterator[Any]:
        """One answer, whose secret is not in the request."""
        yield Secret(secret="hunter2")


class Keys:
    """Knows KEY and WEAK_KEY."""

    def authenticate(self, credential: str) -> Principal:
        scopes = {KEY: frozenset({"shop.all"}), WEAK_KEY: frozenset[str]()}.get(credential)
        if scopes is None:
            raise Refusal(Kind.UNKNOWN_CALLER, "CREDENTIAL_INVALID", "The key is not valid.")
        return Principal(f"key:{credential}", "tenant", scopes)


def methods(
    handlers: Handlers, telemetry: Telemetry, settings: Settings, gate: OpenGate | None = None
) -> dict[str, Method]:
    """The service's methods, compiled."""
    quota = Quota(addresses=AddressBudget(settings.address_rate, settings.address_burst))
    parts = Parts(authenticator=Keys(), settings=settings, gate=gate or OpenGate(), quota=quota)
    return methods_of(Service("shop", SERVICE, handlers), parts, telemetry, strict=True)

"""A service whose calls can be wrong in every way that the pipeline knows, one way at a time or several."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from google.protobuf.message_factory import GetMessageClass

from bedplate.auth.principal import Principal
from bedplate.contract.promises import Criticality, Relation
from bedplate.errors import Kind, Refusal
from bedplate.pipeline.call import Call
from bedplate.pipeline.compile import Method
from bedplate.pipeline.stage import Parts
from bedplate.policy.layers import Layer, in_force, parse_options
from bedplate.records.relations import grant
from bedplate.server.service import Context, Service, ServiceType
from tests.protos import add_file
from tests.protos import field as proto_field

NAME = "tests.obstacles.v1.ObstacleService/Do"
ROUTE = "/v1/obstacles"
ENVIRONMENT = "staging"
CALLER, POWERLESS, NOBODY = "obstacle-key", "powerless-key", "unknown-key"
PRINCIPALS = {
    CALLER: Principal("key:caller", "tenant-o", frozenset({"obstacle.write"})),
    POWERLESS: Principal("key:powerless", "tenant-o", frozenset()),
}
FILE = add_file(
    'name: "tests/obstacles/v1/obstacles.proto" package: "tests.obstacles.v1"\n'
    'dependency: "bedplate/v1/policy.proto" dependency: "buf/validate/validate.proto"\n'
    'dependency: "google/api/annotations.proto"\n'
    'enum_type { name: "Reason" options { [bedplate.v1.reasons] { domain: "obstacles" } }\n'
    '  value { name: "REASON_UNSPECIFIED" number: 0 }\n'
    '  value { name: "REASON_CLOSED" number: 1 options { [bedplate.v1.reason] '
    '{ code: FAILED_PRECONDITION help: "Open it." } } } }\n'
    'message_type { name: "Message"\n'
    + proto_field("thing", 1, "string")
    + proto_field("count", 2, "int32", "[buf.validate.field] { int32 { gte: 0 } }")
    + proto_field("note", 3, "string")
    + proto_field("request_id", 4, "string")
    + "}\n"
    'service { name: "ObstacleService" method { name: "Do" input_type: ".tests.obstacles.v1.Message"\n'
    '  output_type: ".tests.obstacles.v1.Message" options {\n'
    f'    [google.api.http] {{ post: "{ROUTE}" body: "*" }}\n'
    "    [bedplate.v1.policy] { visibility: VISIBILITY_PUBLIC idempotency: IDEMPOTENCY_REQUEST_ID\n"
    '      auth { all_scopes: "obstacle.write"\n'
    '        relation { field: "thing" object_type: "thing" relation: "owner" } }\n'
    "      rate { per_second: 1000 burst: 1000 } concurrency { limit: 100 } } } } }"
)
SERVICE = FILE.services_by_name["ObstacleService"]
Message: Any = GetMessageClass(FILE.message_types_by_name["Message"])


class Obstacles:
    """The service, and the process around it.

    Attributes:
        parts: What the process's stages are made with.
        methods: The process's methods.
    """

    parts: Parts
    methods: Mapping[str, Method]

    def __init__(self) -> None:
        self._database: Any = None
        self._layers: list[Layer] = []

    @property
    def type(self) -> ServiceType:
        """How the service is built."""
        return ServiceType("obstacles", self._build)

    def _build(self, context: Context) -> Service:
        assert context.process is not None
        self._database = context.database
        self.parts, self.methods = context.process.parts, context.process.methods
        return Service("obstacles", SERVICE, self, start=self._start)

    async def _start(self) -> None:
        def work(connection: sa.Connection) -> bool:
            owner = Relation("thing", "thing", "owner")
            return grant(connection, "tenant-o", "key:caller", owner, "mine", now_us=1)

        await self._database.transact(work)

    async def Do(self, request: Any, call: Call) -> Any:
        """Answer, unless the note says that it is closed."""
        if request.note == "closed":
            raise Refusal(Kind.STATE, "CLOSED", "It is closed; open it.")
        return await self._database.transact(lambda connection: Message(thing=request.thing))

    @property
    def method(self) -> Method:
        """The method, compiled."""
        return self.methods[NAME]

    def tighten(self, options: dict[str, Any]) -> None:
        """Put a tighter policy into force, on top of those before."""
        layer = Layer("test", NAME, parse_options(options, where="test"))
        self._layers.append(layer)
        self.method.apply(in_force(self.method.descriptor, self._layers))


@dataclass(frozen=True, slots=True)
class Obstacle:
    """One thing that is wrong.

    Attributes:
        name: Its name; of a stage where there is one.
        reason: What a caller is told, on the doors that can meet it.
        doors: Those doors.
        prepare: Makes the process so, after a call that went well.
        request: What is different in the request.
        key: Whose key is sent in place of the caller's.
        metadata: What is sent beside it.
        garbage: Whether what is sent is no message.
        late: Whether the deadline has passed.
        nowhere: Whether the method, or the path, is none.
    """

    name: str
    reason: str
    doors: tuple[str, ...] = ("grpc", "http", "local")
    prepare: Callable[[Obstacles], None] | None = None
    request: dict[str, Any] = field(default_factory=dict)
    key: str = ""
    metadata: tuple[tuple[str, str], ...] = ()
    garbage: bool = False
    late: bool = False
    nowhere: bool = False


def _drain(process: Obstacles) -> None:
    process.parts.gate.draining = True


def _crowd(process: Obstacles) -> None:
    process.parts.load.limit.running += 1_000_000


def _block(process: Obstacles) -> None:
    budget = process.parts.quota.addresses
    while not budget.blocked:
        budget.fail("ipv4:127.0.0.1:1")


def _spend(process: Obstacles) -> None:
    process.tighten({"rate": {"perSecond": 0.001, "burst": 1}})


def _slow_down(process: Obstacles) -> None:
    timing = process.parts.timings.of(NAME)
    while timing.estimate_s < 60:
        timing.succeeded(1000.0, time.monotonic())
    timing.doubts(1.0)  # one is let through now and then; this was it


def _fill(process: Obstacles) -> None:
    process.tighten({"concurrency": {"limit": 1}})
    slots = process.parts.load.slots_of(NAME, 1, 0)
    assert slots.take(Criticality.DEFAULT, time.monotonic() + 100) is None


# In the order in which they are told. In process a call is part of one that was
# let in before, so what is asked of newcomers is not asked of it. gRPC itself
# ends a call whose time is over.
OBSTACLES = (
    Obstacle("route", "METHOD_NOT_FOUND", nowhere=True),
    Obstacle("deadline", "DEADLINE_EXCEEDED", ("http", "local"), late=True),
    Obstacle("drain", "DRAINING", ("grpc", "http"), _drain),
    Obstacle("shed", "OVERLOADED", ("grpc", "http"), _crowd),
    Obstacle("switch", "METHOD_DISABLED", prepare=lambda p: p.tighten({"rollout": {"percent": 0}})),
    Obstacle("labels", "ENVIRONMENT_MISMATCH", metadata=(("bedplate-environment", "other"),)),
    Obstacle(
        "deprecation",
        "METHOD_SUNSET",
        prepare=lambda p: p.tighten({"deprecation": {"since": "2026-01-01", "sunset": "2026-01-02"}}),
    ),
    Obstacle("address", "ADDRESS_LIMITED", ("grpc", "http"), _block),
    Obstacle("authenticate", "CREDENTIAL_INVALID", key=NOBODY),
    Obstacle("rate", "RATE_LIMITED", prepare=_spend),
    Obstacle("authorise", "SCOPE_MISSING", key=POWERLESS),
    Obstacle("feasible", "DEADLINE_TOO_SHORT", prepare=_slow_down),
    Obstacle("concurrency", "OVERLOADED", prepare=_fill),
    Obstacle("decode", "MALFORMED_REQUEST", garbage=True),
    Obstacle("validate", "INVALID_REQUEST", request={"count": -1}),
    Obstacle("relation", "RELATION_MISSING", request={"thing": "theirs"}),
    Obstacle("replay", "IDEMPOTENCY_KEY_REUSED", request={"request_id": "used", "note": "other"}),
    Obstacle("handler", "CLOSED", request={"note": "closed"}),
)
# What cannot be wrong in one call: what cannot be read has no fields, and a key
# that is not known is nobody's.
APART = [{"decode", "validate"}, {"decode", "relation"}, {"authenticate", "authorise"}]

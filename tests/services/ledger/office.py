"""The ledger behind the whole pipeline, in this process, with callers of two tenants."""

import io
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc

from bedplate.auth.principal import Principal
from bedplate.client.channel import connect
from bedplate.clients.ledger import AsyncLedgerClient
from bedplate.data import Database
from bedplate.data.page import PageTokens
from bedplate.errors import Kind, Refusal
from bedplate.pipeline.stage import Parts
from bedplate.rates.v1 import rates_pb2, rates_pb2_grpc
from bedplate.server.channels import open_channel
from bedplate.server.service import Context, Service
from bedplate.server.table import methods_of
from bedplate.services.ledger.service import SERVICE
from bedplate.services.rates.service import SERVICE as RATES
from bedplate.settings import Settings
from bedplate.telemetry.logs import LogWriter
from bedplate.telemetry.recorder import Telemetry
from bedplate.transport.local import LocalChannel

PAGE_KEY = b"k" * 32
ALL_SCOPES = frozenset({"ledger.read", "ledger.write", "ledger.import", "rates.read", "rates.write"})


@dataclass
class Office:
    """The ledger, and where it finds the rates service.

    Attributes:
        database: Its database, with the tables.
        rates: The channel to the rates service; None: it runs here too.
        methods: What can be called.
        log: Where log lines go.
    """

    database: Database
    rates: grpc.aio.Channel | None = None
    methods: dict[str, Any] = field(default_factory=dict)
    log: io.BytesIO = field(default_factory=io.BytesIO)

    def __post_init__(self) -> None:
        self._services: dict[str, Service] = {}
        self._principals: dict[str, Principal] = {}
        self.telemetry = Telemetry(log=LogWriter(self.log))
        self._parts = Parts(authenticator=self, settings=Settings())
        tokens = PageTokens(PAGE_KEY)
        context = Context(settings=Settings(), database=self.database, channels=self, page_tokens=tokens)
        for kind in (SERVICE, RATES):
            service = kind.build(context)
            self._services[kind.name] = service
            self.methods |= methods_of(service, self._parts, self.telemetry, strict=True)

    @property
    def handlers(self) -> Any:
        """The ledger's handlers."""
        return self._services["ledger"].handlers

    def channel(self, name: str) -> grpc.aio.Channel:
        """See `Channels`."""
        return self.rates or open_channel(name, self.methods, self._services, Settings())

    def authenticate(self, credential: str) -> Principal:
        """See `Authenticator`."""
        if credential not in self._principals:
            raise Refusal(Kind.UNKNOWN_CALLER, "CREDENTIAL_INVALID", "The key is not valid.")
        return self._principals[credential]

    def caller(self, tenant: str = "", scopes: frozenset[str] = ALL_SCOPES) -> "Caller":
        """A new caller, of a new tenant unless one is named."""
        key = uuid.uuid4().hex
        principal = Principal(f"key:{key}", tenant or f"tenant-{key}", scopes)
        self._principals[key] = principal
        return Caller(self, key, principal)


@dataclass(frozen=True)
class Caller:
    """Somebody with a key."""

    office: Office
    key: str
    principal: Principal

    @property
    def ledger(self) -> AsyncLedgerClient:
        """The client that this caller uses."""
        return AsyncLedgerClient(LocalChannel(self.office.methods), key=self.key)


Answer = Callable[[rates_pb2.ConvertRequest, Any], Awaitable[rates_pb2.ConvertResponse]]


class ScriptedRates(rates_pb2_grpc.RatesServiceServicer):
    """A rates service that answers as a test says, over a real connection."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.requests: list[rates_pb2.ConvertRequest] = []

    async def Convert(self, request: rates_pb2.ConvertRequest, context: Any) -> rates_pb2.ConvertResponse:
        self.requests.append(request)
        return await self.answer(request, context)


@asynccontextmanager
async def rates_server(answer: Answer) -> AsyncIterator[tuple[ScriptedRates, grpc.aio.Channel]]:
    """A scripted rates service and the channel that services use to reach it."""
    scripted = ScriptedRates(answer)
    server = grpc.aio.server()
    rates_pb2_grpc.add_RatesServiceServicer_to_server(scripted, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    descriptor = rates_pb2.DESCRIPTOR.services_by_name["RatesService"]
    channel = connect(f"127.0.0.1:{port}", descriptor, forward_credential=True)
    try:
        yield scripted, channel
    finally:
        await channel.close()
        await server.stop(None)

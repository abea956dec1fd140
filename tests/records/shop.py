"""The till's methods, compiled, over a database: one process, without its doors."""

import asyncio
import io
from dataclasses import dataclass
from typing import Any

from bedplate.auth.principal import Principal
from bedplate.errors import Kind, Refusal
from bedplate.pipeline.call import Call
from bedplate.pipeline.compile import Method
from bedplate.pipeline.failure import Failure
from bedplate.pipeline.stage import Parts
from bedplate.records.outcomes import Outcomes
from bedplate.server.table import methods_of
from bedplate.settings import Settings
from bedplate.telemetry.logs import LogWriter
from bedplate.telemetry.recorder import Telemetry
from tests.records import till

START_US = 1_800_000_000_000_000
SCOPES = frozenset({"till.write"})


class SetClock:
    """Tells the time that it was set to, microseconds."""

    def __init__(self) -> None:
        self.now_us = START_US

    def __call__(self) -> int:
        return self.now_us

    def advance(self, seconds: float) -> None:
        self.now_us += int(seconds * 1e6)


@dataclass
class Answer:
    """What came back: a response, or how the call failed."""

    response: Any
    failure: Failure | None
    replayed: bool

    @property
    def reason(self) -> str:
        return self.failure.reason if self.failure else "OK"

    @property
    def sale_id(self) -> str:
        assert self.failure is None, self.failure
        return self.response.sale_id


class Shop:
    """One process. Several on one database know nothing else of each other.

    Attributes:
        handlers: The handlers behind the methods.
        principals: Who is known, by key.
        clock: The process's clock.
        methods: The methods by short name.
    """

    def __init__(self, database: Any, tenant: str, *, clock: Any = None) -> None:
        self.tenant = tenant
        self.database = database
        self.handlers = till.Handlers(database)
        self.principals = {
            "clerk": Principal("key:clerk", tenant, SCOPES),
            "colleague": Principal("key:colleague", tenant, SCOPES),
            "stranger": Principal("key:clerk", f"{tenant}-other", SCOPES),
        }
        self.clock = clock or SetClock()
        self._output = io.BytesIO()
        self.telemetry = Telemetry(log=LogWriter(self._output))
        self.outcomes = Outcomes(database, clock=self.clock, registry=self.telemetry.registry)
        parts = Parts(authenticator=self, settings=Settings(), outcomes=self.outcomes)
        service = till.Service("till", till.SERVICE, self.handlers)
        made = methods_of(service, parts, self.telemetry, strict=True)
        self.methods: dict[str, Method] = {name.rpartition("/")[2]: made[name] for name in made}

    def authenticate(self, credential: str) -> Principal:
        if credential not in self.principals:
            raise Refusal(Kind.UNKNOWN_CALLER, "CREDENTIAL_INVALID", "The key is not valid.")
        return self.principals[credential]

    async def sell(
        self,
        request_id: str = "first",
        *,
        method: str = "Sell",
        key: str = "clerk",
        timeout_s: float | None = None,
        **fields: Any,
    ) -> Answer:
        """Call a method."""
        fields.setdefault("item", "tea")
        request = till.SellRequest(request_id=request_id, **fields)
        compiled = self.methods[method]
        call = Call(
            method=compiled.name,
            door="grpc",
            decode=compiled.decode,
            metadata={"authorization": f"Bearer {key}"},
            requested_timeout_s=timeout_s,
        )
        try:
            # In a task of its own, as doors run it: what is current ends with the call.
            response = await asyncio.create_task(compiled.unary(call, request.SerializeToString()))
        except Failure as failure:
            return Answer(None, failure, ("idempotent-replayed", "true") in call.response_headers)
        return Answer(response, None, ("idempotent-replayed", "true") in call.response_headers)

    async def sold(self) -> list[tuple[str, str]]:
        """Item and state of each sale of the shop's tenants."""
        found = await self.database.read(till.sales)
        return [(item, state) for tenant, item, state in found if tenant.startswith(self.tenant)]

    async def set_sold_out(self, item: str, sold_out: bool) -> None:
        await self.database.transact(lambda connection: till.set_sold_out(connection, item, sold_out))

    def repeats(self, result: str, method: str = "Sell") -> float:
        """Repeated calls with a result, by the metrics."""
        labels = {"method": self.methods[method].name, "result": result}
        return self.telemetry.registry.get_sample_value("bedplate_repeats_total", labels) or 0

    def logged(self) -> str:
        """What it wrote into its log."""
        self.telemetry.log.flush()
        return self._output.getvalue().decode()

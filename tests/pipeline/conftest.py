"""What tests of the pipeline share: the echo service's methods, compiled, without any door."""

import io
from typing import Any

import orjson
import pytest

from bedplate.auth.principal import Principal
from bedplate.errors import Kind, Refusal
from bedplate.pipeline.call import Call
from bedplate.pipeline.compile import Method
from bedplate.pipeline.stage import OpenGate, Parts
from bedplate.server.table import methods_of
from bedplate.settings import Settings
from bedplate.telemetry.logs import LogWriter
from bedplate.telemetry.recorder import Telemetry
from tests.protos import echo

READER = Principal("key:reader", "tenant-a", frozenset({"echo.read"}))
KEYS = {
    "reader": READER,
    "admin": Principal("key:admin", "tenant-a", frozenset({"echo.admin"})),
    "nothing": Principal("key:nothing", "tenant-a", frozenset()),
    "homeless": Principal("key:homeless", "", frozenset({"echo.read"})),
}


class Keys:
    """Knows KEYS; when `slow`, by asking elsewhere."""

    slow = False

    def authenticate(self, credential: str) -> Any:
        if self.slow:
            return self._later(credential)
        return self._now(credential)

    async def _later(self, credential: str) -> Principal:
        return self._now(credential)

    def _now(self, credential: str) -> Principal:
        if credential not in KEYS:
            raise Refusal(Kind.UNKNOWN_CALLER, "CREDENTIAL_INVALID", "The key is not valid.")
        return KEYS[credential]


class Bench:
    """The compiled methods and what they were made with.

    Attributes:
        handlers: The handlers behind the methods.
        gate: Whether calls are refused.
        keys: Where credentials are known.
        telemetry: Where calls are recorded.
        parts: What the stages were made with.
        spans: Finished spans, as the sink got them.
        methods: The methods by short name.
    """

    def __init__(self, *, strict: bool = True, settings: Settings | None = None) -> None:
        self.handlers = echo.Handlers()
        self.gate = OpenGate()
        self.keys = Keys()
        self._output = io.BytesIO()
        self.telemetry = Telemetry(log=LogWriter(self._output))
        self.parts = Parts(authenticator=self.keys, settings=settings or Settings(), gate=self.gate)
        made = methods_of(echo.service(self.handlers), self.parts, self.telemetry, strict=strict)
        self.methods: dict[str, Method] = {name.rpartition("/")[2]: made[name] for name in made}

    def call(self, method: str = "Echo", *, key: str = "reader", **options: Any) -> Call:
        """A call as a door makes it."""
        metadata = {"authorization": f"Bearer {key}"} if key else {}
        return Call(
            method=self.methods[method].name,
            door=options.pop("door", "grpc"),
            decode=echo.EchoRequest.FromString,
            peer=options.pop("peer", "ipv4:127.0.0.1:1"),
            metadata=metadata | options.pop("metadata", {}),
            **options,
        )

    def lines(self) -> list[dict[str, Any]]:
        """The log so far."""
        self.telemetry.log.flush()
        return [orjson.loads(line) for line in self._output.getvalue().splitlines()]

    def count(self, code: str, method: str = "Echo") -> float:
        """Calls that ended with a code, by the metrics."""
        labels = {"method": self.methods[method].name, "door": "grpc", "code": code}
        return self.telemetry.registry.get_sample_value("bedplate_calls_total", labels) or 0

    def close(self) -> None:
        self.telemetry.log.close()


@pytest.fixture
def bench():
    made = Bench()
    yield made
    made.close()

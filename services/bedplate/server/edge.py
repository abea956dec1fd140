"""The gateway as a process of its own, in front of a gRPC server that runs elsewhere."""

import asyncio
import time
from dataclasses import dataclass

from prometheus_client import Counter, Gauge

from bedplate.auth.principal import Principal
from bedplate.client.channel import SWAP_GRACE_S
from bedplate.contract.policy import PolicyError
from bedplate.errors import Kind, Refusal
from bedplate.gateway import pages, reference
from bedplate.gateway.app import Gateway, is_served
from bedplate.gateway.beside.order import features
from bedplate.gateway.elsewhere import forwarded, problems
from bedplate.gateway.elsewhere.descriptors import (
    Contracts,
    DescriptorError,
    UnreachableError,
)
from bedplate.gateway.elsewhere.forget import forget
from bedplate.gateway.elsewhere.method import methods_of
from bedplate.gateway.elsewhere.upstream import Line, Target, Watch
from bedplate.gateway.protocols.routes import routes as protocols
from bedplate.pipeline.stage import Parts
from bedplate.policy.file import check_targets, settings_layers
from bedplate.server.lifecycle import Running
from bedplate.server.parts import make_load, make_quota
from bedplate.server.sources import Source
from bedplate.settings import Settings
from bedplate.telemetry.logs import LogWriter
from bedplate.transport.http import HttpDoor

# A server that is to tell its contracts at start may take so long to be there;
# how often it is asked. Seconds.
FIRST_S = 30.0
FIRST_EVERY_S = 0.5


@dataclass(slots=True)
class _Generation:
    """What is made of one reading of the contracts."""

    gateway: Gateway
    line: Line
    digest: bytes
    routes: int


class _Nobody:
    """Knows no credential: none is looked at here."""

    def authenticate(self, credential: str) -> Principal:
        """Refuse; no stage asks."""
        raise Refusal(Kind.UNKNOWN_CALLER, "CREDENTIAL_INVALID", "The server behind knows credentials.")


class Edge(Running):
    """A gateway process.

    Attributes:
        ready: True while new calls are welcome, as far as this process is asked.
    """

    def __init__(
        self, settings: Settings, target: Target, source: Source, *, log: LogWriter | None = None
    ) -> None:
        """Prepare a process; nothing is opened yet.

        Args:
            settings: What the operator decided.
            target: The server behind.
            source: Where its contracts come from.
            log: Where log lines go; None: where the settings say. It is closed at the end.
        """
        super().__init__(settings, log)
        self._target = target
        self._source = source
        self._readings = Counter(
            "bedplate_contract_readings",
            "Readings of the contracts after the first, by what came of them.",
            ("result",),
            registry=self.telemetry.registry,
        )
        self._serving = Gauge(
            "bedplate_upstream_serving",
            "1 while the server behind wants callers.",
            registry=self.telemetry.registry,
        )
        self._parts: Parts
        self._generation: _Generation
        self._door: HttpDoor | None = None
        self._watch: Watch | None = None
        self._reading = asyncio.Lock()
        self._asked = asyncio.Event()
        self._ended = asyncio.Event()
        self._retired: set[asyncio.Future[None]] = set()

    @property
    def http_address(self) -> str:
        """Where HTTP is answered, `host:port`."""
        return self._door.address if self._door else ""

    @property
    def routes(self) -> int:
        """How many methods have a route."""
        return self._generation.routes

    async def _start(self) -> None:
        """Read the contracts, and take calls.

        Raises:
            DescriptorError: The contracts cannot be read.
            PolicyError: They cannot be served.
            TlsError, OSError: As they say.
        """
        settings, telemetry = self.settings, self.telemetry
        self._opened.callback(self._ended.set)
        self._open_spans()
        parts = self._parts = Parts(
            authenticator=_Nobody(),
            settings=settings,
            gate=self._gate,
            registry=telemetry.registry,
            load=make_load(settings, telemetry),
            quota=make_quota(settings, telemetry),
        )
        self._opened.push_async_callback(parts.quota.close)
        self._opened.callback(parts.load.watch().stop)
        self._generation = await self._build(await self._first(), None)
        self._opened.push_async_callback(self._close_lines)
        watch = self._watch = Watch(lambda: self._generation.line, self._log_upstream)
        self._door = HttpDoor({}, settings, telemetry, lambda: self.ready, gateway=self._generation.gateway)
        await self._door.start()
        watch.start()
        self._opened.push_async_callback(watch.stop)
        following = asyncio.ensure_future(self._follow())
        self._opened.push_async_callback(_cancel, following)
        self.ready = True

    async def _first(self) -> Contracts:
        """The contracts at start: a server that starts along with this one is waited for."""
        until, told = time.monotonic() + FIRST_S, False
        while True:
            try:
                return await self._source.read()
            except UnreachableError as error:
                if time.monotonic() > until:
                    raise
                if not told:
                    self._log_contracts("warning", f"{error} It is asked again for {FIRST_S:g} s.")
                told = True
            await asyncio.sleep(FIRST_EVERY_S)

    async def _build(self, contracts: Contracts, before: _Generation | None) -> _Generation:
        """What serves these contracts; the line to the server is kept where it still fits."""
        line = Line(self._target, contracts.services)
        if before is not None and before.line.options == line.options:
            await line.close()
            line = before.line
        try:
            gateway, routes = await asyncio.to_thread(self._compile, contracts, line)
        except BaseException:
            if before is None or line is not before.line:
                await line.close()
            raise
        return _Generation(gateway, line, contracts.digest, routes)

    def _compile(self, contracts: Contracts, line: Line) -> tuple[Gateway, int]:
        settings, telemetry = self.settings, self.telemetry
        layers = settings_layers(settings)
        check_targets(layers, {s.full_name: s.methods_by_name for s in contracts.services})
        methods = methods_of(contracts, line, self._parts, telemetry, layers=layers)
        policies = {method.descriptor: method.policy for method in methods.values()}
        tls = settings.tls_certificate is not None or settings.tls_elsewhere
        described = reference.pages(
            policies,
            docs=contracts.comments or None,
            policy_of=policies.__getitem__,
            title=", ".join(dict.fromkeys(service.file.package for service in contracts.services)),
        )
        first = (problems.compile, forwarded.feature(tls=tls))
        gateway = Gateway(
            methods.values(),
            telemetry,
            pages={**pages.pages(telemetry, self.wants_callers), **described},
            features=(*first, *features(settings)),
            routes=protocols(methods.values(), settings, before=first),
        )
        return gateway, sum(is_served(method) for method in methods.values())

    def wants_callers(self) -> bool:
        """What `/readyz` tells: whether this process does, and the server behind."""
        return self.ready and self._watch is not None and self._watch.serving

    def _log_upstream(self, serving: bool) -> None:
        self._serving.set(serving)
        message = "wants callers" if serving else "does not answer, or wants no callers"
        level = "info" if serving else "warning"
        self.telemetry.log.write(level, "upstream", {"target": self._target.name, "message": message})

    # Contracts that change.

    def reload(self) -> None:
        """Read the contracts again soon, whether or not they seem to have changed."""
        self._asked.set()

    async def _follow(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._source.every_s):
                    await self._asked.wait()
            except TimeoutError:
                if not self._source.changed():
                    continue
            self._asked.clear()
            await self.read_again()

    async def read_again(self) -> bool:
        """Read the contracts, and serve them if they are others; whether they are.

        Calls that run end as they began. Contracts that cannot be served are
        logged, and those that are served stay.
        """
        async with self._reading:
            before = self._generation
            try:
                contracts = await self._source.read()
                if contracts.digest == before.digest:
                    self._readings.labels("same").inc()
                    return False
                generation = await self._build(contracts, before)
            except UnreachableError:  # the log has it that the server does not answer
                self._readings.labels("unreachable").inc()
                return False
            except Exception as error:  # also one of ours, or it would be the last reading
                known = isinstance(error, (DescriptorError, PolicyError))
                why = str(error) if known else f"They cannot be served: {type(error).__name__}."
                self._readings.labels("refused").inc()
                self._log_contracts("error", f"{why} The contracts before stay in force.")
                return False
            assert self._door is not None
            self._generation, self._door.gateway = generation, generation.gateway
            if before.line is not generation.line:
                await self._renew_line(before.line)
            forget()
            self._readings.labels("served").inc()
            self._log_contracts("info", f"contracts are served anew: {generation.routes} methods")
            return True

    def _log_contracts(self, level: str, message: str) -> None:
        self.telemetry.log.write(level, "contracts", {"message": message})

    async def _renew_line(self, old: Line) -> None:
        assert self._watch is not None
        await self._watch.stop()
        self._watch.start()
        task = asyncio.ensure_future(self._retire(old))
        self._retired.add(task)
        task.add_done_callback(self._retired.discard)

    async def _retire(self, line: Line) -> None:
        """Close a line once no request can still begin on it: one whose body comes in slowly may."""
        try:
            await asyncio.sleep(self.settings.http_body_s + 1.0)
            await line.close(SWAP_GRACE_S)
        except asyncio.CancelledError:
            await line.close()

    # The end.

    async def ended(self) -> None:
        """Wait until it was stopped: nothing of it ends by itself."""
        await self._ended.wait()

    async def _refuse(self) -> None:
        settings = self.settings
        if self._door is not None:
            await self._drain.wait(settings.drain_wait_s)
            await self._drain.refuse(settings.drain_refuse_s)
            await self._drain.stop([self._door], settings.stop_grace_s)

    async def _close_lines(self) -> None:
        retired = list(self._retired)
        for task in retired:
            task.cancel()
        await asyncio.gather(*retired, return_exceptions=True)
        await self._generation.line.close()


async def _cancel(task: "asyncio.Future[None]") -> None:
    task.cancel()
    await asyncio.wait([task])

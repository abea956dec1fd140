"""Services in, one process out."""

import asyncio
from collections.abc import Sequence

import grpc

from bedplate.auth.keys import KeyFile
from bedplate.auth.principal import Authenticator
from bedplate.data import Database
from bedplate.data.migrate import migrate
from bedplate.data.page import PageTokens, load_or_create_key, load_shared_key
from bedplate.pipeline.compile import Method
from bedplate.pipeline.stage import Parts
from bedplate.policy.file import check_targets, settings_layers
from bedplate.records import tables
from bedplate.server.builtin import builtin_methods
from bedplate.server.channels import ContractsOf, open_channel, shipped_contracts
from bedplate.server.health import Health
from bedplate.server.lifecycle import Running
from bedplate.server.overrides import Overrides
from bedplate.server.parts import make_parts
from bedplate.server.reflection import reflection_services
from bedplate.server.service import Context, Process, Service, ServiceType
from bedplate.server.table import methods_of
from bedplate.server.threads import Threads
from bedplate.settings import Settings
from bedplate.telemetry.logs import LogWriter
from bedplate.transport.grpc import GrpcDoor
from bedplate.transport.grpc_early import EarlyRefusal
from bedplate.transport.http import HttpDoor
from bedplate.transport.tls import TlsFiles


class App(Running):
    """A process with its services.

    Attributes:
        services: The services by noun, once it was started.
        methods: Their methods by full name, once it was started.
        database: The process's database, once it was started.
        ready: What `/readyz` tells.
    """

    database: Database
    _overrides: Overrides

    def __init__(
        self,
        settings: Settings,
        types: Sequence[ServiceType],
        *,
        authenticator: Authenticator | None = None,
        strict: bool | None = None,
        log: LogWriter | None = None,
        contracts: ContractsOf = shipped_contracts,
    ) -> None:
        """Prepare a process; nothing is opened yet.

        Args:
            settings: What the operator decided.
            types: The services to run.
            authenticator: Where credentials are known; None: the settings' key file.
            strict: Whether a refusal with an undeclared reason is answered as
                the bug it is; None: outside production.
            log: Where log lines go; None: where the settings say. It is closed at the end.
            contracts: Finds the contracts of a noun that runs elsewhere: they say
                what calls to it promise.
        """
        super().__init__(settings, log)
        self.services: dict[str, Service] = {}
        self.methods: dict[str, Method] = {}
        self._types = tuple(types)
        self._contracts = contracts
        self._authenticator = authenticator
        self._strict = not settings.production if strict is None else strict
        self._channels: dict[str, grpc.aio.Channel] = {}
        self._grpc: GrpcDoor | None = None
        self._http: HttpDoor | None = None
        self._health: Health | None = None

    @property
    def grpc_address(self) -> str:
        """Where gRPC is answered, `host:port`."""
        return self._grpc.address if self._grpc else ""

    @property
    def http_address(self) -> str:
        """Where HTTP is answered, `host:port`."""
        return self._http.address if self._http else ""

    async def _start(self) -> None:
        """Open everything and take calls.

        Raises:
            PolicyError: A contract cannot be kept, or a handler is missing.
            KeyFileError, TlsError, MigrationError, InUseError, OSError: As they say.
        """
        settings = self.settings
        tls = TlsFiles.from_settings(settings)
        authenticator = self._authenticator or KeyFile.from_settings(settings)
        self._open_spans()
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.database = Database.open(
            settings.database, pool=settings.database_pool, queue=settings.database_queue
        )
        self._opened.push_async_callback(self.database.close)
        self._opened.push_async_callback(self._close_channels)
        parts = make_parts(
            settings,
            authenticator=authenticator,
            gate=self._gate,
            telemetry=self.telemetry,
            database=self.database,
            strict=self._strict,
        )
        self._opened.push_async_callback(parts.answers.close)
        self._opened.push_async_callback(parts.quota.close)
        self._opened.callback(parts.load.watch().stop)
        self._build(parts)
        await asyncio.to_thread(migrate, self.database, tables.NAME, tables.SCHEMA)
        for kind in self._types:
            if kind.schema is not None:
                await asyncio.to_thread(migrate, self.database, kind.name, kind.schema)
        await self._keep_records(parts)
        for service in self.services.values():
            await service.start()
            self._opened.push_async_callback(service.stop)
        await self._open_doors(parts, tls)

    async def _keep_records(self, parts: Parts) -> None:
        assert parts.outcomes is not None
        assert parts.audit is not None
        self._opened.push_async_callback(parts.audit.stop)
        parts.outcomes.start()
        self._opened.push_async_callback(parts.outcomes.stop)
        await self._overrides.start()
        self._opened.push_async_callback(self._overrides.stop)

    def _build(self, parts: Parts) -> None:
        layers = settings_layers(self.settings)
        tightened: dict[str, Method] = {}
        self._overrides = Overrides(self.database, tightened, layers)
        context = Context(
            settings=self.settings,
            database=self.database,
            channels=self,
            page_tokens=PageTokens(self._page_key()),
            cache=parts.answers,
            process=Process(parts, self.methods, self._overrides),
            threads=self._threads(),
        )
        for kind in self._types:
            service = kind.build(context)
            self.services[kind.name] = service
            made = methods_of(service, parts, self.telemetry, strict=self._strict, layers=layers)
            self.methods.update(made)
            if not service.operates:
                tightened.update(made)
        methods = {s.descriptor.full_name: s.descriptor.methods_by_name for s in self.services.values()}
        check_targets(layers, methods)
        for name in self.settings.upstreams:
            self.channel(name)  # what is wrong with one is said now, and not to the first caller

    def _threads(self) -> Threads:
        threads = Threads()
        threads.show(self.telemetry.registry)
        self._opened.callback(threads.close)
        return threads

    def _page_key(self) -> bytes:
        shared = self.settings.page_key_file
        return load_shared_key(shared) if shared else load_or_create_key(self.settings.data_dir / "page.key")

    async def _open_doors(self, parts: Parts, tls: TlsFiles | None) -> None:
        settings, telemetry = self.settings, self.telemetry
        contracts = [service.descriptor for service in self.services.values()]
        health = self._health = Health(contract.full_name for contract in contracts)
        builtin = [health.service]
        if settings.reflection:
            builtin += reflection_services([*contracts, health.service.descriptor])
        answered = dict(self.methods)
        for service in builtin:
            answered |= builtin_methods(service, parts, telemetry, stream_s=settings.connection_age_s)
        credentials = tls.grpc_credentials() if tls else None
        shed = {name: method for name, method in self.methods.items() if "shed" in method.stages}
        early = EarlyRefusal(shed, parts, telemetry)
        self._grpc = GrpcDoor(answered, settings, telemetry, credentials=credentials, early=early)
        await self._grpc.start()
        self._http = HttpDoor(self.methods, settings, telemetry, lambda: self.ready)
        await self._http.start()
        health.serve()
        self.ready = True

    async def ended(self) -> None:
        """Wait until the gRPC door has ended, which it does by itself only when it broke."""
        assert self._grpc is not None
        await self._grpc.ended()

    def channel(self, name: str) -> grpc.aio.Channel:
        """See `Channels.channel`."""
        found = self._channels.get(name)
        if found is None:
            found = self._channels[name] = open_channel(
                name, self.methods, self.services, self.settings, contracts=self._contracts
            )
        return found

    async def _refuse(self) -> None:
        settings, drain = self.settings, self._drain
        doors = [door for door in (self._grpc, self._http) if door is not None]
        if self._health is not None:
            self._health.refuse()
            await drain.wait(settings.drain_wait_s)
            self._health.close()
            await drain.refuse(settings.drain_refuse_s)
        await drain.stop(doors, settings.stop_grace_s)

    async def _close_channels(self) -> None:
        for channel in self._channels.values():
            await channel.close()

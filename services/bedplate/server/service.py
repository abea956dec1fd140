"""What a service hands to the process that runs it, and what it gets from it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import grpc
from google.protobuf.descriptor import ServiceDescriptor

from bedplate.cache import Answers
from bedplate.data import Database
from bedplate.data.page import PageTokens
from bedplate.pipeline.compile import Method
from bedplate.pipeline.stage import Parts
from bedplate.server.overrides import Overrides
from bedplate.server.threads import Threads
from bedplate.settings import Settings


async def _nothing() -> None:
    return None


class Channels(Protocol):
    """Where a service finds the services it calls."""

    def channel(self, name: str) -> grpc.aio.Channel:
        """The channel to a service by its noun, such as `rates`.

        In process when it runs here, over gRPC when the settings say where it
        is. Hands on the caller's credential, deadline and trace. A service
        that is not known anywhere answers UNAVAILABLE when it is called.
        """
        ...


@dataclass(frozen=True, slots=True)
class Process:
    """The process itself, for the service that operates it.

    Attributes:
        parts: What its stages are made with: what operators may change is in `parts.live`.
        methods: Its methods by full name; filled once all services are built.
        overrides: Overrides of its policies.
    """

    parts: Parts
    methods: Mapping[str, Method]
    overrides: Overrides


@dataclass(frozen=True, slots=True)
class Context:
    """What a service is built with.

    Attributes:
        settings: The process's settings.
        database: The process's database; tables begin with the service's noun.
        channels: Where the service finds others.
        page_tokens: Makes and reads page tokens.
        cache: Keeps answers; to be told what is no longer true.
        process: For the admin service; None where there is no process.
        threads: Runs functions that block.
    """

    settings: Settings
    database: Database
    channels: Channels
    page_tokens: PageTokens
    cache: Answers = field(default_factory=Answers)
    process: Process | None = None
    threads: Threads = field(default_factory=Threads)


@dataclass(frozen=True, slots=True)
class Service:
    """A service, built and ready to be served.

    Attributes:
        name: Its noun, such as `ledger`.
        descriptor: The contract: `x_pb2.DESCRIPTOR.services_by_name["XService"]`.
        handlers: The object that has a method for each rpc, of the same name.
        start: Runs once before the first call.
        stop: Runs once after the last call.
        operates: Whether operators work the process with it: its calls have a
            lane of their own, in which neither overload nor an operator's
            faults and switches stand (`order.OPERATOR_STAGES`).
    """

    name: str
    descriptor: ServiceDescriptor
    handlers: object
    start: Callable[[], Awaitable[None]] = _nothing
    stop: Callable[[], Awaitable[None]] = _nothing
    operates: bool = False


@dataclass(frozen=True, slots=True)
class ServiceType:
    """How a service is found and built, before anything runs.

    Attributes:
        name: Its noun.
        build: Makes it from what the process offers.
        schema: Folder of its migrations; None: it has no tables.
    """

    name: str
    build: Callable[[Context], Service]
    schema: Path | None = None

"""The server behind: channels to it, and whether it wants callers."""

import asyncio
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health_pb2

from bedplate.client.channel import SWAP_GRACE_S, channel_options
from bedplate.client.target import is_loopback, normalised
from bedplate.client.tls import Reloading, Tls
from bedplate.gateway.elsewhere.policy import has_policy

# Between looks at a server that does not answer, seconds.
LOOK_AGAIN_S = 0.25

# A connection to a server of others is looked at so often, seconds.
STRANGER_KEEPALIVE_S = 310

_HEALTH = "/grpc.health.v1.Health/Watch"

# The package's types do not know all of its messages.
pb: Any = health_pb2


class UpstreamError(Exception):
    """A server that cannot be called as asked. The text says what to write."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where the server is.

    Attributes:
        name: A gRPC target, such as `dns:///shop:50051`.
        tls: How to encrypt; None: not at all.
    """

    name: str
    tls: Tls | None = None

    @classmethod
    def of(cls, text: str, *, tls: Tls | None, plaintext: bool) -> "Target":
        """A target as it was given.

        Raises:
            UpstreamError: It is none, its TLS files cannot be used, or callers'
                credentials would travel unencrypted to another machine.
        """
        try:
            name = normalised(text)
            if tls is not None:
                tls.read()
        except ValueError as error:
            raise UpstreamError(f"{error}.") from None
        if tls is None and not plaintext and not is_loopback(name):
            raise UpstreamError(
                f"Credentials of callers would travel unencrypted to {text}. Set BEDPLATE_UPSTREAM_CA to "
                "call it over TLS, or pass --plaintext when the network itself is protected."
            )
        return cls(name, tls)


class Line:
    """One channel to the server, open in the running loop; renewed when its certificates are."""

    def __init__(self, target: Target, services: Iterable[ServiceDescriptor] = ()) -> None:
        """Open it.

        Args:
            target: Where the server is.
            services: Whose methods will be called: sizes and retries come from their policies.
        """
        self.options = _options(target, tuple(services))
        self._target = target
        self._reloading = Reloading(target.tls) if target.tls else None
        self._retired: set[asyncio.Task[None]] = set()
        self._channel = self._open()

    def _open(self) -> grpc.aio.Channel:
        if self._reloading is None:
            return grpc.aio.insecure_channel(self._target.name, self.options)
        return grpc.aio.secure_channel(self._target.name, self._reloading.credentials, self.options)

    def current(self) -> grpc.aio.Channel:
        """The channel to call on now."""
        if self._reloading is not None and self._reloading.changed():
            self._retire(self._channel)
            self._channel = self._open()
        return self._channel

    def _retire(self, channel: grpc.aio.Channel) -> None:
        task = asyncio.ensure_future(channel.close(SWAP_GRACE_S))
        self._retired.add(task)
        task.add_done_callback(self._retired.discard)

    async def close(self, grace_s: float = 0.0) -> None:
        """Close it; calls that run may finish within the grace, seconds."""
        for task in self._retired:
            task.cancel()
        await self._channel.close(grace_s)


def _options(target: Target, services: tuple[ServiceDescriptor, ...]) -> list[tuple[str, Any]]:
    options = dict(channel_options(target.name, services))
    options["grpc.primary_user_agent"] = f"bedplate-gateway/{version('bedplate')}"
    config = json.loads(options["grpc.service_config"])
    if not any(has_policy(method) for service in services for method in service.methods):
        # A stranger's health service may know nothing of the server as a whole, and
        # servers take a ping every 5 min unless somebody told them otherwise. What is
        # sent and not acknowledged tells of a dead connection long before.
        del config["healthCheckConfig"]
        options["grpc.keepalive_time_ms"] = STRANGER_KEEPALIVE_S * 1000
    options["grpc.service_config"] = json.dumps(config)
    if target.tls is not None and target.tls.server_name:
        options["grpc.ssl_target_name_override"] = target.tls.server_name
    return list(options.items())


class Watch:
    """Whether the server wants callers: what its health service says, or whether it can be reached.

    Attributes:
        serving: What was found last.
    """

    def __init__(self, line: Callable[[], Line], on_change: Callable[[bool], None]) -> None:
        """Prepare to look.

        Args:
            line: The line to look along.
            on_change: Called with what was found, at first and when it is something else than before.
        """
        self.serving = False
        self._told = False
        self._line = line
        self._on_change = on_change
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look."""
        self._task = asyncio.ensure_future(self._look())

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def _set(self, serving: bool) -> None:
        if serving is not self.serving or not self._told:
            self._told = True
            self.serving = serving
            self._on_change(serving)

    async def _look(self) -> None:
        while True:
            channel = self._line().current()
            try:
                told = await self._follow_health(channel)
                if not told:
                    await self._follow_connection(channel)
            except (grpc.aio.AioRpcError, grpc.aio.UsageError, asyncio.InvalidStateError):
                self._set(False)
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if task is None or task.cancelling():
                    raise
                self._set(False)  # the channel was closed
            await asyncio.sleep(LOOK_AGAIN_S)

    async def _follow_health(self, channel: grpc.aio.Channel) -> bool:
        """Follow what the health service tells until it ends; False: it cannot tell."""
        watch: Any = channel.unary_stream(
            _HEALTH,
            request_serializer=pb.HealthCheckRequest.SerializeToString,
            response_deserializer=pb.HealthCheckResponse.FromString,
        )
        call = watch(pb.HealthCheckRequest())
        try:
            async for answer in call:
                if answer.status == pb.HealthCheckResponse.SERVICE_UNKNOWN:
                    return False
                self._set(answer.status == pb.HealthCheckResponse.SERVING)
        except grpc.aio.AioRpcError as error:
            if error.code() in (grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.NOT_FOUND):
                return False
            raise
        finally:
            call.cancel()
        self._set(False)
        return True

    async def _follow_connection(self, channel: grpc.aio.Channel) -> None:
        """Follow the state of the connection while it is one."""
        state = channel.get_state(try_to_connect=True)
        while state is not grpc.ChannelConnectivity.SHUTDOWN:
            self._set(state in (grpc.ChannelConnectivity.READY, grpc.ChannelConnectivity.IDLE))
            if not self.serving and state is grpc.ChannelConnectivity.TRANSIENT_FAILURE:
                return
            await channel.wait_for_state_change(state)
            state = channel.get_state(try_to_connect=True)

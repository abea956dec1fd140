"""Channels that keep the contract: every call gets its deadline, credential and trace.

They are `grpc.aio.Channel`s, so that plain generated stubs work on them too.
"""

import asyncio
import json
import os
import re
from collections.abc import Callable, Sequence
from typing import Any

import grpc
from google.protobuf.descriptor import ServiceDescriptor

from bedplate.client import fork
from bedplate.client.callables import StreamStream, StreamUnary, UnaryStream, UnaryUnary
from bedplate.client.deadline import timeout_s
from bedplate.client.hedge import Budget
from bedplate.client.target import is_loopback, normalised
from bedplate.client.tls import Reloading, Tls
from bedplate.contract import scope
from bedplate.contract.fingerprint import fingerprint
from bedplate.contract.headers import AUTHORIZATION, CRITICALITY, ENVIRONMENT, SCHEMA, TRACEPARENT
from bedplate.contract.policy import RESPONSE_BYTES, MethodPolicy, resolve
from bedplate.contract.promises import Hedge
from bedplate.contract.service_config import RETRY_TOKENS_MAX, retry_budget, service_config

# A connection that went dead is found after these, while calls run. Servers
# take a ping every 10 s.
KEEPALIVE_S = 30
KEEPALIVE_ANSWER_S = 10
# Waits between attempts to connect. gRPC's own limit of 120 s would keep a
# client away from a server that is back for two minutes.
RECONNECT_FIRST_MS = 100
RECONNECT_MAX_MS = 5_000
# A name is asked for again no more often than this after a connection was lost.
RESOLVE_EVERY_MS = 5_000
# Calls on a connection whose certificates were renewed may finish within this.
SWAP_GRACE_S = 600.0

# Tells which environment the process belongs to, where nobody tells a client.
ENVIRONMENT_VARIABLE = "BEDPLATE_ENVIRONMENT"
_LABEL = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")

Metadata = Sequence[tuple[str, str | bytes]]


def connect(
    target: str,
    *services: ServiceDescriptor,
    key: str = "",
    forward_credential: bool = False,
    tls: Tls | None = None,
    plaintext: bool = False,
    environment: str | None = None,
    vouch: bool = False,
) -> "Channel":
    """A channel to a server; it connects at the first call, in the loop of that call.

    Args:
        target: `host:port`, or any gRPC target such as `dns:///ledger:50051`.
            All addresses behind a name are used in turn.
        services: Whose methods will be called: deadlines, retries and sizes
            come from their policies.
        key: An API key, sent with each call.
        forward_credential: Inside a call that a server handles, send that
            caller's own credential instead of `key`; none when it has none.
        tls: How to encrypt; None: not at all.
        plaintext: Allow credentials to travel unencrypted to another machine,
            where something else (a mesh, a tunnel) protects them.
        environment: The environment that is meant, such as `staging`: a server
            of another one refuses every call. None: BEDPLATE_ENVIRONMENT;
            empty: any.
        vouch: Inside a call of somebody whose credential this process does not
            have, because a peer vouched for them, tell for whom it calls. Only a
            server that trusts this process's certificate believes it.

    Raises:
        ValueError: The target has no port, the TLS files cannot be used, the key
            can be sent in no header, a credential would travel unencrypted, or the environment is no label.
        PolicyError: A policy of the services contradicts itself.
    """
    target = normalised(target)
    if not all("!" <= letter <= "~" for letter in key):
        raise ValueError("the key holds a character that no header can, such as a line break or a space")
    if tls is None and (key or forward_credential) and not plaintext and not is_loopback(target):
        raise ValueError(
            f"the key would travel unencrypted to {target}; pass tls=Tls(...), or plaintext=True when the "
            "network itself is protected"
        )
    options = channel_options(target, services, hedges=True)
    reloading = Reloading(tls) if tls else None
    if tls and tls.server_name:
        options.append(("grpc.ssl_target_name_override", tls.server_name))

    def open_inner() -> grpc.aio.Channel:
        fork.use()
        if reloading is None:
            return grpc.aio.insecure_channel(target, options)
        return grpc.aio.secure_channel(target, reloading.credentials, options)

    return Channel(
        open_inner,
        services=services,
        key=key,
        forward_credential=forward_credential,
        changed=reloading.changed if reloading else None,
        environment=os.environ.get(ENVIRONMENT_VARIABLE, "") if environment is None else environment,
        vouch=vouch,
    )


def wrap(
    channel: grpc.aio.Channel,
    *services: ServiceDescriptor,
    key: str = "",
    forward_credential: bool = False,
    vouch: bool = False,
) -> "Channel":
    """An existing channel, such as one in process, with deadlines, credential and trace."""
    return Channel(
        lambda: channel,
        services=services,
        key=key,
        forward_credential=forward_credential,
        # Both grpcio's channels and the in-process one have it, and work in no other.
        loop=getattr(channel, "_loop", None),
        vouch=vouch,
    )


def channel_options(
    target: str, services: Sequence[ServiceDescriptor], *, hedges: bool = False
) -> list[tuple[str, Any]]:
    """Channel arguments for calling these services; `hedges`: whoever calls hedges by itself."""
    policies = [resolve(method) for service in services for method in service.methods]
    largest = max((policy.response_bytes for policy in policies), default=RESPONSE_BYTES)
    sent = max((policy.request_bytes for policy in policies), default=RESPONSE_BYTES)
    options: list[tuple[str, Any]] = [
        ("grpc.service_config", json.dumps(service_config(*services, timeouts=False, hedges=hedges))),
        ("grpc.enable_retries", 1),
        # By default a request above 256 KiB is never retried, silently.
        ("grpc.per_rpc_retry_buffer_size", 2 * sent),
        ("grpc.keepalive_time_ms", KEEPALIVE_S * 1000),
        ("grpc.keepalive_timeout_ms", KEEPALIVE_ANSWER_S * 1000),
        ("grpc.max_receive_message_length", max(largest, RESPONSE_BYTES)),
        ("grpc.max_send_message_length", -1),  # the server refuses with a reason
        ("grpc.initial_reconnect_backoff_ms", RECONNECT_FIRST_MS),
        ("grpc.min_reconnect_backoff_ms", RECONNECT_MAX_MS),
        ("grpc.max_reconnect_backoff_ms", RECONNECT_MAX_MS),
        ("grpc.dns_min_time_between_resolutions_ms", RESOLVE_EVERY_MS),
        # A connection that one peer can spoil is not shared with other channels.
        ("grpc.use_local_subchannel_pool", 1),
    ]
    if is_loopback(target):
        options.append(("grpc.enable_http_proxy", 0))
    return options


class Channel(grpc.aio.Channel):
    """A channel whose calls keep the contract; made by `connect` and `wrap`.

    It belongs to the process and the event loop of its first call: gRPC breaks
    without a word in another one, so that is refused.

    Attributes:
        budget: How many attempts its hedged calls may add.
    """

    def __init__(
        self,
        open_inner: Callable[[], grpc.aio.Channel],
        *,
        services: Sequence[ServiceDescriptor],
        key: str,
        forward_credential: bool,
        changed: Callable[[], bool] | None = None,
        loop: asyncio.AbstractEventLoop | None = None,
        environment: str = "",
        vouch: bool = False,
    ) -> None:
        if environment and not _LABEL.fullmatch(environment):
            raise ValueError(
                f"the environment {environment!r} is no label; write a-z, 0-9 and -, such as staging"
            )
        self._open = open_inner
        self._changed = changed
        self._own: Metadata = ((AUTHORIZATION, f"Bearer {key}"),) if key else ()
        self._forward = forward_credential
        self._vouch = vouch
        self._environment: Metadata = ((ENVIRONMENT, environment),) if environment else ()
        self._policies: dict[str, MethodPolicy] = {}
        self.budget = Budget(RETRY_TOKENS_MAX, 1.0)
        self._labels: dict[str, Metadata] = {}
        self._inner: grpc.aio.Channel | None = None
        self._loop = loop
        self._pid = os.getpid()
        self._closed = False
        self._retired: set[asyncio.Task[None]] = set()
        for service in services:
            self.know(service)

    def know(self, service: ServiceDescriptor) -> None:
        """Take the deadlines of a service's methods from its policies, and its budget.

        Raises:
            PolicyError: A policy contradicts itself or leaves its bounds.
        """
        self.budget.tighten(*retry_budget([service]))
        for method in service.methods:
            policy = resolve(method)
            self._policies[f"/{policy.method}"] = policy
            self._labels[f"/{policy.method}"] = ((SCHEMA, fingerprint(method)), *self._environment)

    def current(self) -> grpc.aio.Channel:
        """The channel underneath, open in the running loop.

        Raises:
            RuntimeError: The channel is closed, or belongs to another process or
                loop, or gRPC does not work here; see `fork`.
        """
        loop = asyncio.get_running_loop()
        if self._closed:
            raise RuntimeError("the client is closed; make a new one")
        self._check_process()
        if self._loop is not loop:
            if self._loop is not None:
                raise RuntimeError("the client belongs to another event loop; make one in each loop")
            self._loop = loop
        if self._inner is None:
            self._inner = self._open()
        elif self._changed is not None and self._changed():
            task = loop.create_task(self._inner.close(SWAP_GRACE_S))
            self._retired.add(task)
            task.add_done_callback(self._retired.discard)
            self._inner = self._open()
        return self._inner

    @property
    def closed(self) -> bool:
        """Whether it takes no further calls."""
        return self._closed

    def hedge(self, method: str) -> Hedge | None:
        """When calls of a method ask a second server; None: never, also in process, where there is none."""
        policy = self._policies.get(method)
        if policy is None or policy.hedge is None or self.in_process:
            return None
        inner = self.current()
        if isinstance(inner, Channel) and inner.hedge(method) is not None:
            return None  # it asks further servers for each call that it gets
        return policy.hedge

    @property
    def in_process(self) -> bool:
        """Whether it leads to methods of this process."""
        return bool(getattr(self.current(), "in_process", False))

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The event loop that it belongs to; None before the first call.

        Raises:
            RuntimeError: It belongs to another process.
        """
        self._check_process()
        return self._loop

    def _check_process(self) -> None:
        if self._pid != os.getpid():
            raise RuntimeError("the client was made before the process forked; make one in each process")

    def timeout_s(self, method: str, asked_s: float | None) -> float | None:
        """See `deadline.timeout_s`; the method is `/package.Service/Method`."""
        return timeout_s(self._policies.get(method), asked_s)

    def metadata(self, method: str, given: Any) -> tuple[tuple[str, str | bytes], ...]:
        """What a call sends: what was given, credential, trace and labels."""
        current = scope.CURRENT.get()
        sent = self._own
        if current is not None:
            if self._forward:
                # An anonymous caller's work must not gain the rights of our own key.
                sent = ((AUTHORIZATION, current.credential),) if current.credential else ()
            if self._vouch and not current.credential:
                sent = current.caller
            if traceparent := current.traceparent:
                sent = (*sent, (TRACEPARENT, traceparent))
            if criticality := current.criticality:
                sent = (*sent, (CRITICALITY, criticality))
        sent = (*sent, *self._labels.get(method, self._environment))
        if not given:
            return tuple(sent)
        named = {name for name, _ in given}
        return (*((name, value) for name, value in sent if name not in named), *given)

    async def close(self, grace: float | None = None) -> None:
        """Close; calls that run may finish within `grace` seconds, and end as UNAVAILABLE after."""
        self._closed = True
        for task in self._retired:
            task.cancel()
        if self._inner is not None and self._pid == os.getpid():
            await self._inner.close(grace)

    async def __aenter__(self) -> "Channel":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """The state of the connection."""
        return self.current().get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Wait until the connection's state is another."""
        await self.current().wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Wait until connected."""
        await self.current().channel_ready()

    def unary_unary(self, method: str, *codecs: Any, **named: Any) -> UnaryUnary:
        """Make the callable of a method."""
        return UnaryUnary(self, "unary_unary", method, codecs, named)

    def unary_stream(self, method: str, *codecs: Any, **named: Any) -> UnaryStream:
        """Make the callable of a method."""
        return UnaryStream(self, "unary_stream", method, codecs, named)

    def stream_unary(self, method: str, *codecs: Any, **named: Any) -> StreamUnary:
        """Make the callable of a method."""
        return StreamUnary(self, "stream_unary", method, codecs, named)

    def stream_stream(self, method: str, *codecs: Any, **named: Any) -> StreamStream:
        """Make the callable of a method."""
        return StreamStream(self, "stream_stream", method, codecs, named)

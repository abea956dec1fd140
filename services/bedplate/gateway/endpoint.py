"""A binding of a method, ready to answer: its plan, and what modules beside the core add to it.

A feature is one concern of HTTP that the core can do without: conditional
requests, compression, masks, and so on. Its module exports
`compile(endpoint) -> Feature | None`, and None where the binding has no use for
it, so that nothing is asked per request that could be known at start.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message

from bedplate.contract.bindings import Binding
from bedplate.contract.policy import MethodPolicy
from bedplate.gateway.exchange import Request, Response, Sink
from bedplate.gateway.routes import Template
from bedplate.gateway.transcode import Plan
from bedplate.pipeline.call import Call
from bedplate.pipeline.failure import Failure

Fields = Iterable[tuple[str, str]]


class Served(Protocol):
    """What the gateway needs of a method; `pipeline.compile.Method` is one."""

    name: str
    descriptor: MethodDescriptor
    client_streaming: bool
    server_streaming: bool

    @property
    def policy(self) -> MethodPolicy: ...  # noqa: D102

    async def unary(self, call: Call, payload: Any) -> Message: ...  # noqa: D102

    async def deliver(  # noqa: D102
        self, call: Call, payload: Any, write: Callable[[Message], Awaitable[None]]
    ) -> None: ...

    def refuse(self, call: Call, error: Exception) -> Failure: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Feature:
    """What one module adds to a binding. Each hook may be left out; all may raise `Refusal`.

    Attributes:
        name: The module's name.
        headers: What `body` and `fill` are about: they may be left out for a request
            that has none of these headers; None: they run for all.
        parameters: Query parameters that are the feature's and no field's, and
            what takes their text. A field of the request with such a name wins;
            the name with a `$` before it is the feature's always.
        body: Runs before the body is read, once it is decided that the caller
            may call: may replace `request.body`.
        fill: Runs when the request message is made: may set fields of it.
        reply: Runs when a call has succeeded and `response.body` is written;
            `response.message` is the method's response.
        failed: Runs when it has not; may change the status.
        always: Runs at the end of both.
        preflight: What to answer to a browser that asks beforehand (OPTIONS
            with `access-control-request-method`).
        deliver: Runs a call whose responses are a stream and writes them;
            raises `Failure` only as long as the sink is not started. Without
            it such a method has no route.
    """

    name: str
    headers: frozenset[str] | None = None
    parameters: Mapping[str, Callable[[Request, str], None]] | None = None
    body: Callable[[Request], None] | None = None
    fill: Callable[[Request, Message], None] | None = None
    reply: Callable[[Request, Response], None] | None = None
    failed: Callable[[Request, Response, Failure], None] | None = None
    always: Callable[[Request, Response], None] | None = None
    preflight: Callable[[Request], Fields] | None = None
    deliver: Callable[[Request, Call, Sink], Awaitable[None]] | None = None


class _Hooks:
    """What some features do when a request message is made."""

    __slots__ = ("bodies", "fills")

    def __init__(self, features: Iterable[Feature]) -> None:
        self.bodies = tuple(feature.body for feature in features if feature.body is not None)
        self.fills = tuple(feature.fill for feature in features if feature.fill is not None)

    def __bool__(self) -> bool:
        return bool(self.bodies or self.fills)


class Endpoint:
    """Where a request goes.

    Attributes:
        method: The method.
        binding: The binding of it.
        template: The binding's path.
        plan: Makes messages of requests, and JSON of messages.
        decode: Makes the request message; this is the call's `decode`.
        encode: Makes the body of a response message, where the request asks for no other.
        features: Names of what was added, in order.
        deliver: What writes the responses of a method that streams them; None: there is one response.
    """

    def __init__(
        self,
        method: Served,
        binding: Binding,
        template: Template,
        features: Iterable["CompileFeature"] = (),
    ) -> None:
        """Prepare it.

        Raises:
            PolicyError: The binding does not fit the method's messages, or a
                feature cannot keep what the policy says.
        """
        self.method = method
        self.binding = binding
        self.template = template
        made = [feature for feature in (compile(self) for compile in features) if feature is not None]
        self.features = tuple(feature.name for feature in made)
        for feature in made:
            self.plan.reserve(feature.parameters or {})
        usual = [feature for feature in made if feature.headers is None]
        self._usual, self._every = _Hooks(usual), _Hooks(made)
        self._rare = frozenset(name for feature in made for name in feature.headers or ())
        self.replies = tuple(feature.reply for feature in made if feature.reply is not None)
        self.failures = tuple(feature.failed for feature in made if feature.failed is not None)
        self.always = tuple(feature.always for feature in made if feature.always is not None)
        self.preflights = tuple(feature.preflight for feature in made if feature.preflight is not None)
        self.deliver = next((feature.deliver for feature in made if feature.deliver is not None), None)
        self._message, self.encode = self.plan.decode, self.plan.encode
        self.decode = self._decode if self._every else self._message

    @cached_property
    def plan(self) -> Plan:
        """Made when it is first asked for: a feature may have put another in its place that takes more."""
        return Plan(self.method.descriptor, self.binding, self.template)

    def _decode(self, request: Request) -> Message:
        hooks = self._usual if self._rare.isdisjoint(request.headers) else self._every
        sent = request.body
        try:
            for body in hooks.bodies:
                body(request)
            message = self._message(request)
            for fill in hooks.fills:
                fill(request, message)
        finally:
            request.body = sent  # the door counts what came in, and what a hook made of it may go
        return message


CompileFeature = Callable[[Endpoint], Feature | None]

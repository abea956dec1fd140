"""The routes of Connect and gRPC-Web: every method that has an http rule is also called by its name.

A path that an http rule has is the rule's.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.message import Message

from bedplate.contract.bindings import Binding, bindings
from bedplate.contract.policy import Idempotency, MethodPolicy
from bedplate.errors import Kind, Refusal
from bedplate.gateway.app import is_served
from bedplate.gateway.beside import cache_control, compress, cors, idempotency, required
from bedplate.gateway.endpoint import CompileFeature, Endpoint, Feature, Served
from bedplate.gateway.exchange import Request
from bedplate.gateway.protocols import feature
from bedplate.gateway.routes import Route, parse
from bedplate.pipeline.call import Call
from bedplate.pipeline.failure import Failure
from bedplate.settings import Settings

# What browsers' clients of gRPC-Web tell of themselves.
_PASSED_OVER = ("x-grpc-web", "x-user-agent")

TIMEOUT = "connect-timeout-ms"
_MILLISECONDS = re.compile(r"[0-9]{1,10}")


def routes(
    methods: Iterable[Served], settings: Settings, *, before: Iterable[CompileFeature] = ()
) -> Iterator[Route]:
    """The routes, or none where a deployment wants none.

    Args:
        methods: All methods of the process.
        settings: What the operator decided.
        before: Features of the gateway's own that come before all others.
    """
    if not settings.http_protocols:
        return
    served = [method for method in methods if is_served(method)]
    taken = {binding.path for method in served for binding in bindings(method.descriptor)}
    features = (
        *before,
        feature.reads(settings.http_compress_bytes),
        idempotency.compile,
        cache_control.compile,
        required.compile,
        _cors,
        compress.of(settings.http_compress_bytes),
        feature.fails,
    )
    for method in served:
        path = f"/{method.name}"
        if path in taken:
            continue
        template = parse(path)
        http_methods = ("POST", "GET") if _may_get(method) else ("POST",)
        for http_method in http_methods:
            binding = Binding(http_method, path, "*" if http_method == "POST" else "", "")
            endpoint = Endpoint(_Timed(method), binding, template, features)
            yield Route(http_method, template, method.name, endpoint)


def _cors(endpoint: Endpoint) -> Feature | None:
    return cors.with_headers(endpoint, _PASSED_OVER)


def _may_get(method: Served) -> bool:
    """Whether a method is only read, by our promises or by protobuf's own."""
    if method.server_streaming:
        return False
    own = method.descriptor.GetOptions().idempotency_level == MethodOptions.NO_SIDE_EFFECTS
    return own or method.policy.idempotency is Idempotency.READ_ONLY


class _Timed:
    """A method whose callers say in Connect's own header how long they wait."""

    def __init__(self, method: Served) -> None:
        self._method = method
        self.name: str = method.name
        self.descriptor: MethodDescriptor = method.descriptor
        self.client_streaming: bool = method.client_streaming
        self.server_streaming: bool = method.server_streaming

    @property
    def policy(self) -> MethodPolicy:
        """The policy in force."""
        return self._method.policy

    async def unary(self, call: Call, payload: Any) -> Message:
        """As the method's own."""
        self._read(call, payload)
        return await self._method.unary(call, payload)

    async def deliver(self, call: Call, payload: Any, write: Callable[[Message], Awaitable[None]]) -> None:
        """As the method's own."""
        self._read(call, payload)
        await self._method.deliver(call, payload, write)

    def refuse(self, call: Call, error: Exception) -> Failure:
        """As the method's own."""
        return self._method.refuse(call, error)

    def _read(self, call: Call, request: Request) -> None:
        text = request.headers.get(TIMEOUT)
        if text is None:
            return
        if _MILLISECONDS.fullmatch(text) is None:
            raise self.refuse(call, _bad("is malformed; send at most 10 digits."))
        if call.requested_timeout_s is not None:
            raise self.refuse(call, _bad("stands beside another header of the kind; send one of them."))
        call.requested_timeout_s = int(text) / 1000


def _bad(sentence: str) -> Refusal:
    return Refusal(Kind.INVALID, "HTTP_MALFORMED", f"{TIMEOUT} {sentence}")

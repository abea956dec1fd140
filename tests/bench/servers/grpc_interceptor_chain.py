"""grpc.aio with the usual separate interceptors, doing what bedplate's pipeline does.

Deadline, authentication (a key), scopes, validation, error mapping, metrics, an
unsampled span and a log line with its ids, each an interceptor of its own, as the documentation of its
library writes it: OpenTelemetry's own gRPC instrumentation, prometheus_client
with labels, structlog, protovalidate.
"""

import hashlib
import secrets
import sys
import time
from contextvars import ContextVar
from typing import Any

import grpc
import prometheus_client
import protovalidate
import structlog
from opentelemetry import trace
from opentelemetry.instrumentation.grpc import aio_server_interceptor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased

from tests.bench import contract
from tests.bench.servers import grpc_aio_bare
from tests.bench.servers.process import KEY, serve

KEYS = {hashlib.sha256(KEY.encode()).hexdigest(): ("bench", "tenant", frozenset({contract.SCOPE}))}
SCOPES = {contract.METHOD: frozenset({contract.SCOPE})}

REQUIRED = ("payment",)
REQUIRED_BELOW = ("payment_id", "customer_id", "merchant_id")
PRINCIPAL: ContextVar[tuple[str, str, frozenset[str]] | None] = ContextVar("principal", default=None)

CALLS = prometheus_client.Counter("calls", "Calls.", ["method", "code"])
SECONDS = prometheus_client.Histogram("seconds", "Durations.", ["method"])


def _wrap(handler: grpc.RpcMethodHandler, behaviour: Any) -> grpc.RpcMethodHandler:
    return grpc.unary_unary_rpc_method_handler(
        behaviour,
        request_deserializer=handler.request_deserializer,
        response_serializer=handler.response_serializer,
    )


class Metrics(grpc.aio.ServerInterceptor):
    """Rate, errors and duration."""

    async def intercept_service(self, continuation: Any, details: grpc.HandlerCallDetails) -> Any:
        handler = await continuation(details)

        async def behaviour(request: Any, context: Any) -> Any:
            started = time.perf_counter()
            code = "OK"
            try:
                return await handler.unary_unary(request, context)
            except BaseException:
                code = "INTERNAL"
                raise
            finally:
                CALLS.labels(details.method, code).inc()
                SECONDS.labels(details.method).observe(time.perf_counter() - started)

        return _wrap(handler, behaviour)


class Logging(grpc.aio.ServerInterceptor):
    """A JSON line for each call."""

    def __init__(self) -> None:
        structlog.configure(
            processors=[
                structlog.contextvars.merge_contextvars,
                structlog.processors.add_log_level,
                structlog.processors.TimeStamper(fmt="iso"),
                structlog.processors.JSONRenderer(),
            ],
            logger_factory=structlog.PrintLoggerFactory(sys.stderr),
            cache_logger_on_first_use=True,
        )
        self._log = structlog.get_logger()

    async def intercept_service(self, continuation: Any, details: grpc.HandlerCallDetails) -> Any:
        handler = await continuation(details)

        async def behaviour(request: Any, context: Any) -> Any:
            started = time.perf_counter()
            response = await handler.unary_unary(request, context)
            span = trace.get_current_span().get_span_context()
            self._log.info(
                "call",
                method=details.method,
                code="OK",
                ms=(time.perf_counter() - started) * 1000,
                peer=context.peer(),
                trace_id=trace.format_trace_id(span.trace_id),
                span_id=trace.format_span_id(span.span_id),
            )
            return response

        return _wrap(handler, behaviour)


class Deadline(grpc.aio.ServerInterceptor):
    """Refuses what has no time left."""

    async def intercept_service(self, continuation: Any, details: grpc.HandlerCallDetails) -> Any:
        handler = await continuation(details)

        async def behaviour(request: Any, context: Any) -> Any:
            remaining = context.time_remaining()
            if remaining is not None and remaining <= 0:
                await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "too late")
            return await handler.unary_unary(request, context)

        return _wrap(handler, behaviour)


class Errors(grpc.aio.ServerInterceptor):
    """Answers what handlers raise with a status, and nothing that is in the exception."""

    async def intercept_service(self, continuation: Any, details: grpc.HandlerCallDetails) -> Any:
        handler = await continuation(details)

        async def behaviour(request: Any, context: Any) -> Any:
            try:
                return await handler.unary_unary(request, context)
            except grpc.aio.AbortError:
                raise
            except Exception:
                await context.abort(grpc.StatusCode.INTERNAL, f"error {secrets.token_hex(8)}")

        return _wrap(handler, behaviour)


class Auth(grpc.aio.ServerInterceptor):
    """Knows the key and its scopes."""

    async def intercept_service(self, continuation: Any, details: grpc.HandlerCallDetails) -> Any:
        handler = await continuation(details)
        header = dict(details.invocation_metadata).get("authorization", "")

        async def behaviour(request: Any, context: Any) -> Any:
            scheme, _, key = header.partition(" ")
            principal = KEYS.get(hashlib.sha256(key.encode()).hexdigest())
            if scheme.lower() != "bearer" or principal is None:
                await context.abort(grpc.StatusCode.UNAUTHENTICATED, "no")
            if not SCOPES[details.method] <= principal[2]:
                await context.abort(grpc.StatusCode.PERMISSION_DENIED, "no")
            PRINCIPAL.set(principal)
            structlog.contextvars.bind_contextvars(principal=principal[0], tenant=principal[1])
            return await handler.unary_unary(request, context)

        return _wrap(handler, behaviour)


class Validation(grpc.aio.ServerInterceptor):
    """Looks at the request's required fields and rules."""

    async def intercept_service(self, continuation: Any, details: grpc.HandlerCallDetails) -> Any:
        handler = await continuation(details)

        async def behaviour(request: Any, context: Any) -> Any:
            unset = [name for name in REQUIRED if not request.HasField(name)]
            unset += [name for name in REQUIRED_BELOW if not getattr(request.payment, name)]
            if unset or not all(line.sku for line in request.payment.lines):
                await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"required: {unset}")
            try:
                protovalidate.validate(request)
            except protovalidate.ValidationError as error:
                await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
            return await handler.unary_unary(request, context)

        return _wrap(handler, behaviour)


async def start() -> int:
    """Serve with all of them."""
    tracing = aio_server_interceptor(TracerProvider(sampler=ParentBased(TraceIdRatioBased(0.0))))
    return await grpc_aio_bare.start(
        (tracing, Metrics(), Logging(), Errors(), Deadline(), Auth(), Validation())
    )


if __name__ == "__main__":
    serve(start)

"""Spans of sampled calls, sent over OTLP in batches from a thread of their own.

OpenTelemetry's own way of making a span costs 58 microseconds a sampled call
and 23 one that is not; here a call that is not sampled makes no object at all.
"""

import time
from importlib.metadata import version

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from bedplate.telemetry.recorder import RecordedCall

# Faults of the server; every other code is the caller's turn and no error of ours.
_ERRORS = frozenset({"UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"})
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)

# How long sending a batch may take, attempts and all; also how long the end of
# the process waits for a collector that is not there. Seconds.
EXPORT_S = 2


class OtelSpans:
    """Makes a span of each finished call and hands it to a span processor."""

    def __init__(self, processor: SpanProcessor, resource: Resource) -> None:
        self._processor = processor
        self._resource = resource
        self._scope = InstrumentationScope("bedplate")

    def record(self, call: RecordedCall, code: str, reason: str, duration_s: float) -> None:
        """Take the span of a finished call that is sampled."""
        end_ns = time.time_ns()
        service, _, method = call.method.partition("/")
        attributes = {
            "rpc.system": "grpc",
            "rpc.service": service,
            "rpc.method": method,
            "rpc.status": code,
            "bedplate.door": call.door,
            "bedplate.tenant": call.principal.tenant,
            "client.address": call.peer,
        }
        if reason:
            attributes["bedplate.reason"] = reason
        self._processor.on_end(
            ReadableSpan(
                name=call.method,
                context=_context(call.trace_id, call.span_id),
                parent=_context(call.trace_id, call.parent_span_id) if call.parent_span_id else None,
                resource=self._resource,
                attributes=attributes,
                kind=SpanKind.SERVER,
                status=Status(StatusCode.ERROR if code in _ERRORS else StatusCode.UNSET),
                start_time=end_ns - round(duration_s * 1e9),
                end_time=end_ns,
                instrumentation_scope=self._scope,
            )
        )

    def close(self) -> None:
        """Send what waits, and end. Blocks."""
        self._processor.shutdown()


def open_spans(endpoint: str) -> OtelSpans:
    """Spans to an OTLP/gRPC collector, such as `http://127.0.0.1:4317`."""
    resource = Resource({SERVICE_NAME: "bedplate", SERVICE_VERSION: version("bedplate")})
    return OtelSpans(BatchSpanProcessor(OTLPSpanExporter(endpoint=endpoint, timeout=EXPORT_S)), resource)


def _context(trace_id: str, span_id: str) -> SpanContext:
    return SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=False, trace_flags=_SAMPLED)

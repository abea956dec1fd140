"""Spans of sampled calls, as a collector gets them over OTLP."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from bedplate.testing.serve import serve
from tests.protos import echo
from tests.protos.echo import EchoRequest
from tests.protos.echo_client import WITH_KEY, EchoClient

TRACE, PARENT = "a" * 32, "b" * 16


class Collector(trace_service_pb2_grpc.TraceServiceServicer):  # type: ignore[misc]
    """Takes what an exporter sends."""

    def __init__(self) -> None:
        self.address = ""
        self.received: list[Any] = []

    async def Export(self, request: Any, context: Any) -> Any:
        self.received.append(request)
        return trace_service_pb2.ExportTraceServiceResponse()

    @property
    def spans(self) -> list[Any]:
        """All spans so far."""
        resources = [part for request in self.received for part in request.resource_spans]
        return [span for part in resources for scope in part.scope_spans for span in scope.spans]


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    made = Collector()
    server = grpc.aio.server()
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(made, server)
    made.address = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    yield made
    await server.stop(None)


async def test_a_sampled_call_is_exported_with_its_place_in_the_trace(collector: Collector) -> None:
    sampled = (*WITH_KEY, ("traceparent", f"00-{TRACE}-{PARENT}-01"))
    unsampled = (*WITH_KEY, ("traceparent", f"00-{TRACE}-{PARENT}-00"))
    async with (
        serve([echo.service(echo.Handlers())], otlp_endpoint=collector.address) as served,
        EchoClient(served.grpc_address) as client,
    ):
        await client.call("Echo", EchoRequest(text="hi", secret="hunter2-and-more"), metadata=sampled)
        await client.refusal("Echo", EchoRequest(text="nobody"), metadata=sampled)
        await client.call("Echo", EchoRequest(text="hi"), metadata=unsampled)
        await client.call("Echo", EchoRequest(text="hi"))

    good, refused = collector.spans
    assert (good.trace_id.hex(), good.parent_span_id.hex()) == (TRACE, PARENT)
    assert good.span_id != refused.span_id
    assert good.name == "tests.echo.v1.EchoService/Echo"
    assert good.start_time_unix_nano < good.end_time_unix_nano
    attributes = {item.key: item.value.string_value for item in refused.attributes}
    assert attributes["rpc.method"] == "Echo"
    assert attributes["bedplate.reason"] == "ECHO_NOT_FOUND"
    assert attributes["bedplate.tenant"] == "tenant-a"
    assert "hunter2" not in str(collector.received)
    assert "test-key" not in str(collector.received)


async def test_a_collector_that_is_not_there_stops_neither_calls_nor_the_end() -> None:
    async with serve(
        [echo.service(echo.Handlers())], otlp_endpoint="http://127.0.0.1:1", trace_ratio=1.0
    ) as served:
        async with EchoClient(served.grpc_address) as client:
            assert (await client.call("Echo", EchoRequest(text="hi"), timeout=5)).text == "hi"
        await asyncio.wait_for(served.app.stop(), 10)

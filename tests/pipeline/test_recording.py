"""What is seen of a call: a log line, metrics, its place in a trace; and nothing secret."""

from typing import Any

import pytest

from tests.pipeline.conftest import Bench
from tests.pipeline.running import fail, run
from tests.protos.echo import EchoRequest

TRACE, PARENT = "a" * 31 + "1", "b" * 15 + "2"


class Sink:
    """Takes spans."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, str, str]] = []

    def record(self, call: Any, code: str, reason: str, duration_s: float) -> None:
        assert duration_s >= 0
        self.spans.append((call.trace_id, code, reason))


async def test_a_call_leaves_one_line_that_says_who_what_and_how_long(bench: Bench) -> None:
    call = bench.call()
    await run(bench.methods["Echo"], call, EchoRequest(text="hi", secret="hunter2-and-more"))

    (line,) = bench.lines()
    assert line.pop("time") > 0
    assert 0 <= line.pop("ms") < 5000
    assert line == {
        "level": "info",
        "event": "call",
        "method": "tests.echo.v1.EchoService/Echo",
        "door": "grpc",
        "code": "OK",
        "principal": "key:reader",
        "tenant": "tenant-a",
        "peer": "ipv4:127.0.0.1:1",
        "trace_id": call.trace_id,
        "span_id": call.span_id,
    }


async def test_a_refusals_line_says_its_reason_and_no_value_of_the_request(bench: Bench) -> None:
    await fail(bench.methods["Echo"], bench.call(), EchoRequest(text="nobody", secret="hunter2-and-more"))
    await fail(bench.methods["Echo"], bench.call(key="hunter2-key"))

    first, second = bench.lines()
    assert (first["code"], first["reason"]) == ("NOT_FOUND", "ECHO_NOT_FOUND")
    assert second["reason"] == "CREDENTIAL_INVALID"
    assert "hunter2" not in str([first, second])


@pytest.mark.parametrize("kind", ["Echo", "Collect", "Repeat", "Chat"])
async def test_each_call_is_counted_once_by_its_code(bench: Bench, kind: str) -> None:
    await run(bench.methods[kind], bench.call(kind), EchoRequest(text="hi", times=2))
    await fail(bench.methods[kind], bench.call(kind), EchoRequest(text="nobody"))

    assert (bench.count("OK", kind), bench.count("NOT_FOUND", kind)) == (1, 1)
    assert bench.telemetry.begun == 2
    assert bench.telemetry.in_flight == 0


@pytest.mark.parametrize(("flags", "sampled"), [("00", False), ("01", True), ("03", True)])
async def test_a_call_joins_its_callers_trace(bench: Bench, flags: str, sampled: bool) -> None:
    call = bench.call(metadata={"traceparent": f"00-{TRACE}-{PARENT}-{flags}"})
    await run(bench.methods["Echo"], call)

    assert (call.trace_id, call.parent_span_id, call.sampled) == (TRACE, PARENT, sampled)
    assert call.span_id != PARENT
    assert call.traceparent == f"00-{TRACE}-{call.span_id}-{'01' if sampled else '00'}"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "00",
        f"00-{TRACE}-{PARENT}",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{'g' * 32}-{PARENT}-01",
        f"00-{TRACE[:-1]}-{PARENT}-01",
        f"00-+{TRACE[1:]}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-0x",
        f"00-{TRACE}-{PARENT}-01-more",
        f"00-{TRACE.upper()}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-01\n",
        f"00- {TRACE[1:]}-{PARENT}-01",
        b"\xff\xfe",
    ],
)
async def test_a_malformed_traceparent_begins_a_new_trace(bench: Bench, header: Any) -> None:
    call = bench.call(metadata={"traceparent": header})
    await run(bench.methods["Echo"], call)

    assert len(call.trace_id) == 32
    assert call.trace_id != TRACE
    assert (call.parent_span_id, call.sampled) == ("", False)


async def test_only_sampled_calls_make_spans(bench: Bench) -> None:
    sink = bench.telemetry.spans = Sink()
    await run(bench.methods["Echo"], bench.call())
    await fail(
        bench.methods["Echo"],
        bench.call(metadata={"traceparent": f"00-{TRACE}-{PARENT}-01"}),
        EchoRequest(text="nobody"),
    )
    bench.telemetry.trace_ratio = 1.0
    await run(bench.methods["Echo"], bench.call())

    (joined, own) = sink.spans
    assert joined == (TRACE, "NOT_FOUND", "ECHO_NOT_FOUND")
    assert own[1:] == ("OK", "")

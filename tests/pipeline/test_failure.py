"""What goes wrong, and what the caller is told of it."""

import asyncio
from typing import Any

import pytest
from google.rpc import code_pb2

from bedplate.client.errors import NotFound, ResourceExhausted, Unavailable
from bedplate.errors import Kind, Refusal, Violation
from bedplate.pipeline.call import Call
from bedplate.pipeline.failure import Failure
from bedplate.pipeline.stage import OpenGate
from tests.pipeline.conftest import Bench
from tests.pipeline.making import READ, Made
from tests.pipeline.running import detail, fail, run
from tests.protos.echo import EchoRequest, Hold

KINDS = ["Echo", "Collect", "Repeat", "Chat"]


def answer_with(bench: Bench, error: BaseException) -> EchoRequest:
    """A request whose handler ends with this."""

    async def end(call: Call) -> None:
        raise error

    bench.handlers.actions["end"] = end
    return EchoRequest(text="end", secret="hunter2-and-more")


@pytest.mark.parametrize("kind", KINDS)
async def test_a_refusal_is_answered_with_reason_domain_facts_and_fields(bench: Bench, kind: str) -> None:
    refusal = Refusal(
        Kind.NOT_FOUND,
        "ECHO_NOT_FOUND",
        "There is none.",
        violations=[Violation("text", "Say another.", "echo.known")],
        retry_after_s=1.5,
        tried=["a", "b"],
        times=3,
    )

    failure = await fail(bench.methods[kind], bench.call(kind), answer_with(bench, refusal))

    assert failure.status.code == code_pb2.NOT_FOUND
    assert failure.status.message == "There is none."
    info = detail(failure, "ErrorInfo")
    assert (info.reason, info.domain) == ("ECHO_NOT_FOUND", "tests.echo.v1")
    assert dict(info.metadata) == {"tried": "a b", "times": "3"}
    (violation,) = detail(failure, "BadRequest").field_violations
    assert (violation.field, violation.description, violation.reason) == (
        "text",
        "Say another.",
        "echo.known",
    )
    assert detail(failure, "RetryInfo").retry_delay.ToMilliseconds() == 1500


async def test_a_reason_of_the_platform_may_be_used_by_every_service(bench: Bench) -> None:
    refusal = Refusal(Kind.EXHAUSTED, "OVERLOADED", "Too much.", retry_after_s=0.2)

    failure = await fail(bench.methods["Echo"], bench.call(), answer_with(bench, refusal))

    assert (failure.code, detail(failure, "ErrorInfo").domain) == ("RESOURCE_EXHAUSTED", "bedplate")


@pytest.mark.parametrize(
    "refusal",
    [
        Refusal(Kind.NOT_FOUND, "SOMETHING_ELSE", "Undeclared."),
        Refusal(Kind.STATE, "ECHO_NOT_FOUND", "Declared with another code."),
    ],
)
async def test_an_undeclared_reason_is_a_bug_where_that_is_looked_for(refusal: Refusal) -> None:
    strict, lenient = Bench(strict=True), Bench(strict=False)

    found = await fail(strict.methods["Echo"], strict.call(), answer_with(strict, refusal))
    passed = await fail(lenient.methods["Echo"], lenient.call(), answer_with(lenient, refusal))

    assert (found.code, found.fault) == ("INTERNAL", True)
    assert refusal.reason in found.status.message
    assert (passed.code, passed.reason) == (refusal.kind.value, refusal.reason)
    strict.close()
    lenient.close()


@pytest.mark.parametrize("kind", KINDS)
async def test_an_unexpected_error_is_internal_with_an_id_and_nothing_else(bench: Bench, kind: str) -> None:
    secret = "postgresql://user:hunter2@db/prod"

    failure = await fail(bench.methods[kind], bench.call(kind), answer_with(bench, RuntimeError(secret)))

    assert (failure.code, failure.reason, failure.fault) == ("INTERNAL", "INTERNAL", True)
    assert b"hunter2" not in failure.status.SerializeToString()
    error_id = detail(failure, "ErrorInfo").metadata["error_id"]
    assert detail(failure, "RequestInfo").request_id == error_id
    (line,) = bench.lines()
    assert (line["level"], line["error_id"], line["error"]) == ("error", error_id, "RuntimeError")
    # Of a stream only the last request is known, so what else could be in the text is not.
    assert ("RuntimeError: postgresql" in line["traceback"]) is (kind in ("Echo", "Repeat"))


async def test_the_log_of_a_fault_holds_the_request_without_what_is_sensitive(bench: Bench) -> None:
    request = answer_with(bench, RuntimeError("it was hunter2-and-more"))

    await fail(bench.methods["Echo"], bench.call(), request)

    (line,) = bench.lines()
    assert line["request"] == {"text": "end", "secret": "[redacted]"}
    assert "it was [redacted]" in line["traceback"]
    assert "hunter2" not in str(line)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_handler_that_raises_cancelled_itself_is_a_fault_and_no_hang(bench: Bench, kind: str) -> None:
    failure = await fail(bench.methods[kind], bench.call(kind), answer_with(bench, asyncio.CancelledError()))

    assert (failure.code, failure.fault) == ("INTERNAL", True)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_call_that_its_caller_cancels_ends_as_cancelled(bench: Bench, kind: str) -> None:
    hold = bench.handlers.actions["wait"] = Hold()
    running = asyncio.create_task(run(bench.methods[kind], bench.call(kind), EchoRequest(text="wait")))
    await hold.reached.wait()

    running.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running
    assert bench.handlers.left == ["wait"]
    assert bench.count("CANCELLED", kind) == 1
    assert bench.telemetry.in_flight == 0


async def test_a_call_that_the_stopping_process_ends_has_an_unknown_outcome(bench: Bench) -> None:
    hold = bench.handlers.actions["wait"] = Hold()
    call = bench.call()
    running = asyncio.create_task(fail(bench.methods["Echo"], call, EchoRequest(text="wait")))
    await hold.reached.wait()

    call.stopped = True
    running.cancel()

    assert (await running).reason == "OUTCOME_UNKNOWN"


async def test_a_caller_who_stops_reading_ends_the_handler(bench: Bench) -> None:
    responses = bench.methods["Repeat"].stream(
        bench.call("Repeat"), EchoRequest(text="r", times=100).SerializeToString()
    )
    async for _ in responses:
        break
    await responses.aclose()

    assert bench.handlers.closed.is_set()
    assert bench.count("CANCELLED", "Repeat") == 1


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        (Unavailable("gone", reason="DRAINING"), "UNAVAILABLE", "DEPENDENCY_UNAVAILABLE"),
        (ResourceExhausted("full", retry_after_s=2.0), "UNAVAILABLE", "DEPENDENCY_UNAVAILABLE"),
        (NotFound("not there", reason="X"), "INTERNAL", "INTERNAL"),
    ],
)
async def test_what_a_service_below_says_is_not_passed_on_as_our_own_word(
    bench: Bench, error: Exception, code: str, reason: str
) -> None:
    failure = await fail(bench.methods["Echo"], bench.call(), answer_with(bench, error))

    assert (failure.code, failure.reason) == (code, reason)
    assert str(error) not in failure.status.message


@pytest.mark.parametrize("answer", [None, b"bytes", EchoRequest(text="of another type")])
async def test_an_answer_of_the_wrong_type_is_a_fault(bench: Bench, answer: Any) -> None:
    async def wrong(request: Any, call: Call) -> Any:
        return answer

    bench.methods["Echo"]._handler = wrong
    failure = await fail(bench.methods["Echo"], bench.call())

    assert failure.fault
    assert "must answer EchoResponse" in bench.lines()[0]["traceback"]


async def test_what_fails_while_a_handler_is_closed_changes_no_answer(bench: Bench) -> None:
    async def stubborn(request: Any, call: Call) -> Any:
        try:
            yield EchoRequest()
        finally:
            raise RuntimeError("no")

    bench.methods["Repeat"]._handler = stubborn
    failure = await fail(bench.methods["Repeat"], bench.call("Repeat"))

    assert failure.fault


async def test_a_held_refusal_waits_until_it_is_released(bench: Bench) -> None:
    bench.gate.draining, bench.gate.released = True, asyncio.Event()
    refusing = asyncio.create_task(fail(bench.methods["Echo"], bench.call()))
    while not bench.telemetry.in_flight:
        await asyncio.sleep(0)
    assert not refusing.done()

    bench.gate.released.set()

    assert (await refusing).reason == "DRAINING"


def test_a_gate_is_open_until_it_is_told_otherwise() -> None:
    assert (OpenGate().draining, OpenGate().released) == (False, None)


async def test_an_answer_without_a_field_that_proto2_requires_is_the_handlers_fault_told_once() -> None:
    must = 'field { name: "must" number: 2 label: LABEL_REQUIRED type: TYPE_STRING }'
    made = Made(READ, fields=must, syntax="proto2")

    with pytest.raises(Failure) as caught:
        await made.method.unary(made.call(), made.payload(must="be"))

    assert (caught.value.code, caught.value.fault) == ("INTERNAL", True)
    made.telemetry.log.settle()
    assert made.sample("bedplate_calls_total", door="grpc", code="INTERNAL") == 1
    assert made.sample("bedplate_calls_total", door="grpc", code="OK") == 0

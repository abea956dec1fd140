"""The order of refusal: it is part of the public contract and the same on every door."""

import time
from typing import Any

import pytest

from bedplate.pipeline.timing import ENOUGH
from bedplate.policy.faults import Abort, Fault
from tests.pipeline.conftest import Bench
from tests.pipeline.running import fail, run
from tests.protos.echo import EchoRequest, EchoResponse

KINDS = ["Echo", "Collect", "Repeat", "Chat"]


def test_the_stages_stand_in_the_order_of_the_contract(bench: Bench) -> None:
    expected = (
        "deadline",
        "drain",
        "shed",
        "labels",
        "address",
        "authenticate",
        "authorise",
        "feasible",
        "decode",
        "validate",
        "fault",
        "limits",
    )
    streaming = tuple(name for name in expected if name != "feasible")

    assert bench.methods["Echo"].stages == expected
    assert {bench.methods[kind].stages for kind in KINDS[1:]} == {streaming}


def test_a_method_has_only_the_stages_that_its_policy_asks_for(bench: Bench) -> None:
    names = set(bench.methods["Echo"].stages) - set(bench.methods["EchoOpen"].stages)

    assert names == {"authenticate", "authorise"}


@pytest.mark.parametrize("kind", KINDS)
async def test_each_refusal_comes_before_the_next(bench: Bench, kind: str) -> None:
    """A call that is wrong in every way, mended one refusal at a time."""
    broken: dict[str, Any] = {"key": "", "requested_timeout_s": 0.0}
    request: Any = b"\xff\xff"
    bench.gate.draining = True
    seen = []

    async def refuse() -> None:
        seen.append((await fail(bench.methods[kind], bench.call(kind, **broken), request)).reason)

    await refuse()
    broken["requested_timeout_s"] = 5.0
    await refuse()
    bench.gate.draining = False
    await refuse()
    broken["key"] = "wrong"
    await refuse()
    broken["key"] = "homeless"
    await refuse()
    broken["key"] = "nothing"
    await refuse()
    broken["key"] = "reader"
    await refuse()
    request = EchoRequest()
    await refuse()
    request = EchoRequest(text="nobody")
    await refuse()

    assert seen == [
        "DEADLINE_EXCEEDED",
        "DRAINING",
        "CREDENTIAL_MISSING",
        "CREDENTIAL_INVALID",
        "TENANT_MISSING",
        "SCOPE_MISSING",
        "MALFORMED_REQUEST",
        "INVALID_REQUEST",
        "ECHO_NOT_FOUND",
    ]
    assert await run(bench.methods[kind], bench.call(kind), EchoRequest(text="hi", times=1))


async def test_what_cannot_finish_is_refused_before_it_is_read_and_faults_come_last(bench: Bench) -> None:
    echo = bench.methods["Echo"]
    timing = bench.parts.timings.of(echo.name)
    for _ in range(ENOUGH):
        timing.succeeded(1.0, time.monotonic())
    bench.parts.live.faults.set(Fault("f", echo.name, Abort("ABORTED")))
    assert not timing.doubts(0.1)  # the first one of a while is let through, to look
    seen = []

    async def refuse(request: Any, **options: Any) -> None:
        seen.append((await fail(echo, bench.call(**options), request)).reason)

    await refuse(b"\xff\xff", key="nothing", requested_timeout_s=0.1)
    await refuse(b"\xff\xff", requested_timeout_s=0.1)
    await refuse(b"\xff\xff")
    await refuse(EchoRequest())
    await refuse(EchoRequest(text="nobody"))
    bench.parts.live.faults.clear("f")
    await refuse(EchoRequest(text="nobody"))

    assert seen == [
        "SCOPE_MISSING",
        "DEADLINE_TOO_SHORT",
        "MALFORMED_REQUEST",
        "INVALID_REQUEST",
        "FAULT_INJECTED",
        "ECHO_NOT_FOUND",
    ]


@pytest.mark.parametrize("kind", ["Collect", "Chat"])
async def test_faults_come_before_the_messages_of_a_request_stream(bench: Bench, kind: str) -> None:
    """They stand before the handler, which asks for the messages."""
    bench.parts.live.faults.set(Fault("f", bench.methods[kind].name, Abort("ABORTED"), limit=1))

    injected = await fail(bench.methods[kind], bench.call(kind), b"\xff\xff")
    malformed = await fail(bench.methods[kind], bench.call(kind), b"\xff\xff")

    assert (injected.reason, malformed.reason) == ("FAULT_INJECTED", "MALFORMED_REQUEST")


async def test_nobody_without_the_right_to_call_makes_the_server_parse(bench: Bench) -> None:
    parsed = []
    call = bench.call(key="nothing")
    call.decode = lambda payload: parsed.append(payload)

    await fail(bench.methods["Echo"], call)

    assert parsed == []


@pytest.mark.parametrize("kind", ["Collect", "Chat"])
async def test_every_message_of_a_stream_is_decoded_and_validated(bench: Bench, kind: str) -> None:
    good = EchoRequest(text="a")

    malformed = await fail(bench.methods[kind], bench.call(kind), good, b"\xff\xff")
    invalid = await fail(bench.methods[kind], bench.call(kind), good, EchoRequest())

    assert (malformed.reason, invalid.reason) == ("MALFORMED_REQUEST", "INVALID_REQUEST")
    assert bench.handlers.entered == ["a", "a"]


async def test_sizes_are_checked_at_the_bound_and_one_past_it(bench: Bench) -> None:
    fits = EchoRequest(text="a", payload=bytes(57)).SerializeToString() + b"\x08\x00"
    assert len(fits) == 64
    small = bench.methods["EchoSmall"]

    too_large_answer = await fail(small, bench.call("EchoSmall"), fits)
    too_large = await fail(small, bench.call("EchoSmall"), fits + b"\x08\x00")
    answer = await run(small, bench.call("EchoSmall"), EchoRequest(text="a"))

    assert answer[0].text == "a"
    assert too_large.reason == too_large_answer.reason == "MESSAGE_TOO_LARGE"
    assert "request has 66 bytes and may have 64" in too_large.status.message
    assert "response has" in too_large_answer.status.message


@pytest.mark.parametrize("kind", ["Echo", "Chat"])
async def test_a_response_above_the_default_of_4_mib_is_refused(bench: Bench, kind: str) -> None:
    room = 4 * 1024 * 1024 - len(EchoResponse(text="a", tenant="tenant-a").SerializeToString())
    at_the_bound = EchoRequest(text="a", payload=bytes(room - 5))
    one_past_it = EchoRequest(text="a", payload=bytes(room - 4))

    (answer,) = await run(bench.methods[kind], bench.call(kind), at_the_bound)
    refused = await fail(bench.methods[kind], bench.call(kind), one_past_it)

    assert answer.ByteSize() == 4 * 1024 * 1024
    assert refused.reason == "MESSAGE_TOO_LARGE"


async def test_a_caller_needs_any_one_of_several_scopes(bench: Bench) -> None:
    either = bench.methods["EchoAny"]

    for key in ("reader", "admin"):
        assert await run(either, bench.call("EchoAny", key=key))
    refused = await fail(either, bench.call("EchoAny", key="nothing"))

    assert refused.reason == "SCOPE_MISSING"
    assert "echo.admin, echo.read" in refused.status.message


async def test_anyone_may_call_an_anonymous_method_and_is_nobody_there(bench: Bench) -> None:
    call = bench.call("EchoOpen", key="reader")

    (answer,) = await run(bench.methods["EchoOpen"], call)

    assert (answer.tenant, call.principal.id, call.credential) == ("", "", "")


@pytest.mark.parametrize(
    "header",
    ["reader", "Basic reader", "Bearer", "Bearer ", "bearer", "", "Bearer reader extra", b"Bearer reader"],
)
async def test_only_a_well_formed_bearer_header_counts(bench: Bench, header: Any) -> None:
    call = bench.call(key="", metadata={"authorization": header})

    assert (await fail(bench.methods["Echo"], call)).code == "UNAUTHENTICATED"


@pytest.mark.parametrize("header", ["Bearer reader", "bearer reader", "BEARER  reader"])
async def test_the_schemes_name_has_no_case(bench: Bench, header: str) -> None:
    assert await run(bench.methods["Echo"], bench.call(key="", metadata={"authorization": header}))


async def test_credentials_may_be_known_elsewhere(bench: Bench) -> None:
    bench.keys.slow = True
    call = bench.call()

    assert await run(bench.methods["Echo"], call)
    assert call.principal.id == "key:reader"
    assert (await fail(bench.methods["Echo"], bench.call(key="wrong"))).reason == "CREDENTIAL_INVALID"

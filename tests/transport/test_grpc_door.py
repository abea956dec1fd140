"""The gRPC door over a real channel, called by a plain grpcio client."""

import asyncio
from pathlib import Path

import grpc
import pytest

from bedplate.errors import Kind, Refusal, Violation
from bedplate.pipeline.call import Call
from bedplate.testing.serve import KEY, OTHER_KEY, Served, serve
from tests.protos import echo
from tests.protos.echo import EchoRequest, Hold
from tests.protos.echo_client import WITH_KEY, EchoClient, Refused, texts, texts_of


async def test_each_kind_of_call_is_answered(client: EchoClient) -> None:
    assert (await client.call("Echo", EchoRequest(text="hi"))).text == "hi"
    assert (await client.call("Collect", texts("a", "b", "c"))).text == "a b c"
    assert texts_of(await client.call("Repeat", EchoRequest(text="r", times=3))) == ["r 0", "r 1", "r 2"]
    assert texts_of(await client.call("Chat", texts("a", "b"))) == ["a", "b"]


async def test_a_client_stream_without_a_message_is_answered(client: EchoClient) -> None:
    assert (await client.call("Collect", texts())).text == ""
    assert await client.call("Chat", texts()) == []


@pytest.mark.parametrize("method", ["Echo", "Collect", "Repeat", "Chat"])
async def test_each_kind_of_call_is_refused_with_status_and_details(client: EchoClient, method: str) -> None:
    streams = echo.SERVICE.methods_by_name[method].client_streaming
    request = texts("nobody") if streams else EchoRequest(text="nobody")

    refused = await client.refusal(method, request)

    assert (refused.code, refused.reason) == ("NOT_FOUND", "ECHO_NOT_FOUND")
    assert refused.sentence == refused.status.message == "There is no echo here."
    assert refused.details["ErrorInfo"].domain == "tests.echo.v1"
    assert dict(refused.details["ErrorInfo"].metadata) == {"text": "nobody"}


@pytest.mark.parametrize("method", ["Echo", "Collect", "Repeat", "Chat"])
async def test_bytes_that_are_no_message_are_refused_as_malformed(client: EchoClient, method: str) -> None:
    async def broken() -> object:
        yield b"\xff\xff"

    streams = echo.SERVICE.methods_by_name[method].client_streaming
    refused = await client.refusal(method, broken() if streams else b"\xff\xff")

    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "MALFORMED_REQUEST")


async def test_a_method_that_does_not_exist_is_refused_and_the_caller_told_what_to_check(
    client: EchoClient,
) -> None:
    refused = await client.refusal("Sing", b"")

    assert (refused.code, refused.reason) == ("UNIMPLEMENTED", "METHOD_NOT_FOUND")
    assert "check its name" in refused.sentence


async def test_unknown_methods_are_counted_under_one_label(client: EchoClient, served: Served) -> None:
    for number in range(3):
        await client.refusal(f"Sing{number}", b"")

    labels = {"method": "unknown", "door": "grpc", "code": "UNIMPLEMENTED"}
    registry = served.app.telemetry.registry
    assert registry.get_sample_value("bedplate_calls_total", labels) == 3
    samples = [sample for metric in registry.collect() for sample in metric.samples]
    assert not any("Sing" in sample.labels.get("method", "") for sample in samples)


async def test_the_wrong_fields_are_named(client: EchoClient) -> None:
    refused = await client.refusal("Echo", EchoRequest(times=-1))

    assert (refused.code, refused.reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert sorted(refused.fields) == ["text", "times"]


async def test_a_request_above_the_contracts_size_is_refused_with_a_reason(client: EchoClient) -> None:
    fits = EchoRequest(text="a", payload=bytes(57))  # 64 bytes, which is what EchoSmall takes
    assert len(fits.SerializeToString()) == 62

    assert await client.call("EchoSmall", EchoRequest(text="a", payload=bytes(40)))
    refused = await client.refusal("EchoSmall", EchoRequest(text="a", payload=bytes(60)))

    assert (refused.code, refused.reason) == ("RESOURCE_EXHAUSTED", "MESSAGE_TOO_LARGE")
    assert refused.details["ErrorInfo"].metadata["limit_bytes"] == "64"


async def test_ten_megabytes_are_refused_with_a_reason(client: EchoClient) -> None:
    refused = await client.refusal("Echo", EchoRequest(text="a", payload=bytes(10_000_000)))

    assert (refused.code, refused.reason) == ("RESOURCE_EXHAUSTED", "MESSAGE_TOO_LARGE")


async def test_what_is_too_large_for_grpc_itself_is_refused_and_the_connection_lives(
    client: EchoClient,
) -> None:
    refused = await client.refusal("Echo", EchoRequest(text="a", payload=bytes(20_000_000)))

    assert refused.code == "RESOURCE_EXHAUSTED"
    assert (await client.call("Echo", EchoRequest(text="hi"))).text == "hi"


async def test_a_handler_answers_headers_before_its_message(
    client: EchoClient, handlers: echo.Handlers
) -> None:
    async def add_header(call: Call) -> None:
        call.response_headers.append(("x-colour", "blue"))

    handlers.actions["hi"] = add_header
    for method in ("Echo", "Chat"):
        begun = client.begin(method, EchoRequest(text="hi") if method == "Echo" else texts("hi"))

        assert ("x-colour", "blue") in list(await begun.initial_metadata())
        begun.cancel()


async def test_nothing_that_a_caller_sends_makes_it_somebody_else(client: EchoClient) -> None:
    claims = (
        ("x-tenant", "tenant-b"),
        ("tenant", "tenant-b"),
        ("x-bedplate-tenant", "tenant-b"),
        ("x-bedplate-principal", "key:root"),
        ("x-forwarded-user", "root"),
    )

    answer = await client.call("Echo", EchoRequest(text="hi"), metadata=(*WITH_KEY, *claims))

    assert answer.tenant == "tenant-a"


async def test_two_credentials_are_none(client: EchoClient) -> None:
    both = (("authorization", f"Bearer {KEY}"), ("authorization", f"Bearer {OTHER_KEY}"))

    refused = await client.refusal("Echo", EchoRequest(text="hi"), metadata=both)

    assert (refused.code, refused.reason) == ("UNAUTHENTICATED", "CREDENTIAL_INVALID")


async def test_a_fault_leaks_nothing_and_names_an_error_id(
    client: EchoClient, handlers: echo.Handlers, served: Served
) -> None:
    async def fail(call: Call) -> None:
        raise RuntimeError("postgresql://user:hunter2@db/prod")

    handlers.actions["boom"] = fail
    for method, request in (("Echo", EchoRequest(text="boom")), ("Chat", texts("boom"))):
        refused = await client.refusal(method, request)

        assert (refused.code, refused.reason) == ("INTERNAL", "INTERNAL")
        assert refused.details["ErrorInfo"].metadata["error_id"]
        assert "hunter2" not in str(refused)
        assert refused.trailers.keys() <= {"grpc-status-details-bin"}


async def test_the_callers_deadline_reaches_the_handler(client: EchoClient, handlers: echo.Handlers) -> None:
    remaining: list[float] = []

    async def look(call: Call) -> None:
        remaining.append(call.remaining_s())

    handlers.actions["look"] = look
    await client.call("Echo", EchoRequest(text="look"), timeout=2.0)
    await client.call("Echo", EchoRequest(text="look"), timeout=2000.0)
    await client.call("Echo", EchoRequest(text="look"), timeout=None)

    short, long, none = remaining
    assert 1.0 < short < 2.0
    assert 20.0 < long < 30.0  # the contract's longest
    assert 4.0 < none < 5.0  # the contract's default


@pytest.mark.parametrize("method", ["Echo", "Collect", "Repeat", "Chat"])
async def test_a_handler_ends_when_its_caller_cancels(
    client: EchoClient, handlers: echo.Handlers, method: str
) -> None:
    hold = handlers.actions["wait"] = Hold()
    streams = echo.SERVICE.methods_by_name[method].client_streaming
    begun = client.begin(method, texts("wait") if streams else EchoRequest(text="wait"))
    reading = asyncio.ensure_future(begun.read() if hasattr(begun, "read") and method != "Collect" else begun)
    await hold.reached.wait()

    begun.cancel()

    await asyncio.wait_for(handlers.all_left(), 5)
    assert handlers.left == ["wait"]
    await asyncio.gather(reading, return_exceptions=True)


async def test_our_own_deadline_ends_the_handler_and_answers(
    client: EchoClient, handlers: echo.Handlers
) -> None:
    handlers.actions["wait"] = Hold()

    refused = await client.refusal("EchoQuick", EchoRequest(text="wait"))

    assert (refused.code, refused.reason) == ("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED")
    assert handlers.left == ["wait"]


async def test_a_long_refusal_fits_into_the_8_kib_of_metadata_that_clients_take(
    client: EchoClient, handlers: echo.Handlers
) -> None:
    violations = [
        Violation(f"lines[{number}].text", "This is wrong, say it better. " * 4) for number in range(50)
    ]

    async def refuse(call: Call) -> None:
        raise Refusal(Kind.NOT_FOUND, "ECHO_NOT_FOUND", "ß" * 9_000, violations=violations, fact="x" * 9_000)

    handlers.actions["long"] = refuse
    refused = await client.refusal("Echo", EchoRequest(text="long"))

    assert (refused.code, refused.status.code) == ("NOT_FOUND", 5)
    assert refused.fields[:2] == ["lines[0].text", "lines[1].text"]
    assert refused.reason == "ECHO_NOT_FOUND"


async def test_two_servers_cannot_take_one_port(served: Served, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="BEDPLATE_GRPC_ADDRESS"):
        async with serve([], grpc_address=served.grpc_address):
            pass


async def test_a_server_stops_while_a_channel_to_it_is_open_and_the_next_call_is_unavailable() -> None:
    async with serve([echo.service(echo.Handlers())]) as served:
        client = EchoClient(served.grpc_address)
        assert await client.call("Echo", EchoRequest(text="hi"))

    with pytest.raises(Refused) as refused:
        await client.call("Echo", EchoRequest(text="hi"), timeout=5)
    assert refused.value.code == "UNAVAILABLE"
    await client.channel.close()


async def test_metadata_above_the_limit_is_refused_and_the_connection_lives(client: EchoClient) -> None:
    large = (*WITH_KEY, ("x-large", "x" * 20_000))

    with pytest.raises(Refused) as refused:
        await client.call("Echo", EchoRequest(text="hi"), metadata=large)

    assert refused.value.code == "RESOURCE_EXHAUSTED"
    assert (await client.call("Echo", EchoRequest(text="hi"))).text == "hi"


async def test_a_channel_with_compression_is_answered(served: Served) -> None:
    channel = grpc.aio.insecure_channel(served.grpc_address, compression=grpc.Compression.Gzip)
    call = channel.unary_unary(
        f"/{echo.SERVICE.full_name}/Echo",
        request_serializer=EchoRequest.SerializeToString,
        response_deserializer=echo.EchoResponse.FromString,
    )

    answer = await call(EchoRequest(text="hi", payload=bytes(10_000)), metadata=WITH_KEY, timeout=5)

    assert answer.payload == bytes(10_000)
    await channel.close()

"""Reflection in both versions, asked by clients that are not ours."""

import asyncio
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from bedplate.testing.serve import Served, serve
from tests.protos import echo
from tests.protos.echo_client import EchoClient, refused

ECHO = echo.SERVICE.full_name
VERSIONS = ["v1", "v1alpha"]
Ask = Callable[..., Any]


def asker(client: EchoClient, version: str) -> Ask:
    """Asks on one stream; the two versions are the same on the wire."""
    call = client.channel.stream_stream(
        f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
        request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
        response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
    )(timeout=10)

    async def ask(**question: Any) -> Any:
        await call.write(reflection_pb2.ServerReflectionRequest(**question))
        return await call.read()

    return ask


def names_of(answer: Any) -> list[str]:
    """Names of the files that were sent."""
    files = answer.file_descriptor_response.file_descriptor_proto
    return [descriptor_pb2.FileDescriptorProto.FromString(file).name for file in files]


@pytest.mark.parametrize("version", VERSIONS)
async def test_all_services_are_listed_without_a_key(client: EchoClient, version: str) -> None:
    answer = await asker(client, version)(list_services="")

    assert [service.name for service in answer.list_services_response.service] == [
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
        ECHO,
    ]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "symbol",
    [
        ECHO,
        f"{ECHO}.Echo",
        "tests.echo.v1.EchoRequest",
        "tests.echo.v1.EchoRequest.text",
        "tests.echo.v1.Reason",
        "tests.echo.v1.REASON_ECHO_NOT_FOUND",
    ],
)
async def test_a_symbol_is_found_with_the_files_it_needs(
    client: EchoClient, version: str, symbol: str
) -> None:
    names = names_of(await asker(client, version)(file_containing_symbol=symbol))

    assert names[0] == "tests/echo/v1/echo.proto"
    assert {"bedplate/v1/policy.proto", "google/protobuf/descriptor.proto"} <= set(names)


@pytest.mark.parametrize("version", VERSIONS)
async def test_reflection_describes_itself(client: EchoClient, version: str) -> None:
    names = names_of(
        await asker(client, version)(file_containing_symbol=f"grpc.reflection.{version}.ServerReflection")
    )

    assert len(names) == 1
    assert version in names[0]


async def test_what_was_sent_is_not_sent_again_on_the_same_stream(client: EchoClient) -> None:
    ask = asker(client, "v1")
    await ask(file_containing_symbol=ECHO)

    names = names_of(await ask(file_by_filename="bedplate/v1/policy.proto"))
    assert names == ["bedplate/v1/policy.proto"]


async def test_extensions_are_found_by_number(client: EchoClient) -> None:
    ask = asker(client, "v1")
    options = "google.protobuf.MethodOptions"

    numbers = (await ask(all_extension_numbers_of_type=options)).all_extension_numbers_response
    wanted = reflection_pb2.ExtensionRequest(containing_type=options, extension_number=50210)
    file = await ask(file_containing_extension=wanted)

    assert numbers.base_type_name == options
    assert 50210 in numbers.extension_number
    assert names_of(file)[0] == "bedplate/v1/policy.proto"


@pytest.mark.parametrize(
    "question",
    [
        {"file_by_filename": "etc/passwd"},
        {"file_containing_symbol": "nobody.v1.Nothing"},
        {"file_containing_symbol": ""},
        {"all_extension_numbers_of_type": "nobody.v1.Nothing"},
        {
            "file_containing_extension": reflection_pb2.ExtensionRequest(
                containing_type="x", extension_number=1
            )
        },
        # In the process, and not part of what is served.
        {"file_by_filename": "opentelemetry/proto/trace/v1/trace.proto"},
    ],
)
async def test_what_is_not_served_is_not_found_and_the_stream_goes_on(
    client: EchoClient, question: dict[str, Any]
) -> None:
    ask = asker(client, "v1")

    answer = await ask(**question)

    assert answer.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]
    assert names_of(await ask(file_containing_symbol=ECHO))


async def test_a_question_that_asks_nothing_is_refused_within_the_stream(client: EchoClient) -> None:
    answer = await asker(client, "v1")()

    assert answer.error_response.error_code == grpc.StatusCode.INVALID_ARGUMENT.value[0]


async def test_a_client_that_knows_only_the_address_builds_the_request(served: Served) -> None:
    def describe() -> list[str]:
        with grpc.insecure_channel(served.grpc_address) as channel:
            pool = descriptor_pool.DescriptorPool(ProtoReflectionDescriptorDatabase(channel))
            service = pool.FindServiceByName(ECHO)
            return [field.name for field in service.methods_by_name["Echo"].input_type.fields]

    assert await asyncio.to_thread(describe) == ["text", "secret", "times", "payload"]


async def test_reflection_can_be_switched_off() -> None:
    async with (
        serve([echo.service(echo.Handlers())], reflection=False) as served,
        EchoClient(served.grpc_address) as client,
    ):
        with pytest.raises(grpc.aio.AioRpcError) as error:
            await asker(client, "v1")(list_services="")

    assert refused(error.value).reason == "METHOD_NOT_FOUND"

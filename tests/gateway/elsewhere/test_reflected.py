"""Contracts as a server tells them by itself."""

import asyncio
from contextlib import asynccontextmanager

import grpc
import pytest
from grpc_reflection.v1alpha import reflection_pb2 as pb

from bedplate.gateway.elsewhere import reflected
from bedplate.gateway.elsewhere.descriptors import DescriptorError, UnreachableError, read_files
from bedplate.gateway.elsewhere.reflected import read_reflection
from bedplate.services.ledger.service import SERVICE as LEDGER
from bedplate.testing.serve import serve
from tests.faults.platform import free_port
from tests.gateway.elsewhere import stranger
from tests.gateway.elsewhere.edge import open_edge


async def read(address: str):
    async with grpc.aio.insecure_channel(address) as channel:
        return await read_reflection(channel, target=address)


def contract_of(path):
    [service] = read_files([path]).services
    return service


async def test_the_older_version_of_reflection_will_do(library, contract):
    async with stranger.library_server(library, reflect=True) as address:
        found = await read(address)

    assert [service.full_name for service in found.services] == [stranger.SERVICE]
    assert found.services[0].methods_by_name.keys() == contract_of(contract).methods_by_name.keys()


async def test_the_newer_version_is_asked_first():
    async with serve([LEDGER]) as served:
        found = await read(served.grpc_address)

    assert "bedplate.ledger.v1.LedgerService" in {service.full_name for service in found.services}


async def test_imports_that_do_not_come_along_are_asked_for():
    asked = []

    async def one_at_a_time(requests, context):
        async for request in requests:
            response = pb.ServerReflectionResponse()
            question = request.WhichOneof("message_request")
            if question == "list_services":
                response.list_services_response.service.add(name=stranger.SERVICE)
            elif question == "file_containing_symbol":
                file = stranger.pool().FindFileContainingSymbol(request.file_containing_symbol)
                response.file_descriptor_response.file_descriptor_proto.append(file.serialized_pb)
            else:
                asked.append(request.file_by_filename)
                file = stranger.pool().FindFileByName(request.file_by_filename)
                response.file_descriptor_response.file_descriptor_proto.append(file.serialized_pb)
            yield response

    async with reflecting(one_at_a_time) as address:
        found = await read(address)

    assert "google/protobuf/struct.proto" in asked
    assert "google/protobuf/descriptor.proto" in asked  # of an import's import
    assert len(asked) == len(set(asked))
    assert [service.full_name for service in found.services] == [stranger.SERVICE]


@asynccontextmanager
async def reflecting(handler):
    """A server that answers reflection v1 with this; its address."""
    server = grpc.aio.server()
    method = grpc.stream_stream_rpc_method_handler(
        handler, pb.ServerReflectionRequest.FromString, pb.ServerReflectionResponse.SerializeToString
    )
    handlers = {"ServerReflectionInfo": method}
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("grpc.reflection.v1.ServerReflection", handlers),)
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(0)


async def test_a_server_without_reflection_is_told_as_such(behind):
    with pytest.raises(DescriptorError, match="has no reflection; switch it on there, or give"):
        await read(behind)


async def test_nobody_there_is_told_as_such():
    with pytest.raises(UnreachableError, match="does not answer"):
        await read(f"127.0.0.1:{free_port()}")


@pytest.mark.parametrize("limit", ["FILES_MAX", "BYTES_MAX"])
async def test_a_server_that_tells_too_much_is_not_listened_to(library, monkeypatch, limit):
    monkeypatch.setattr(reflected, limit, 2)
    async with stranger.library_server(library, reflect=True) as address:
        with pytest.raises(DescriptorError, match="tells more than"):
            await read(address)


async def test_a_server_that_tells_nothing_is_not_waited_for_for_ever(library, monkeypatch):
    monkeypatch.setattr(reflected, "ASK_S", 0.1)

    async def never(requests, context):
        await asyncio.Event().wait()
        yield pb.ServerReflectionResponse()

    async with reflecting(never) as address:
        with pytest.raises(DescriptorError, match=r"did not tell its contracts within|DEADLINE_EXCEEDED"):
            await read(address)


async def test_a_server_that_starts_along_with_the_gateway_is_waited_for(library):
    port = free_port()
    opening = open_edge(f"127.0.0.1:{port}", "reflect")
    started = asyncio.create_task(opening.__aenter__())
    await asyncio.sleep(0)
    async with stranger.library_server(library, port=port, reflect=True):
        edge = await started
        reply = await edge.get("/v1/books/Emma")
        await opening.__aexit__(None, None, None)

    assert reply.status == 200

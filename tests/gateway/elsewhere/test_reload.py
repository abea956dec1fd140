"""Contracts that change while the gateway runs."""

import asyncio
import gc
import sys

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from bedplate.gateway.elsewhere.descriptors import read_files
from bedplate.server import sources
from bedplate.v1 import policy_pb2
from tests.gateway.elsewhere import stranger
from tests.gateway.elsewhere.edge import open_edge
from tests.gateway.wire import PATIENCE_S, Wire

CALLERS = 50
RELOADS = 20


def moved(to: str, *, types: int = 0) -> bytes:
    """The library's contract with `GetBook` at another path, and with further types."""
    files = FileDescriptorSet.FromString(stranger.compiled())
    [file] = [file for file in files.file if file.package == "stranger.v1"]
    [method] = [method for method in file.service[0].method if method.name == "GetBook"]
    raw = method.options.SerializeToString()
    text = b"/v1/books/{name}"
    assert raw.count(text) == 1
    assert len(to) == len(text)
    method.options.ParseFromString(raw.replace(text, to.encode()))
    for number in range(types):
        file.message_type.add(name=f"Further{number}")
    return files.SerializeToString()


def with_larger_answers() -> bytes:
    """The library's contract with a promise that the line to the server has to be made for."""
    files = FileDescriptorSet.FromString(stranger.compiled())
    [file] = [file for file in files.file if file.package == "stranger.v1"]
    file.dependency.append("bedplate/v1/policy.proto")
    promise = file.service[0].options.Extensions[policy_pb2.service].defaults
    promise.limits.response_bytes = 16 * 1024 * 1024
    promise.visibility = policy_pb2.VISIBILITY_PUBLIC
    promise.auth.anonymous = True
    return files.SerializeToString()


def chained(length: int) -> bytes:
    """A contract whose files import one another, one after the other."""
    files = FileDescriptorSet()
    for number in range(length):
        files.file.add(name=f"{number}.proto", package="chain", dependency=[f"{number + 1}.proto"])
    del files.file[-1].dependency[:]
    return files.SerializeToString()


class Broken(sources.Files):
    """Files whose reader has a bug, as often as it is told."""

    bugs = 1

    async def read(self):
        if self.bugs:
            self.bugs -= 1
            raise ZeroDivisionError
        return await super().read()


NEW = "/v2/books/{name}"


@pytest.fixture
def changing(tmp_path):
    path = tmp_path / "library.binpb"
    path.write_bytes(stranger.compiled())
    return path


async def test_no_request_fails_while_contracts_change(behind, changing):
    statuses: dict[int, int] = {}
    over = asyncio.Event()

    async def hammer(edge):
        async with Wire(edge.edge.http_address) as wire:
            while not over.is_set():
                reply = await wire.call("GET", "/v1/books/Emma", key=None)
                statuses[reply.status] = statuses.get(reply.status, 0) + 1

    async with open_edge(behind, changing) as edge:
        callers = [asyncio.create_task(hammer(edge)) for _ in range(CALLERS)]
        for number in range(RELOADS):
            changing.write_bytes(moved("/v1/books/{name}", types=number + 1))
            assert await edge.edge.read_again()
            served = sum(statuses.values())
            async with asyncio.timeout(PATIENCE_S):
                while sum(statuses.values()) < served + CALLERS:
                    await asyncio.sleep(0)
        over.set()
        await asyncio.gather(*callers)

    assert set(statuses) == {200}


async def test_a_route_that_moves_is_found_at_its_new_place_and_no_more_at_its_old_one(behind, changing):
    async with open_edge(behind, changing) as edge, Wire(edge.edge.http_address) as wire:
        before = await wire.call("GET", "/v1/books/Emma", key=None)
        changing.write_bytes(moved(NEW))
        await edge.edge.read_again()
        old = await wire.call("GET", "/v1/books/Emma", key=None)
        new = await wire.call("GET", "/v2/books/Emma", key=None)

    assert [before.status, old.status, new.status] == [200, 404, 200]


async def test_a_file_that_changes_is_read_again_by_itself(behind, changing):
    async with open_edge(behind, changing, every_s=0.02) as edge:
        changing.write_bytes(moved(NEW))
        async with asyncio.timeout(PATIENCE_S):
            while (await edge.get("/v2/books/Emma")).status != 200:
                await asyncio.sleep(0.01)


async def test_a_file_that_is_put_in_the_place_of_another_is_read_again(behind, changing, tmp_path):
    async with open_edge(behind, changing, every_s=0.02) as edge:
        beside = tmp_path / "beside"
        beside.write_bytes(moved(NEW))
        beside.replace(changing)
        async with asyncio.timeout(PATIENCE_S):
            while (await edge.get("/v2/books/Emma")).status != 200:
                await asyncio.sleep(0.01)


async def test_who_asks_has_the_contracts_read_at_once(behind, changing):
    async with open_edge(behind, changing) as edge:
        changing.write_bytes(moved(NEW))
        edge.edge.reload()
        async with asyncio.timeout(PATIENCE_S):
            while (await edge.get("/v2/books/Emma")).status != 200:
                await asyncio.sleep(0.01)


@pytest.mark.parametrize("data", [b"", b"not a set", None, "colliding", "chained"])
async def test_contracts_that_cannot_be_served_change_nothing_and_are_logged(behind, changing, data):
    async with open_edge(behind, changing) as edge:
        if data is None:
            changing.unlink()
        else:
            made = {"colliding": lambda: moved("/v1/wait/{name}x"), "chained": lambda: chained(1500)}
            changing.write_bytes(made[data]() if data in made else data)
        again = await edge.edge.read_again()
        reply = await edge.get("/v1/books/Emma")
        lines = edge.logged("contracts")
        metrics = (await edge.get("/metrics")).body.decode()

    assert not again
    assert 'bedplate_contract_readings_total{result="refused"} 1.0' in metrics
    assert reply.status == 200
    assert [line["level"] for line in lines] == ["error"]
    assert "stay in force" in lines[0]["message"]


async def test_a_bug_in_reading_is_not_the_last_reading(behind, changing, monkeypatch):
    async with open_edge(behind, changing, every_s=0.02) as edge:
        monkeypatch.setattr(edge.edge, "_source", Broken([changing], every_s=0.02))
        edge.edge.reload()
        await edge.until_logged("contracts")
        changing.write_bytes(moved(NEW))
        async with asyncio.timeout(PATIENCE_S):
            while (await edge.get("/v2/books/Emma")).status != 200:
                await asyncio.sleep(0.01)
        [first, *_] = edge.logged("contracts")

    assert first["message"] == "They cannot be served: ZeroDivisionError. The contracts before stay in force."


async def test_the_same_contracts_are_not_made_anew(behind, changing):
    async with open_edge(behind, changing) as edge:
        before = edge.edge._door.gateway
        changing.write_bytes(stranger.compiled("--exclude-source-info"))

        assert not await edge.edge.read_again()
        assert edge.edge._door.gateway is before


async def test_a_call_that_runs_ends_as_it_began(behind, changing, library):
    async with open_edge(behind, changing) as edge:
        asked = asyncio.create_task(edge.get("/v1/wait/a"))
        async with asyncio.timeout(PATIENCE_S):
            await library.waiting.wait()
        changing.write_bytes(moved(NEW))
        assert await edge.edge.read_again()
        library.answer.set()
        reply = await asked

    assert reply.status == 200
    assert reply.json["name"] == "a"


async def test_a_stream_that_runs_goes_on(behind, changing, library):
    async with open_edge(behind, changing) as edge, Wire(edge.edge.http_address) as wire:
        await wire.send(
            b"GET /v1/books:watch?count=3 HTTP/1.1\r\nhost: test\r\naccept: application/x-ndjson\r\n"
            b"connection: close\r\n\r\n"
        )
        async with asyncio.timeout(PATIENCE_S):
            await library.waiting.wait()
        changing.write_bytes(moved(NEW))
        assert await edge.edge.read_again()
        library.answer.set()
        whole = (await wire.rest()).decode()

    assert [f"book {number}" in whole for number in range(3)] == [True] * 3
    assert whole.endswith("0\r\n\r\n")


async def test_a_request_whose_body_still_comes_in_finds_its_way_though_the_line_is_another(behind, changing):
    body = b'{"name": "Emma"}'
    async with open_edge(behind, changing) as edge, Wire(edge.edge.http_address) as wire:
        await wire.send(
            b"POST /v1/books HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\n"
            b"content-length: %d\r\n\r\n" % len(body) + body[:5]
        )
        assert (await edge.get("/v1/books/Emma")).status == 200  # so the head is in
        line = edge.edge._generation.line
        changing.write_bytes(with_larger_answers())
        assert await edge.edge.read_again()
        assert edge.edge._generation.line is not line
        await wire.send(body[5:])
        reply = await wire.reply()
        await edge.until_ready()

    assert reply.status == 200


async def test_contracts_that_are_served_no_more_are_forgotten(behind, changing, monkeypatch):
    """What is left of a pool are its own parts: they hold each other by no reference that counts."""
    pools = []

    def reading(paths):
        found = read_files(paths)
        pools.append(found.pool)
        return found

    monkeypatch.setattr(sources, "read_files", reading)
    async with open_edge(behind, changing) as edge:
        for number in range(4):
            await edge.get("/v1/books/Emma")
            await edge.ask("POST", "/v1/books", b'{"name": "Emma"}')
            await edge.get("/v1/fail/DETAILS")
            changing.write_bytes(moved("/v1/books/{name}", types=number + 1))
            assert await edge.edge.read_again()
        await edge.get("/v1/books/Emma")
        gc.collect()
        references = [sys.getrefcount(pool) for pool in pools]

    assert max(references[:-1]) < 10 < references[-1]


async def test_a_server_that_cannot_be_asked_again_changes_nothing(library):
    async with stranger.library_server(library, reflect=True) as address:
        opening = open_edge(address, "reflect")
        edge = await opening.__aenter__()
    again = await edge.edge.read_again()
    reply = await edge.get("/v1/books/Emma")
    metrics = (await edge.get("/metrics")).body.decode()
    await opening.__aexit__(None, None, None)

    assert not again
    assert (reply.status, reply.json["reason"]) == (503, "UPSTREAM_UNAVAILABLE")
    assert 'bedplate_contract_readings_total{result="unreachable"} 1.0' in metrics
    assert edge.logged("contracts") == []


async def test_a_server_that_tells_its_contracts_is_asked_again_and_again(library):
    async with (
        stranger.library_server(library, reflect=True) as address,
        open_edge(address, "reflect", every_s=0.02) as edge,
    ):
        async with asyncio.timeout(PATIENCE_S):
            while 'result="same"} 2.0' not in (await edge.get("/metrics")).body.decode():
                await asyncio.sleep(0.01)
        assert (await edge.get("/v1/books/Emma")).status == 200
        assert edge.logged("contracts") == []

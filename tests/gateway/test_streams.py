"""Streams of responses over HTTP: each form, its end, its failure, and callers who read slowly or go away."""

import asyncio
import json
from typing import Any

import pytest

from bedplate.errors import Kind, Refusal
from bedplate.gateway.beside import streams
from tests.gateway.chunks import read_all, read_chunk, read_head, stream
from tests.gateway.http_door import Open, open_door
from tests.gateway.wire import Wire, request


@pytest.mark.parametrize(
    "accept", ["-", "*/*", "application/x-ndjson", "application/jsonl", "text/html, */*;q=0.1"]
)
async def test_lines_tell_results_and_the_end(served: Open, accept: str) -> None:
    status, fields, body = await stream(served, "/v1/stream?limit=3", accept=accept)
    lines = [json.loads(line) for line in body.splitlines()]
    assert (status, fields["content-type"]) == (200, "application/x-ndjson")
    assert [line["result"]["method"] for line in lines[:-1]] == [f"StreamThings {n}" for n in range(3)]
    assert lines[-1] == {"end": {"count": 3}}
    assert fields["cache-control"] == "no-store"
    assert fields["x-trace-id"]


async def test_events_have_ids_and_an_end(served: Open) -> None:
    status, fields, body = await stream(served, "/v1/stream?limit=2", accept="text/event-stream")
    events = [
        dict(line.split(": ", 1) for line in event.split("\n"))
        for event in body.decode().split("\n\n")
        if event
    ]
    assert (status, fields["content-type"]) == (200, "text/event-stream")
    assert [event.get("id") for event in events] == ["1", "2", None]
    assert json.loads(events[0]["data"])["method"] == "StreamThings 0"
    assert (events[2]["event"], json.loads(events[2]["data"])) == ("end", {"count": 2})


async def test_a_reader_of_events_goes_on_where_it_was(served: Open) -> None:
    _, _, body = await stream(served, "/v1/stream?limit=3", accept="text/event-stream", last_event_id="2")
    assert body.count(b"StreamThings") == 1
    assert b"id: 3\n" in body


async def test_where_to_go_on_may_stand_in_one_place_only(served: Open) -> None:
    target = "/v1/stream?limit=3&resume_token=1"
    status, _, body = await stream(served, target, accept="text/event-stream", last_event_id="2")
    assert status == 400
    assert json.loads(body)["violations"][0]["field"] == "resume_token"


async def test_a_list_is_one_json_document(served: Open) -> None:
    status, fields, body = await stream(served, "/v1/stream?limit=2", accept="application/json")
    assert (status, fields["content-type"]) == (200, "application/json")
    assert [item["method"] for item in json.loads(body)] == ["StreamThings 0", "StreamThings 1"]


@pytest.mark.parametrize(("accept", "expected"), [("application/json", []), ("text/event-stream", None)])
async def test_a_stream_may_be_empty(served: Open, accept: str, expected: Any) -> None:
    status, _, body = await stream(served, "/v1/stream", accept=accept)
    assert status == 200
    if expected is None:
        assert body == b'event: end\ndata: {"count":0}\n\n'
    else:
        assert json.loads(body) == expected


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("application/x-ndjson;q=0, application/jsonl;q=0, */*", "text/event-stream"),
        ("application/*;q=0, */*;q=0.1", "text/event-stream"),
        ("application/json, text/plain, */*", "application/json"),
        ("application/json;q=0.5, text/*;q=0.9", "text/event-stream"),
        ("text/event-stream, application/json", "text/event-stream"),
        ("APPLICATION/JSON", "application/json"),
    ],
)
async def test_a_stream_has_the_form_that_its_caller_likes_best(
    served: Open, accept: str, content_type: str
) -> None:
    async with Wire(served.address) as wire:
        await wire.send(request("GET", "/v1/stream?limit=1", accept=accept))
        status, fields = await read_head(wire)
    assert (status, fields["content-type"]) == (200, content_type)


async def test_an_accept_that_cannot_be_read_is_told_so(served: Open) -> None:
    status, _, body = await stream(served, "/v1/stream?limit=1", accept="text/event-stream;q=nan")
    assert (status, json.loads(body)["reason"]) == (400, "HTTP_MALFORMED")
    assert served.handlers.entered == []


async def test_an_event_id_goes_on_in_the_letters_that_it_had(served: Open) -> None:
    two = "٢"  # which the handler reads as a number
    as_browsers_send_it = two.encode().decode("latin-1")
    _, _, body = await stream(
        served, "/v1/stream?limit=3", accept="text/event-stream", last_event_id=as_browsers_send_it
    )
    assert body.count(b"StreamThings") == 1
    assert f'"resumeToken":"{two}"'.encode() in body


async def test_who_takes_none_of_the_forms_is_told_which_there_are(served: Open) -> None:
    status, _, body = await stream(served, "/v1/stream?limit=1", accept="image/png")
    problem = json.loads(body)
    assert (status, problem["reason"]) == (406, "NOT_ACCEPTABLE")
    assert "text/event-stream" in problem["detail"]
    assert served.handlers.entered == []


async def test_a_call_that_fails_before_its_first_response_is_answered_as_any_other(served: Open) -> None:
    async def fail(request: Any, call: Any) -> None:
        raise Refusal(Kind.STATE, "SOLD_OUT", "No more.")

    served.handlers.before = fail
    status, fields, body = await stream(served, "/v1/stream?limit=1", accept="text/event-stream")
    assert (status, fields["content-type"]) == (400, "application/problem+json")
    assert json.loads(body)["reason"] == "SOLD_OUT"
    status, _, _ = await stream(served, "/v1/stream?limit=x")
    assert status == 400
    status, _, _ = await stream(served, "/v1/stream", authorization="Bearer nobody", key=None)  # type: ignore[arg-type]
    assert status == 401


class FailsAfter:
    def __init__(self, good: int) -> None:
        self.left = good

    async def __call__(self, request: Any, call: Any) -> None:
        if not self.left:
            raise Refusal(Kind.STATE, "SOLD_OUT", "No more.")
        self.left -= 1


async def test_a_failure_midway_is_the_last_thing_told(served: Open) -> None:
    served.handlers.before = FailsAfter(1)
    _, _, body = await stream(served, "/v1/stream?limit=3")
    first, last = (json.loads(line) for line in body.splitlines())
    assert first["result"]["method"] == "StreamThings 0"
    assert (last["error"]["reason"], last["error"]["status"]) == ("SOLD_OUT", 400)
    served.handlers.before = FailsAfter(1)
    _, _, body = await stream(served, "/v1/stream?limit=3", accept="text/event-stream")
    assert body.decode().split("\n\n")[1].startswith("event: error\ndata: {")


async def test_a_list_that_fails_midway_breaks_off(served: Open) -> None:
    served.handlers.before = FailsAfter(1)
    async with Wire(served.address) as wire:
        await wire.send(request("GET", "/v1/stream?limit=3", accept="application/json"))
        await read_head(wire)
        rest = await wire.rest()
    assert b"StreamThings 0" in rest
    assert not rest.endswith(b"0\r\n\r\n")
    assert b"]" not in rest.rpartition(b"StreamThings 0")[2].replace(b"\r\n", b"")


async def test_the_call_ends_when_its_caller_goes_away(served: Open) -> None:
    waiting, ended = asyncio.Event(), asyncio.Event()

    async def wait(request: Any, call: Any) -> None:
        waiting.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    served.handlers.before = wait
    async with Wire(served.address) as wire:
        await wire.send(request("GET", "/v1/stream?limit=1"))
        await waiting.wait()
        wire.cut()
        async with asyncio.timeout(5):
            await ended.wait()


async def test_a_deadline_ends_a_stream_with_words(served: Open) -> None:
    async def wait(request: Any, call: Any) -> None:
        if request.resume_token or len(served.handlers.entered) > 1:
            await asyncio.Event().wait()
        served.handlers.entered.append("once")

    served.handlers.before = wait
    _, _, body = await stream(served, "/v1/stream?limit=2", grpc_timeout="200m")
    last = json.loads(body.splitlines()[-1])
    assert last["error"]["code"] == "DEADLINE_EXCEEDED"


async def test_a_caller_who_does_not_read_stops_the_handler_and_is_cut_off() -> None:
    async with open_door(http_body_s=0.5) as served:
        made = 0
        cut = asyncio.Event()

        async def count(request: Any, call: Any) -> None:
            nonlocal made
            made += 1
            asyncio.current_task().add_done_callback(lambda _: cut.set())  # type: ignore[union-attr]

        served.handlers.before = count
        async with Wire(served.address) as wire:
            name = "x" * 20_000
            await wire.send(request("GET", f"/v1/stream?limit=100000&name={name}"))
            await read_head(wire)
            wire.transport.pause_reading()
            async with asyncio.timeout(10):
                await cut.wait()
    assert made < 5_000


async def test_silence_is_broken_by_the_head_and_by_heartbeats(
    served: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "HEAD_S", 0.01)
    monkeypatch.setattr(streams, "HEARTBEAT_S", 0.01)
    go_on = asyncio.Event()

    async def wait(request: Any, call: Any) -> None:
        await go_on.wait()

    served.handlers.before = wait
    async with Wire(served.address) as wire:
        await wire.send(request("GET", "/v1/stream?limit=1", accept="text/event-stream"))
        status, _ = await read_head(wire)
        assert status == 200
        assert await read_chunk(wire) == b":\n\n"
        go_on.set()
        assert b"StreamThings 0" in await read_all(wire)


async def test_an_old_caller_gets_the_stream_until_the_connection_closes(served: Open) -> None:
    async with Wire(served.address) as wire:
        await wire.send(request("GET", "/v1/stream?limit=2").replace(b"HTTP/1.1", b"HTTP/1.0"))
        _, fields = await read_head(wire)
        assert "transfer-encoding" not in fields
        rest = await wire.rest()
    assert rest.splitlines()[-1] == b'{"end":{"count":2}}'


async def test_head_is_not_offered_for_a_stream(served: Open) -> None:
    async with Wire(served.address) as wire:
        reply = await wire.call("HEAD", "/v1/stream?limit=1")
        told = await wire.call("OPTIONS", "/v1/stream?limit=1")
    assert reply.status == 405
    assert reply["allow"] == told["allow"] == "GET, OPTIONS"


async def test_a_process_that_stops_ends_its_streams_with_words(served: Open) -> None:
    waiting = asyncio.Event()

    async def wait(request: Any, call: Any) -> None:
        if waiting.is_set():
            await asyncio.Event().wait()
        waiting.set()

    served.handlers.before = wait
    async with Wire(served.address) as wire:
        await wire.send(request("GET", "/v1/stream?limit=2"))
        await read_head(wire)
        first = await read_chunk(wire)
        assert b"StreamThings 0" in first
        stopping = asyncio.create_task(served.door.stop(0.05))
        body = await read_all(wire)
        await stopping
    assert json.loads(body.splitlines()[-1])["error"]["code"] == "UNAVAILABLE"

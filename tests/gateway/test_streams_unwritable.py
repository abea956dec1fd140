"""A response that its form cannot tell ends the stream as a failure of the call does, and is our fault."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf import any_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2

from bedplate.gateway.app import Gateway
from bedplate.gateway.beside.order import FEATURES
from bedplate.gateway.endpoint import Feature
from bedplate.gateway.exchange import Request
from bedplate.pipeline.failure import Failure, make_status
from tests.gateway import shop
from tests.gateway.chunks import read_head, stream
from tests.gateway.http_door import Open
from tests.gateway.wire import Wire, request

UNKNOWN = any_pb2.Any(type_url="type.googleapis.com/nobody.knows.It", value=b"\x0a\x01x")
YEAR_10000_S = 253_402_300_800


def in_the_year_10000(request: Any) -> None:
    request.at.seconds = YEAR_10000_S


def of_a_type_that_nobody_knows(request: Any) -> None:
    request.detail.CopyFrom(UNKNOWN)


class SpoilsAfter:
    """Lets so many responses be good, and none after them."""

    def __init__(self, good: int, spoil: Callable[[Any], None] = in_the_year_10000) -> None:
        self.left = good
        self._spoil = spoil

    async def __call__(self, request: Any, call: Any) -> None:
        if self.left <= 0:
            self._spoil(request)
        self.left -= 1


def faults(served: Open) -> list[dict[str, Any]]:
    """What the log tells of calls that failed by our fault."""
    return [line for line in map(json.loads, served.logged().splitlines()) if line["event"] == "fault"]


def ended(served: Open, method: str, code: str) -> float:
    """How many calls ended so, as it is counted."""
    served.telemetry.log.flush()
    labels = {"method": f"tests.shop.v1.ShopService/{method}", "door": "http", "code": code}
    return served.telemetry.registry.get_sample_value("bedplate_calls_total", labels) or 0.0


def check_recorded(served: Open, error_id: str, *, method: str = "StreamThings") -> None:
    """It is one call, which failed, and the log says why under the id that its caller has."""
    assert (ended(served, method, "INTERNAL"), ended(served, method, "CANCELLED")) == (1.0, 0.0)
    [line] = faults(served)
    assert (line["error_id"], line["code"], line["error"]) == (error_id, "INTERNAL", "UnwritableError")
    assert "EncodeError" in line["traceback"]


@pytest.mark.parametrize("spoil", [in_the_year_10000, of_a_type_that_nobody_knows])
@pytest.mark.parametrize("good", [1, 2])
async def test_lines_end_with_the_problem(served: Open, spoil: Callable[[Any], None], good: int) -> None:
    served.handlers.before = SpoilsAfter(good, spoil)
    status, _, body = await stream(served, "/v1/stream?limit=5")

    *results, last = (json.loads(line) for line in body.splitlines())
    assert (status, [line["result"]["resumeToken"] for line in results]) == (200, ["1", "2"][:good])
    problem = last["error"]
    assert (problem["reason"], problem["code"], problem["status"]) == ("INTERNAL", "INTERNAL", 500)
    assert b"EncodeError" not in body
    check_recorded(served, problem["error_id"])


async def test_events_end_with_the_problem(served: Open) -> None:
    served.handlers.before = SpoilsAfter(1)
    _, _, body = await stream(served, "/v1/stream?limit=5", accept="text/event-stream")

    first, last, rest = body.decode().split("\n\n")
    assert first.startswith("id: 1\ndata: {")
    assert (last.startswith("event: error\ndata: "), rest) == (True, "")
    problem = json.loads(last.partition("data: ")[2])
    assert problem["reason"] == "INTERNAL"
    check_recorded(served, problem["error_id"])


async def test_lenient_lines_end_with_the_status(served: Open) -> None:
    served.handlers.before = SpoilsAfter(1)
    _, _, body = await stream(served, "/v1/stream-lenient?limit=5")

    first, last = (json.loads(line) for line in body.splitlines())
    assert first["result"]["resumeToken"] == "1"
    assert last["error"]["code"] == code_pb2.INTERNAL
    [error_id] = [
        detail["metadata"]["error_id"] for detail in last["error"]["details"] if "metadata" in detail
    ]
    check_recorded(served, error_id, method="StreamLenient")


async def test_a_list_breaks_off(served: Open) -> None:
    served.handlers.before = SpoilsAfter(1)
    async with Wire(served.address) as wire:
        await wire.send(request("GET", "/v1/stream?limit=5", accept="application/json"))
        await read_head(wire)
        rest = await wire.rest()

    assert b"StreamThings 0" in rest
    assert not rest.endswith(b"0\r\n\r\n")
    [line] = faults(served)
    check_recorded(served, line["error_id"])


@pytest.mark.parametrize("accept", ["*/*", "text/event-stream", "application/json"])
async def test_before_the_first_response_it_is_answered_as_any_other_fault(served: Open, accept: str) -> None:
    served.handlers.before = SpoilsAfter(0)
    status, fields, body = await stream(served, "/v1/stream?limit=5", accept=accept)

    problem = json.loads(body)
    assert (status, fields["content-type"]) == (500, "application/problem+json")
    assert problem["reason"] == "INTERNAL"
    check_recorded(served, problem["error_id"])


async def test_raw_bytes_are_written_whatever_stands_beside_them(served: Open) -> None:
    served.handlers.before = SpoilsAfter(0, of_a_type_that_nobody_knows)
    status, _, body = await stream(served, "/v1/stream-data?limit=3")

    assert (status, body) == (200, b"\x00\x01\x02")
    assert (ended(served, "StreamData", "OK"), faults(served)) == (1.0, [])


async def test_raw_bytes_that_fail_midway_break_off_and_the_call_has_failed(served: Open) -> None:
    left = iter([None])

    async def break_down(request: Any, call: Any) -> None:
        if next(left, 0) == 0:
            raise RuntimeError("a bug")

    served.handlers.before = break_down
    async with Wire(served.address) as wire:
        await wire.send(request("GET", "/v1/stream-data?limit=3"))
        await read_head(wire)
        rest = await wire.rest()

    assert rest == b"1\r\n\x00\r\n"
    assert ended(served, "StreamData", "INTERNAL") == 1.0
    assert [line["error"] for line in faults(served)] == ["RuntimeError"]


async def test_what_a_response_keeps_secret_is_not_in_the_log(served: Open) -> None:
    def write(message: Any) -> bytes:
        raise ValueError(f"{message.secret} cannot be written")

    def choose(request: Request) -> None:
        request.encode = write

    methods = shop.methods(served.handlers, served.telemetry, served.door.settings, served.gate)
    features: Any = (*FEATURES, lambda endpoint: Feature("broken", body=choose))
    served.door.gateway = Gateway(methods.values(), served.telemetry, features=features)
    status, _, _ = await stream(served, "/v1/stream-secrets")

    [line] = faults(served)
    assert status == 500
    assert "ValueError: [redacted] cannot be written" in line["traceback"]
    assert "hunter2" not in served.logged()


async def test_details_that_nobody_knows_are_left_out_of_a_lenient_end(served: Open) -> None:
    known = error_details_pb2.ErrorInfo(reason="SOLD_OUT", domain="shop.tests")
    status: status_pb2.Status = make_status("FAILED_PRECONDITION", "No more.", [known])
    status.details.append(UNKNOWN)
    left = iter([None])

    async def fail(request: Any, call: Any) -> None:
        if next(left, 0) == 0:
            raise Failure(status, reason="SOLD_OUT")

    served.handlers.before = fail
    _, _, body = await stream(served, "/v1/stream-lenient?limit=3")

    last = json.loads(body.splitlines()[-1])["error"]
    assert (last["code"], last["message"]) == (code_pb2.FAILED_PRECONDITION, "No more.")
    assert [detail["reason"] for detail in last["details"]] == ["SOLD_OUT"]

"""A secret in a sensitive field is found in nothing that people read, whatever becomes of its call."""

import json
import logging
import os
import subprocess
import sys
import urllib.error
import urllib.request
from asyncio import to_thread
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytest_asyncio
import sqlalchemy as sa
from google.api import annotations_pb2  # noqa: F401
from google.protobuf import json_format
from google.protobuf.message_factory import GetMessageClass
from prometheus_client import generate_latest

from bedplate.contract.redact import safe_text
from bedplate.errors import Kind, Refusal, Violation
from bedplate.pipeline.call import Call
from bedplate.server.service import Service
from bedplate.telemetry.logs import BridgeHandler
from bedplate.testing.serve import KEY, Served, serve
from bedplate.transport.local import LocalChannel
from tests.protos import add_file, field

ROOT = Path(__file__).parents[2]

SECRET = "[bedplate.v1.field] { sensitive: SENSITIVE_SECRET }"
# A rule of the contract's author that shows the value in its sentence.
LOUD = (
    f"{SECRET} [buf.validate.field] {{ cel {{ id: 'loud' "
    "expression: \"this == 'breaks-Rule-99' ? 'got ' + this : ''\" } }"
)


def _entry(name: str, value: str) -> str:
    return (
        f'nested_type {{ name: "{name}" options {{ map_entry: true }} '
        f"{field('key', 1, 'string')} {field('value', 2, value)} }}\n"
    )


def _method(name: str, kind: str = "", http: str = "") -> str:
    return (
        f'method {{ name: "{name}" input_type: ".tests.vault.v1.Thing" '
        f'output_type: ".tests.vault.v1.Thing" {kind} '
        f"options {{ {http} }} }}\n"
    )


FILE = add_file(
    'name: "tests/vault/v1/vault.proto" package: "tests.vault.v1"\n'
    'dependency: "bedplate/v1/policy.proto" dependency: "buf/validate/validate.proto"\n'
    'dependency: "google/api/annotations.proto"\n'
    'enum_type { name: "Reason" options { [bedplate.v1.reasons] {} }\n'
    '  value { name: "REASON_UNSPECIFIED" number: 0 }\n'
    '  value { name: "REASON_LOCKED" number: 1 options { [bedplate.v1.reason] '
    '{ code: FAILED_PRECONDITION help: "Unlock it." } } } }\n'
    'message_type { name: "Inner"\n' + field("code", 1, "string", SECRET) + field("note", 2, "string") + "}\n"
    'message_type { name: "Thing"\n'
    + field("how", 1, "string")
    + field("text", 2, "string", LOUD)
    + field("raw", 3, "bytes", SECRET)
    + field("number", 4, "int64", SECRET)
    + field("whole", 5, ".tests.vault.v1.Inner", SECRET)
    + field("inner", 6, ".tests.vault.v1.Inner")
    + field("list", 7, "string", SECRET, repeated=True)
    + field("inners", 8, ".tests.vault.v1.Inner", repeated=True)
    + field("pairs", 9, ".tests.vault.v1.Thing.PairsEntry", SECRET, repeated=True)
    + field("named", 10, ".tests.vault.v1.Thing.NamedEntry", repeated=True)
    + _entry("PairsEntry", "string")
    + _entry("NamedEntry", ".tests.vault.v1.Inner")
    + "}\n"
    'service { name: "VaultService" options { [bedplate.v1.service] { defaults { '
    'auth { all_scopes: "vault.all" } visibility: VISIBILITY_PUBLIC audit { enabled: true } } } }\n'
    + _method("Keep", http='[google.api.http] { post: "/v1/things" body: "*" }')
    + _method("Collect", "client_streaming: true")
    + _method("Repeat", "server_streaming: true")
    + "}\n"
)
SERVICE = FILE.services_by_name["VaultService"]
Thing: Any = GetMessageClass(FILE.message_types_by_name["Thing"])
Inner: Any = GetMessageClass(FILE.message_types_by_name["Inner"])

PLANTED: dict[str, Any] = {
    "text": "Text-5ecret 'quoted' \\ é",
    "raw": b"raw-5ecret\x00\xff",
    "number": 4929123456781234,
    "whole": Inner(code="whole-code-5ecret", note="whole-note-5ecret"),
    "inner": Inner(code="inner-5ecret", note="plain"),
    "list": ["first-5ecret", "other-5ecret"],
    "inners": [Inner(code="inners-5ecret")],
    "pairs": {"key-5ecret": "value-5ecret"},
    "named": {"plain": Inner(code="named-5ecret")},
}
# What tells the secrets in any spelling: as text, of the number, and of the bytes in base64 and hex.
TRACES = (
    "5ecret",
    "4929123456781234",
    "cmF3LTVlY3Jld",
    "7261772d35656372",
    "breaks-Rule-99",
    "not-a-number-77",
)


def thing(how: str, **fields: Any) -> Any:
    return Thing(how=how, **(PLANTED | fields))


def everything(request: Any) -> str:
    """What a careless author writes: the values in all the ways in which they are written."""
    return (
        f"{request} {request!r} {request.text} {request.raw!r} {request.raw.hex()} {dict(request.pairs)} "
        + (json.dumps(json_format.MessageToDict(request)) + " ".join(request.list).upper())
    )


class Handlers:
    async def Keep(self, request: Any, call: Call) -> Any:
        text = everything(request)
        logging.getLogger("tests.vault").warning("working on %s", text)
        if request.how == "refuse":
            violations = [Violation(f'pairs["{next(iter(request.pairs))}"]', text)]
            raise Refusal(Kind.STATE, "LOCKED", text, violations=violations, what=text)
        if request.how == "crash":
            raise ValueError(text)
        if request.how == "chained":
            try:
                raise KeyError(request.raw)
            except KeyError as error:
                raise RuntimeError(request.text) from error
        if request.how == "long":
            raise ValueError("x" * 7_990 + request.list[0] + "y" * 7_995)
        return Thing(how="ok", inner=request.inner)

    async def Collect(self, requests: AsyncIterator[Any], call: Call) -> Any:
        first = await anext(requests)
        async for _ in requests:
            pass
        raise ValueError(everything(first))

    async def Repeat(self, request: Any, call: Call) -> AsyncIterator[Any]:
        yield Thing(how="ok")
        raise ValueError(everything(request))


class Spans:
    """Keeps what a span would say."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def record(self, call: Any, code: str, reason: str, duration_s: float) -> None:
        self.said.append(f"{call.method} {code} {reason} {call.principal} {call.peer} {call.trace_id}")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def vault() -> AsyncIterator[Served]:
    async with serve([Service("vault", SERVICE, Handlers())], trace_ratio=1.0) as running:
        running.app.telemetry.spans = Spans()
        handler = BridgeHandler(running.app.telemetry.log)
        logging.getLogger("tests.vault").addHandler(handler)
        logging.getLogger("tests.vault").propagate = False
        yield running
        logging.getLogger("tests.vault").removeHandler(handler)


@pytest.fixture
def told(vault: Served, caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    """What callers were told; it, and all that the server wrote meanwhile, must hold no secret."""
    said: list[str] = []
    yield said
    vault.app.telemetry.log.flush()
    log = vault.log.read_text()
    assert log
    spans: Any = vault.app.telemetry.spans
    metrics = generate_latest(vault.app.telemetry.registry).decode()
    for place, text in {
        "answers": "\n".join(said),
        "log": log,
        "spans": "\n".join(spans.said),
        "metrics": metrics,
        "library log": caplog.text,
    }.items():
        for trace in TRACES:
            assert trace.lower() not in text.lower(), f"{trace} is in the {place}"


async def over_http(vault: Served, body: bytes) -> str:
    def send() -> str:
        headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
        request = urllib.request.Request(f"http://{vault.http_address}/v1/things", body, headers)
        try:
            with urllib.request.urlopen(request, timeout=20) as reply:
                return f"{reply.status} {reply.headers}"
        except urllib.error.HTTPError as error:
            with error:
                return f"{error.code} {error.headers} {error.read().decode()}"

    return await to_thread(send)


async def over_channel(channel: grpc.aio.Channel, method: str, *requests: Any) -> str:
    """How a call ends, with all that its answer holds but the message."""
    kinds = SERVICE.methods_by_name[method]
    kind = "_".join("stream" if s else "unary" for s in (kinds.client_streaming, kinds.server_streaming))
    make: Any = getattr(channel, kind)
    callable_ = make(
        f"/{SERVICE.full_name}/{method}",
        request_serializer=Thing.SerializeToString,
        response_deserializer=Thing.FromString,
    )
    sent: Any = iter(requests) if kinds.client_streaming else requests[0]
    call = callable_(sent, timeout=20, metadata=(("authorization", f"Bearer {KEY}"),))
    try:
        if kinds.server_streaming:
            async for _ in call:
                pass
        else:
            await call
    except grpc.aio.AioRpcError as error:
        held = b" ".join(
            value if isinstance(value, bytes) else value.encode()
            for _, value in error.trailing_metadata() or ()
        )
        return f"{error.code().name} {error.details()} {held!r} {held.decode('utf-8', 'replace')}"
    return f"OK {await call.initial_metadata()} {await call.trailing_metadata()}"


async def ask(vault: Served, door: str, method: str, *requests: Any) -> str:
    if door == "http":
        return await over_http(vault, json_format.MessageToJson(requests[0]).encode())
    if door == "local":
        async with LocalChannel(vault.app.methods) as channel:
            return await over_channel(channel, method, *requests)
    async with grpc.aio.insecure_channel(vault.grpc_address) as channel:
        return await over_channel(channel, method, *requests)


@pytest.mark.parametrize("door", ["grpc", "http", "local"])
@pytest.mark.parametrize("how", ["ok", "refuse", "crash", "chained", "long"])
@pytest.mark.asyncio(loop_scope="module")
async def test_a_secret_is_found_in_nothing_that_people_read(
    vault: Served, told: list[str], door: str, how: str
) -> None:
    answer = await ask(vault, door, "Keep", thing(how))
    told.append(answer)

    expected = {"ok": ("OK", "200"), "refuse": ("LOCKED", "LOCKED")}.get(how, ("INTERNAL", "INTERNAL"))
    assert expected[door == "http"] in answer, answer
    if how == "refuse":
        assert "[redacted]" in answer


@pytest.mark.parametrize("door", ["grpc", "http", "local"])
@pytest.mark.asyncio(loop_scope="module")
async def test_a_rule_that_shows_the_value_shows_nothing_of_a_secret(
    vault: Served, told: list[str], door: str
) -> None:
    answer = await ask(vault, door, "Keep", thing("ok", text="breaks-Rule-99"))
    told.append(answer)

    assert "INVALID_REQUEST" in answer
    assert "This value breaks a rule of the contract" in answer


@pytest.mark.parametrize(
    "body",
    [
        {"number": "not-a-number-77"},
        {"text": {"key-5ecret": 1}},
        {"whole": {"unknown-5ecret": 1}},
        {"pairs": {"key-5ecret": 5}},
        {"pairs": {"key-5ecret": {"x": "5ecret"}}},
        {"raw": "5ecret!!"},
        {"list": ["x", {"5ecret": 1}]},
        {"inner": {"code": ["inner-5ecret"]}},
    ],
)
@pytest.mark.asyncio(loop_scope="module")
async def test_json_that_does_not_fit_is_refused_without_the_secret(
    vault: Served, told: list[str], body: dict[str, Any]
) -> None:
    answer = await over_http(vault, json.dumps(body).encode())
    told.append(answer)

    assert answer.startswith("400")


@pytest.mark.parametrize("door", ["grpc", "local"])
@pytest.mark.parametrize("method", ["Collect", "Repeat"])
@pytest.mark.asyncio(loop_scope="module")
async def test_a_secret_of_a_stream_is_not_found_either_though_it_came_first(
    vault: Served, told: list[str], door: str, method: str
) -> None:
    sent = [thing("first"), Thing(how="last")] if method == "Collect" else [thing("only")]

    answer = await ask(vault, door, method, *sent)
    told.append(answer)

    assert "INTERNAL" in answer


@pytest.mark.asyncio(loop_scope="module")
async def test_no_audit_record_holds_a_secret(vault: Served, told: list[str]) -> None:
    await ask(vault, "grpc", "Keep", thing("ok"))

    def work(connection: sa.Connection) -> list[str]:
        return [str(row) for row in connection.execute(sa.text("SELECT * FROM bedplate_audit"))]

    records = await vault.app.database.read(work)
    told.extend(records)

    assert any("[redacted]" in record for record in records)


def test_a_message_has_a_text_for_people_without_its_secrets() -> None:
    text = safe_text(thing("ok"))

    assert not [trace for trace in TRACES if trace.lower() in text.lower()]
    assert text.startswith("Thing {'how': 'ok', 'text': '[redacted]', 'raw': '[redacted]'")
    assert "'note': 'plain'" in text


def test_pytest_shows_messages_that_differ_without_their_secrets(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(
        "from bedplate.testing.assertions import pytest_assertrepr_compare  # noqa: F401"
    )
    (tmp_path / "test_it.py").write_text(
        "from tests.doors.test_secrets import thing\n"
        "def make(**fields):\n    return thing('ok', **fields)\n"
        "def test_differs():\n    assert make() == make(how='no')\n"
        "def test_differs_in_what_is_masked():\n    assert make() == make(text='An' + 'other')\n"
    )

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert "2 failed" in done.stdout
    assert "They differ in a sensitive field" in done.stdout
    assert [trace for trace in TRACES if trace.lower() in done.stdout.lower()] == []

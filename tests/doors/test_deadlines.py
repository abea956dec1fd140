"""Deadlines and cancellation, on every door: what Python's gRPC gets wrong by itself."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
import httpx2 as httpx
import pytest
import pytest_asyncio
from google.protobuf.message_factory import GetMessageClass

from bedplate.auth.principal import Principal
from bedplate.pipeline.timing import ENOUGH
from bedplate.policy.faults import Abort, Fault
from bedplate.server.service import Context, Service, ServiceType
from bedplate.testing.serve import KEY, Served, serve
from bedplate.transport.local import LocalChannel
from tests.data.signals import until
from tests.doors.answering import Answer, from_error, from_http
from tests.protos import add_file, field

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOBODY = "nobody-key"
PRINCIPALS = {NOBODY: Principal("key:nobody", "tenant-a", frozenset())}
DOORS = ["grpc", "http", "local"]
# Of the method, seconds.
DEFAULT_S = 0.4
LATE_S = 2.0

_HTTP = '[google.api.http] { post: "/v1/do" body: "*" }'


def _method(rule: str = "") -> str:
    return (
        'input_type: ".tests.late.v1.Message" output_type: ".tests.late.v1.Message" '
        f'options {{ {rule} [bedplate.v1.policy] {{ auth {{ all_scopes: "late.do" }} '
        "visibility: VISIBILITY_PUBLIC "
        "deadline { default { nanos: 400000000 } max { seconds: 30 } } } }"
    )


FILE = add_file(
    'name: "tests/late/v1/late.proto" package: "tests.late.v1"\n'
    'dependency: "bedplate/v1/policy.proto" dependency: "google/api/annotations.proto"\n'
    f'message_type {{ name: "Message" {field("text", 1, "string")} }}\n'
    'service { name: "LateService"\n'
    f'  method {{ name: "Do" {_method(_HTTP)} }}\n'
    f'  method {{ name: "Watch" server_streaming: true {_method()} }} }}\n'
)
SERVICE = FILE.services_by_name["LateService"]
Message: Any = GetMessageClass(FILE.message_types_by_name["Message"])
DO = "tests.late.v1.LateService/Do"

Act = Callable[[Any], Awaitable[None]]


class Handlers:
    """Does what a test says.

    Attributes:
        act: What `Do` does with its call before it answers.
        threads: Where it blocks.
        parts: What the process's stages are made with.
        left: Set when a handler has ended.
    """

    def __init__(self) -> None:
        self.act: Act = _nothing
        self.threads: Any = None
        self.parts: Any = None
        self.left = asyncio.Event()

    async def Do(self, request: Any, call: Any) -> Any:
        try:
            await self.act(call)
            return Message(text="done")
        finally:
            self.left.set()

    async def Watch(self, request: Any, call: Any) -> AsyncIterator[Any]:
        try:
            await self.act(call)
            while True:
                yield Message(text="x" * 100_000)
        finally:
            self.left.set()


async def _nothing(call: Any) -> None:
    pass


async def forever(call: Any) -> None:
    """Wait for nothing."""
    await asyncio.Event().wait()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def running() -> AsyncIterator[tuple[Served, Handlers]]:
    """A server, for all tests of this file."""
    handlers = Handlers()

    def build(context: Context) -> Service:
        assert context.process is not None
        handlers.threads, handlers.parts = context.threads, context.process.parts
        return Service("late", SERVICE, handlers)

    async with serve([ServiceType("late", build)], principals=PRINCIPALS, drain_refuse_s=0.1) as served:
        yield served, handlers


@pytest.fixture
def handlers(running: tuple[Served, Handlers]) -> Handlers:
    """What answers; does nothing yet."""
    running[1].act = _nothing
    running[1].left.clear()
    return running[1]


@pytest.fixture
def served(running: tuple[Served, Handlers]) -> Served:
    """The server."""
    return running[0]


async def ask(
    served: Served, door: str, timeout_s: float | None = None, *, key: str = KEY, malformed: bool = False
) -> Answer:
    """One call of `Do`."""
    if door == "http":
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        if timeout_s is not None:
            headers["x-server-timeout"] = str(timeout_s)
        async with httpx.AsyncClient(timeout=20) as http:
            reply = await http.post(
                f"http://{served.http_address}/v1/do", content="{" if malformed else "{}", headers=headers
            )
        return from_http(reply.status_code, reply.content)
    channel = (
        grpc.aio.insecure_channel(served.grpc_address) if door == "grpc" else LocalChannel(served.app.methods)
    )
    async with channel:
        call: Any = channel.unary_unary(f"/{DO}")
        try:
            payload = b"\xff\xff" if malformed else b""
            await call(payload, metadata=(("authorization", f"Bearer {key}"),), timeout=timeout_s)
        except grpc.aio.AioRpcError as error:
            return from_error(error)
    return Answer("OK")


@pytest.mark.parametrize("door", DOORS)
async def test_a_handler_that_raises_cancelled_error_itself_leaves_nobody_hanging(
    served: Served, handlers: Handlers, door: str
) -> None:
    async def cancelled(call: Any) -> None:
        raise asyncio.CancelledError

    handlers.act = cancelled
    began = time.monotonic()

    answer = await ask(served, door, 20.0)

    assert (answer.code, answer.reason) == ("INTERNAL", "INTERNAL")
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("door", DOORS)
async def test_a_caller_without_a_deadline_gets_the_methods_and_so_do_the_calls_it_leads_to(
    served: Served, handlers: Handlers, door: str
) -> None:
    seen: list[float] = []

    async def look(call: Any) -> None:
        seen.append(call.remaining_s())
        await forever(call)

    handlers.act = look
    began = time.monotonic()

    answer = await ask(served, door)

    took_s = time.monotonic() - began
    assert (answer.code, answer.reason) == ("DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED")
    assert DEFAULT_S - 0.05 < took_s < DEFAULT_S + LATE_S
    assert 0 < seen[0] <= DEFAULT_S


@pytest.mark.parametrize("door", DOORS)
async def test_the_refusals_around_deadline_and_faults_come_in_one_order(
    served: Served, handlers: Handlers, door: str
) -> None:
    timings, faults = handlers.parts.timings, handlers.parts.live.faults
    timing = timings.of(DO)
    timing.succeeded(5.0, time.monotonic())
    timing.count, timing.estimate_s = ENOUGH, 5.0
    faults.set(Fault("f", DO, Abort("ABORTED")))

    seen = [(await ask(served, door, 0.2, key=NOBODY, malformed=True)).reason]
    timing.doubts(0.1)  # the first one of a while is let through, to look
    seen += [
        (await ask(served, door, 0.2, malformed=True)).reason,
        (await ask(served, door, 20.0, malformed=True)).reason,
        (await ask(served, door, 20.0)).reason,
    ]
    faults.clear("f")
    timing.count = 0

    assert seen == ["SCOPE_MISSING", "DEADLINE_TOO_SHORT", "MALFORMED_REQUEST", "FAULT_INJECTED"]
    assert (await ask(served, door, 20.0)).code == "OK"


@pytest.mark.parametrize("door", DOORS)
async def test_deadline_ends_the_handler_where_it_waits(
    served: Served, handlers: Handlers, door: str
) -> None:
    handlers.act = forever

    answer = await ask(served, door, 0.5)

    assert answer.code == "DEADLINE_EXCEEDED"
    await asyncio.wait_for(handlers.left.wait(), LATE_S)


@pytest.mark.parametrize("door", DOORS)
async def test_work_that_blocks_past_its_deadline_holds_nobody_but_its_own_thread(
    served: Served, handlers: Handlers, door: str
) -> None:
    release, told = threading.Event(), threading.Event()

    def work(stop: threading.Event) -> None:
        if stop.wait(20):
            told.set()
        release.wait(20)

    async def block(call: Any) -> None:
        await handlers.threads.run(work)

    handlers.act = block
    began = time.monotonic()
    try:
        answer = await ask(served, door, 0.1)
        took_s = time.monotonic() - began
        handlers.act = _nothing
        others = await ask(served, door, 5.0)

        assert answer.code == "DEADLINE_EXCEEDED"
        assert took_s < LATE_S
        assert others.code == "OK"
        await until(told.is_set)
        assert handlers.threads.running == 1
        running = served.app.telemetry.registry.get_sample_value("bedplate_threads_running")
        assert running == 1
    finally:
        release.set()
    await until(lambda: handlers.threads.running == 0)


async def test_a_caller_that_hangs_up_ends_the_handler_over_http(served: Served, handlers: Handlers) -> None:
    begun = asyncio.Event()

    async def begin(call: Any) -> None:
        begun.set()
        await forever(call)

    handlers.act = begin
    task = asyncio.ensure_future(ask(served, "http", 20.0))
    await begun.wait()
    task.cancel()
    await asyncio.wait([task])

    await asyncio.wait_for(handlers.left.wait(), LATE_S)


@pytest.mark.parametrize("door", ["grpc", "local"])
async def test_a_caller_that_cancels_ends_the_handler(served: Served, handlers: Handlers, door: str) -> None:
    begun = asyncio.Event()

    async def begin(call: Any) -> None:
        begun.set()
        await forever(call)

    handlers.act = begin
    task = asyncio.ensure_future(ask(served, door, 20.0))
    await begun.wait()
    task.cancel()
    await asyncio.wait([task])

    await asyncio.wait_for(handlers.left.wait(), LATE_S)


@pytest.mark.parametrize("door", ["grpc", "local"])
async def test_a_stream_whose_caller_reads_no_more_ends_when_it_cancels(
    served: Served, handlers: Handlers, door: str
) -> None:
    """The handler waits in its yield: nothing it does itself would ever end that."""
    channel = (
        grpc.aio.insecure_channel(served.grpc_address) if door == "grpc" else LocalChannel(served.app.methods)
    )
    async with channel:
        watch: Any = channel.unary_stream("/tests.late.v1.LateService/Watch")
        call = watch(b"", metadata=(("authorization", f"Bearer {KEY}"),), timeout=20.0)
        assert await call.read()
        assert not handlers.left.is_set()
        call.cancel()

        await asyncio.wait_for(handlers.left.wait(), LATE_S)


@pytest.mark.parametrize("door", ["grpc", "local"])
async def test_a_stream_whose_caller_reads_no_more_ends_at_its_deadline(
    served: Served, handlers: Handlers, door: str
) -> None:
    channel = (
        grpc.aio.insecure_channel(served.grpc_address) if door == "grpc" else LocalChannel(served.app.methods)
    )
    async with channel:
        watch: Any = channel.unary_stream("/tests.late.v1.LateService/Watch")
        call = watch(b"", metadata=(("authorization", f"Bearer {KEY}"),))
        assert await call.read()

        await asyncio.wait_for(handlers.left.wait(), DEFAULT_S + LATE_S)
        call.cancel()

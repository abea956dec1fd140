"""The process around the services: what it refuses to start with, and how it opens and closes."""

import asyncio
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from bedplate.auth.key_format import KeyFileError
from bedplate.auth.keys import create_key
from bedplate.client.errors import Unavailable
from bedplate.contract.policy import PolicyError
from bedplate.server.app import App
from bedplate.server.service import Context, Service, ServiceType
from bedplate.settings import Settings, SettingsError
from bedplate.testing.serve import Served, serve
from tests.protos import echo
from tests.protos.echo import EchoRequest
from tests.protos.echo_client import EchoClient


def settings(folder: Path, **given: Any) -> Settings:
    """Settings of a process in a folder, on free ports."""
    values: dict[str, Any] = {
        "http_address": "127.0.0.1:0",
        "grpc_address": "127.0.0.1:0",
        "data_dir": folder,
        "log_file": str(folder / "log"),
    }
    return Settings(**values | given)


def app(folder: Path, *types: ServiceType, **given: Any) -> App:
    """An app with these services."""
    return App(settings(folder, **given), types)


async def get(address: str, path: str) -> int:
    """The status of an HTTP GET."""

    def ask() -> int:
        try:
            with urllib.request.urlopen(f"http://{address}{path}", timeout=5) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    return await asyncio.to_thread(ask)


async def test_a_missing_handler_stops_start_up_and_says_what_to_write(tmp_path: Path) -> None:
    class Forgetful:
        async def Echo(self, request: Any, call: Any) -> Any: ...

    kind = ServiceType("echo", lambda _: echo.service(Forgetful()))

    with pytest.raises(
        PolicyError, match=r"EchoQuick has no handler.*async def EchoQuick\(self, request, call\)"
    ):
        await app(tmp_path, kind).start()


async def test_a_handler_of_the_wrong_kind_stops_start_up(tmp_path: Path) -> None:
    class Wrong(echo.Handlers):
        async def Repeat(self, request: Any, call: Any) -> Any:  # type: ignore[override]
            return []

    with pytest.raises(PolicyError, match="Repeat must be an async generator"):
        await app(tmp_path, ServiceType("echo", lambda _: echo.service(Wrong()))).start()


async def test_a_handler_that_is_no_coroutine_stops_start_up_and_says_where_to_block(tmp_path: Path) -> None:
    class Plain(echo.Handlers):
        def Echo(self, request: Any, call: Any) -> Any:  # type: ignore[override]
            return echo.EchoResponse()

    with pytest.raises(PolicyError, match=r"Echo must be an async function.*await context\.threads\.run"):
        await app(tmp_path, ServiceType("echo", lambda _: echo.service(Plain()))).start()


async def test_what_failed_to_start_leaves_nothing_open(tmp_path: Path) -> None:
    stopped = []

    async def fail() -> None:
        raise RuntimeError("no")

    async def stop() -> None:
        stopped.append("first")

    first = ServiceType("echo", lambda _: Service("echo", echo.SERVICE, echo.Handlers(), stop=stop))
    second = ServiceType("echo2", lambda _: Service("echo2", echo.SERVICE, echo.Handlers(), start=fail))

    with pytest.raises(RuntimeError, match="no"):
        await app(tmp_path, first, second).start()

    assert stopped == ["first"]
    again = app(tmp_path, first)  # the database's lock is free again
    await again.start()
    await again.stop()


async def test_a_start_that_is_cancelled_closes_what_it_opened(tmp_path: Path) -> None:
    reached = asyncio.Event()

    async def wait() -> None:
        reached.set()
        await asyncio.Event().wait()

    slow = ServiceType("echo", lambda _: Service("echo", echo.SERVICE, echo.Handlers(), start=wait))
    starting = asyncio.create_task(app(tmp_path, slow).start())
    await reached.wait()
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)

    again = app(tmp_path, echo.TYPE)
    await again.start()
    await again.stop()


@pytest.mark.parametrize(
    "given", [{"grpc_address": "0.0.0.0:0"}, {"http_address": "[::]:0"}, {"production": True}]
)
async def test_plaintext_for_others_stops_start_up_and_says_what_to_set(
    tmp_path: Path, given: dict[str, Any]
) -> None:
    with pytest.raises(SettingsError, match="BEDPLATE_TLS_CERTIFICATE"):
        await app(tmp_path, echo.TYPE, **given).start()


async def test_a_development_key_stops_start_up_in_production(tmp_path: Path) -> None:
    create_key(tmp_path / "keys.json", tenant="t", scopes=["echo.read"], key_id="dev", development=True)

    with pytest.raises(KeyFileError, match="bedplate key revoke dev"):
        await app(tmp_path, echo.TYPE, production=True, tls_elsewhere=True).start()


async def test_ready_is_told_while_the_server_runs(served: Served) -> None:
    assert await get(served.http_address, "/readyz") == 200


async def test_a_server_that_waits_before_it_drains_is_not_ready_and_still_answers() -> None:
    async with (
        serve([echo.service(echo.Handlers())], drain_wait_s=60) as served,
        EchoClient(served.grpc_address) as client,
    ):
        stopping = asyncio.create_task(served.app.stop())
        health = health_pb2_grpc.HealthStub(client.channel)
        watch: Any = health.Watch(health_pb2.HealthCheckRequest(), timeout=10)
        status = (await watch.read()).status

        assert status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert await get(served.http_address, "/readyz") == 503
        assert await get(served.http_address, "/healthz") == 200
        assert (await client.call("Echo", EchoRequest(text="hi"))).text == "hi"
        served.app.hurry()
        await stopping


async def test_while_it_drains_new_calls_are_sent_elsewhere_and_those_that_run_finish(
    served: Served, handlers: echo.Handlers, client: EchoClient
) -> None:
    hold = handlers.actions["wait"] = echo.Hold()
    running = asyncio.create_task(client.call("Echo", EchoRequest(text="wait")))
    await hold.reached.wait()

    stopping = asyncio.create_task(served.app.stop())
    async with EchoClient(served.grpc_address) as other:
        refused = await other.refusal("Echo", EchoRequest(text="hi"))
    hold.release.set()

    assert (refused.code, refused.reason) == ("UNAVAILABLE", "DRAINING")
    assert refused.trailers["grpc-retry-pushback-ms"] == "100"
    assert refused.details["RetryInfo"].retry_delay.ToMilliseconds() == 100
    assert (await running).text == "wait"
    await stopping


async def test_stopping_twice_is_stopping_once(served: Served) -> None:
    await asyncio.gather(served.app.stop(), served.app.stop())


async def test_a_service_finds_one_that_runs_here_and_the_callers_key_goes_along(
    tmp_path: Path,
) -> None:
    tenants = []

    class Front(echo.Handlers):
        def __init__(self, context: Context) -> None:
            super().__init__()
            self.context = context

        async def EchoOpen(self, request: Any, call: Any) -> Any:
            raise AssertionError

        async def EchoAny(self, request: Any, call: Any) -> Any:
            answer = await stub(self.context.channels.channel("echo"))(EchoRequest(text="inner"))
            tenants.append(answer.tenant)
            return answer

    kind = ServiceType("echo", lambda context: echo.service(Front(context)))
    async with serve([kind]) as served, EchoClient(served.grpc_address) as client:
        assert (await client.call("EchoAny", EchoRequest(text="outer"))).text == "inner"
    assert tenants == ["tenant-a"]


async def test_a_service_that_runs_nowhere_is_unavailable(served: Served) -> None:
    with pytest.raises((grpc.aio.AioRpcError, Unavailable)) as error:
        await stub(served.app.channel("elsewhere"))(EchoRequest(text="hi"))

    assert "BEDPLATE_UPSTREAMS" in str(error.value)


@pytest.mark.parametrize(
    ("target", "given", "says"),
    [
        ("rates:50051", {}, "unencrypted to rates:50051. Set BEDPLATE_UPSTREAM_CA to call echo over TLS"),
        ("https://rates", {}, "echo of BEDPLATE_UPSTREAMS cannot be called: .*is a URL"),
        ("127.0.0.1", {}, "echo of BEDPLATE_UPSTREAMS cannot be called: .*has no port"),
        (
            "127.0.0.1:1",
            {"upstream_key": "a b"},
            "echo of BEDPLATE_UPSTREAMS cannot be called: the key holds",
        ),
    ],
)
async def test_a_service_elsewhere_that_could_not_be_called_stops_start_up(
    tmp_path: Path, target: str, given: dict[str, Any], says: str
) -> None:
    with pytest.raises(SettingsError, match=says):
        await app(tmp_path, upstreams={"echo": target}, **given).start()


async def test_an_authority_that_is_none_stops_start_up(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_text("none")

    with pytest.raises(SettingsError, match=f"echo of BEDPLATE_UPSTREAMS cannot be called: tls: {ca}"):
        await app(tmp_path, upstreams={"echo": "rates:50051"}, upstream_ca=ca).start()


async def test_what_is_said_of_a_service_elsewhere_is_passed_over_where_it_runs_here(tmp_path: Path) -> None:
    process = app(tmp_path, echo.TYPE, upstreams={"echo": "rates:50051"})

    await process.start()
    await process.stop()


async def test_a_service_finds_one_of_another_process(served: Served) -> None:
    async with serve([], upstreams={"echo": served.grpc_address}, upstream_key="test-key") as front:
        answer = await stub(front.app.channel("echo"))(EchoRequest(text="hi"))

    assert (answer.text, answer.tenant) == ("hi", "tenant-a")


def stub(channel: grpc.aio.Channel) -> Any:
    """The Echo method on a channel."""
    return channel.unary_unary(
        f"/{echo.SERVICE.full_name}/Echo",
        request_serializer=EchoRequest.SerializeToString,
        response_deserializer=echo.EchoResponse.FromString,
    )

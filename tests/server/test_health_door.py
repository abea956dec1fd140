"""Health on an address of its own: for probes that show no certificate, from before the start to the end."""

import asyncio
import socket
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import trustme

from bedplate.server.app import App
from bedplate.server.service import Service, ServiceType
from bedplate.settings import Settings, SettingsError
from bedplate.testing.serve import Served, serve
from tests.gateway.elsewhere import stranger
from tests.gateway.elsewhere.edge import open_edge
from tests.protos import echo
from tests.protos.echo import EchoRequest
from tests.protos.echo_client import EchoClient


async def get(address: str, path: str) -> tuple[int, str]:
    """Status and body of an HTTP GET without TLS."""

    def ask() -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://{address}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    return await asyncio.to_thread(ask)


async def status(address: str, path: str) -> int:
    return (await get(address, path))[0]


@pytest.fixture
def certificate(tmp_path: Path) -> dict[str, Path]:
    """The settings of doors that ask callers for a certificate."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    files = {name: tmp_path / f"{name}.pem" for name in ("tls_certificate", "tls_key", "tls_client_ca")}
    issued.cert_chain_pems[0].write_to_path(str(files["tls_certificate"]))
    issued.private_key_pem.write_to_path(str(files["tls_key"]))
    authority.cert_pem.write_to_path(str(files["tls_client_ca"]))
    return files


async def test_it_answers_who_shows_no_certificate_where_callers_must(certificate: dict[str, Path]) -> None:
    async with serve([echo.TYPE], health_address="127.0.0.1:0", **certificate) as served:
        address = served.app.health_address
        with pytest.raises((ssl.SSLError, urllib.error.URLError, OSError)):
            await asyncio.to_thread(
                urllib.request.urlopen, f"https://{served.http_address}/healthz", timeout=5
            )

        assert await get(address, "/healthz") == (200, '{"status":"live"}')
        assert await get(address, "/readyz") == (200, '{"status":"ready"}')
        code, metrics = await get(address, "/metrics")

    assert code == 200
    assert "bedplate_calls_in_flight" in metrics


async def test_it_shows_the_metrics_of_the_process_and_counts_none_of_its_own() -> None:
    async with (
        serve([echo.TYPE], health_address="127.0.0.1:0") as served,
        EchoClient(served.grpc_address) as client,
    ):
        await client.call("Echo", EchoRequest(text="hi"))
        address = served.app.health_address
        await get(address, "/nowhere")

        _, metrics = await get(address, "/metrics")
        _, same = await get(served.http_address, "/metrics")

    counted = [line for line in metrics.splitlines() if line.startswith("bedplate_calls_total{")]
    assert len(counted) == 1
    assert counted == [line for line in same.splitlines() if line.startswith("bedplate_calls_total{")]


@pytest.mark.parametrize("path", ["/v1/echo/hi", "/reference", "/openapi.json", "/"])
async def test_it_serves_nothing_but_health_and_metrics(path: str) -> None:
    async with serve([echo.TYPE], health_address="127.0.0.1:0") as served:
        assert await status(served.app.health_address, path) == 404


async def test_it_tells_that_the_process_lives_before_that_takes_calls(tmp_path: Path) -> None:
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def start() -> None:
        reached.set()
        await go_on.wait()

    slow = ServiceType("echo", lambda _: Service("echo", echo.SERVICE, echo.Handlers(), start=start))
    app = App(settings(tmp_path), [slow])
    starting = asyncio.create_task(app.start())
    await reached.wait()

    before = [await status(app.health_address, path) for path in ("/healthz", "/readyz")]
    go_on.set()
    await starting
    after = [await status(app.health_address, path) for path in ("/healthz", "/readyz")]
    await app.stop()

    assert (before, after) == ([200, 503], [200, 200])


async def test_it_answers_while_the_last_calls_run_and_both_doors_are_closed() -> None:
    handlers = echo.Handlers()
    hold = handlers.actions["wait"] = echo.Hold()
    async with (
        serve(
            [echo.service(handlers)], health_address="127.0.0.1:0", drain_refuse_s=0, stop_grace_s=60
        ) as served,
        EchoClient(served.grpc_address) as client,
    ):
        running = asyncio.create_task(client.call("Echo", EchoRequest(text="wait")))
        await hold.reached.wait()
        stopping = asyncio.create_task(served.app.stop())
        await closed(served)

        told = [await status(served.app.health_address, path) for path in ("/healthz", "/readyz")]
        hold.release.set()
        await stopping

        assert told == [200, 503]
        assert (await running).text == "wait"
        with pytest.raises(urllib.error.URLError):
            await get(served.app.health_address, "/healthz")


async def closed(served: Served) -> None:
    """Wait until the HTTP door takes no more connections."""
    host, _, port = served.http_address.rpartition(":")
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection(host, int(port))
            except ConnectionRefusedError:
                return
            except ConnectionResetError:  # it was closing just then
                continue
            writer.close()


async def test_an_address_that_is_taken_names_its_setting_and_leaves_nothing_open(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(OSError, match=f"cannot listen on {address} for health.*BEDPLATE_HEALTH_ADDRESS"):
            await App(settings(tmp_path, health_address=address), [echo.TYPE]).start()

    again = App(settings(tmp_path), [echo.TYPE])
    await again.start()
    await again.stop()


async def test_the_readiness_of_a_gateway_follows_the_server_behind(tmp_path: Path) -> None:
    contract = tmp_path / "library.binpb"
    contract.write_bytes(stranger.compiled())
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        target = f"127.0.0.1:{nobody.getsockname()[1]}"
        async with open_edge(target, contract, health_address="127.0.0.1:0") as opened:
            told = [await status(opened.edge.health_address, path) for path in ("/healthz", "/readyz")]

    assert told == [200, 503]


def test_without_the_setting_there_is_no_such_door(tmp_path: Path) -> None:
    assert App(Settings(data_dir=tmp_path), []).health_address == ""


@pytest.mark.parametrize("value", ["8081", "0.0.0.0:", "here:99999"])
def test_a_wrong_address_is_named(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("BEDPLATE_HEALTH_ADDRESS", value)

    with pytest.raises(SettingsError, match="BEDPLATE_HEALTH_ADDRESS: "):
        Settings.load()


def settings(folder: Path, **given: Any) -> Settings:
    """Settings of a process in a folder, on free ports."""
    addresses = dict.fromkeys(("http_address", "grpc_address", "health_address"), "127.0.0.1:0")
    return Settings(**{**addresses, "data_dir": folder, "log_file": str(folder / "log"), **given})

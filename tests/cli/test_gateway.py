"""`bedplate gateway` as an operator runs it: what it says, what it refuses, how it ends."""

import json
import os
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path

import pytest

from tests.faults.platform import BEDPLATE, ROOT, Platform, free_port
from tests.gateway.elsewhere import stranger

SHIPPED = ROOT / "generated" / "descriptors" / "bedplate.binpb"
WAIT_S = 30.0


class Gateway:
    """The command, started; its first line is read."""

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        self.process = subprocess.Popen(
            [str(BEDPLATE), "gateway", *arguments],
            cwd=folder,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(folder),
                "BEDPLATE_HTTP_ADDRESS": "127.0.0.1:0",
                "BEDPLATE_LOAD_SHEDDING": "false",
                "BEDPLATE_LOG_FILE": "gateway.log",
                **environment,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        self.line = self.process.stdout.readline()
        self.log = folder / "gateway.log"
        self.url = self.line.rpartition("HTTP on ")[2].partition(",")[0]

    def __enter__(self) -> "Gateway":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def get(self, path: str, key: str = "") -> tuple[int, bytes]:
        headers = {"authorization": f"Bearer {key}"} if key else {}
        try:
            with urllib.request.urlopen(
                urllib.request.Request(self.url + path, headers=headers), timeout=WAIT_S
            ) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def until(self, path: str, status: int, key: str = "") -> bytes:
        """Ask until this status comes; there is no signal to wait for across processes."""
        until = time.monotonic() + WAIT_S
        while True:
            found, body = self.get(path, key)
            if found == status:
                return body
            assert time.monotonic() < until, (found, body)
            time.sleep(0.02)


@pytest.fixture
def behind(platform):
    """The platform of the whole session, which no test here may stop."""
    return platform


def test_it_serves_the_platform_by_its_descriptors_and_says_where(tmp_path, behind):
    with Gateway(tmp_path, "--descriptors", str(SHIPPED), "--target", behind.grpc_address) as gateway:
        gateway.until("/readyz", 200)
        anonymous, refusal = gateway.get("/v1/ledgers")
        known, _ = gateway.get("/v1/ledgers", behind.key)
        gateway.process.send_signal(signal.SIGTERM)
        code = gateway.process.wait(WAIT_S)

        assert f"methods of {behind.grpc_address}: HTTP on http://127.0.0.1:" in gateway.line
        assert (anonymous, json.loads(refusal)["reason"]) == (401, "CREDENTIAL_MISSING")
        assert known == 200
        assert code == 0
        assert gateway.process.stderr.read() == ""


def test_it_serves_by_reflection_what_the_descriptors_would_give(tmp_path, behind):
    with (
        Gateway(tmp_path, "--reflect", "--target", behind.grpc_address) as reflected,
        Gateway(tmp_path, "--descriptors", str(SHIPPED), "--target", behind.grpc_address) as described,
    ):
        paths = [
            set(json.loads(gateway.get("/openapi.json")[1])["paths"]) for gateway in (reflected, described)
        ]

    assert paths[0] == paths[1]
    assert "/v1/ledgers" in paths[0]


def test_a_hang_up_has_the_contracts_read_again(tmp_path, behind):
    contracts = tmp_path / "contracts.binpb"
    contracts.write_bytes(SHIPPED.read_bytes())
    with Gateway(tmp_path, "--descriptors", str(contracts), "--target", behind.grpc_address) as gateway:
        before, _ = gateway.get("/v1/seen")
        contracts.write_bytes(stranger.compiled())
        gateway.process.send_signal(signal.SIGHUP)
        gateway.until("/v1/seen", 501)  # it is a route now, and the server behind has no such method
        after, _ = gateway.get("/v1/ledgers")

    assert (before, after) == (404, 404)


def test_a_server_that_is_killed_is_told_as_such_and_found_again(tmp_path):
    told: Counter[tuple[int, str]] = Counter()
    over = threading.Event()

    def hammer(gateway: Gateway, key: str) -> None:
        while not over.is_set():
            status, body = gateway.get("/v1/ledgers", key)
            told[status, json.loads(body).get("reason", "")] += 1

    with (
        Platform(tmp_path / "up") as behind,
        Gateway(
            tmp_path, "--descriptors", str(SHIPPED), "--target", f"dns:///{behind.grpc_address}"
        ) as gateway,
    ):
        gateway.until("/v1/ledgers", 200, behind.key)
        callers = [threading.Thread(target=hammer, args=(gateway, behind.key)) for _ in range(4)]
        for caller in callers:
            caller.start()
        try:
            behind.process.kill()
            behind.process.wait()
            gateway.until("/readyz", 503)
            gateway.until("/v1/ledgers", 503, behind.key)
            behind.start()
            gateway.until("/v1/ledgers", 200, behind.key)
            ready = gateway.until("/readyz", 200)
        finally:
            over.set()
            for caller in callers:
                caller.join()

    assert set(told) == {(200, ""), (503, "UPSTREAM_UNAVAILABLE")}
    assert json.loads(ready) == {"status": "ready"}


def test_it_must_be_told_where_the_contracts_come_from(command):
    for arguments in ((), ("--reflect", "--descriptors", "a.binpb")):
        code, _, err = command("gateway", "--target", "127.0.0.1:1", *arguments)

        assert code == 2
        assert "either --descriptors FILE or --reflect" in err


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--descriptors", "none.binpb", "--target", "127.0.0.1:1"), 3, "none.binpb cannot be read"),
        (("--descriptors", "text.binpb", "--target", "127.0.0.1:1"), 3, "text.binpb is no descriptor set"),
        (("--reflect", "--target", "http://127.0.0.1:1"), 3, "is a URL; give the gRPC address"),
        (("--reflect", "--target", "127.0.0.1"), 3, "has no port"),
        (("--reflect", "--target", "shop:50051"), 3, "would travel unencrypted to shop:50051"),
    ],
)
def test_what_cannot_be_served_is_told_in_words(command, tmp_path, arguments, code, says):
    (tmp_path / "text.binpb").write_text("syntax = 'proto3';")

    found, _, err = command("gateway", *arguments)

    assert found == code
    assert says in err
    assert "Traceback" not in err


def test_nobody_at_the_target_is_told_when_it_is_asked_for_its_contracts(command, monkeypatch):
    monkeypatch.setattr("bedplate.server.edge.FIRST_S", 0.1)
    code, _, err = command("gateway", "--reflect", "--target", f"127.0.0.1:{free_port()}")

    assert code == 3
    assert "does not answer" in err


def test_an_address_that_is_taken_is_told_as_of_any_server(command, tmp_path, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setenv("BEDPLATE_HTTP_ADDRESS", f"127.0.0.1:{taken.getsockname()[1]}")
        code, _, err = command("gateway", "--descriptors", str(SHIPPED), "--target", "127.0.0.1:1")

    assert code == 4
    assert "BEDPLATE_HTTP_ADDRESS" in err

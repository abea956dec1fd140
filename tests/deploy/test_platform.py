"""The processes of the Kubernetes manifests, with their settings, certificates and arguments, on one machine.

Only addresses and folders are others: every process would have a machine of its own.
"""

import http.client
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from bedplate.auth.keys import create_key
from bedplate.client import CallError
from bedplate.client.tls import Tls
from bedplate.clients.ledger import LedgerClient
from tests.deploy.manifests import ROOT, Deployed, Machine, deployed
from tests.faults.platform import BEDPLATE, free_port

pytestmark = pytest.mark.soak

SPLIT = {each.name: each for each in deployed() if each.origin == "overlays"}
WAIT_S = 60.0


class Pod:
    """One process, in a folder that is its container."""

    def __init__(self, process: Deployed, machine: Machine) -> None:
        self.process = process
        self.machine = machine
        self.ports = {name: free_port() for name in ("https", "grpc", "health")}
        self.running: subprocess.Popen[str] | None = None

    def start(self, pods: "dict[str, Pod]") -> None:
        """Start it; `pods`: where the names of services lead."""
        environment = self.machine.environment(self.process)
        for name, port in (("HTTP", "https"), ("GRPC", "grpc"), ("HEALTH", "health")):
            environment[f"BEDPLATE_{name}_ADDRESS"] = f"127.0.0.1:{self.ports[port]}"
        contracts = Path(self.machine.place("/usr/share/bedplate/contracts.binpb"))
        shutil.copy(ROOT / "generated" / "descriptors" / "bedplate.binpb", contracts)

        def there(text: str) -> str:
            return re.sub(
                r"dns:///([\w-]+):50051", lambda m: f"dns:///127.0.0.1:{pods[m[1]].ports['grpc']}", text
            )

        words = [there(self.machine.place(word)) for word in self.process.words]
        with (self.machine.folder / "output").open("w") as output:
            self.running = subprocess.Popen(
                [BEDPLATE, *words],
                cwd=environment["BEDPLATE_DATA_DIR"],
                env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
                | {name: there(value) for name, value in environment.items()},
                stdout=output,
                stderr=output,
            )

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self.running is not None
        self.running.send_signal(number)

    def ended(self) -> int:
        """Wait for its end, as long as the manifest does; its exit code."""
        assert self.running is not None
        return self.running.wait(self.process.grace_s)

    def health(self, path: str) -> int:
        """The status of a probe; 0: nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.ports["health"], timeout=5)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except OSError:
            return 0
        finally:
            connection.close()

    def until(self, path: str, status: int) -> None:
        """Ask until a probe has this status; there is no signal to wait for across processes."""
        until = time.monotonic() + WAIT_S
        while self.health(path) != status:
            assert self.running is not None
            assert self.running.poll() is None, self.said()
            assert time.monotonic() < until, self.said()
            time.sleep(0.05)

    def said(self) -> str:
        return (self.machine.folder / "output").read_text()

    def mount(self, place: str, **files: bytes) -> None:
        """Put files into a folder as a kubelet does: a folder beside, and a link that is turned to it."""
        folder = Path(self.machine.place(place))
        beside = folder / f"..{time.monotonic_ns()}"
        beside.mkdir()
        for name, data in files.items():
            (beside / name).write_bytes(data)
            (beside / name).chmod(0o440)
            if not (folder / name).is_symlink():
                (folder / name).unlink(missing_ok=True)
                (folder / name).symlink_to(Path("..data") / name)
        link = folder / "..new"
        link.symlink_to(beside.name)
        link.rename(folder / "..data")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The key file of all services, and a key of it."""
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    scopes = ["ledger.read", "ledger.write", "rates.read", "rates.write"]
    return path, create_key(path, tenant="acme", scopes=scopes)[1]


@pytest.fixture(scope="module")
def pods(
    tmp_path_factory: pytest.TempPathFactory,
    postgres_server: Any,
    authority: trustme.CA,
    keys: tuple[Path, str],
) -> Iterator[dict[str, Pod]]:
    """All four, started together, as a cluster does."""
    made = {}
    for name, process in SPLIT.items():
        settings = f'database_url = "{postgres_server.create_database()}"\n'
        made[name] = Pod(process, Machine(tmp_path_factory.mktemp(name), authority, settings))
    try:
        for pod in made.values():
            pod.machine.environment(pod.process)
            if pod.process.words[0] == "serve":
                pod.mount("/etc/bedplate/keys", **{"keys.json": keys[0].read_bytes()})
            pod.start(made)
        for pod in made.values():
            pod.until("/readyz", 200)
        yield made
    finally:
        for pod in made.values():
            if pod.running is not None and pod.running.poll() is None:
                pod.running.kill()
                pod.running.wait()


@pytest.fixture
def ask(pods: dict[str, Pod], authority: trustme.CA, keys: tuple[Path, str]) -> Any:
    """Asks a gateway over HTTPS, as what stands before it does."""
    context = ssl.create_default_context()
    authority.configure_trust(context)

    def asked(noun: str, path: str, body: Any = None, *, key: str = keys[1]) -> tuple[int, Any]:
        port = pods[f"{noun}-gateway"].ports["https"]
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=30, context=context)
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        try:
            data = None if body is None else json.dumps(body)
            connection.request("GET" if body is None else "POST", path, data, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    return asked


def test_a_call_goes_from_the_gateway_to_the_ledger_and_on_to_the_rates(ask):
    euro = {"code": "EUR", "scale": 2}
    rate = {"base": "EUR", "quote": "USD", "date": "2026-11-02", "value": "1.0842"}

    assert ask("rates", "/v1/rates:import", {"source": "ecb", "rates": [rate]})[0] == 200
    assert ask("ledger", "/v1/ledgers", {"ledgerId": "books"})[0] == 201
    account = {"accountId": "cash", "type": "ACCOUNT_TYPE_ASSET", "currency": euro}
    assert ask("ledger", "/v1/ledgers/books/accounts", account)[0] == 201
    path = "/v1/ledgers/books/accounts/cash/balance?convertTo.currency.code=USD&convertTo.currency.scale=2"
    status, answer = ask("ledger", path)

    assert status == 200
    assert answer["converted"]["rate"] == "1.0842"


def test_who_has_no_certificate_on_the_list_is_refused(pods, authority, keys, tmp_path):
    def call(name: str) -> list[Any]:
        folder = tmp_path / name
        Machine(tmp_path, authority).issue(name, folder)
        tls = Tls(folder / "ca.crt", folder / "tls.crt", folder / "tls.key")
        with LedgerClient(f"127.0.0.1:{pods['ledger'].ports['grpc']}", key=keys[1], tls=tls) as ledger:
            return list(ledger.list_ledgers())

    call("operator")
    with pytest.raises(CallError) as refused:
        call("stranger")
    assert refused.value.reason == "PEER_FORBIDDEN"


def test_a_key_that_a_secret_brings_counts_and_one_that_it_lost_does_not(pods, ask, keys, tmp_path):
    path = tmp_path / "keys.json"
    new = create_key(path, tenant="acme", scopes=["ledger.read"])[1]
    assert ask("ledger", "/v1/ledgers", key=new)[0] == 401

    def after(data: bytes, key: str, status: int) -> None:
        pods["ledger"].mount("/etc/bedplate/keys", **{"keys.json": data})
        until = time.monotonic() + 10
        while ask("ledger", "/v1/ledgers", key=key)[0] != status:
            assert time.monotonic() < until
            time.sleep(0.1)

    after(path.read_bytes(), new, 200)
    assert ask("ledger", "/v1/ledgers")[0] == 401
    after(keys[0].read_bytes(), keys[1], 200)


def test_certificates_that_a_secret_brings_are_shown_without_a_restart(pods, ask, authority, tmp_path):
    gateway = pods["ledger-gateway"]
    context = ssl.create_default_context()
    authority.configure_trust(context)

    def shown() -> bytes:
        pem = ssl.get_server_certificate(("127.0.0.1", gateway.ports["https"]))
        return pem.encode()

    before = shown()
    gateway.machine.issue("ledger-gateway", tmp_path / "new")
    files = {path.name: path.read_bytes() for path in (tmp_path / "new").iterdir()}
    gateway.mount("/etc/bedplate/tls", **files)

    until = time.monotonic() + 10
    while (now := shown()) == before:
        assert time.monotonic() < until
        time.sleep(0.1)
    assert now.split() == files["tls.crt"].split()
    assert ask("ledger", "/v1/ledgers")[0] == 200


def test_metrics_are_at_the_door_for_health_and_no_key_is_asked(pods):
    for pod in pods.values():
        with urllib.request.urlopen(f"http://127.0.0.1:{pod.ports['health']}/metrics", timeout=5) as answer:
            assert "bedplate_calls_total" in answer.read().decode()


def test_nothing_was_written_outside_of_the_database(pods):
    for name, pod in pods.items():
        data = Path(pod.machine.place("/var/lib/bedplate"))
        assert list(data.iterdir()) == [], name


def test_on_sigterm_it_goes_on_for_as_long_as_its_address_is_known_and_ends_in_time(pods, ask):
    # Gateways first: a server that is about to go takes itself out of theirs.
    groups = [[p for p in pods.values() if p.process.words[0] == word] for word in ("gateway", "serve")]
    for group in groups:
        begun = time.monotonic()
        for pod in group:
            pod.send(signal.SIGTERM)
        for pod in group:
            pod.until("/readyz", 503)
            assert pod.health("/healthz") == 200
        if group is groups[0]:
            assert ask("ledger", "/v1/ledgers")[0] == 200

        for pod in group:
            assert pod.ended() == 0, pod.said()
            took = time.monotonic() - begun
            assert float(pod.process.environment["BEDPLATE_DRAIN_WAIT_S"]) <= took < pod.process.grace_s
            assert "Traceback" not in pod.said()

"""The processes of the Kubernetes manifests, with their settings, certificates and arguments, on one host."""

import signal
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bedplate.auth.keys import create_key
from bedplate.client import CallError
from bedplate.client.tls import Tls
from bedplate.clients.ledger import LedgerClient
from tests.deploy.manifests import Machine, deployed
from tests.deploy.pods import Caller, Cluster, Pod

pytestmark = pytest.mark.soak

SPLIT = {each.name: each for each in deployed() if each.origin == "overlays"}


@pytest.fixture(scope="module")
def pods(
    tmp_path_factory: pytest.TempPathFactory, postgres_server: Any, cluster: Cluster, keys: tuple[Path, str]
) -> Iterator[dict[str, Pod]]:
    """All four, started together, as a cluster does."""
    made = {}
    for name, process in SPLIT.items():
        settings = f'database_url = "{postgres_server.create_database()}"\n'
        made[name] = Pod(
            process, Machine(tmp_path_factory.mktemp(name), cluster.authority, settings), cluster
        )
    try:
        for pod in made.values():
            pod.machine.environment(pod.process)
            if pod.process.words[0] == "serve":
                pod.mount("/etc/bedplate/keys", **{"keys.json": keys[0].read_bytes()})
            pod.start()
        for pod in sorted(made.values(), key=lambda pod: pod.process.words[0] == "gateway"):
            pod.join()
        yield made
    finally:
        for pod in made.values():
            pod.close()


@pytest.fixture
def ask(pods: dict[str, Pod], cluster: Cluster, keys: tuple[Path, str]) -> Any:
    """Asks a gateway, each time on a connection of its own."""

    def asked(noun: str, path: str, body: Any = None, *, key: str = keys[1]) -> tuple[int, Any]:
        caller = Caller(cluster, f"{noun}-gateway", key)
        try:
            return caller.ask(path, body)
        finally:
            caller.close()

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
        tls = Tls(folder / "ca.crt", folder / "tls.crt", folder / "tls.key", server_name="ledger")
        with LedgerClient(
            f"{pods['ledger'].address}:{pods['ledger'].cluster.ports['grpc']}", key=keys[1], tls=tls
        ) as ledger:
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


def test_certificates_that_a_secret_brings_are_shown_without_a_restart(pods, ask, tmp_path):
    gateway = pods["ledger-gateway"]

    def shown() -> bytes:
        pem = ssl.get_server_certificate((gateway.address, gateway.cluster.ports["https"]))
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
        assert pod.metric("bedplate_calls_total") > 0


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

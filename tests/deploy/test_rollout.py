"""A rollout as Kubernetes does it, by the manifests' own numbers, while callers go on."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.manifests import Machine, deployed, of_kind
from tests.deploy.pods import Caller, Cluster, Pod

pytestmark = [pytest.mark.soak, pytest.mark.timeout(400)]

SPLIT = {each.name: each for each in deployed() if each.origin == "overlays"}
CALLERS = 4
OLD = 2
STARTED = ("ledger", "ledger-gateway")


class Traffic:
    """Callers of the ledger's gateways that never stop, each on a connection that it keeps while it may."""

    def __init__(self, cluster: Cluster, key: str) -> None:
        self.told: Counter[tuple[int, str]] = Counter()
        self._over = threading.Event()
        self._callers = [Caller(cluster, "ledger-gateway", key) for _ in range(CALLERS)]
        self._threads = [threading.Thread(target=self._call, args=(caller,)) for caller in self._callers]

    def _call(self, caller: Caller) -> None:
        while not self._over.is_set():
            status, answer = caller.ask("/v1/ledgers")
            self.told[status, answer.get("reason", "")] += 1

    def __enter__(self) -> "Traffic":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        for caller in self._callers:
            caller.close()


@pytest.fixture
def start(
    tmp_path_factory: pytest.TempPathFactory, postgres_server: Any, cluster: Cluster, keys: tuple[Path, str]
) -> Iterator[Callable[[str], Pod]]:
    """Starts a pod of a Deployment and waits until it is ready."""
    settings = f'database_url = "{postgres_server.create_database()}"\n'
    with ExitStack() as started:

        def begin(name: str) -> Pod:
            pod = Pod(
                SPLIT[name], Machine(tmp_path_factory.mktemp(name), cluster.authority, settings), cluster
            )
            started.callback(pod.close)
            pod.machine.environment(pod.process)
            if pod.process.words[0] == "serve":
                pod.mount("/etc/bedplate/keys", **{"keys.json": keys[0].read_bytes()})
            pod.start()
            pod.join()
            return pod

        yield begin
    cluster.names.addresses.clear()


@pytest.mark.parametrize("name", STARTED)
def test_a_rollout_fails_no_request(name, start, cluster, keys):
    # A gateway is ready once there is a server behind it.
    first = {other: [start(other) for _ in range(OLD if other == name else 1)] for other in STARTED}
    old = first[name]
    available_s = of_kind("Deployment")[name]["spec"]["minReadySeconds"]
    new = []
    with Traffic(cluster, keys[1]) as traffic:
        for pod in old:
            new.append(start(name))
            # The controller waits so long, and looks at nothing else.
            threading.Event().wait(available_s)
            pod.leave()
        codes = [pod.ended() for pod in old]

    assert set(traffic.told) == {(200, "")}, traffic.told
    assert codes == [0] * OLD
    assert all(pod.metric("bedplate_calls_total") > 0 for pod in new)

"""A pod of the Kubernetes manifests, as a process of this machine.

Only its addresses and folders are others: every pod would have a machine of its own.
"""

import http.client
import json
import os
import random
import re
import shutil
import signal
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import trustme

from tests.deploy.manifests import ROOT, Deployed, Machine
from tests.deploy.names import Names
from tests.faults.platform import BEDPLATE, free_port

WAIT_S = 60.0
DOORS = {"HTTP": "https", "GRPC": "grpc", "HEALTH": "health"}


class Cluster:
    """What pods share: the name server, the ports, the authority of their certificates.

    Attributes:
        names: The name server.
        ports: The port of each door, the same in all pods.
        authority: Signs certificates.
    """

    def __init__(self, names: Names, authority: trustme.CA) -> None:
        self.names = names
        self.authority = authority
        self.ports = {door: free_port() for door in DOORS.values()}
        self._given = 1

    def address(self) -> str:
        """An address that no pod has yet."""
        self._given += 1
        return f"127.0.0.{self._given}"


class Pod:
    """One process, in a folder that is its container."""

    def __init__(self, process: Deployed, machine: Machine, cluster: Cluster) -> None:
        self.process = process
        self.machine = machine
        self.cluster = cluster
        self.address = cluster.address()
        self.running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it; its name leads there from the moment that it is ready."""
        environment = self.machine.environment(self.process)
        for name, door in DOORS.items():
            environment[f"BEDPLATE_{name}_ADDRESS"] = f"{self.address}:{self.cluster.ports[door]}"
        contracts = Path(self.machine.place("/usr/share/bedplate/contracts.binpb"))
        shutil.copy(ROOT / "generated" / "descriptors" / "bedplate.binpb", contracts)

        def there(text: str) -> str:
            asked = f"dns://{self.cluster.names.authority}/\\1:{self.cluster.ports['grpc']}"
            return re.sub(r"dns:///([\w-]+):50051", asked, text)

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

    def join(self) -> None:
        """Wait until it is ready, and have its name lead to it."""
        self.until("/readyz", 200)
        self.cluster.names.addresses.setdefault(self.process.name, []).append(self.address)

    def leave(self) -> None:
        """Have it end as a cluster does: its name leads there no more, and it is told."""
        self.cluster.names.addresses[self.process.name].remove(self.address)
        self.send(signal.SIGTERM)

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
        connection = http.client.HTTPConnection(self.address, self.cluster.ports["health"], timeout=5)
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

    def metric(self, name: str) -> float:
        """Sum of a metric's samples."""
        url = f"http://{self.address}:{self.cluster.ports['health']}/metrics"
        with urllib.request.urlopen(url, timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        return sum(
            float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith((f"{name} ", f"{name}{{"))
        )

    def close(self) -> None:
        """End it if it still runs."""
        if self.running is not None and self.running.poll() is None:
            self.running.kill()
            self.running.wait()


class Caller:
    """Calls a gateway over HTTPS, as what stands before it does, on a connection that is kept."""

    def __init__(self, cluster: Cluster, name: str, key: str) -> None:
        """Prepare to call whichever pods a name leads to."""
        self._cluster = cluster
        self._name = name
        self._context = ssl.create_default_context()
        cluster.authority.configure_trust(self._context)
        self._headers: Mapping[str, str] = {
            "authorization": f"Bearer {key}",
            "content-type": "application/json",
        }
        self._connection: http.client.HTTPConnection | None = None

    def ask(self, path: str, body: Any = None) -> tuple[int, Any]:
        """Status and answer of a GET, or of a POST where there is a body."""
        connection = self._connection or self._connect()
        data = None if body is None else json.dumps(body)
        connection.request("GET" if body is None else "POST", path, data, self._headers)
        answer = connection.getresponse()
        told = answer.status, json.loads(answer.read())
        self._connection = connection
        if answer.will_close:
            self.close()
        return told

    def _connect(self) -> http.client.HTTPConnection:
        address = random.choice(self._cluster.names.addresses[self._name])
        plain = socket.create_connection((address, self._cluster.ports["https"]), timeout=30)
        connection = http.client.HTTPConnection(self._name)
        # It is asked for the name that its Service has.
        connection.sock = self._context.wrap_socket(plain, server_hostname=self._name)
        return connection

    def close(self) -> None:
        """End the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

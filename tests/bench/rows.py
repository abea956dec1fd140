"""The rows of the benchmark: which processes a row needs and how it is called."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToJson

from tests.bench import contract, load, tools
from tests.bench.servers.process import KEY

SERVER_CPU, LOAD_CPU = 0, 1


@dataclass(frozen=True, slots=True)
class Row:
    """One row.

    Attributes:
        id: Stable name.
        servers: Modules of its processes, or `go:` and a program of tests/bench/go; a
            later one is given the ports of the one before it.
        door: `grpc`, `http` or `connect`.
        port: Which of the last server's ports is called.
        title: For people.
        refuses: Where the server refuses all calls; empty: it answers them.
        tool: What must be there for it beside Python; see `tools`.
    """

    id: str
    servers: tuple[str, ...]
    door: str
    title: str
    port: int = 0
    refuses: str = ""
    tool: str = ""


ROWS = (
    Row("grpc_aio_bare", ("grpc_aio_bare",), "grpc", "grpc.aio, bare handler"),
    Row("grpc_aio_bare_again", ("grpc_aio_bare",), "grpc", "the same again (A/A)"),
    Row("grpc_aio_bare_tuned", ("grpc_aio_bare_tuned",), "grpc", "the same, core tuned as bedplate does"),
    Row("bedplate_grpc", ("bedplate_platform",), "grpc", "bedplate, gRPC door, everything on"),
    Row("grpc_interceptor_chain", ("grpc_interceptor_chain",), "grpc", "grpc.aio, separate interceptors"),
    Row("fastapi_stub", ("grpc_aio_bare", "fastapi_stub"), "http", "FastAPI in front of grpc.aio"),
    Row("fastapi_alone", ("fastapi_alone",), "http", "FastAPI and pydantic, no gRPC"),
    Row(
        "go_gateway",
        ("grpc_aio_checked", "go:gateway"),
        "http",
        "grpc-gateway (Go) in front of grpc.aio",
        tool="go",
    ),
    Row(
        "envoy_gateway",
        ("grpc_aio_checked", "envoy_gateway"),
        "http",
        "Envoy's transcoder in front of grpc.aio",
        tool="envoy",
    ),
    Row("go_all", ("go:all",), "http", "grpc-gateway and a Go service in one process", tool="go"),
    Row("bedplate_http", ("bedplate_platform",), "http", "bedplate, HTTP door, everything on", port=1),
    Row("bedplate_connect", ("bedplate_platform",), "connect", "the same by Connect, in protobuf", port=1),
)


# What a refusal for load costs, by where it is made; measured with --only.
_REFUSING = ("bedplate_refusing",)
REFUSING_ROWS = (
    Row("refused_in_pipeline", _REFUSING, "grpc", "bedplate, refused by the pipeline", refuses="pipeline"),
    Row("refused_early", _REFUSING, "grpc", "bedplate, refused before a handler is sought", refuses="early"),
    Row("refused_by_core", _REFUSING, "grpc", "grpcio's own limit of calls, no reason", refuses="core"),
)


@dataclass(slots=True)
class Running:
    """A row's processes, and how to load them."""

    row: Row
    processes: list[subprocess.Popen[str]] = field(default_factory=list)
    connections: list[tuple[str, int, list[Callable[[load.Round], Any]]]] = field(default_factory=list)
    folder: Any = None

    @classmethod
    def start(cls, row: Row) -> "Running":
        """Start the row's processes and wait until each has told its ports.

        Raises:
            Missing: A tool is not there.
        """
        commands = [_command(server) for server in row.servers]
        environment = _environment(row)
        running = cls(row, folder=tempfile.TemporaryDirectory(prefix="bedplate-bench-"))
        ports: list[str] = []
        for module, command in zip(row.servers, commands, strict=True):
            with (Path(running.folder.name) / f"{module}.log").open("w") as errors:
                process = subprocess.Popen(
                    [*command, *ports],
                    cwd=contract.ROOT,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    text=True,
                    preexec_fn=_pin,
                    env=environment | {"BENCH_DIR": running.folder.name},
                )
            running.processes.append(process)
            assert process.stdout is not None
            ports = process.stdout.readline().split()
            if not ports:
                log = (Path(running.folder.name) / f"{module}.log").read_text()
                raise SystemExit(f"{row.id}: {module} did not start:\n{log}")
        running.connections = [("127.0.0.1", int(ports[row.port]), _factories(row, int(ports[row.port])))]
        return running

    def cpu_s(self) -> float:
        """CPU time that all threads of all processes and their children have used, seconds."""
        return sum(_cpu_ns(process.pid) for process in self.processes) / 1e9

    def stop(self) -> None:
        """End the processes: they stop when their standard input ends."""
        for process in reversed(self.processes):
            assert process.stdin is not None
            process.stdin.close()
            assert process.stdout is not None
            process.stdout.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self.folder.cleanup()


def _pin() -> None:
    if len(os.sched_getaffinity(0)) > 1:
        os.sched_setaffinity(0, {SERVER_CPU})


def _command(server: str) -> list[str]:
    kind, _, program = server.rpartition(":")
    if kind == "go":
        return [str(tools.go_program(program))]
    return [sys.executable, "-m", f"tests.bench.servers.{server}"]


def _environment(row: Row) -> dict[str, str]:
    # One thread at a time, as Python has it: all servers have one core anyway.
    further = {"BENCH_REFUSES": row.refuses, "BENCH_KEY": KEY, "GOMAXPROCS": "1"}
    if row.tool == "envoy":
        further["BENCH_ENVOY"] = str(tools.envoy())
    return os.environ | further


def children(pid: int) -> list[int]:
    """The processes that a process has started, and not those that they did."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the thread ended since it was listed
            found += map(int, (task / "children").read_text().split())
    return found


def _cpu_ns(pid: int) -> int:
    total = sum(map(_cpu_ns, children(pid)))
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            total += int((task / "schedstat").read_text().split()[0])
        except FileNotFoundError:  # the thread ended between the listing and the reading
            continue
    return total


def _factories(row: Row, port: int) -> list[Callable[[load.Round], Any]]:
    message = contract.request()
    if row.door == "grpc":
        headers = load.grpc_headers(port, contract.METHOD, KEY)
        wire = message.SerializeToString()
        expect = 0 if row.refuses else len(wire)

        def grpc(result: load.Round) -> Any:
            return load.GrpcConnection(result, headers, wire, expect, load.GRPC_STREAMS)

        return [grpc] * load.GRPC_CONNECTIONS
    body = json.dumps(json.loads(MessageToJson(message)), separators=(",", ":")).encode()
    request = load.http_request(port, contract.PATH, KEY, body)
    if row.door == "connect":
        body = message.SerializeToString()
        request = load.http_request(port, contract.METHOD, KEY, body, "application/proto")

    def http(result: load.Round) -> Any:
        return load.HttpConnection(result, request, len(body))

    return [http] * load.HTTP_CONNECTIONS

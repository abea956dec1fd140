"""Clients that are not ours: a program with plain stubs, curl, grpcurl and buf."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Protocol

from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import status_pb2

from tests.doors.answering import Answer, from_connect, from_http, from_status
from tests.doors.asking import METHODS, transcoded
from tests.faults.platform import ROOT, Platform

# Each call of a program of its own, on a loaded machine. Seconds.
PATIENCE_S = 30

Told = tuple[Answer, dict[str, Any]]


class Stranger(Protocol):
    """A client that is not ours."""

    def call(self, request: Message, key: str) -> Told:
        """Make a call; the answer, and the response by proto names."""
        ...


class PlainStubs:
    """A process with grpcio and the generated stubs."""

    def __init__(self, platform: Platform) -> None:
        self._process = subprocess.Popen(
            [sys.executable, Path(__file__).parent / "plain_client.py", platform.grpc_address],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def call(self, request: Message, key: str) -> Told:
        """See `Stranger`."""
        method = METHODS[request.DESCRIPTOR.name.removesuffix("Request")]
        call = {
            "service": method.containing_service.name,
            "method": method.name,
            "key": key,
            "request": MessageToDict(request, preserving_proto_field_name=True),
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(call) + "\n")
        self._process.stdin.flush()
        told = json.loads(self._process.stdout.readline())
        if "status" in told:
            return from_status(status_pb2.Status.FromString(bytes.fromhex(told["status"]))), {}
        return Answer("OK"), told["response"]

    def close(self) -> int:
        """End it; its exit code."""
        self._process.communicate(timeout=PATIENCE_S)
        return self._process.returncode


class Curl:
    """curl, over HTTP."""

    def __init__(self, platform: Platform) -> None:
        self._url = platform.http_url

    def call(self, request: Message, key: str) -> Told:
        """See `Stranger`."""
        http = transcoded(request)
        command = ["curl", "-sS", "--max-time", str(PATIENCE_S), "-X", http.verb, "-w", "\n%{http_code}"]
        if key:
            command += ["-H", f"Authorization: Bearer {key}"]
        if http.body is not None:
            command += ["-H", "Content-Type: application/json", "--data-binary", "@-"]
        out = run([*command, self._url + http.target], http.body or b"").stdout
        body, _, status = out.rpartition(b"\n")
        answer = from_http(int(status), body)
        if answer.reason:
            return answer, {}
        response = METHODS[request.DESCRIPTOR.name.removesuffix("Request")].output_type
        return answer, by_proto_names(GetMessageClass(response)(), json.loads(body))


class Grpcurl:
    """grpcurl, which learns the contract from the server's reflection."""

    def __init__(self, platform: Platform, program: str) -> None:
        self._address = platform.grpc_address
        self._program = program

    def call(self, request: Message, key: str) -> Told:
        """See `Stranger`."""
        method = METHODS[request.DESCRIPTOR.name.removesuffix("Request")]
        command = [self._program, "-plaintext", "-format-error", "-max-time", str(PATIENCE_S), "-d", "@"]
        if key:
            command += ["-H", f"authorization: Bearer {key}"]
        command += [self._address, f"{method.containing_service.full_name}/{method.name}"]
        sent = json.dumps(MessageToDict(request)).encode()
        done = run(command, sent, check=False)
        if done.returncode:
            return from_status(ParseDict(json.loads(done.stderr), status_pb2.Status())), {}
        return Answer("OK"), by_proto_names(GetMessageClass(method.output_type)(), json.loads(done.stdout))


class BufConnect:
    """buf's own client of Connect, over HTTP/1.1."""

    protocol = "connect"

    def __init__(self, platform: Platform) -> None:
        self._url = platform.http_url
        contract = ROOT / "generated" / "descriptors" / "bedplate.binpb"
        buf = str(Path(sys.executable).parent / "buf")
        self._command = [buf, "curl", "--schema", str(contract), "--protocol", self.protocol, "-d", "@-"]

    def call(self, request: Message, key: str) -> Told:
        """See `Stranger`."""
        method = METHODS[request.DESCRIPTOR.name.removesuffix("Request")]
        header = ["--header", f"authorization: Bearer {key}"] if key else []
        url = f"{self._url}/{method.containing_service.full_name}/{method.name}"
        done = run([*self._command, *header, url], json.dumps(MessageToDict(request)).encode(), check=False)
        if done.returncode:
            return from_connect(0, json.loads(done.stderr)), {}
        return Answer("OK"), by_proto_names(GetMessageClass(method.output_type)(), json.loads(done.stdout))


class BufGrpcWeb(BufConnect):
    """buf's own client of gRPC-Web."""

    protocol = "grpcweb"


def by_proto_names(response: Message, document: dict[str, Any]) -> dict[str, Any]:
    """A response in JSON, read by the contract and told by its own names."""
    return MessageToDict(ParseDict(document, response), preserving_proto_field_name=True)


def run(command: list[str], sent: bytes, *, check: bool = True) -> "subprocess.CompletedProcess[bytes]":
    """Run a program to its end."""
    return subprocess.run(command, input=sent, capture_output=True, check=check, timeout=PATIENCE_S)


def find_grpcurl() -> str | None:
    """grpcurl on the path or in build/bin; where continuous integration has Go, it is installed there."""
    path = f"{os.environ['PATH']}{os.pathsep}{ROOT / 'build' / 'bin'}"
    found = shutil.which("grpcurl", path=path)
    if found is None and os.environ.get("CI") and shutil.which("go"):
        subprocess.run(["make", "grpcurl"], cwd=ROOT, check=False, capture_output=True, timeout=100)
        found = shutil.which("grpcurl", path=path)
    return found

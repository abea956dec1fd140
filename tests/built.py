"""Programs in Go that ours are compared with: built once, into a folder below build/.

Needs Go, and the network the first time. Whoever can do without catches `Missing`.
"""

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent

# As many seconds a download or a build may take at most.
BUILD_MAX_S = 600

_PLUGINS = ("protoc-gen-go", "protoc-gen-go-grpc", "protoc-gen-grpc-gateway")


class Missing(Exception):
    """A tool is not there; the text says which, and how to get it."""


@dataclass(frozen=True)
class Programs:
    """Programs of one Go module, and the contracts that they are compiled with.

    Attributes:
        source: The folder of the module.
        build: Where they are built, for them alone.
        packages: Folder of each program by its name, seen from the module.
        workspace: Where buf finds the contracts, as the text of a buf.yaml.
        protos: The contracts: files, or folders of them, seen from the repository.
        go_packages: The Go package of each contract.
    """

    source: Path
    build: Path
    packages: Mapping[str, str]
    workspace: str
    protos: tuple[str, ...]
    go_packages: Mapping[str, str]

    def path(self, name: str) -> Path:
        """One of the programs; they are built when they are older than what they are made of.

        Raises:
            Missing: There is no Go, or they could not be built.
        """
        go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
        if go is None:
            raise Missing("no go was found on the path; install Go 1.26 or newer")
        self.build.mkdir(parents=True, exist_ok=True)
        with open(self.build / "lock", "w") as lock:  # tests run in several processes
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not is_newer([self._bin / each for each in self.packages], self._inputs()):
                self._build(go)
        return self._bin / name

    @property
    def _bin(self) -> Path:
        return self.build / "bin"

    def _inputs(self) -> Iterable[Path]:
        yield from self.source.rglob("*.*")
        for proto in map(ROOT.joinpath, self.protos):
            yield from proto.rglob("*.proto") if proto.is_dir() else (proto,)

    def _build(self, go: str) -> None:
        made, bin_ = self.build / "go", f"{self._bin}/"
        print(f"building the programs of {self.source.relative_to(ROOT)}, this once ...", file=sys.stderr)
        shutil.rmtree(made, ignore_errors=True)
        shutil.copytree(self.source, made)
        run([go, "build", "-o", bin_, "tool"], made)
        packages = [f"M{proto}={package}" for proto, package in self.go_packages.items()]
        plugins = [
            {
                "local": str(self._bin / plugin),
                "out": str(made / "gen"),
                "opt": ["paths=source_relative", *packages],
            }
            for plugin in _PLUGINS
        ]
        buf = str(Path(sys.executable).parent / "buf")
        paths = [part for proto in self.protos for part in ("--path", proto)]
        template = json.dumps({"version": "v2", "plugins": plugins})
        run([buf, "generate", "--config", self.workspace, "--template", template, *paths, "."], ROOT)
        run([go, "build", "-o", bin_, *self.packages.values()], made)


def is_newer(made: Iterable[Path], than: Iterable[Path]) -> bool:
    """Whether all of these are there, and none is older than any of the others."""
    newest = max(path.stat().st_mtime for path in than)
    return all(path.exists() and path.stat().st_mtime >= newest for path in made)


def run(command: list[str], folder: Path) -> None:
    """Run a tool to its end.

    Raises:
        Missing: It is not there, or failed.
    """
    environment = os.environ | {"GOFLAGS": "-mod=readonly"}
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=BUILD_MAX_S
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(f"{Path(command[0]).name} did not run: {error}") from None
    if done.returncode:
        raise Missing(f"{Path(command[0]).name} failed: {done.stderr.strip()[-2000:]}")

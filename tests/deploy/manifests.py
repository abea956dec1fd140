"""What deploy/ says: the processes that it starts, with their settings, and the documents around them."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import trustme
import yaml

from bedplate.auth.keys import create_key

ROOT = Path(__file__).parent.parent.parent
DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
CONTAINERFILE = DEPLOY / "Containerfile"
DOCUMENTATION = ROOT / "docs" / "deploying.md"

# Where the image and the manifests have files; each is a folder of its own in the tests.
PLACES = ("/etc/bedplate", "/run/bedplate", "/var/lib/bedplate", "/usr/share/bedplate")


@dataclass(frozen=True, slots=True)
class Deployed:
    """A process that a deployment starts.

    Attributes:
        origin: The file that says so.
        name: What it is called there, which is also the name of its certificate.
        words: Its command line, without `bedplate`.
        environment: Its variables.
        grace_s: How long it has between SIGTERM and SIGKILL.
        spec: What is said around it: a pod's spec, or a service of compose.
        ports: The ports it says it listens on, by their names.
    """

    origin: str
    name: str
    words: tuple[str, ...]
    environment: Mapping[str, str]
    grace_s: float
    spec: Mapping[str, Any] = field(default_factory=dict)
    ports: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.origin}-{self.name}"


@dataclass(frozen=True, slots=True)
class Instruction:
    """An instruction of the Containerfile, its lines joined."""

    word: str
    text: str


@cache
def documents(path: Path) -> list[dict[str, Any]]:
    """The documents of a YAML file."""
    return [document for document in yaml.safe_load_all(path.read_text()) if document]


def resources(folder: Path) -> list[dict[str, Any]]:
    """All documents that a kustomization brings, those of its bases and components too."""
    found = []
    (kustomization,) = documents(folder / "kustomization.yaml")
    for name in (*kustomization.get("resources", ()), *kustomization.get("components", ())):
        path = (folder / name).resolve()
        found += resources(path) if path.is_dir() else documents(path)
    return found


def of_kind(kind: str, *, folder: str = "overlays/production") -> dict[str, dict[str, Any]]:
    """The resources of a kind, by name."""
    return {
        document["metadata"]["name"]: document
        for document in resources(KUBERNETES / folder)
        if document["kind"] == kind
    }


def variables(path: Path) -> dict[str, str]:
    """The variables of an env file."""
    lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)


def instructions() -> list[Instruction]:
    """The Containerfile's instructions."""
    lines = [line for line in CONTAINERFILE.read_text().splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    return [Instruction(*line.split(None, 1)) for line in joined.splitlines() if line.strip()]


def image_environment() -> dict[str, str]:
    """The variables of bedplate's that the image sets."""
    last = [each.text for each in instructions() if each.word == "ENV"][-1]
    return {name: value for name, value in re.findall(r"(\w+)=(\S+)", last) if name.startswith("BEDPLATE_")}


def compose() -> dict[str, Any]:
    """The compose file, its merges done."""
    (document,) = documents(DEPLOY / "compose.yaml")
    return document


@cache
def deployed() -> list[Deployed]:
    """Every process that deploy/ starts."""
    return [*_of_image(), *_of_compose(), *_of_kubernetes(), *_of_systemd()]


def _of_image() -> Iterator[Deployed]:
    (words,) = (each.text for each in instructions() if each.word == "CMD")
    environment = image_environment() | {
        "BEDPLATE_TLS_ELSEWHERE": "true",  # the image alone does not start without this or a certificate
    }
    yield Deployed("Containerfile", "image", tuple(yaml.safe_load(words)), environment, 60)


def _of_compose() -> Iterator[Deployed]:
    for name, spec in compose()["services"].items():
        if spec["image"].startswith("bedplate:"):
            environment = image_environment() | spec["environment"]
            grace_s = float(spec["stop_grace_period"].removesuffix("s"))
            yield Deployed("compose.yaml", name, tuple(spec["command"]), environment, grace_s, spec)


def _of_kubernetes() -> Iterator[Deployed]:
    (kustomization,) = documents(KUBERNETES / "base" / "kustomization.yaml")
    maps = {
        made["name"]: {
            n: v for path in made["envs"] for n, v in variables(KUBERNETES / "base" / path).items()
        }
        for made in kustomization["configMapGenerator"]
    }
    found = [(of_kind("Deployment"), "overlays"), (of_kind("Job", folder="migrate"), "migrate")]
    for named, origin in found:
        for name, document in named.items():
            spec = document["spec"]["template"]["spec"]
            (container,) = spec["containers"]
            environment = image_environment()
            for source in container.get("envFrom", ()):
                environment |= maps[source["configMapRef"]["name"]]
            environment |= {each["name"]: each["value"] for each in container.get("env", ())}
            ports = {port["name"]: port["containerPort"] for port in container.get("ports", ())}
            grace_s = float(spec.get("terminationGracePeriodSeconds", 30))
            yield Deployed(origin, name, tuple(container["args"]), environment, grace_s, spec, ports)


def unit() -> dict[str, list[str]]:
    """The directives of the unit, by name."""
    found: dict[str, list[str]] = {}
    for line in (DEPLOY / "systemd" / "bedplate.service").read_text().splitlines():
        if "=" in line and not line.startswith("#"):
            name, value = line.split("=", 1)
            found.setdefault(name, []).append(value)
    return found


def _of_systemd() -> Iterator[Deployed]:
    directives = unit()
    program, *words = directives["ExecStart"][0].split()
    assert program == "/opt/bedplate/bin/bedplate"
    environment = dict(each.split("=", 1) for each in directives["Environment"])
    yield Deployed("systemd", "bedplate", tuple(words), environment, float(directives["TimeoutStopSec"][0]))


def settings_file() -> str:
    """The settings file that the page shows."""
    return re.search(r"```toml\n(.*?)```", DOCUMENTATION.read_text(), re.S)[1]


class Machine:
    """A folder in which a process finds what it would find in its container.

    Attributes:
        folder: It.
        authority: Signs its certificates, and those of others.
    """

    def __init__(self, folder: Path, authority: trustme.CA, settings: str = "") -> None:
        self.folder = folder
        self.authority = authority
        self.settings = settings or settings_file()

    def place(self, text: str) -> str:
        """A text with the places of the container where they are here."""
        for place in PLACES:
            text = text.replace(place, f"{self.folder}{place}")
        return text

    def environment(self, process: Deployed) -> dict[str, str]:
        """The process's variables here, with what they name in place."""
        placed = {name: self.place(value) for name, value in process.environment.items()}
        for place in PLACES:
            Path(self.place(place)).mkdir(parents=True, exist_ok=True)
        for name, value in placed.items():
            if value.startswith(str(self.folder)) and not name.endswith("_DIR"):
                self._make(process, Path(value))
        return placed

    def _make(self, process: Deployed, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            return
        if path.name == "settings.toml":
            shipped = DEPLOY / "systemd" / "settings.toml"
            text = shipped.read_text() if process.origin == "systemd" else self.settings
            path.write_text(self.place(text))
        elif path.name == "page.key":
            path.write_bytes(bytes(32))
            path.chmod(0o440)  # as secrets are mounted
        elif path.name == "keys.json":
            create_key(path, tenant="acme", scopes=["ledger.read"])
        elif path.parent.name == "tls":
            self.issue(process.name, path.parent)

    def issue(self, name: str, folder: Path) -> None:
        """Write a certificate as Kubernetes mounts it."""
        names = [name, *certified().get(name, ())]
        issued = self.authority.issue_cert(*dict.fromkeys(names))
        folder.mkdir(parents=True, exist_ok=True)
        issued.cert_chain_pems[0].write_to_path(str(folder / "tls.crt"))
        issued.private_key_pem.write_to_path(str(folder / "tls.key"))
        self.authority.cert_pem.write_to_path(str(folder / "ca.crt"))


@cache
def certified() -> dict[str, list[str]]:
    """The names of each certificate that the component asks for, by the process that it is for."""
    return {
        document["spec"]["secretName"].removesuffix("-tls"): document["spec"]["dnsNames"]
        for document in documents(KUBERNETES / "certificates" / "certificates.yaml")
        if document["kind"] == "Certificate"
    }


def project_version() -> str:
    """The version of this checkout."""
    version: str = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    return version

"""A team's own project: the `pyproject.toml` around a folder, and where contracts and code are."""

import re
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = "pyproject.toml"
GROUP = "bedplate.services"
TABLE = "tool.bedplate"
_SETTINGS = ("protos", "generated", "sources", "generate", "check")
_ALLOWED = '{code = "BP436", places = ["acme.shop.v1.ShopService.Close"], reason = "..."}'

# `acme.services.greeter.service:SERVICE`, so that the contract, `acme.greeter.v1`,
# can be read without loading what runs it.
_PLACE = re.compile(r"(?P<package>[a-z]\w*)\.services\.(?P<noun>[a-z]\w*)\.service:SERVICE")


class ProjectError(Exception):
    """A project's settings, or an installed service, that cannot be used. The text says what to write."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a service is, by the shape of the house.

    Attributes:
        noun: Its noun, such as `greeter`.
        package: Its top package, such as `acme`.
    """

    noun: str
    package: str

    @property
    def service(self) -> str:
        """The module that builds it."""
        return f"{self.package}.services.{self.noun}.service"

    @property
    def contract(self) -> str:
        """The module of its contract's messages."""
        return f"{self.package}.{self.noun}.v1.{self.noun}_pb2"


@dataclass(frozen=True, slots=True)
class Allowed:
    """What breaks a rule of `bedplate check` on purpose: a code, full names, and why."""

    code: str
    places: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Checks:
    """What a project has chosen for `bedplate check`.

    Attributes:
        amplification_max: How many calls of one method one call may become; None: bedplate's own bound.
        allow: What it breaks on purpose.
    """

    amplification_max: int | None = None
    allow: tuple[Allowed, ...] = ()


@dataclass(frozen=True, slots=True)
class Project:
    """A folder with contracts and services.

    Attributes:
        root: The folder of its `pyproject.toml`.
        services: Its services by noun.
        protos: Folder of its contracts.
        generated: Folder of what is generated from them.
        sources: Folders of its Python packages, without the generated ones.
        generate: The command that generates, as words; empty: `bedplate generate`.
        check: What it has chosen for `bedplate check`.
    """

    root: Path
    services: Mapping[str, Place]
    protos: Path
    generated: Path
    sources: tuple[Path, ...]
    generate: tuple[str, ...]
    check: Checks = Checks()

    def add_to_path(self) -> None:
        """Let its packages be imported, before a copy of them that may be installed."""
        for folder in reversed((*self.sources, self.generated / "python")):
            if str(folder) not in sys.path:
                sys.path.insert(0, str(folder))


def find_project(folder: Path) -> Project | None:
    """The project that a folder is in: the nearest `pyproject.toml` above it, when it has a `tool.bedplate`.

    Raises:
        ProjectError: The file cannot be read, or says something that cannot be used.
    """
    for root in (folder, *folder.parents):
        if (root / FILE).is_file():
            return _read(root)
    return None


def read_place(noun: str, value: str, *, where: str) -> Place:
    """Where an entry point says that a service is.

    Raises:
        ProjectError: It has not the shape of the house.
    """
    match = _PLACE.fullmatch(value)
    if match is None or match["noun"] != noun:
        raise ProjectError(
            f'{where}: {noun} = "{value}" is no place of a service; '
            f'write {noun} = "<package>.services.{noun}.service:SERVICE".'
        )
    return Place(noun, match["package"])


def _read(root: Path) -> Project | None:
    path = root / FILE
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ProjectError(f"{path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProjectError(f"{path} is not TOML: {error}.") from error
    table = document.get("tool", {}).get("bedplate")
    if table is None:
        return None
    if not isinstance(table, dict):
        raise ProjectError(f"{path}: {TABLE} must be a table.")
    read = _Table(path, table)
    entries = document.get("project", {}).get("entry-points", {}).get(GROUP, {})
    where = f'{path}, project.entry-points."{GROUP}"'
    services = {noun: read_place(noun, value, where=where) for noun, value in entries.items()}
    return Project(
        root=root,
        services=services,
        protos=read.folder("protos", "protos"),
        generated=read.folder("generated", "generated"),
        sources=tuple(read.inside("sources", text) for text in read.texts("sources", ("services",))),
        generate=read.texts("generate", ()),
        check=read.checks(),
    )


class _Table:
    """The values of `tool.bedplate`, each of the kind that it must be."""

    def __init__(self, path: Path, values: Mapping[str, Any]) -> None:
        self._path = path
        self._values = values
        for name in values:
            if name not in _SETTINGS:
                raise self._wrong(name, f"there is no such setting; there are {', '.join(_SETTINGS)}")

    def folder(self, name: str, default: str) -> Path:
        value = self._values.get(name, default)
        if not isinstance(value, str) or not value:
            raise self._wrong(name, f'write the name of a folder, such as "{default}"')
        return self.inside(name, value)

    def texts(self, name: str, default: tuple[str, ...]) -> tuple[str, ...]:
        value = self._values.get(name, default)
        if not isinstance(value, list | tuple) or not all(isinstance(one, str) and one for one in value):
            raise self._wrong(name, "write a list of texts")
        return tuple(value)

    def checks(self) -> Checks:
        value = self._values.get("check", {})
        if not isinstance(value, dict) or set(value) - {"amplification_max", "allow"}:
            raise self._wrong("check", "it has amplification_max and allow, and nothing else")
        most = value.get("amplification_max")
        if most is not None and (type(most) is not int or most < 1):
            raise self._wrong("check.amplification_max", "write a number of 1 or more")
        entries = value.get("allow", [])
        if not isinstance(entries, list):
            raise self._wrong("check.allow", f"write a list of tables: {_ALLOWED}")
        return Checks(most, tuple(self._allowed(entry) for entry in entries))

    def _allowed(self, entry: Any) -> Allowed:
        if isinstance(entry, dict) and set(entry) == {"code", "places", "reason"}:
            code, places, reason = entry["code"], entry["places"], entry["reason"]
            listed = isinstance(places, list) and places and all(_is_text(place) for place in places)
            if _is_text(code) and _is_text(reason) and listed:
                return Allowed(code, tuple(places), reason)
        raise self._wrong("check.allow", f"write each as {_ALLOWED}")

    def inside(self, name: str, text: str) -> Path:
        root = self._path.parent
        found = (root / text).resolve()
        if not found.is_relative_to(root.resolve()) or found == root.resolve():
            raise self._wrong(name, f"{text} is no folder inside the project")
        return root / text

    def _wrong(self, name: str, why: str) -> ProjectError:
        return ProjectError(f"{self._path}, {TABLE}.{name}: {why}.")


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())

"""Which services there are, by noun: those that ship with bedplate, and a team's own.

A team's own are in the project around the current folder, or installed with
another distribution; both say where in the entry points `bedplate.services`.

Contracts can be read without loading what runs them: a command that only asks
about a method starts three times as fast.
"""

from functools import lru_cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from google.protobuf.descriptor import ServiceDescriptor

from bedplate.project import GROUP, Place, ProjectError, find_project, read_place

if TYPE_CHECKING:
    from bedplate.server.service import ServiceType

# A service of the noun `x` has its contract in `bedplate.x.v1.x_pb2`, as
# `XService`, and its `ServiceType` as `SERVICE` in `bedplate.services.x.service`.
NAMES = ("ledger", "rates")
# What every process that a command starts has beside those that it was asked for.
ALWAYS = ("admin",)


class UnknownServiceError(Exception):
    """There is no service of this name. The text lists those that there are."""


def own_names() -> tuple[str, ...]:
    """The services that run unless others are named: the project's, or those installed, or ours."""
    own = _own(Path.cwd())
    return tuple(own) or NAMES


def all_names() -> tuple[str, ...]:
    """All services that can be run, the team's own first."""
    return (*_own(Path.cwd()), *NAMES)


def callable_names() -> tuple[str, ...]:
    """All services that can be called: those that can be run, and those that are always there."""
    return (*all_names(), *ALWAYS)


def load(name: str) -> "ServiceType":
    """How a service is built, by its noun.

    Raises:
        UnknownServiceError: There is none.
        ProjectError: What its project generates is missing, or it calls itself otherwise.
    """
    place = _place(name)
    found: ServiceType = _import(place.service, place).SERVICE
    if found.name != name:
        raise ProjectError(f'{place.service}: SERVICE has the name "{found.name}"; it must be "{name}".')
    return found


def load_all() -> "tuple[ServiceType, ...]":
    """How each service that ships with bedplate is built."""
    return tuple(load(name) for name in NAMES)


def contract(name: str) -> ServiceDescriptor:
    """The contract of a service, by its noun.

    Raises:
        UnknownServiceError: There is none.
        ProjectError: What its project generates is missing, or has no such service.
    """
    place = _place(name)
    services = _import(place.contract, place).DESCRIPTOR.services_by_name
    wanted = f"{name.title().replace('_', '')}Service"
    if wanted not in services:
        raise ProjectError(
            f"{place.package}/{name}/v1/{name}.proto has no service {wanted}; a service of the noun {name} "
            "is called so."
        )
    found: ServiceDescriptor = services[wanted]
    return found


def contracts_of(name: str) -> list[ServiceDescriptor]:
    """The contract of a service by its noun, for those that call it; none when nobody here knows it."""
    return [contract(name)] if name in callable_names() else []


def _place(name: str) -> Place:
    own = _own(Path.cwd())
    if name in own:
        return own[name]
    if name in NAMES or name in ALWAYS:
        return Place(name, "bedplate")
    raise UnknownServiceError(f"There is no service {name}. There are: {', '.join(all_names())}.")


@lru_cache(maxsize=1)
def _own(folder: Path) -> dict[str, Place]:
    project = find_project(folder)
    if project is not None:
        project.add_to_path()
        if project.services:
            return _checked(dict(project.services))
    found: dict[str, Place] = {}
    for point in entry_points(group=GROUP):
        place = read_place(point.name, point.value, where=f"The distribution {point.dist.name}")  # type: ignore[union-attr]
        if found.setdefault(point.name, place) != place:
            raise ProjectError(f"Two distributions bring a service {point.name}; uninstall one of them.")
    return _checked(found)


def _checked(found: dict[str, Place]) -> dict[str, Place]:
    for name in (*NAMES, *ALWAYS):
        if name in found:
            raise ProjectError(f"bedplate ships a service {name}; give yours another noun.")
    return found


def _import(module: str, place: Place) -> ModuleType:
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if place.package == "bedplate" or not f"{place.contract}.".startswith(f"{error.name}."):
            raise
        raise ProjectError(
            f"There is no module {error.name}: what follows from the contracts is not generated yet. "
            "Run: bedplate generate"
        ) from error

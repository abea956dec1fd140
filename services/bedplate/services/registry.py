"""Which services ship with bedplate, by noun.

Their contracts can be read without loading what runs them: a command that only
asks about a method starts three times as fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from google.protobuf.descriptor import ServiceDescriptor

if TYPE_CHECKING:
    from bedplate.server.service import ServiceType

# A service of the noun `x` has its contract in `bedplate.x.v1.x_pb2`, as
# `XService`, and its `ServiceType` as `SERVICE` in `bedplate.services.x.service`.
NAMES = ("ledger", "rates")


class UnknownServiceError(Exception):
    """There is no service of this name. The text lists those that there are."""


def load(name: str) -> "ServiceType":
    """How a service is built, by its noun.

    Raises:
        UnknownServiceError: There is none.
    """
    _check(name)
    found: ServiceType = import_module(f"bedplate.services.{name}.service").SERVICE
    return found


def load_all() -> "tuple[ServiceType, ...]":
    """How each service is built."""
    return tuple(load(name) for name in NAMES)


def contract(name: str) -> ServiceDescriptor:
    """The contract of a service, by its noun.

    Raises:
        UnknownServiceError: There is none.
    """
    _check(name)
    file = import_module(f"bedplate.{name}.v1.{name}_pb2").DESCRIPTOR
    found: ServiceDescriptor = file.services_by_name[f"{name.title().replace('_', '')}Service"]
    return found


def _check(name: str) -> None:
    if name not in NAMES:
        raise UnknownServiceError(f"There is no service {name}. There are: {', '.join(NAMES)}.")

"""The policy file: what a deployment tightens, service by service and method by method.

    ["bedplate.ledger.v1.LedgerService"]
    deadline.max = "10s"

    ["bedplate.ledger.v1.LedgerService/PostTransactions"]
    rate = { per_second = 50 }

    [environment.staging."bedplate.ledger.v1.LedgerService"]
    rollout.percent = 50

Options are named as in policy.proto and written as in protobuf's JSON.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from bedplate.contract.policy import PolicyError
from bedplate.policy.layers import Layer, parse_options
from bedplate.settings import Settings

_ENVIRONMENT = "environment"
_TARGET = re.compile(r"[A-Za-z_][A-Za-z0-9_.]*\.[A-Za-z_][A-Za-z0-9_]*(/[A-Za-z_][A-Za-z0-9_]*)?")


def settings_layers(settings: Settings) -> tuple[Layer, ...]:
    """The layers of the policy file that the settings name; none without one.

    Raises:
        PolicyError: See `load_layers`.
    """
    if settings.policy_file is None:
        return ()
    return load_layers(settings.policy_file, environment=settings.environment)


def load_layers(path: Path, *, environment: str) -> tuple[Layer, ...]:
    """The layers of a file, in the order in which they lie over the contract.

    A service's come before a method's, and those for the environment after both.

    Args:
        path: The file.
        environment: The label of the process's environment; empty: none.

    Raises:
        PolicyError: It cannot be read, or says what is none. The text names the file and the place.
    """
    try:
        document = tomllib.loads(path.read_bytes().decode())
    except OSError as error:
        raise PolicyError(
            f"The policy file {path} cannot be read: {error.strerror or type(error).__name__}."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PolicyError(f"{path} is not TOML: {error}.") from error
    labelled = document.pop(_ENVIRONMENT, {})
    if not isinstance(labelled, dict):
        raise PolicyError(f'{path}: write [{_ENVIRONMENT}.staging."package.Service"]')
    own = labelled.get(environment, {}) if environment else {}
    for label, tables in labelled.items():
        for _ in _layers(path, tables, f"{_ENVIRONMENT}.{label}."):
            pass  # mistakes are told everywhere, not only where they count
    return (*_layers(path, document, ""), *_layers(path, own, f"{_ENVIRONMENT}.{environment}."))


def check_targets(layers: Iterable[Layer], services: Mapping[str, Iterable[str]]) -> None:
    """Refuse a layer for a method that its service does not have.

    A service that does not run here is passed over: one file may serve many processes.

    Args:
        layers: The layers.
        services: Names of methods, by the full name of their service.

    Raises:
        PolicyError: There is no such method.
    """
    for layer in layers:
        service, _, method = layer.target.partition("/")
        if method and service in services and method not in (known := set(services[service])):
            raise PolicyError(
                f"{layer.source}: {service} has no method {method}; it has {', '.join(sorted(known))}."
            )


def _layers(path: Path, tables: Any, prefix: str) -> Iterator[Layer]:
    if not isinstance(tables, dict):
        raise PolicyError(f"{path}: {prefix.rstrip('.')} must be a table of services and methods")
    for target in sorted(tables, key=lambda name: ("/" in name, name)):
        where = f'{path}, [{prefix}"{target}"]'
        if not _TARGET.fullmatch(target):
            raise PolicyError(
                f"{where}: this is neither a service nor a method; write the full name in quotes, such as "
                '["bedplate.ledger.v1.LedgerService/GetBalance"]'
            )
        yield Layer(where, target, parse_options(tables[target], where=where))

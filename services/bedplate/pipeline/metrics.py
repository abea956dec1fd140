"""Metrics of stages, which are compiled for each method and again when a policy changes."""

from typing import Any, TypeVar

from prometheus_client import CollectorRegistry
from prometheus_client.metrics import MetricWrapperBase

M = TypeVar("M", bound=MetricWrapperBase)


def metric(
    kind: type[M],
    registry: CollectorRegistry,
    name: str,
    help: str,
    labels: tuple[str, ...] = (),
    **more: Any,
) -> M:
    """The registry's metric of this name, made when it is not there yet."""
    found = registry._names_to_collectors.get(name)
    if found is None:
        return kind(name, help, labels, registry=registry, **more)
    assert isinstance(found, kind), f"{name} is a {type(found).__name__}"
    return found

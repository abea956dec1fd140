"""BP2xx: who calls whom, and what becomes of one call."""

import importlib
from collections.abc import Iterator, Mapping
from functools import cache
from typing import NamedTuple

from google.protobuf.descriptor import FileDescriptor

from bedplate.contract.policy import Idempotency
from bedplate.contract.promises import Criticality
from bedplate.lint.contract import Contract, Method, read_method
from bedplate.lint.rule import Found, Limits, in_method, rule
from bedplate.lint.schema import backoff_s


class Edge(NamedTuple):
    """That a method calls another, at most so often."""

    method: Method
    times: int


Graph = Mapping[str, Method]


@rule("BP201")
def callees_are_known(contract: Contract, limits: Limits) -> Iterator[Found]:
    """A name that is no method promises nothing."""
    known = _known(contract)
    for method in contract.methods:
        for call in method.own.calls:
            if call.method not in known:
                yield in_method(
                    method,
                    f"calls {call.method}, and there is no such method; write package.Service/Method, and "
                    "import its file when it is another project's",
                    "calls",
                )


@rule("BP202")
def calls_make_no_circle(contract: Contract, limits: Limits) -> Iterator[Found]:
    """A circle of calls ends by its deadlines only."""
    known = _known(contract)
    told: set[frozenset[str]] = set()
    for method in contract.methods:
        for path in _circles(method, known, (method.name,)):
            if frozenset(path) not in told:
                told.add(frozenset(path))
                yield in_method(
                    method, f"is called by what it calls: {' -> '.join(path)}; break the circle", "calls"
                )


@rule("BP203")
def children_fit_deadline(contract: Contract, limits: Limits) -> Iterator[Found]:
    """What is called must be able to fail in time, or the caller learns nothing from it."""
    known = _known(contract)
    for method in contract.methods:
        edges = tuple(_edges(method, known))
        if method.policy is None or not edges:
            continue
        worst_s = sum(edge.times * _worst_s(edge.method) for edge in edges)
        if worst_s > method.policy.deadline_default_s:
            parts = " + ".join(_told(edge) for edge in edges)
            yield in_method(
                method,
                f"has {method.policy.deadline_default_s:g} s, and what it calls may take {worst_s:g} s: "
                f"{parts}; give it a longer deadline, or them fewer attempts or a shorter one",
                "calls",
            )


@rule("BP204")
def retries_stay_few(contract: Contract, limits: Limits) -> Iterator[Found]:
    """Attempts multiply along a path: three layers of four are sixty-four calls at the last."""
    known = _known(contract)
    for method in contract.methods:
        for path, factor in _paths(method, known, (method.name,), _attempts(method)):
            if factor > limits.amplification_max:
                yield in_method(
                    method,
                    f"may become {factor} calls when the last one fails: {path}; at most "
                    f"{limits.amplification_max} are allowed. Retry at one place of the path",
                    "calls",
                )


@rule("BP205")
def critical_calls_critical(contract: Contract, limits: Limits) -> Iterator[Found]:
    """What is refused last may not need what is refused first."""
    known = _known(contract)
    for method in contract.methods:
        for edge in _edges(method, known):
            mine, theirs = _criticality(method), _criticality(edge.method)
            if mine.value < theirs.value:
                yield in_method(
                    method,
                    f"is {mine.name} and calls {edge.method.name}, which is {theirs.name} and is refused "
                    "before it; give both the same criticality, or do without its answer",
                    "calls",
                )


@rule("BP206")
def readers_call_readers(contract: Contract, limits: Limits) -> Iterator[Found]:
    """Who calls what has an effect has one too."""
    known = _known(contract)
    for method in contract.methods:
        for edge in _edges(method, known):
            if _reads(method) and not _reads(edge.method):
                yield in_method(
                    method,
                    f"is READ_ONLY and calls {edge.method.name}, which is not; a cached or repeated call "
                    "would miss or repeat that effect",
                    "calls",
                )


def _known(contract: Contract) -> Graph:
    """All methods that may be called: those of the contracts, of what they import, and of bedplate."""
    found = {method.name: method for method in contract.methods}
    for file in contract.all_files:
        _add(found, file)
    for method in contract.methods:
        for call in method.own.calls:
            shipped = _shipped(call.method.rpartition("/")[0])
            if shipped is not None:
                _add(found, shipped)
    return found


def _add(found: dict[str, Method], file: FileDescriptor) -> None:
    for service in file.services_by_name.values():
        for descriptor in service.methods:
            found.setdefault(f"{service.full_name}/{descriptor.name}", read_method(descriptor))


@cache
def _shipped(service: str) -> FileDescriptor | None:
    """The file of a service that bedplate brings, by the service's full name."""
    words = service.split(".")
    if words[0] != "bedplate" or len(words) != 4 or not all(word.isidentifier() for word in words):
        return None
    try:
        module = importlib.import_module(f"{'.'.join(words[:3])}.{words[1]}_pb2")
    except ModuleNotFoundError:
        return None
    file: FileDescriptor = module.DESCRIPTOR
    return file


def _edges(method: Method, known: Graph) -> Iterator[Edge]:
    for call in method.own.calls:
        if call.method in known:
            yield Edge(known[call.method], max(call.count, 1))


def _circles(method: Method, known: Graph, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for edge in _edges(method, known):
        if edge.method.name == path[0]:
            yield (*path, path[0])
        elif edge.method.name not in path:
            yield from _circles(edge.method, known, (*path, edge.method.name))


def _paths(method: Method, known: Graph, path: tuple[str, ...], factor: int) -> Iterator[tuple[str, int]]:
    """Each longest path of calls from a method, as it is told, and how many calls its last one gets."""
    shown = f"{method.name} x{_attempts(method)}"
    edges = [edge for edge in _edges(method, known) if edge.method.name not in path]
    if not edges and len(path) > 1:
        yield shown, factor
    for edge in edges:
        grown = factor * edge.times * _attempts(edge.method)
        for rest, total in _paths(edge.method, known, (*path, edge.method.name), grown):
            times = f"{edge.times} times " if edge.times > 1 else ""
            yield f"{shown} -> {times}{rest}", total


def _attempts(method: Method) -> int:
    policy = method.policy
    if policy is None:
        return 1
    return max(
        policy.retry.max_attempts if policy.retry else 1, policy.hedge.max_attempts if policy.hedge else 1
    )


def _worst_s(method: Method) -> float:
    """How long one call of it may take with all attempts: each its whole deadline, and the waits between."""
    policy = method.policy
    if policy is None:
        return 0.0
    attempts = policy.retry.max_attempts if policy.retry else 1
    waits_s = backoff_s(policy.retry) if policy.retry else 0.0
    return attempts * policy.deadline_default_s + waits_s


def _told(edge: Edge) -> str:
    times = f"{edge.times} x " if edge.times > 1 else ""
    return f"{times}{edge.method.name} ({_worst_s(edge.method):g} s)"


def _criticality(method: Method) -> Criticality:
    return method.policy.criticality if method.policy else Criticality.DEFAULT


def _reads(method: Method) -> bool:
    return method.options.idempotency == Idempotency.READ_ONLY.value

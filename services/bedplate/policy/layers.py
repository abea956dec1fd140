"""The policy in force: the contract, tightened by the deployment.

Layers, each over the one before it: the contract (method over service over
defaults), the policy file's settings for a service and for a method, those for
the environment that the process belongs to, and overrides at run time. A layer
after the contract may tighten an option and never loosen it.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message

from bedplate.contract.policy import MethodPolicy, PolicyError, complete, resolve
from bedplate.contract.promises import seconds
from bedplate.policy.tighten import Loosened, contract_only, loosened
from bedplate.v1 import policy_pb2

# How json_format tells of a value, of a field that there is none of, of a place and of a type.
_IN = re.compile(r"Failed to parse (\w+) field: ")
_UNKNOWN = re.compile(r'has no field named "([^"]*)".*"\[(.*)\]"', re.DOTALL)
_PLACE = re.compile(r' at "?MethodPolicy\b([\w.]*)"?')
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])")
_TYPE = re.compile(r" for enum type [\w.]+")


class LooseningError(PolicyError):
    """A layer that would loosen what the contract promises. The text names the line that forbids it.

    Attributes:
        option: The option's path, such as `deadline.max`.
        line: What forbids it, such as `deadline.max: 30 s (method)`.
    """

    def __init__(self, text: str, *, option: str, line: str) -> None:
        super().__init__(text)
        self.option = option
        self.line = line


@dataclass(frozen=True, slots=True)
class Layer:
    """What a deployment says of a service or a method.

    Attributes:
        source: Where it stands, such as `policy.toml, line 4` or `override 7`.
        target: Full name of a service or of a method, `package.Service/Method`.
        options: What it sets.
    """

    source: str
    target: str
    options: policy_pb2.MethodPolicy

    def covers(self, method: str) -> bool:
        """Whether it is about this method."""
        return self.target in (method, method.partition("/")[0])


def parse_options(values: Any, *, where: str) -> policy_pb2.MethodPolicy:
    """Options out of plain values, named and written as in protobuf's JSON: `{"deadline": {"max": "10s"}}`.

    Raises:
        PolicyError: They are none. The text begins with `where`.
    """
    if not isinstance(values, dict):
        raise PolicyError(f"{where}: {values!r} is no table of options")
    options = policy_pb2.MethodPolicy()
    try:
        json_format.ParseDict(values, options)
    except json_format.ParseError as error:
        raise PolicyError(f"{where}: {_mended(str(error))}") from error
    for path, value in _without_effect(options, values, ""):
        raise PolicyError(f"{where}: {path}: {value} sets nothing; write another value, or leave it out.")
    return options


def in_force(method: MethodDescriptor, layers: Iterable[Layer]) -> MethodPolicy:
    """The method's policy with these layers over its contract, in this order.

    Raises:
        LooseningError: A layer would loosen what those below it say.
        PolicyError: The contract, or what comes of it, contradicts itself.
    """
    policy = resolve(method)
    for layer in layers:
        if layer.covers(policy.method):
            policy = _over(policy, layer)
    return policy


def _over(below: MethodPolicy, layer: Layer) -> MethodPolicy:
    _refuse(below, layer, contract_only(layer.options, below))
    merged = policy_pb2.MethodPolicy()
    merged.CopyFrom(below.options)
    sources = dict(below.sources)
    for path in _paths(below.options, ""):
        sources.setdefault(path, sources[path.partition(".")[0]])
    for path in _merge(merged, layer.options, ""):
        sources[path] = layer.source
        sources[path.partition(".")[0]] = layer.source
    if _lowers_default(below, merged, layer.options):
        merged.deadline.default.CopyFrom(merged.deadline.max)
        sources["deadline.default"] = layer.source
    try:
        above = complete(below.descriptor, merged, sources)
    except PolicyError as error:
        raise PolicyError(f"{layer.source}: {error}") from error
    _refuse(below, layer, loosened(below, above, layer.options))
    return above


def _refuse(below: MethodPolicy, layer: Layer, found: Loosened | None) -> None:
    if found is not None:
        option, value, why = found
        origin = below.sources.get(option) or below.sources.get(option.partition(".")[0], "default")
        line = f"{option}: {value} ({origin})"
        raise LooseningError(
            f"{layer.source} would loosen {below.method}: {why}. What forbids it: {line}.",
            option=option,
            line=line,
        )


def _lowers_default(
    below: MethodPolicy, merged: policy_pb2.MethodPolicy, given: policy_pb2.MethodPolicy
) -> bool:
    """Whether a layer sets the longest deadline below the default one and leaves that alone."""
    longest = merged.deadline.max
    sets_max = given.deadline.HasField("max") and not given.deadline.HasField("default")
    return sets_max and 0 < seconds(longest) < below.deadline_default_s


def _paths(options: Message, prefix: str) -> Iterator[str]:
    for field, value in options.ListFields():
        yield prefix + field.name
        if _has_options(field):
            yield from _paths(value, f"{prefix}{field.name}.")


def _without_effect(options: Message, values: dict[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    """What was written and is not there: who writes `rate.per_second = 0` must not think it a limit."""
    there = {field.name for field, _ in options.ListFields()}
    for name, value in values.items():
        fields = options.DESCRIPTOR.fields_by_name
        field: Any = fields.get(name) or options.DESCRIPTOR.fields_by_camelcase_name[name]
        if field.name not in there or value == {}:
            yield prefix + field.name, value
        elif _has_options(field):
            yield from _without_effect(getattr(options, field.name), value, f"{prefix}{field.name}.")


def _has_options(field: FieldDescriptor) -> bool:
    below = field.message_type
    return below is not None and not field.is_repeated and below.full_name.startswith("bedplate.")


def _merge(into: Message, given: Message, prefix: str) -> list[str]:
    """Put what is given over what is there, value by value; the paths that were set."""
    paths = []
    for field, value in given.ListFields():
        path = prefix + field.name
        if field.is_repeated:
            into.ClearField(field.name)
            getattr(into, field.name).extend(value)
        elif _has_options(field):
            below = getattr(into, field.name)
            below.SetInParent()
            paths += _merge(below, value, f"{path}.")
        elif field.message_type is not None:
            getattr(into, field.name).CopyFrom(value)
        else:
            setattr(into, field.name, value)
        paths.append(path)
    return paths


def _mended(text: str) -> str:
    """json_format's words, with the option as its author writes it, and without our messages' names."""
    place = _PLACE.search(text)
    path = max(".".join(_IN.findall(text)), place[1].strip(".") if place else "", key=len)
    unknown = _UNKNOWN.search(text)
    if unknown is not None:
        known = _HUMP.sub("_", unknown[2].replace("'", "")).lower()
        return f"there is no option {f'{path}.{unknown[1]}'.lstrip('.')}; there are {known}."
    what = _TYPE.sub("", _PLACE.sub("", _IN.sub("", text))).rstrip(".")
    return f"{path}: {what}."

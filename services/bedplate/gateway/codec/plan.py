"""Plans that turn plain JSON values into what a message's constructor takes.

One plan for each message type, made from its descriptor at first use and
kept. A plan carries no path, which is what makes it fast: a value that does
not fit raises `Unfit`, and each object and list on the way up adds its step.
"""

import threading
from collections.abc import Callable
from difflib import get_close_matches
from functools import partial
from typing import Any as Anything
from typing import Self, TypeVar

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass

from bedplate.contract.messages import is_map
from bedplate.errors import Violation
from bedplate.gateway.codec import leaf as json_leaf
from bedplate.gateway.codec.kind import ANY, VALUE, find_type, is_special, is_wrapper
from bedplate.gateway.codec.leaf import Convert, Never, wrong_type
from bedplate.gateway.codec.parse import Twice
from bedplate.gateway.codec.text import KEY_SHOWN_MAX, VIOLATIONS_MAX, Unfit
from bedplate.telemetry.redact import is_sensitive

T = TypeVar("T")

SUGGEST_MAX = 5  # unknown names of one object that get a suggestion; each costs about 0.1 ms


def forget() -> None:
    """Keep no plan any more: those of contracts that are gone hold the contracts."""
    with Builder._lock:
        Builder._kept.clear()


# What a field's plan holds: its name, the type whose values need no
# converting, how others are converted, and what null means (None: unset).
FieldPlan = tuple[str, type, Convert, Anything]


class Plan:
    """How objects become messages of one type."""

    __slots__ = ("fields", "names", "oneofs", "secret")

    def __init__(self, descriptor: Descriptor, secret: bool) -> None:
        self.secret = secret
        self.fields: dict[str, FieldPlan] = {}
        self.names = [field.json_name for field in descriptor.fields]
        # A proto3 optional field is alone in a oneof, which nothing can break.
        self.oneofs = tuple(
            frozenset(field.name for field in oneof.fields)
            for oneof in descriptor.oneofs
            if len(oneof.fields) > 1
        )

    def convert(self, value: Anything) -> dict[str, Anything]:
        """The constructor's arguments; a field that is null is there as None, which sets nothing."""
        if type(value) is not dict:
            raise wrong_type("an object", value)
        find = self.fields.get
        out: dict[str, Anything] = {}
        faults: list[Violation] | None = None
        for key, item in value.items():
            plan = find(key)
            if plan is None:
                faults = faults or []
                faults.append(self._unknown(key, len(faults)))
                if len(faults) >= VIOLATIONS_MAX:
                    break
                continue
            name, exact, convert, null = plan
            if type(item) is exact:
                out[name] = item
            elif item is None:
                out[name] = null
            else:
                try:
                    out[name] = convert(item)
                except Unfit as unfit:
                    faults = (faults or []) + unfit.under(name)
                    if len(faults) >= VIOLATIONS_MAX:
                        break
                    out[name] = None
        if faults is not None:
            raise Unfit(below=faults)
        if len(out) != len(value):
            raise Unfit(below=self._both_names(value))
        if self.oneofs:
            self._check_oneofs(out)
        return out

    def _check_oneofs(self, out: dict[str, Anything]) -> None:
        faults = []
        for members in self.oneofs:
            if len(members & out.keys()) > 1:
                faults += _one_of([name for name in out if name in members and out[name] is not None])
        if faults:
            raise Unfit(below=faults)

    def _unknown(self, key: str, before: int) -> Violation:
        shown = key[:KEY_SHOWN_MAX]
        sentence = "There is no such field"
        near = get_close_matches(shown, self.names, n=1) if before < SUGGEST_MAX else []
        sentence += f"; did you mean {near[0]}?" if near else "; leave it out."
        return Violation("" if self.secret else shown, sentence, "json.unknown_field")

    def _both_names(self, value: dict[str, Anything]) -> list[Violation]:
        seen: dict[str, str] = {}
        faults = []
        for key in value:
            name = self.fields[key][0]
            if name in seen:
                sentence = f"The field stands twice, as {seen[name]} and as {key}; send it once."
                faults.append(Violation(name, sentence, "json.twice"))
            seen[name] = key
        return faults


def _one_of(names: list[str]) -> list[Violation]:
    if len(names) < 2:
        return []
    return [
        Violation(names[-1], f"Only one of {', '.join(sorted(names))} may be set; send one.", "json.oneof")
    ]


class Builder:
    """Makes plans; those of types that hold each other are kept together when all are whole."""

    _kept: dict[tuple[Anything, ...], Convert] = {}
    _lock = threading.RLock()
    plan = Plan
    strict = True

    def __init__(self) -> None:
        self._made: dict[tuple[Anything, ...], Convert] = {}

    @classmethod
    def whole(cls, make: "Callable[[Self], T]") -> T:
        """What a builder makes, with all that it needs."""
        with cls._lock:
            builder = cls()
            made = make(builder)
            cls._kept.update(builder._made)
        return made

    def message(self, descriptor: Descriptor, secret: bool) -> Convert:
        """How a type's values are converted; `secret`: no answer repeats anything of them."""
        special = json_leaf.well_known(descriptor)
        if special is not None:
            return special
        if descriptor.full_name == ANY:
            return partial(_any, type(self), secret, descriptor)
        if is_wrapper(descriptor):
            return _wrapper(self.single(descriptor.fields_by_name["value"], secret))
        key = (self.strict, descriptor, secret)
        made = self._kept.get(key) or self._made.get(key)
        if made is not None:
            return made
        plan = self.plan(descriptor, secret)
        self._made[key] = plan.convert
        for below in descriptor.fields:
            entry = self.field(below, secret or is_sensitive(below))
            plan.fields.setdefault(below.name, entry)
        for below in descriptor.fields:
            plan.fields[below.json_name] = plan.fields[below.name]
        return plan.convert

    def single(self, field: FieldDescriptor, secret: bool) -> Convert:
        """How one value of a field is converted."""
        if field.message_type is not None:
            return self.message(field.message_type, secret)
        return self.scalar(field, secret)

    def scalar(self, field: FieldDescriptor, secret: bool) -> Convert:
        """How one value of a field that holds no message is converted."""
        return json_leaf.scalar(field, secret=secret)

    def field(self, field: FieldDescriptor, secret: bool) -> FieldPlan:
        """A field's entry in its message's plan."""
        if is_map(field):
            assert field.message_type is not None
            key = field.message_type.fields_by_name["key"]
            value = field.message_type.fields_by_name["value"]
            return (
                field.name,
                Never,
                map_plan(json_leaf.map_key(key), self.single(value, secret), secret),
                None,
            )
        single = self.single(field, secret)
        if field.is_repeated:
            below = field.message_type
            if below is not None and below.full_name == VALUE:
                return field.name, Never, json_leaf.values(below), None
            return field.name, Never, _repeated(single), None
        return field.name, json_leaf.exact_type(field), single, json_leaf.null_value(field)


def _repeated(convert: Convert) -> Convert:
    def many(value: Anything) -> list[Anything]:
        if type(value) is not list:
            raise wrong_type("a list", value)
        out: list[Anything] = []
        faults: list[Violation] = []
        for item in value:
            try:
                out.append(convert(item))
            except Unfit as unfit:
                faults += unfit.under(f"[{len(out)}]")
                out.append(None)
                if len(faults) >= VIOLATIONS_MAX:
                    break
        if faults:
            raise Unfit(below=faults)
        return out

    return many


def map_plan(read_key: Convert, convert: Convert, secret: bool) -> Convert:
    """How objects become maps."""

    def entries(value: Anything) -> dict[Anything, Anything]:
        if type(value) is not dict:
            raise wrong_type("an object", value)
        out: dict[Anything, Anything] = {}
        faults: list[Violation] = []
        for text, item in value.items():
            try:
                out[read_key(text)] = convert(item)
            except Unfit as unfit:
                faults += unfit.under("[*]" if secret else f'["{text[:KEY_SHOWN_MAX]}"]')
                if len(faults) >= VIOLATIONS_MAX:
                    break
        if faults:
            raise Unfit(below=faults)
        return out

    return entries


def _wrapper(convert: Convert) -> Convert:
    return lambda value: {"value": convert(value)}


def _any(builder: type[Builder], secret: bool, own: Descriptor, value: Anything) -> dict[str, Anything]:
    """The arguments of an Any, whose own descriptor tells where types are looked for."""
    strict = builder.strict
    twice = value.keys_twice if type(value) is Twice else []
    members = value.members if twice else value
    if type(members) is not dict or (twice and (strict or {"@type", "value"} & {*twice})):
        raise wrong_type("an object with @type", value)
    if not members or not (strict or "@type" in members):
        return {}
    url = members.get("@type")
    if type(url) is not str:
        raise _at("@type", "Name the type, such as type.googleapis.com/google.protobuf.Duration.")
    prefix, slash, name = url.rpartition("/")
    try:
        descriptor = find_type(own, name)
    except KeyError:
        raise _at("@type", "There is no such type here; send one that the contract names.") from None
    if strict and not (prefix and slash):
        raise _at("@type", "Write a slash before the type's name, such as type.googleapis.com/some.Type.")
    rest = {key: item for key, item in members.items() if key != "@type"}
    convert = builder.whole(lambda builder: builder.message(descriptor, secret))
    if is_special(descriptor):
        if rest.keys() != {"value"} if strict else "value" not in rest:
            raise _at("value", "Send the value of this type as value, and nothing beside it.")
        try:
            made = convert(rest["value"])
        except Unfit as unfit:
            raise Unfit(below=unfit.under("value")) from None
    else:
        made = convert(Twice(rest, twice) if twice else rest)
    packed = GetMessageClass(descriptor)(**made) if type(made) is dict else made
    return {"type_url": url, "value": packed.SerializePartialToString(deterministic=True)}


def _at(step: str, sentence: str) -> Unfit:
    return Unfit(below=[Violation(step, sentence, "json.any")])

"""Tells at once that a message has its required fields and keeps its rules, where that is plain to see.

protovalidate is exact and costs 25 microseconds between two calls, because a
message is serialised and parsed again for it. Most rules are a length, a range
or a pattern, and most messages keep them all: that is checked here first, with
a few comparisons. A message that is not plainly right goes to protovalidate,
which alone decides and explains. So this must never accept what protovalidate
refuses, and may always give up; a property test compares the two.
"""

import keyword
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from bedplate.contract.behaviour import is_required
from buf.validate import validate_pb2

# Says whether a value plainly keeps its rules.
Plain = Callable[[Any], bool]

# Patterns that mean the same to RE2 and to Python's re with ASCII classes, for
# a value without a line break. Not \s, which is a vertical tab to Python only.
_SAME_PATTERN = re.compile(r"(?:[A-Za-z0-9 _:;,@/^$|()\[\]{}+*?.-]|\\[.\-/dw]|\\x[0-9a-f]{2})*", re.ASCII)
_DIFFERENT = re.compile(r"\(\?|\[\[|\[\]|\[\^\]|[*+?}]\+|--|\|\|")
# Numbers of repetitions as both read them; {,3} is text to RE2, {02} too, and 1000 its most.
_COUNTS = re.compile(r"\{(?!(?:0|[1-9][0-9]{0,2})(?:,(?:0|[1-9][0-9]{0,2})?)?\})")

# A repeated group can make a backtracking matcher take exponential time, unless
# each round begins with a character that the rest of the group cannot take, such
# as `(:[a-z]+)*`.
_REPEATED_GROUP = re.compile(r"\)[+*{]")
_SEPARATED = re.compile(r"\((?P<first>[^\[\]()\\^$|.*+?{}])\[(?P<rest>[^\[\]\\^]+)\][+*]\)[+*{]")

# What takes as many characters as there are or fewer; each more multiplies the time
# that a value can take by its length. What may be there or not doubles it.
_WIDE = re.compile(r"[*+]|\{[0-9]+,")
_SHORT_CHARS = 256
_MAYBE_MAX = 4

_NUMBERS = frozenset(
    {"int32", "int64", "uint32", "uint64", "sint32", "sint64", "fixed32", "fixed64", "sfixed32", "sfixed64"}
)

_NOT_EXACT = (
    FieldDescriptor.CPPTYPE_FLOAT,
    FieldDescriptor.CPPTYPE_DOUBLE,
    FieldDescriptor.CPPTYPE_MESSAGE,
)

_IGNORES = (validate_pb2.IGNORE_UNSPECIFIED, validate_pb2.IGNORE_IF_ZERO_VALUE)


@cache
def plain_check(descriptor: Descriptor) -> Plain | None:
    """A check of a whole message; None when its rules are not of the plain kinds."""
    return _message(descriptor, frozenset())


def _message(descriptor: Descriptor, above: frozenset[str]) -> Plain | None:
    if descriptor.full_name in above:
        return None  # a message that contains itself has no flat check
    above |= {descriptor.full_name}
    if descriptor.GetOptions().HasExtension(validate_pb2.message):
        return None
    if any(oneof.GetOptions().HasExtension(validate_pb2.oneof) for oneof in descriptor.oneofs):
        return None
    always: list[tuple[str, Plain]] = []
    when_set: list[tuple[str, Plain]] = []
    must_be_set: list[tuple[str, Plain]] = []
    for field in descriptor.fields:
        check = _field(field, above)
        required = is_required(field)
        if check is None and not required and _may_be_left_out(field):
            check = _never  # a message that does not hold it can be plain
        if check is None:
            return None
        if field.has_presence and not field.is_repeated:
            if required:
                must_be_set.append((field.name, check))
            elif check is not _anything:
                when_set.append((field.name, check))
        elif required:
            always.append((field.name, _set(field, check)))
        elif check is not _anything:
            always.append((field.name, check))
    if not always and not when_set and not must_be_set:
        return _anything
    return _all(tuple(always), tuple(when_set), tuple(must_be_set))


def _may_be_left_out(field: FieldDescriptor) -> bool:
    """Whether the field's rules say nothing of a request that does not have it."""
    rules: validate_pb2.FieldRules = field.GetOptions().Extensions[validate_pb2.field]
    return field.message_type is not None and not field.is_repeated and not rules.required


def _set(field: FieldDescriptor, check: Plain) -> Plain:
    """The check of a required field that is unset when its value is false."""
    if check is _anything:
        return bool
    if isinstance(check, _Length):
        return _Length(max(1, check.least), check.most)
    unset = () if field.is_repeated else field.default_value
    return (lambda value: bool(value) and check(value)) if check(unset) else check


@dataclass(frozen=True, slots=True)
class _Length:
    """A text of so many characters."""

    least: int
    most: float

    def __call__(self, value: Any) -> bool:
        return self.least <= len(value) <= self.most

    def source(self, value: str) -> str:
        return _between(self.least or -math.inf, f"len({value})", self.most)


@dataclass(frozen=True, slots=True)
class _Range:
    """A number within bounds."""

    least: float
    most: float

    def __call__(self, value: int) -> bool:
        return self.least <= value <= self.most

    def source(self, value: str) -> str:
        return _between(self.least, value, self.most)


@dataclass(frozen=True, slots=True)
class _Pattern:
    """A text in one line that matches."""

    length: _Length
    search: Callable[[str], Any]

    def __call__(self, value: str) -> bool:
        return self.length(value) and self.search(value) is not None and "\n" not in value


def _between(least: float, value: str, most: float) -> str:
    """Both comparisons, or the one that can fail."""
    low, high = f"{least} <= " if least > -math.inf else "", f" <= {most}" if most < math.inf else ""
    return f"{low}{value}{high}" if low or high else "True"


def _all(
    always: tuple[tuple[str, Plain], ...],
    when_set: tuple[tuple[str, Plain], ...],
    must_be_set: tuple[tuple[str, Plain], ...],
) -> Plain:
    """All of a message's checks as one expression: going through them one by one costs twice as much.

    Its source holds names of fields, which have no characters but letters,
    digits and underscores, and numbers.
    """
    source = _Source()
    terms = [source.term(name, check) for name, check in always]
    terms += [f"(not m.HasField({name!r}) or {source.term(name, check)})" for name, check in when_set]
    terms += [f"m.HasField({name!r}) and {source.term(name, check)}" for name, check in must_be_set]
    keeps: Plain = eval(f"lambda m: {' and '.join(terms)} and True", source.scope)  # noqa: S307
    return keeps


class _Source:
    """The source of a check.

    Attributes:
        scope: What it names.
    """

    def __init__(self) -> None:
        self.scope: dict[str, Any] = {}

    def term(self, name: str, check: Plain) -> str:
        """An expression that is true when a field of `m` keeps its check."""
        value = f"getattr(m, {name!r})" if keyword.iskeyword(name) else f"m.{name}"
        if check is bool:
            return value
        if isinstance(check, (_Length, _Range)):
            return check.source(value)
        own = f"check_{len(self.scope)}"
        if isinstance(check, _Pattern):
            self.scope[own] = check.search
            # The length first: a long value could keep the matcher busy.
            length = check.length.source(f"v := {value}")
            text = f"v := {value}" if length == "True" else "v"
            return f"{length} and {own}({text}) is not None and '\\n' not in v"
        self.scope[own] = check
        return f"{own}({value})"


def _anything(value: Any) -> bool:
    return True


def _never(value: Any) -> bool:
    return False


def _field(field: FieldDescriptor, above: frozenset[str]) -> Plain | None:
    rules: validate_pb2.FieldRules = field.GetOptions().Extensions[validate_pb2.field]
    if not field.is_repeated:
        return _single(field, rules, above)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return _map(field, rules)
    kind = rules.WhichOneof("type")
    if kind not in (None, "repeated") or _sets_other(rules, "repeated"):
        return None
    if _sets_other(rules.repeated, "min_items", "max_items", "items"):
        return None
    item = _single(field, rules.repeated.items, above)
    if item is None:
        return None
    most = rules.repeated.max_items if rules.repeated.HasField("max_items") else math.inf
    return _list(item, rules.repeated.min_items, most)


def _list(item: Plain, least: int, most: float) -> Plain:
    if item is _anything:
        return _anything if least == 0 and most == math.inf else _Length(least, most)

    def keeps(values: Any) -> bool:
        if not least <= len(values) <= most:
            return False
        # A slice is made in C at once, and a generator would cost what the checks do.
        for value in values[:]:  # noqa: SIM110
            if not item(value):
                return False
        return True

    return keeps


def _map(field: FieldDescriptor, rules: validate_pb2.FieldRules) -> Plain | None:
    entry = field.message_type.fields_by_name  # type: ignore[union-attr]
    if entry["value"].message_type is not None or rules.WhichOneof("type") not in (None, "map"):
        return None
    if _sets_other(rules, "map") or _sets_other(rules.map, "min_pairs", "max_pairs", "keys", "values"):
        return None
    key = _single(entry["key"], rules.map.keys, frozenset())
    value = _single(entry["value"], rules.map.values, frozenset())
    if key is None or value is None:
        return None
    if not rules.ListFields():
        return _anything
    least = rules.map.min_pairs
    most = rules.map.max_pairs if rules.map.HasField("max_pairs") else math.inf

    def keeps(pairs: Any) -> bool:
        if not pairs:
            return least == 0
        return least <= len(pairs) <= most and all(map(key, pairs)) and all(map(value, pairs.values()))

    return keeps


def _single(field: FieldDescriptor, rules: validate_pb2.FieldRules, above: frozenset[str]) -> Plain | None:
    """The check of one value, or of one item of a list."""
    check = _plain_value(field, rules, above)
    # A zero below zero is none to protovalidate, and one to Python.
    if check is None and field.cpp_type not in _NOT_EXACT and _passes_zero(field, rules):
        return _is_unset
    return check


def _is_unset(value: Any) -> bool:
    return not value


def _passes_zero(field: FieldDescriptor, rules: validate_pb2.FieldRules) -> bool:
    """Whether a zero that is there is not looked at; one of a field with presence is."""
    if rules.ignore != validate_pb2.IGNORE_IF_ZERO_VALUE or rules.required:
        return False
    return bool(field.is_repeated or not field.has_presence)


def _plain_value(
    field: FieldDescriptor, rules: validate_pb2.FieldRules, above: frozenset[str]
) -> Plain | None:
    kind = rules.WhichOneof("type")
    if field.message_type is not None:
        return None if rules.ListFields() else _message(field.message_type, above)
    if kind is None:
        return None if rules.ListFields() else _anything
    if _sets_other(rules, kind, "ignore") or rules.ignore not in _IGNORES:
        return None
    check = _typed(field, kind, getattr(rules, kind))
    if check is None or not _passes_zero(field, rules):
        return check
    return lambda value: not value or check(value)


def _typed(field: FieldDescriptor, kind: str, rules: Any) -> Plain | None:
    if kind == "string":
        return _string(rules)
    if kind == "enum":
        return _enum(field, rules)
    return _number(rules) if kind in _NUMBERS else None


def _string(rules: validate_pb2.StringRules) -> Plain | None:
    if _sets_other(rules, "min_len", "max_len", "pattern"):
        return None
    least, most = rules.min_len, rules.max_len if rules.HasField("max_len") else math.inf
    if not rules.HasField("pattern"):
        return _Length(least, most)
    reach = _quick_chars(rules.pattern)
    if not _is_same(rules.pattern) or not reach:
        return None
    try:
        search = re.compile(rules.pattern, re.ASCII).search
    except re.error:  # such as [\w-.], which RE2 takes
        return None
    return _Pattern(_Length(least, min(most, reach)), search)


def _is_same(pattern: str) -> bool:
    """Whether both matchers read a pattern alike."""
    return (
        _SAME_PATTERN.fullmatch(pattern) is not None
        and _DIFFERENT.search(pattern) is None
        and _COUNTS.search(pattern) is None
    )


def _quick_chars(pattern: str) -> float:
    """How long a value may be so that it cannot keep Python's matcher busy; 0: none is so short."""
    separated = [
        match for match in _SEPARATED.finditer(pattern) if _is_outside(match["first"], match["rest"])
    ]
    if len(_REPEATED_GROUP.findall(pattern)) > len(separated) or pattern.count("?") > _MAYBE_MAX:
        return 0
    # A separated group has two of them and is as one; the places where a match may begin are one too.
    wide = len(_WIDE.findall(pattern)) - len(separated)
    anywhere = not pattern.startswith("^") or "|" in pattern
    return (math.inf, math.inf, _SHORT_CHARS, 0)[min(wide + anywhere, 3)]


def _is_outside(first: str, rest: str) -> bool:
    """Whether a character is outside of a class, which is written without its brackets."""
    return re.fullmatch(f"[{rest}]", first) is None


def _number(rules: Any) -> Plain | None:
    if _sets_other(rules, "gt", "gte", "lt", "lte"):
        return None
    least = rules.gt + 1 if rules.HasField("gt") else rules.gte if rules.HasField("gte") else -math.inf
    most = rules.lt - 1 if rules.HasField("lt") else rules.lte if rules.HasField("lte") else math.inf
    if least > most:
        return None  # bounds the other way round mean "outside of"
    return _Range(least, most)


def _enum(field: FieldDescriptor, rules: validate_pb2.EnumRules) -> Plain | None:
    if _sets_other(rules, "defined_only", "not_in"):
        return None
    assert field.enum_type is not None
    refused = frozenset(rules.not_in)
    if rules.defined_only:
        return (frozenset(field.enum_type.values_by_number) - refused).__contains__
    return (lambda value: value not in refused) if refused else _anything


def _sets_other(rules: Message, *known: str) -> bool:
    """Whether the rules set something that is not among the known."""
    return any(field.name not in known for field, _ in rules.ListFields())

"""What comparisons share: a change under a code, and the pairs of what is compared."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from google.protobuf.descriptor import Descriptor, EnumDescriptor

from bedplate.lint.contract import Contract, Method
from bedplate.lint.finding import Finding, Place, Severity
from bedplate.lint.schema import below

_SEVERITIES = {"0": Severity.ERROR, "1": Severity.WIRE, "2": Severity.JSON, "3": Severity.POLICY}

# Every code of a breaking change; each has its section in pages/.
CODES = (
    *("BB001", "BB002"),
    *(
        f"BB{number}"
        for number in (
            *range(101, 117),
            *range(201, 210),
            *range(301, 317),
            *range(318, 338),
            *range(401, 406),
        )
    ),
)


class Change(NamedTuple):
    """A change that breaks something.

    Attributes:
        code: Such as `BB301`.
        element: Full name of what changed, as it was before.
        sentence: What changed, and what to do.
        option: The word by which its line is found inside the element; empty: the element's first line.
    """

    code: str
    element: str
    sentence: str
    option: str = ""


@dataclass(frozen=True)
class Pair:
    """Contracts before and after a change."""

    old: Contract
    new: Contract

    @cached_property
    def messages(self) -> tuple[tuple[Descriptor, Descriptor], ...]:
        """Messages that are in both."""
        there = {message.full_name: message for message in self.new.messages}
        return tuple(
            (message, there[message.full_name]) for message in self.old.messages if message.full_name in there
        )

    @cached_property
    def enums(self) -> tuple[tuple[EnumDescriptor, EnumDescriptor], ...]:
        """Enums that are in both."""
        there = {enum.full_name: enum for enum in self.new.enums}
        return tuple((enum, there[enum.full_name]) for enum in self.old.enums if enum.full_name in there)

    @cached_property
    def methods(self) -> tuple[tuple[Method, Method], ...]:
        """Methods that are in both."""
        there = {method.name: method for method in self.new.methods}
        return tuple((method, there[method.name]) for method in self.old.methods if method.name in there)

    @cached_property
    def asked(self) -> frozenset[str]:
        """Messages that callers sent before: requests, and what is in them."""
        found = set()
        for method in self.old.methods:
            request = method.descriptor.input_type
            found.add(request.full_name)
            found |= {field.message_type.full_name for _, field in below(request) if field.message_type}
        return frozenset(found)

    def finding(self, change: Change) -> Finding:
        """The change with its place: in what is there now, or in what is left of where it was."""
        severity = _SEVERITIES.get(change.code[2], Severity.ADVICE)
        return Finding(self._place(change), change.code, severity, change.element, f"{change.sentence}.")

    def _place(self, change: Change) -> Place:
        place = self.new.place(change.element, change.option)
        if place.line:
            return place
        element = self.old.elements.get(change.element)
        file = element.file if element else ""
        here = self.new.place(file)
        return here if here.line else Place(f"{place.file}/{file}".strip("/"))


def listed(names: Iterator[str] | frozenset[str] | set[str]) -> str:
    """Names in order, for a sentence."""
    return ", ".join(sorted(names))

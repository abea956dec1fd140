"""What a rule is: a function that looks at contracts, under a code."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from google.protobuf.descriptor import FieldDescriptor

from bedplate.lint.contract import Contract, Method
from bedplate.lint.finding import Severity
from bedplate.lint.schema import short

AMPLIFICATION_MAX = 10


class Found(NamedTuple):
    """A mistake before its place is known.

    Attributes:
        element: Full name of what has it, with dots.
        sentence: What is wrong, and what to write.
        option: The word by which its line is found inside the element; empty: the element's first line.
    """

    element: str
    sentence: str
    option: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a project may choose.

    Attributes:
        amplification_max: How many calls of one method one call may become, by retries.
        today: The day, `YYYY-MM-DD`; deprecations are held against it.
    """

    amplification_max: int = AMPLIFICATION_MAX
    today: str = ""


Run = Callable[[Contract, Limits], Iterator[Found]]


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule.

    Attributes:
        code: Its code.
        severity: How bad a finding is.
        run: Finds what breaks it.
    """

    code: str
    severity: Severity
    run: Run


RULES: dict[str, Rule] = {}


def rule(code: str, severity: Severity = Severity.ERROR) -> Callable[[Run], Run]:
    """Register a function of the whole contract as a rule."""

    def register(run: Run) -> Run:
        assert code not in RULES, f"two rules are called {code}"
        RULES[code] = Rule(code, severity, run)
        return run

    return register


def method_rule(
    code: str, severity: Severity = Severity.ERROR
) -> Callable[[Callable[[Method], Iterator[Found]]], Callable[[Method], Iterator[Found]]]:
    """Register a function of one method as a rule."""

    def register(run: Callable[[Method], Iterator[Found]]) -> Callable[[Method], Iterator[Found]]:
        def over(contract: Contract, limits: Limits) -> Iterator[Found]:
            for method in contract.methods:
                yield from run(method)

        rule(code, severity)(over)
        return run

    return register


def field_rule(
    code: str, severity: Severity = Severity.ERROR
) -> Callable[[Callable[[FieldDescriptor], Iterator[Found]]], Callable[[FieldDescriptor], Iterator[Found]]]:
    """Register a function of one field as a rule."""

    def register(
        run: Callable[[FieldDescriptor], Iterator[Found]],
    ) -> Callable[[FieldDescriptor], Iterator[Found]]:
        def over(contract: Contract, limits: Limits) -> Iterator[Found]:
            for field in contract.fields:
                yield from run(field)

        rule(code, severity)(over)
        return run

    return register


def in_method(method: Method, sentence: str, option: str = "") -> Found:
    """What is found in a method; the sentence begins with its name."""
    return Found(method.descriptor.full_name, f"{method.name} {sentence}", option)


def in_field(field: FieldDescriptor, sentence: str, option: str = "") -> Found:
    """What is found in a field; the sentence begins with its name."""
    return Found(field.full_name, f"{short(field)} {sentence}", option)

"""What goes wrong, in three sorts.

A *refusal* is the caller's turn: raise `Refusal`. A *fault* is ours or the
network's: let it rise, the pipeline logs it whole and answers a bare INTERNAL
or UNAVAILABLE. A *bug* is an `assert`.
"""

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


class Kind(enum.Enum):
    """What a caller can do about a refusal. The value is the gRPC code's name."""

    INVALID = "INVALID_ARGUMENT"  # change the request
    RANGE = "OUT_OF_RANGE"  # ask for less
    UNKNOWN_CALLER = "UNAUTHENTICATED"  # say who you are
    FORBIDDEN = "PERMISSION_DENIED"  # ask for the right
    NOT_FOUND = "NOT_FOUND"  # create it first, or check the id
    EXISTS = "ALREADY_EXISTS"  # use another id
    STATE = "FAILED_PRECONDITION"  # change the resource first
    CONFLICT = "ABORTED"  # read again, then retry
    EXHAUSTED = "RESOURCE_EXHAUSTED"  # send less, or later
    LATE = "DEADLINE_EXCEEDED"  # give it more time
    UNAVAILABLE = "UNAVAILABLE"  # try again
    CANCELLED = "CANCELLED"  # nothing: the caller itself went away
    UNSUPPORTED = "UNIMPLEMENTED"  # use what the contract offers
    INTERNAL = "INTERNAL"  # report it


@dataclass(frozen=True, slots=True)
class Violation:
    """One field that breaks a rule.

    Attributes:
        field: Its path in the request, dotted, by proto names, such as
            `transactions[2].entries[0].amount_minor`.
        sentence: What is wrong with it and how to mend it.
        rule: The rule's id, such as `int64.gt`; empty when it has none.
    """

    field: str
    sentence: str
    rule: str = ""


class Refusal(Exception):  # noqa: N818 - a refusal is not an error of ours
    """An answer that tells the caller what to do differently.

    Attributes:
        kind: What the caller can do.
        reason: Which refusal it is; declared in the service's reasons enum,
            without the enum's prefix. Clients switch on it; it never changes.
        sentence: For people. May change.
        violations: The fields it is about.
        retry_after_s: How long to wait before trying again, seconds.
        facts: What a program may want to know, by name; the values are sent
            as text.
    """

    def __init__(
        self,
        kind: Kind,
        reason: str,
        sentence: str,
        *,
        violations: Iterable[Violation] = (),
        retry_after_s: float | None = None,
        **facts: object,
    ) -> None:
        super().__init__(sentence)
        self.kind = kind
        self.reason = reason
        self.sentence = sentence
        self.violations = tuple(violations)
        self.retry_after_s = retry_after_s
        self.facts: Mapping[str, str] = {name: _text(value) for name, value in facts.items()}

    def __repr__(self) -> str:
        return f"Refusal({self.kind.name}, {self.reason}, {self.sentence!r})"


def _text(value: object) -> str:
    if isinstance(value, (list, tuple, set, frozenset)):
        return " ".join(str(item) for item in value)
    return str(value)

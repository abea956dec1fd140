"""What a check tells: a code, a place, and a sentence that says how to mend it."""

import enum
from dataclasses import dataclass


class Severity(enum.Enum):
    """How bad it is; all but advice let the command fail."""

    ERROR = "error"  # a promise that cannot be kept, or that breaks somebody
    WARNING = "warning"  # against the house's style of contracts
    WIRE = "wire"  # programs made from the old contract misread messages
    JSON = "json"  # callers over HTTP fail
    POLICY = "policy"  # what was promised before is not promised any more
    ADVICE = "advice"  # nobody fails; somebody should know


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where something stands.

    Attributes:
        file: Path as it is shown; empty when nobody knows.
        line: From 1; 0 when nobody knows.
        column: From 1; 0 when nobody knows.
    """

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        """As editors and terminals take it, such as `protos/a.proto:12:3`."""
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


@dataclass(frozen=True, slots=True)
class Finding:
    """One mistake, or one change that breaks something.

    Attributes:
        place: Where it stands.
        code: Such as `BP101`; `bedplate check --explain BP101` prints its page.
        severity: How bad it is.
        element: Full name of the method, message, field, enum or value.
        sentence: What is wrong, and what to write.
    """

    place: Place
    code: str
    severity: Severity
    element: str
    sentence: str

    @property
    def order(self) -> tuple[Place, str, str, str]:
        """What lists of findings are sorted by."""
        return self.place, self.code, self.element, self.sentence

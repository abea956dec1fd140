"""What a call can raise: one class for each code, with the server's reason and details."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One field that the server found wrong: its path in the request, and what to mend."""

    field: str
    sentence: str
    rule: str = ""


class CallError(Exception):
    """A call that did not succeed.

    Attributes:
        code: Name of the gRPC code.
        reason: Which refusal it is, such as `LIMIT_EXCEEDED`; empty when the
            answer came from something that is no bedplate server. Switch on this.
        domain: Who declares the reason.
        sentence: For people.
        facts: What a program may want to know, by name.
        violations: The fields it is about.
        retry_after_s: How long to wait before trying again, seconds; None: not said.
        error_id: What the operator needs to find the fault; empty: not a fault.
    """

    code = "UNKNOWN"

    def __init__(
        self,
        sentence: str,
        *,
        reason: str = "",
        domain: str = "",
        facts: Mapping[str, str] | None = None,
        violations: Sequence[FieldViolation] = (),
        retry_after_s: float | None = None,
        error_id: str = "",
    ) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.reason = reason
        self.domain = domain
        self.facts: Mapping[str, str] = dict(facts or {})
        self.violations = tuple(violations)
        self.retry_after_s = retry_after_s
        self.error_id = error_id

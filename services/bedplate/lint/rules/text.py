"""BP501: everything says what it is."""

from collections.abc import Iterator

from bedplate.lint.contract import Contract
from bedplate.lint.finding import Severity
from bedplate.lint.rule import Found, Limits, rule

_KINDS = ("service", "method", "message", "field", "enum", "value")


@rule("BP501", Severity.WARNING)
def comments_are_there(contract: Contract, limits: Limits) -> Iterator[Found]:
    """The comments are the reference that callers read."""
    for element in contract.elements.values():
        if element.kind in _KINDS and not _words(element.comment):
            short = element.name.rpartition(".")[2]
            yield Found(
                element.name,
                f"{short} has no comment; say before it what it is, in which unit, and what it means when it "
                "is left out",
            )


def _words(comment: str) -> str:
    """The comment without what speaks to this command."""
    lines = (line.strip() for line in comment.splitlines())
    return " ".join(line for line in lines if not line.startswith("bedplate:")).strip()

"""Refusals that are remembered: what was refused for good stays refused under its id.

A caller that was told of a refusal may have acted on it. Were the same id
accepted later, because the account has filled up meanwhile, a late retry of
the first attempt would post what everybody holds for refused.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from bedplate.errors import Kind, Refusal, Violation
from bedplate.services.ledger.domain.hold import NewHold, hold_difference, hold_exists
from bedplate.services.ledger.domain.transaction import NewTransaction, Transaction, replay

T = TypeVar("T")

# What depends on the books alone, and on nothing that the caller could mend in
# the request. Every other refusal leaves the id free.
REMEMBERED = frozenset({"LIMIT_EXCEEDED", "ACCOUNT_CLOSED", "HOLD_RESOLVED"})


@dataclass(frozen=True, slots=True)
class Failure:
    """What was refused, and how.

    Attributes:
        attempt: What the caller sent; of a transaction, as it would have been
            posted, at place 0.
        reason: Why it was refused.
        sentence: The same, for people.
        field: The field that it is about, below that of the attempt.
        facts: What a program may want to know, in the order of the names.
        create_time_us: When.
    """

    attempt: Transaction | NewHold
    reason: str
    sentence: str
    field: str
    facts: tuple[tuple[str, str], ...]
    create_time_us: int

    @property
    def failed_id(self) -> str:
        """The id that stays refused."""
        return self.attempt.hold_id if isinstance(self.attempt, NewHold) else self.attempt.transaction_id

    def refusal(self, path: str) -> Refusal:
        """The refusal, again, of the attempt at a field of another request."""
        violation = Violation(f"{path}.{self.field}", self.sentence)
        facts: dict[str, Any] = dict(self.facts)
        return Refusal(Kind.STATE, self.reason, self.sentence, violations=[violation], **facts)


def failed_transaction(
    transaction: NewTransaction, refusal: Refusal, path: str, time_us: int
) -> Failure | None:
    """What is remembered of a refused transaction; None: nothing, its id is free."""
    attempt = Transaction(
        transaction.transaction_id,
        transaction.entries,
        time_us if transaction.effective_us is None else transaction.effective_us,
        transaction.description,
        time_us,
        0,
        transaction.metadata,
        transaction.reverses_id,
        transaction.captures_id,
    )
    return _failure(attempt, refusal, path, time_us)


def failed_hold(hold: NewHold, refusal: Refusal, path: str, time_us: int) -> Failure | None:
    """What is remembered of a refused hold; None: nothing, its id is free."""
    return _failure(hold, refusal, path, time_us)


def fail_again(attempt: NewTransaction | NewHold, failure: Failure, path: str) -> Refusal:
    """How an attempt under an id that was refused is refused.

    Raises:
        Refusal: TRANSACTION_EXISTS or HOLD_EXISTS: the content is another.
    """
    if isinstance(attempt, NewTransaction):
        assert isinstance(failure.attempt, Transaction), failure
        replay(attempt, failure.attempt, path)
    else:
        assert isinstance(failure.attempt, NewHold), failure
        if differing := hold_difference(attempt, failure.attempt):
            raise hold_exists(attempt.hold_id, f"{path}.{differing}")
    return failure.refusal(path)


def kept(work: Callable[[], T]) -> T | Refusal:
    """Run what posts; a refusal that is remembered is returned, so that the caller can commit it first."""
    try:
        return work()
    except Refusal as refusal:
        if refusal.reason not in REMEMBERED:
            raise
        return refusal


def _failure(attempt: Transaction | NewHold, refusal: Refusal, path: str, time_us: int) -> Failure | None:
    if refusal.reason not in REMEMBERED:
        return None
    field = refusal.violations[0].field.removeprefix(f"{path}.")
    facts = tuple(sorted(refusal.facts.items()))
    return Failure(attempt, refusal.reason, refusal.sentence, field, facts, time_us)

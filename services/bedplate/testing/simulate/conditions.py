"""What goes wrong with a simulated database, by itself or on purpose."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong by itself, each in a part of all cases, 0 to 1.

    Attributes:
        slow: Statements that take up to `slow_s` seconds; the others take none.
        slow_s: How long at most.
        contended: Commits that fail because another transaction was in the way; the work runs again.
        unknown: Commits whose answer is lost: OUTCOME_UNKNOWN, and half of them happened.
    """

    slow: float = 0.05
    slow_s: float = 0.2
    contended: float = 0.01
    unknown: float = 0.01


@dataclass(frozen=True, slots=True)
class Sabotage:
    """Mistakes that are built in on purpose, to see that a scenario finds them.

    Attributes:
        without_locks_of: Tables whose rows are not locked when a SELECT asks for it.
        answer_early: `transact` returns before it has committed.
    """

    without_locks_of: frozenset[str] = frozenset()
    answer_early: bool = False

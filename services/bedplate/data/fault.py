"""What a failed statement means for the unit of work that ran it."""

import enum
import logging

from sqlalchemy import exc

from bedplate.errors import Kind, Refusal

LOG = logging.getLogger("bedplate.data")

SWALLOWED = (
    "the transaction has failed and the unit of work went on: let errors of the database rise, "
    "or put the statement into a savepoint (connection.begin_nested)"
)

OVERLOADED_WAIT_MIN_S = 0.05
OVERLOADED_WAIT_MAX_S = 5.0


class Verdict(enum.Enum):
    """What to do after an error of the driver."""

    OURS = enum.auto()  # a bug, or the work's own affair: let it rise
    CONTENDED = enum.auto()  # another transaction was in the way: run the work again
    LOST = enum.auto()  # the connection is of no use: run the work again on a new one
    STOPPED = enum.auto()  # the statement was cancelled, by the deadline or by an operator
    UNAVAILABLE = enum.auto()  # the database cannot do it now: disk full, read-only, starting
    UNKNOWN = enum.auto()  # only from COMMIT: it may or may not have happened


def origin(error: BaseException) -> BaseException:
    """The driver's own exception, where SQLAlchemy has wrapped it."""
    if isinstance(error, exc.DBAPIError) and error.orig is not None:
        return error.orig
    return error


def late() -> Refusal:
    """The deadline passed and nothing was committed."""
    return Refusal(Kind.LATE, "DEADLINE_EXCEEDED", "The deadline passed before the work was done.")


def overloaded(retry_after_s: float) -> Refusal:
    """There is no room left to wait in, or the rows are fought over for too long."""
    wait_s = min(max(retry_after_s, OVERLOADED_WAIT_MIN_S), OVERLOADED_WAIT_MAX_S)
    return Refusal(Kind.EXHAUSTED, "OVERLOADED", "The database is busy.", retry_after_s=wait_s)


def unavailable(error: BaseException, doing: str) -> Refusal:
    """The database does not answer or cannot do it now; why goes to the log and not to the caller."""
    LOG.error("database unavailable while %s: %s", doing, _clear_text(error))
    return Refusal(Kind.UNAVAILABLE, "DEPENDENCY_UNAVAILABLE", "The database does not answer.")


def outcome_unknown(error: BaseException) -> Refusal:
    """The connection went away during COMMIT."""
    LOG.error("outcome of a commit unknown: %s", _clear_text(error))
    return Refusal(
        Kind.UNAVAILABLE,
        "OUTCOME_UNKNOWN",
        "The connection was lost during the commit: the change may or may not have happened. "
        "Repeat the call with the same id.",
    )


def commit_unanswered() -> Refusal:
    """The database had not answered a commit when the call's time was over."""
    LOG.warning("outcome of a commit unknown: it was not answered by the deadline")
    return Refusal(
        Kind.UNAVAILABLE,
        "OUTCOME_UNKNOWN",
        "The call's time was over during the commit: the change may or may not have happened. "
        "Repeat the call with the same id.",
    )


def stopping() -> Refusal:
    """The database is being closed."""
    return Refusal(Kind.UNAVAILABLE, "DRAINING", "The server is about to stop.")


def _clear_text(error: BaseException) -> str:
    """One line of the driver's own words; SQLAlchemy's would hold the statement and its values."""
    found = origin(error)
    return f"{type(found).__name__}: {' '.join(str(found).split())}"

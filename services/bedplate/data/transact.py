"""Runs one unit of work: begin, work, records, commit; and again when others were in the way."""

import random
from typing import TypeVar

from bedplate.data import fault
from bedplate.data.fault import Verdict
from bedplate.data.session import Session
from bedplate.data.slot import Slot
from bedplate.data.unit import State, Unit

T = TypeVar("T")

CONTENDED_MAX = 20  # attempts that others may spoil
BACKOFF_MIN_S = 0.002
BACKOFF_MAX_S = 0.1
LATE_TOLERANCE_S = 0.01  # PostgreSQL's timer and ours are not one clock
LOST_MAX = 1  # a slot notices by itself that its connection is stale; the new one is not


class _Retry(Exception):  # noqa: N818 - never seen outside this module
    """The attempt came to nothing and may be repeated."""

    def __init__(self, verdict: Verdict, error: BaseException) -> None:
        super().__init__()
        self.verdict = verdict
        self.error = error


def perform(unit: Unit[T], slot: Slot) -> T:
    """Run a unit to its end.

    Returns:
        What the work returned, after the commit.

    Raises:
        Refusal: DEADLINE_EXCEEDED, OVERLOADED (contention to the last attempt),
            DEPENDENCY_UNAVAILABLE or OUTCOME_UNKNOWN; or whatever the work raises.
    """
    contended = lost = 0
    while True:
        try:
            return _attempt(unit, slot)
        except _Retry as retry:
            error = retry.error
            if retry.verdict is Verdict.LOST:
                lost += 1
                if lost > LOST_MAX:
                    raise fault.unavailable(error, "running a unit of work") from error
                continue
        contended += 1
        wait_s = min(BACKOFF_MIN_S * 2**contended, BACKOFF_MAX_S) * random.random()  # noqa: S311 - jitter
        if contended >= CONTENDED_MAX:
            raise fault.overloaded(BACKOFF_MAX_S) from error
        if unit.left_s() <= wait_s or not unit.pause(wait_s):
            raise fault.late() from error


def _attempt(unit: Unit[T], slot: Slot) -> T:
    session = slot.open()
    left_s = unit.left_s()
    if left_s <= 0 or not unit.enter(State.RUNNING):
        raise fault.late()
    try:
        transaction = session.begin(left_s, write=unit.write, serializable=unit.serializable)
        result = unit.context.run(unit.work, session.connection)
        records = tuple(unit.pending)
        for record in records:
            unit.context.run(record, session.connection)
        assert transaction.is_active, "a unit of work neither commits nor rolls back: it returns or raises"
        if unit.left_s() <= 0 or not unit.enter(State.COMMITTING):
            raise fault.late()
        session.commit(transaction)
    except BaseException as error:
        instead = _settle(error, unit, slot, session)
        if instead is None:
            raise
        raise instead from error
    del unit.pending[: len(records)]
    return result


def _settle(error: BaseException, unit: Unit[T], slot: Slot, session: Session) -> BaseException | None:
    """Make the connection clean again; returns what to raise instead of the error, if anything."""
    committing = unit.state is State.COMMITTING
    with slot.touching:
        waits = unit.settle(State.SETTLING)
    verdict = session.verdict(error, write=unit.write, committing=committing)
    if verdict in (Verdict.LOST, Verdict.UNKNOWN) or not session.clean():
        slot.discard()
    match verdict:
        case Verdict.UNKNOWN:
            return fault.outcome_unknown(error)
        case Verdict.CONTENDED | Verdict.LOST if waits:
            return _Retry(verdict, error)
        case Verdict.STOPPED | Verdict.LOST if unit.left_s() <= LATE_TOLERANCE_S or not waits:
            return fault.late()
        case Verdict.STOPPED | Verdict.UNAVAILABLE:
            return fault.unavailable(error, "running a unit of work")
        case _:
            return None

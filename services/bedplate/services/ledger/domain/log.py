"""A ledger as a list of what happened to it, from which it can be made again exactly.

First how it was opened, then its accounts by id, then everything else in the
order of `place`, then a trailer.
"""

from dataclasses import dataclass

from bedplate.services.ledger.domain.account import Account
from bedplate.services.ledger.domain.failure import Failure
from bedplate.services.ledger.domain.hold import Hold, HoldState, NewHold
from bedplate.services.ledger.domain.transaction import Transaction

# Where something stands in the order: its time, what goes first of one time, and
# what tells two of the same sort apart.
Place = tuple[int, int, int, str]


@dataclass(frozen=True, slots=True)
class Opened:
    """A ledger was created."""

    display_name: str
    create_time_us: int


@dataclass(frozen=True, slots=True)
class HoldResolved:
    """A hold was released or has expired; a capture is told by its transaction."""

    hold_id: str
    state: HoldState
    time_us: int


@dataclass(frozen=True, slots=True)
class AccountClosed:
    """An account was closed."""

    account_id: str
    time_us: int


@dataclass(frozen=True, slots=True)
class Counts:
    """How many of each there are."""

    accounts: int = 0
    transactions: int = 0
    holds: int = 0
    failures: int = 0


@dataclass(frozen=True, slots=True)
class Trailer:
    """The end: what there was.

    Attributes:
        counts: How many of each.
        time_us: The time of the ledger: of the last thing that happened to it, or later.
        digest: The digest of all records before, 32 bytes.
    """

    counts: Counts
    time_us: int
    digest: bytes


# What comes between the accounts and the trailer.
Happening = Transaction | Hold | HoldResolved | AccountClosed | Failure
Event = Opened | Account | Happening | Trailer


def place(event: Happening) -> Place:
    """Where something stands in the order.

    What expires at a time is given back before anything else happens at that
    time. Then comes what is later than all before it, of which there is one at
    most, and then what may share its time: transactions in their sequence, and
    what was refused.
    """
    match event:
        case HoldResolved(state=HoldState.EXPIRED):
            return (event.time_us, 0, 0, event.hold_id)
        case HoldResolved() | AccountClosed():
            return (event.time_us, 1, 0, "")
        case Hold():
            return (event.create_time_us, 1, 0, "")
        case Transaction():
            return (event.create_time_us, 2, event.sequence, "")
        case Failure():
            kind = 2 if isinstance(event.attempt, NewHold) else 1
            return (event.create_time_us, 3, kind, event.failed_id)

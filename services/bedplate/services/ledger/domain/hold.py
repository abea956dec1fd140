"""Holds: amounts set aside to be posted, once, from one account to another."""

import dataclasses
import enum
from dataclasses import dataclass

from bedplate.errors import Kind, Refusal, Violation
from bedplate.services.ledger.domain.account import Balance, Metadata, Side
from bedplate.services.ledger.domain.transaction import Entry, NewTransaction


class HoldState(enum.IntEnum):
    """Where a hold stands; the numbers are those of the contract and the tables."""

    PENDING = 1
    CAPTURED = 2
    RELEASED = 3
    EXPIRED = 4


@dataclass(frozen=True, slots=True)
class NewHold:
    """A hold as the caller sends it; without `expire_us` it never expires."""

    hold_id: str
    debit_account_id: str
    credit_account_id: str
    amount_minor: int
    expire_us: int | None = None
    description: str = ""
    metadata: Metadata = ()

    @property
    def entries(self) -> tuple[Entry, Entry]:
        """What a capture of all of it posts."""
        return (
            Entry(self.debit_account_id, Side.DEBIT, self.amount_minor),
            Entry(self.credit_account_id, Side.CREDIT, self.amount_minor),
        )


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold as it stands.

    Attributes:
        asked: What the caller sent.
        currency_code: That of both accounts.
        create_time_us: When it was created.
        state: Where it stands.
        resolve_time_us: When it was captured, released or expired.
        captured_minor: What was captured of it, 0 to the amount.
        capture_id: The transaction that captured it, or empty.
    """

    asked: NewHold
    currency_code: str
    create_time_us: int
    state: HoldState = HoldState.PENDING
    resolve_time_us: int | None = None
    captured_minor: int = 0
    capture_id: str = ""

    def at(self, time_us: int) -> "Hold":
        """The hold as it stands at a time: expired, when that is due and nobody has noted it yet."""
        due_us = self.asked.expire_us
        if self.state is not HoldState.PENDING or due_us is None or time_us < due_us:
            return self
        return dataclasses.replace(self, state=HoldState.EXPIRED, resolve_time_us=due_us)

    def resolve(
        self, state: HoldState, time_us: int, *, captured_minor: int = 0, capture_id: str = ""
    ) -> "Hold":
        """The hold after it was captured, released or expired."""
        return dataclasses.replace(
            self,
            state=state,
            resolve_time_us=time_us,
            captured_minor=captured_minor,
            capture_id=capture_id,
        )


@dataclass(frozen=True, slots=True)
class Capture:
    """What a caller asks for: a hold's amount, or less, posted as `transaction_id`."""

    hold_id: str
    transaction_id: str
    amount_minor: int | None = None
    effective_us: int | None = None
    description: str = ""
    metadata: Metadata = ()


def captured(hold: Hold, capture: Capture) -> NewTransaction:
    """The transaction that captures a hold."""
    asked = hold.asked
    amount_minor = asked.amount_minor if capture.amount_minor is None else capture.amount_minor
    return NewTransaction(
        capture.transaction_id,
        tuple(dataclasses.replace(entry, amount_minor=amount_minor) for entry in asked.entries),
        capture.effective_us,
        capture.description,
        capture.metadata,
        captures_id=asked.hold_id,
    )


def check_capture(hold: Hold, amount_minor: int, path: str) -> None:
    """Refuse to capture a hold that is resolved, or more than it holds.

    Raises:
        Refusal: HOLD_RESOLVED or CAPTURE_EXCEEDS_HOLD, in that order.
    """
    check_pending(hold, f"{path}.captures_id")
    held_minor = hold.asked.amount_minor
    if amount_minor > held_minor:
        sentence = f"The hold is of {held_minor}; capture no more than that."
        raise Refusal(
            Kind.RANGE,
            "CAPTURE_EXCEEDS_HOLD",
            sentence,
            violations=[Violation(f"{path}.entries[0].amount_minor", sentence)],
            hold_id=hold.asked.hold_id,
            held_minor=held_minor,
        )


def check_pending(hold: Hold, path: str) -> None:
    """Refuse to resolve a hold that is resolved; `path` is the field that names it.

    Raises:
        Refusal: HOLD_RESOLVED.
    """
    if hold.state is HoldState.PENDING:
        return
    state = hold.state.name.lower()
    hold_id = hold.asked.hold_id
    sentence = f"The hold {hold_id} is {state}; create another one for another amount."
    raise Refusal(
        Kind.STATE,
        "HOLD_RESOLVED",
        sentence,
        violations=[Violation(path, sentence)],
        hold_id=hold_id,
        state=state,
        capture_id=hold.capture_id,
    )


def hold_difference(wanted: NewHold, existing: NewHold) -> str:
    """The name of the first field in which a hold differs from the one that is there; empty: none."""
    for field in dataclasses.fields(NewHold):
        if getattr(wanted, field.name) != getattr(existing, field.name):
            return "expire_time" if field.name == "expire_us" else field.name
    return ""


def give_back(hold: Hold, balances: dict[str, Balance]) -> None:
    """Take what a hold has set aside out of what its accounts have pending."""
    amount_minor = hold.asked.amount_minor
    debited = balances[hold.asked.debit_account_id]
    balances[hold.asked.debit_account_id] = dataclasses.replace(
        debited, debits_pending_minor=debited.debits_pending_minor - amount_minor
    )
    credited = balances[hold.asked.credit_account_id]
    balances[hold.asked.credit_account_id] = dataclasses.replace(
        credited, credits_pending_minor=credited.credits_pending_minor - amount_minor
    )


def hold_exists(hold_id: str, path: str) -> Refusal:
    """Another hold has the id; `path` is the first field that differs."""
    sentence = "Another hold has this id; use a fresh hold_id, or send what was sent then."
    return Refusal(
        Kind.EXISTS,
        "HOLD_EXISTS",
        sentence,
        violations=[Violation(path, "This differs from the hold that is there.")],
        field=path,
        hold_id=hold_id,
    )


def hold_not_found(hold_id: str) -> Refusal:
    """The ledger has no such hold."""
    sentence = f"The ledger has no hold {hold_id}; check the id."
    return Refusal(
        Kind.NOT_FOUND,
        "HOLD_NOT_FOUND",
        sentence,
        violations=[Violation("hold_id", sentence)],
        hold_id=hold_id,
    )


def hold_too_late(path: str) -> Refusal:
    """A hold would have expired before it was made."""
    sentence = "This time has passed; name a later one, or leave it out."
    return Refusal(
        Kind.INVALID, "INVALID_REQUEST", f"{path}: {sentence}", violations=[Violation(path, sentence)]
    )


def holds_expiring(count: int) -> Refusal:
    """More holds expire at once than one call gives back."""
    sentence = f"More than {count} holds have expired and are being given back; call again."
    return Refusal(Kind.UNAVAILABLE, "HOLDS_EXPIRING", sentence, retry_after_s=0.05)

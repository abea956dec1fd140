"""Transactions, and what makes two of them the same."""

from collections.abc import Sequence
from dataclasses import dataclass

from bedplate.errors import Kind, Refusal, Violation
from bedplate.services.ledger.domain.account import Metadata, Side

ENTRIES_PER_CALL_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a transaction. The currency is the account's; empty before it is posted."""

    account_id: str
    side: Side
    amount_minor: int
    currency_code: str = ""


@dataclass(frozen=True, slots=True)
class NewTransaction:
    """A transaction as the caller sends it; without `effective_us` it takes place when it is posted.

    Attributes:
        reverses_id: The transaction whose mirror it is; empty: it is no reversal.
        captures_id: The hold that it captures; empty: none.
    """

    transaction_id: str
    entries: tuple[Entry, ...]
    effective_us: int | None = None
    description: str = ""
    metadata: Metadata = ()
    reverses_id: str = ""
    captures_id: str = ""


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction as it was posted; `sequence` is its place in the ledger, from 1."""

    transaction_id: str
    entries: tuple[Entry, ...]
    effective_us: int
    description: str
    create_time_us: int
    sequence: int
    metadata: Metadata = ()
    reverses_id: str = ""
    captures_id: str = ""


@dataclass(frozen=True, slots=True)
class PlacedEntry:
    """An entry with its place in the books."""

    transaction_id: str
    sequence: int
    index: int
    entry: Entry
    effective_us: int
    create_time_us: int


def check_batch(transactions: Sequence[NewTransaction]) -> None:
    """Refuse a batch that is wrong whatever the books hold.

    Raises:
        Refusal: INVALID_REQUEST (more than 10000 entries together) or
            DUPLICATE_TRANSACTION_ID, in that order.
    """
    count = sum(len(transaction.entries) for transaction in transactions)
    if count > ENTRIES_PER_CALL_MAX:
        sentence = f"The call has {count} entries and may have {ENTRIES_PER_CALL_MAX}; send less in one call."
        raise Refusal(
            Kind.INVALID, "INVALID_REQUEST", sentence, violations=[Violation("transactions", sentence)]
        )
    seen: dict[str, int] = {}
    for index, transaction in enumerate(transactions):
        first = seen.setdefault(transaction.transaction_id, index)
        if first != index:
            sentence = f"The id is that of transactions[{first}] too; give each transaction its own."
            raise Refusal(
                Kind.INVALID,
                "DUPLICATE_TRANSACTION_ID",
                sentence,
                violations=[Violation(f"transactions[{index}].transaction_id", sentence)],
                transaction_id=transaction.transaction_id,
            )


def replay(transaction: NewTransaction, posted: Transaction, path: str) -> None:
    """Refuse a transaction whose id another one has.

    Raises:
        Refusal: TRANSACTION_EXISTS; the fact `field` names the first field that differs.
    """
    differing = first_difference(transaction, posted)
    if not differing:
        return
    field_path = f"{path}.{differing}"
    sentence = (
        f"Another transaction was sent under the id {posted.transaction_id}; "
        "use a fresh transaction_id, or send what was sent then."
    )
    raise Refusal(
        Kind.EXISTS,
        "TRANSACTION_EXISTS",
        sentence,
        violations=[Violation(field_path, "This differs from what was sent under the id before.")],
        field=field_path,
        transaction_id=posted.transaction_id,
    )


def first_difference(transaction: NewTransaction, posted: Transaction) -> str:
    """The path of the first field in which a transaction differs from the posted one; empty: none.

    A transaction without an effective time equals one that took place when it
    was posted.
    """
    for name in ("reverses_id", "captures_id"):
        if getattr(transaction, name) != getattr(posted, name):
            return name
    if len(transaction.entries) != len(posted.entries):
        return "entries"
    for index, (new, old) in enumerate(zip(transaction.entries, posted.entries, strict=True)):
        for name in ("account_id", "side", "amount_minor"):
            if getattr(new, name) != getattr(old, name):
                return f"entries[{index}].{name}"
    effective_us = posted.create_time_us if transaction.effective_us is None else transaction.effective_us
    if effective_us != posted.effective_us:
        return "effective_time"
    for name in ("description", "metadata"):
        if getattr(transaction, name) != getattr(posted, name):
            return name
    return ""


def mirror(
    transaction: Transaction,
    reversal_id: str,
    *,
    effective_us: int | None = None,
    description: str = "",
    metadata: Metadata = (),
) -> NewTransaction:
    """The reversal of a transaction: each entry on the other side of its account."""
    entries = tuple(
        Entry(entry.account_id, _OTHER_SIDE[entry.side], entry.amount_minor) for entry in transaction.entries
    )
    return NewTransaction(
        reversal_id, entries, effective_us, description, metadata, reverses_id=transaction.transaction_id
    )


def already_reversed(transaction_id: str, reversal_id: str, path: str) -> Refusal:
    """A transaction is reversed once; `path` is the field that names it."""
    sentence = f"The transaction {transaction_id} was reversed by {reversal_id}; read that one."
    return Refusal(
        Kind.STATE,
        "ALREADY_REVERSED",
        sentence,
        violations=[Violation(path, sentence)],
        transaction_id=transaction_id,
        reversal_id=reversal_id,
    )


def transaction_not_found(transaction_id: str) -> Refusal:
    """The ledger has no such transaction."""
    sentence = f"The ledger has no transaction {transaction_id}; check the id."
    return Refusal(
        Kind.NOT_FOUND,
        "TRANSACTION_NOT_FOUND",
        sentence,
        violations=[Violation("transaction_id", sentence)],
        transaction_id=transaction_id,
    )


_OTHER_SIDE = {Side.DEBIT: Side.CREDIT, Side.CREDIT: Side.DEBIT}

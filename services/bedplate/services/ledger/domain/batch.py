"""What a batch of transactions makes of the books."""

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from bedplate.errors import Kind, Refusal, Violation
from bedplate.money import INT64_MAX
from bedplate.services.ledger.domain.account import (
    Balance,
    Side,
    account_closed,
    account_not_found,
    ledger_importing,
)
from bedplate.services.ledger.domain.failure import Failure, fail_again, failed_transaction
from bedplate.services.ledger.domain.hold import Hold, HoldState, check_capture, give_back
from bedplate.services.ledger.domain.transaction import (
    Entry,
    NewTransaction,
    Transaction,
    already_reversed,
    replay,
)


class Mode(enum.Enum):
    """How a batch is posted."""

    ATOMIC = enum.auto()  # all or none
    INDEPENDENT = enum.auto()  # each for itself, in order


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a ledger.

    Attributes:
        sequence: The last transaction's place; 0 before the first.
        time_us: The time of the last thing that happened to it. Never goes back.
        due_us: No hold expires before this time; None: none ever does.
        has_failures: Whether any refusal is remembered.
        importing: Whether it is being made from an export, and takes nothing else.
    """

    sequence: int
    time_us: int
    due_us: int | None = None
    has_failures: bool = False
    importing: bool = False


def check_open(head: Head, ledger_id: str) -> None:
    """Refuse to write to a ledger that is being made from an export.

    Raises:
        Refusal: LEDGER_IMPORTING.
    """
    if head.importing:
        raise ledger_importing(ledger_id)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one transaction of a batch: posted, or refused, now or (`replayed`) before."""

    transaction: Transaction | None = None
    replayed: bool = False
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class Posting:
    """What a batch comes to.

    Attributes:
        outcomes: One for each transaction, in order.
        transactions: Those to be stored, in order.
        balances: The balances that they change, as they are afterwards.
        head: The ledger's end afterwards.
        holds: The holds that they capture, as they are afterwards.
        failures: The refusals that are to be remembered.
        refusal: Why nothing of an ATOMIC batch is posted; then there are no
            outcomes, and all but `failures` and the head's time is to be left as
            it was.
    """

    outcomes: tuple[Outcome, ...]
    transactions: tuple[Transaction, ...]
    balances: tuple[Balance, ...]
    head: Head
    holds: tuple[Hold, ...] = ()
    failures: tuple[Failure, ...] = ()
    refusal: Refusal | None = None


@dataclass(slots=True)
class Books:
    """What a batch is judged against, and what it has come to so far.

    Attributes:
        head: The ledger's end.
        posted: Transactions that exist already under an id of the batch.
        balances: The accounts that the batch names, as far as they exist.
        reversals: Ids of reversals, by the id of the transaction that they reverse.
        holds: The holds that the batch captures, by id.
        failures: Refusals that are remembered under an id of the batch.
        changed: Ids of the accounts whose balance the batch has changed, as keys.
    """

    head: Head
    posted: Mapping[str, Transaction]
    balances: dict[str, Balance]
    reversals: dict[str, str] = field(default_factory=dict)
    holds: dict[str, Hold] = field(default_factory=dict)
    failures: dict[str, Failure] = field(default_factory=dict)
    changed: dict[str, None] = field(default_factory=dict)


def post(transactions: Sequence[NewTransaction], books: Books, now_us: int, mode: Mode) -> Posting:
    """Judge a batch, transaction by transaction, each as if those before it had been posted.

    Args:
        transactions: A batch that `check_batch` let pass.
        books: What it is judged against; used up by this call.
        now_us: The time. The time of a transaction is never before that of the
            one before it, whatever the clock does.
        mode: ATOMIC ends with the first refusal; INDEPENDENT tells of each.
    """
    outcomes: list[Outcome] = []
    new: list[Transaction] = []
    sequence = books.head.sequence
    # A capture is later than all that was before it, so that the log tells
    # which was first; other transactions may share a time.
    capturing = any(transaction.captures_id for transaction in transactions)
    time_us = max(now_us, books.head.time_us + capturing)
    resolved: list[Hold] = []
    failures: list[Failure] = []
    for index, transaction in enumerate(transactions):
        path = f"transactions[{index}]"
        try:
            if (known := _known(transaction, books, path)) is not None:
                outcomes.append(known)
                if known.refusal is not None and mode is Mode.ATOMIC:
                    return Posting((), (), (), books.head, refusal=known.refusal)
                continue
            if (reversal_id := books.reversals.get(transaction.reverses_id)) is not None:
                raise already_reversed(transaction.reverses_id, reversal_id, f"{path}.reverses_id")
            if transaction.captures_id:
                resolved.append(_capture(transaction, books, time_us, path))
            changes = judge(transaction, books.balances, path)
        except Refusal as refusal:
            failure = failed_transaction(transaction, refusal, path, time_us)
            if mode is Mode.ATOMIC:
                remembered = () if failure is None else (failure,)
                head = replace(books.head, time_us=time_us) if remembered else books.head
                return Posting((), (), (), head, failures=remembered, refusal=refusal)
            failures += [] if failure is None else [failure]
            outcomes.append(Outcome(refusal=refusal))
            continue
        for balance in changes:
            books.balances[balance.account.account_id] = balance
            books.changed[balance.account.account_id] = None
        sequence += 1
        posted = _place(transaction, books.balances, sequence, time_us)
        new.append(posted)
        if posted.reverses_id:
            books.reversals[posted.reverses_id] = posted.transaction_id
        outcomes.append(Outcome(posted))
    told = new or failures
    head = replace(books.head, sequence=sequence, time_us=time_us) if told else books.head
    changed = tuple(books.balances[account_id] for account_id in books.changed)
    return Posting(tuple(outcomes), tuple(new), changed, head, tuple(resolved), tuple(failures))


def _known(transaction: NewTransaction, books: Books, path: str) -> Outcome | None:
    """What became of a transaction before; None: its id is new.

    Raises:
        Refusal: TRANSACTION_EXISTS.
    """
    existing = books.posted.get(transaction.transaction_id)
    if existing is not None:
        replay(transaction, existing, path)
        return Outcome(existing, replayed=True)
    failure = books.failures.get(transaction.transaction_id)
    if failure is not None:
        return Outcome(refusal=fail_again(transaction, failure, path), replayed=True)
    return None


def _capture(transaction: NewTransaction, books: Books, time_us: int, path: str) -> Hold:
    """The hold after a transaction captures it; what it had set aside is given back first."""
    hold = books.holds[transaction.captures_id]
    amount_minor = transaction.entries[0].amount_minor
    check_capture(hold, amount_minor, path)
    give_back(hold, books.balances)
    after = hold.resolve(
        HoldState.CAPTURED,
        time_us,
        captured_minor=amount_minor,
        capture_id=transaction.transaction_id,
    )
    books.holds[transaction.captures_id] = after
    return after


def judge(
    transaction: NewTransaction, balances: Mapping[str, Balance], path: str, *, hold: bool = False
) -> list[Balance]:
    """What a new transaction makes of the balances that it touches.

    Args:
        transaction: Two or more entries, amounts of 1 to 2**63 - 1.
        balances: By account id, as they are before.
        path: The transaction's field in the request, for violations.
        hold: It is only set aside: its entries are pending.

    Returns:
        The balances that change, as they are afterwards.

    Raises:
        Refusal: ACCOUNT_ON_BOTH_SIDES, ACCOUNT_NOT_FOUND,
            UNBALANCED_TRANSACTION, ACCOUNT_CLOSED, BALANCE_OVERFLOW or
            LIMIT_EXCEEDED, in that order; of two accounts, the one that is
            named first.

    Source: protos/bedplate/ledger/v1/ledger.proto, PostTransactions.
    """
    firsts: dict[str, int] = {}
    amounts: dict[str, int] = {}
    entries = transaction.entries
    for index, entry in enumerate(entries):
        first = firsts.setdefault(entry.account_id, index)
        if entries[first].side is not entry.side:
            raise _both_sides(entry, f"{path}.entries[{index}].account_id")
        amounts[entry.account_id] = amounts.get(entry.account_id, 0) + entry.amount_minor
    for account_id, first in firsts.items():
        if account_id not in balances:
            raise account_not_found(account_id, f"{path}.entries[{first}].account_id")
    _check_balanced(entries, balances, f"{path}.entries")
    for account_id, first in firsts.items():
        if balances[account_id].account.close_time_us is not None:
            raise account_closed(balances[account_id].account, f"{path}.entries[{first}].account_id")
    after: list[Balance] = []
    for account_id, amount_minor in amounts.items():
        balance = balances[account_id]
        changed = _with(balance, entries[firsts[account_id]].side, amount_minor, pending=hold)
        if max(_committed(changed, side) for side in Side) > INT64_MAX:
            raise _overflow(balance, f"{path}.entries[{firsts[account_id]}].amount_minor")
        after.append(changed)
    for balance in after:
        first = firsts[balance.account.account_id]
        _check_limit(
            balance, balances[balance.account.account_id], entries[first].side, f"{path}.entries[{first}]"
        )
    return after


def _place(
    transaction: NewTransaction, balances: Mapping[str, Balance], sequence: int, time_us: int
) -> Transaction:
    entries = tuple(
        Entry(
            entry.account_id,
            entry.side,
            entry.amount_minor,
            balances[entry.account_id].account.currency.code,
        )
        for entry in transaction.entries
    )
    effective_us = time_us if transaction.effective_us is None else transaction.effective_us
    return Transaction(
        transaction.transaction_id,
        entries,
        effective_us,
        transaction.description,
        time_us,
        sequence,
        transaction.metadata,
        transaction.reverses_id,
        transaction.captures_id,
    )


def _with(balance: Balance, side: Side, amount_minor: int, *, pending: bool) -> Balance:
    """A balance with an amount more on one side."""
    debits, credits = balance.debits_minor, balance.credits_minor
    debits_pending, credits_pending = balance.debits_pending_minor, balance.credits_pending_minor
    if side is Side.DEBIT and pending:
        debits_pending += amount_minor
    elif side is Side.DEBIT:
        debits += amount_minor
    elif pending:
        credits_pending += amount_minor
    else:
        credits += amount_minor
    return Balance(balance.account, debits, credits, debits_pending, credits_pending)


def _committed(balance: Balance, side: Side) -> int:
    """What is posted and set aside on one side."""
    if side is Side.DEBIT:
        return balance.debits_minor + balance.debits_pending_minor
    return balance.credits_minor + balance.credits_pending_minor


def _check_balanced(entries: Sequence[Entry], balances: Mapping[str, Balance], path: str) -> None:
    sums: dict[str, list[int]] = {}
    for entry in entries:
        both = sums.setdefault(balances[entry.account_id].account.currency.code, [0, 0])
        both[entry.side - 1] += entry.amount_minor
    for code, (debits, credits) in sums.items():
        if debits != credits:
            sentence = f"Debits of {debits} and credits of {credits} {code} (smallest units) must be equal."
            raise Refusal(
                Kind.INVALID,
                "UNBALANCED_TRANSACTION",
                sentence,
                violations=[Violation(path, sentence)],
                currency_code=code,
                debits_minor=debits,
                credits_minor=credits,
            )


def _check_limit(after: Balance, before: Balance, side: Side, path: str) -> None:
    account = after.account
    if side is Side.DEBIT:
        limited = account.debits_must_not_exceed_credits
        available = before.credits_minor - _committed(before, side)
        broken = limited and _committed(after, side) > after.credits_minor
    else:
        limited = account.credits_must_not_exceed_debits
        available = before.debits_minor - _committed(before, side)
        broken = limited and _committed(after, side) > after.debits_minor
    if not broken:
        return
    name = side.name.lower()
    sentence = (
        f"{account.account_id} may be {name}ed {available} more (smallest units of {account.currency.code})."
    )
    raise Refusal(
        Kind.STATE,
        "LIMIT_EXCEEDED",
        sentence,
        violations=[Violation(f"{path}.amount_minor", sentence)],
        account_id=account.account_id,
        currency_code=account.currency.code,
        available_minor=available,
    )


def _both_sides(entry: Entry, path: str) -> Refusal:
    sentence = f"{entry.account_id} is debited and credited; post the difference, on one side."
    return Refusal(
        Kind.INVALID,
        "ACCOUNT_ON_BOTH_SIDES",
        sentence,
        violations=[Violation(path, sentence)],
        account_id=entry.account_id,
    )


def _overflow(balance: Balance, path: str) -> Refusal:
    account = balance.account
    sentence = f"The sum of one side of {account.account_id} would exceed {INT64_MAX}; use a fresh account."
    return Refusal(
        Kind.RANGE,
        "BALANCE_OVERFLOW",
        sentence,
        violations=[Violation(path, sentence)],
        account_id=account.account_id,
        debits_minor=_committed(balance, Side.DEBIT),
        credits_minor=_committed(balance, Side.CREDIT),
    )

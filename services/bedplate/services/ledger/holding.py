"""Creates, captures, releases and expires holds, inside a transaction of the caller's.

As `posting`, each locks the ledger's row first. Whatever locks it gives back,
before anything else, what holds have set aside whose time has come.
"""

import sqlalchemy as sa

from bedplate.errors import Refusal
from bedplate.services.ledger import domain, posting
from bedplate.services.ledger.domain import (
    Capture,
    Head,
    Hold,
    HoldState,
    Mode,
    NewHold,
    NewTransaction,
    Outcome,
)
from bedplate.services.ledger.expiry import current_balances, lock_head
from bedplate.services.ledger.store import books, failures, holds


def create(
    connection: sa.Connection,
    tenant_id: str,
    ledger_id: str,
    hold: NewHold,
    now_us: int,
    *,
    rehearse: bool = False,
) -> tuple[Hold, bool]:
    """Set an amount aside; the hold, and whether it was there before.

    Raises:
        Refusal: LEDGER_NOT_FOUND, HOLDS_EXPIRING, HOLD_EXISTS, INVALID_REQUEST
            (expire_time has passed), ACCOUNT_ON_BOTH_SIDES, ACCOUNT_NOT_FOUND,
            UNBALANCED_TRANSACTION, ACCOUNT_CLOSED, BALANCE_OVERFLOW or
            LIMIT_EXCEEDED. Fields are named as in PostTransactionsRequest, with
            the hold as the only transaction.
    """
    head = posting.find_head(connection, tenant_id, ledger_id, now_us, lock=not rehearse)
    time_us = max(now_us, head.time_us)
    existing = holds.find_holds(connection, tenant_id, ledger_id, [hold.hold_id]).get(hold.hold_id)
    if existing is not None:
        if differing := domain.hold_difference(hold, existing.asked):
            raise domain.hold_exists(hold.hold_id, f"transactions[0].{differing}")
        return existing.at(time_us), True
    if head.has_failures:
        failed = failures.find_failed_holds(connection, tenant_id, ledger_id, [hold.hold_id])
        if hold.hold_id in failed:
            raise domain.fail_again(hold, failed[hold.hold_id], "transactions[0]")
    create_us = max(now_us, head.time_us + 1)
    if hold.expire_us is not None and hold.expire_us <= create_us:
        raise domain.hold_too_late("transactions[0].expire_time")
    balances = current_balances(
        connection,
        tenant_id,
        ledger_id,
        head,
        {hold.debit_account_id, hold.credit_account_id},
        now_us,
        lock=not rehearse,
    )
    wanted = NewTransaction(hold.hold_id, hold.entries)
    try:
        after = domain.judge(wanted, balances, "transactions[0]", hold=True)
    except Refusal as refusal:
        failure = domain.failed_hold(hold, refusal, "transactions[0]", time_us)
        if failure is not None and not rehearse:
            failures.insert_failures(connection, tenant_id, ledger_id, [failure])
            books.save_head(connection, tenant_id, ledger_id, Head(head.sequence, time_us, head.due_us))
        raise
    made = Hold(hold, after[0].account.currency.code, create_us)
    if not rehearse:
        due_us = min((each for each in (head.due_us, hold.expire_us) if each is not None), default=None)
        holds.insert_hold(connection, tenant_id, ledger_id, made)
        books.save_balances(connection, tenant_id, ledger_id, after)
        books.save_head(connection, tenant_id, ledger_id, Head(head.sequence, made.create_time_us, due_us))
    return made, False


def capture(
    connection: sa.Connection,
    tenant_id: str,
    ledger_id: str,
    asked: Capture,
    now_us: int,
    *,
    rehearse: bool = False,
) -> tuple[Outcome, Hold]:
    """Post a hold's amount or less; the transaction and the hold afterwards.

    Raises:
        Refusal: LEDGER_NOT_FOUND, HOLDS_EXPIRING, HOLD_NOT_FOUND,
            TRANSACTION_EXISTS, HOLD_RESOLVED or CAPTURE_EXCEEDS_HOLD. Fields are
            named as in PostTransactionsRequest, with the capture as the only
            transaction.
    """
    head = posting.find_head(connection, tenant_id, ledger_id, now_us, lock=not rehearse)
    hold = _require(connection, tenant_id, ledger_id, asked.hold_id)
    transaction = domain.captured(hold, asked)
    known = posting.books_for(
        connection, tenant_id, ledger_id, head, [transaction], now_us, lock=not rehearse
    )
    known.holds[asked.hold_id] = hold.at(max(now_us, head.time_us))
    made = domain.post([transaction], known, now_us, Mode.ATOMIC)
    if not rehearse:
        posting.write(connection, tenant_id, ledger_id, made)
    if made.refusal is not None:
        raise made.refusal
    return made.outcomes[0], known.holds[asked.hold_id]


def release(connection: sa.Connection, tenant_id: str, ledger_id: str, hold_id: str, now_us: int) -> Hold:
    """Give back what a hold has set aside, or find it given back; the hold afterwards.

    Raises:
        Refusal: LEDGER_NOT_FOUND, HOLDS_EXPIRING, HOLD_NOT_FOUND or HOLD_RESOLVED.
    """
    head = lock_head(connection, tenant_id, ledger_id, now_us)
    hold = _require(connection, tenant_id, ledger_id, hold_id)
    if hold.state is HoldState.RELEASED:
        return hold
    domain.check_pending(hold, "hold_id")
    account_ids = [entry.account_id for entry in hold.asked.entries]
    balances = books.lock_balances(connection, tenant_id, ledger_id, account_ids)
    domain.give_back(hold, balances)
    released = hold.resolve(HoldState.RELEASED, time_us := max(now_us, head.time_us + 1))
    holds.save_resolved(connection, tenant_id, ledger_id, [released])
    books.save_balances(connection, tenant_id, ledger_id, list(balances.values()))
    books.save_head(connection, tenant_id, ledger_id, Head(head.sequence, time_us, head.due_us))
    return released


def _require(connection: sa.Connection, tenant_id: str, ledger_id: str, hold_id: str) -> Hold:
    hold = holds.find_holds(connection, tenant_id, ledger_id, [hold_id]).get(hold_id)
    if hold is None:
        raise domain.hold_not_found(hold_id)
    return hold

"""Posts transactions inside a transaction of the caller's.

The one module of the ledger that another service may import: what it writes
beside the entries commits with them or not at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from bedplate.services.ledger import domain
from bedplate.services.ledger.domain import Books, Head, Metadata, Mode, NewTransaction, Outcome, Posting
from bedplate.services.ledger.expiry import current_balances, lock_head
from bedplate.services.ledger.store import books, failures, holds, journal


@dataclass(frozen=True, slots=True)
class Reversal:
    """What a caller asks for: the mirror of a transaction, posted as `reversal_id`."""

    transaction_id: str
    reversal_id: str
    effective_us: int | None = None
    description: str = ""
    metadata: Metadata = ()


def post(
    connection: sa.Connection,
    tenant_id: str,
    ledger_id: str,
    transactions: Sequence[NewTransaction],
    now_us: int,
    *,
    mode: Mode = Mode.ATOMIC,
    rehearse: bool = False,
) -> tuple[Outcome, ...]:
    """Post transactions, as many as there are, with the same few statements.

    The ledger's row is locked first, so that postings to one ledger happen one
    after the other: a sequence without gaps needs that, and of two that post
    one id at once the second sees what the first has committed. Accounts are
    locked in the order of their ids. A caller that posts to several ledgers in
    one transaction does so in the order of their ids, or meets deadlocks.

    A refusal for good (`domain.REMEMBERED`) is remembered: it is written before
    it is raised, with nothing else. A caller that commits keeps it, which
    `domain.kept` helps with; one that rolls back leaves the id free.

    Args:
        connection: An open transaction that writes; the caller commits.
        tenant_id: Whose ledger it is.
        ledger_id: The ledger.
        transactions: Two or more entries each, amounts of 1 to 2**63 - 1, times
            in the range of years 1 to 9999, as the contract's rules ensure.
        now_us: The time, microseconds since 1970-01-01 UTC.
        mode: ATOMIC raises what refuses one of them; INDEPENDENT returns it.
        rehearse: Only tell what would become of them: nothing is locked or
            written, and a connection that reads will do.

    Returns:
        One outcome for each transaction, in order.

    Raises:
        Refusal: INVALID_REQUEST (too many entries), DUPLICATE_TRANSACTION_ID,
            LEDGER_NOT_FOUND or HOLDS_EXPIRING; with ATOMIC also TRANSACTION_EXISTS,
            ALREADY_REVERSED, ACCOUNT_ON_BOTH_SIDES, ACCOUNT_NOT_FOUND,
            UNBALANCED_TRANSACTION, ACCOUNT_CLOSED, BALANCE_OVERFLOW or
            LIMIT_EXCEEDED. Fields are named as in PostTransactionsRequest.
    """
    domain.check_batch(transactions)
    head = find_head(connection, tenant_id, ledger_id, now_us, lock=not rehearse)
    known = books_for(connection, tenant_id, ledger_id, head, transactions, now_us, lock=not rehearse)
    return _finish(connection, tenant_id, ledger_id, domain.post(transactions, known, now_us, mode), rehearse)


def reverse(
    connection: sa.Connection,
    tenant_id: str,
    ledger_id: str,
    reversal: Reversal,
    now_us: int,
    *,
    rehearse: bool = False,
) -> Outcome:
    """Post the mirror of a transaction, once; connection and time are as for `post`.

    Raises:
        Refusal: LEDGER_NOT_FOUND, HOLDS_EXPIRING, TRANSACTION_NOT_FOUND,
            TRANSACTION_EXISTS, ALREADY_REVERSED, ACCOUNT_CLOSED, BALANCE_OVERFLOW or
            LIMIT_EXCEEDED. Fields are named as in PostTransactionsRequest, with
            the reversal as the only transaction.
    """
    head = find_head(connection, tenant_id, ledger_id, now_us, lock=not rehearse)
    ids = [reversal.transaction_id]
    original = journal.find_transactions(connection, tenant_id, ledger_id, ids).get(reversal.transaction_id)
    if original is None:
        raise domain.transaction_not_found(reversal.transaction_id)
    new = domain.mirror(
        original,
        reversal.reversal_id,
        effective_us=reversal.effective_us,
        description=reversal.description,
        metadata=reversal.metadata,
    )
    known = books_for(connection, tenant_id, ledger_id, head, [new], now_us, lock=not rehearse)
    made = domain.post([new], known, now_us, Mode.ATOMIC)
    return _finish(connection, tenant_id, ledger_id, made, rehearse)[0]


def find_head(connection: sa.Connection, tenant_id: str, ledger_id: str, now_us: int, *, lock: bool) -> Head:
    """Where a ledger ends; with `lock` it is locked, and what has expired in it is given back.

    Raises:
        Refusal: LEDGER_NOT_FOUND, or, with `lock`, HOLDS_EXPIRING.
    """
    if lock:
        return lock_head(connection, tenant_id, ledger_id, now_us)
    head = books.find_head(connection, tenant_id, ledger_id)
    if head is None:
        raise domain.ledger_not_found(ledger_id)
    domain.check_open(head, ledger_id)
    return head


def books_for(
    connection: sa.Connection,
    tenant_id: str,
    ledger_id: str,
    head: Head,
    transactions: Sequence[NewTransaction],
    now_us: int,
    *,
    lock: bool,
) -> Books:
    """What transactions are judged against."""
    ids = [transaction.transaction_id for transaction in transactions]
    posted = journal.find_transactions(connection, tenant_id, ledger_id, ids)
    new = [transaction for transaction in transactions if transaction.transaction_id not in posted]
    account_ids = {entry.account_id for transaction in new for entry in transaction.entries}
    balances = {}
    if account_ids:
        balances = current_balances(connection, tenant_id, ledger_id, head, account_ids, now_us, lock=lock)
    reversed_ids = [transaction.reverses_id for transaction in new if transaction.reverses_id]
    reversals = journal.find_reversals(connection, tenant_id, ledger_id, reversed_ids) if reversed_ids else {}
    refused = {}
    if head.has_failures and new:
        new_ids = [transaction.transaction_id for transaction in new]
        refused = failures.find_failed_transactions(connection, tenant_id, ledger_id, new_ids)
    return Books(head, posted, balances, reversals, failures=refused)


def _finish(
    connection: sa.Connection, tenant_id: str, ledger_id: str, posting: Posting, rehearse: bool
) -> tuple[Outcome, ...]:
    if not rehearse:
        write(connection, tenant_id, ledger_id, posting)
    if posting.refusal is not None:
        raise posting.refusal
    return posting.outcomes


def write(connection: sa.Connection, tenant_id: str, ledger_id: str, posting: Posting) -> None:
    """Write what a batch comes to; the ledger and the accounts are locked."""
    failures.insert_failures(connection, tenant_id, ledger_id, posting.failures)
    if posting.transactions:
        journal.insert_transactions(connection, tenant_id, ledger_id, posting.transactions)
        holds.save_resolved(connection, tenant_id, ledger_id, posting.holds)
        books.save_balances(connection, tenant_id, ledger_id, posting.balances)
    if posting.transactions or posting.failures:
        books.save_head(connection, tenant_id, ledger_id, posting.head)

"""Posts transactions inside a transaction of the caller's.

The one module of the ledger that another service may import: what it writes
beside the entries commits with them or not at all.
"""

from collections.abc import Sequence

import sqlalchemy as sa

from bedplate.services.ledger import domain
from bedplate.services.ledger.domain import Books, Mode, NewTransaction, Outcome
from bedplate.services.ledger.store import books, journal


def post(
    connection: sa.Connection,
    tenant_id: str,
    ledger_id: str,
    transactions: Sequence[NewTransaction],
    now_us: int,
    *,
    mode: Mode = Mode.ATOMIC,
) -> tuple[Outcome, ...]:
    """Post transactions, as many as there are, with the same few statements.

    The ledger's row is locked first, so that postings to one ledger happen one
    after the other: a sequence without gaps needs that, and of two that post
    one id at once the second sees what the first has committed. Accounts are
    locked in the order of their ids. A caller that posts to several ledgers in
    one transaction does so in the order of their ids, or meets deadlocks.

    Args:
        connection: An open transaction that writes; the caller commits.
        tenant_id: Whose ledger it is.
        ledger_id: The ledger.
        transactions: Two or more entries each, amounts of 1 to 2**63 - 1, times
            in the range of years 1 to 9999, as the contract's rules ensure.
        now_us: The time, microseconds since 1970-01-01 UTC.
        mode: ATOMIC raises what refuses one of them; INDEPENDENT returns it.

    Returns:
        One outcome for each transaction, in order.

    Raises:
        Refusal: INVALID_REQUEST (too many entries), DUPLICATE_TRANSACTION_ID or
            LEDGER_NOT_FOUND; with ATOMIC also TRANSACTION_EXISTS,
            ACCOUNT_ON_BOTH_SIDES, ACCOUNT_NOT_FOUND, UNBALANCED_TRANSACTION,
            BALANCE_OVERFLOW or LIMIT_EXCEEDED. Fields are named as in
            PostTransactionsRequest.
    """
    domain.check_batch(transactions)
    head = books.lock_head(connection, tenant_id, ledger_id)
    if head is None:
        raise domain.ledger_not_found(ledger_id)
    ids = [transaction.transaction_id for transaction in transactions]
    posted = journal.find_transactions(connection, tenant_id, ledger_id, ids)
    account_ids = {
        entry.account_id
        for transaction in transactions
        if transaction.transaction_id not in posted
        for entry in transaction.entries
    }
    balances = books.lock_balances(connection, tenant_id, ledger_id, account_ids) if account_ids else {}
    posting = domain.post(transactions, Books(head, posted, balances), now_us, mode)
    if posting.transactions:
        journal.insert_transactions(connection, tenant_id, ledger_id, posting.transactions)
        books.save_balances(connection, tenant_id, ledger_id, posting.balances)
        books.save_head(connection, tenant_id, ledger_id, posting.head)
    return posting.outcomes

"""Closes accounts, inside a transaction of the caller's."""

import dataclasses

import sqlalchemy as sa

from bedplate.services.ledger import domain
from bedplate.services.ledger.domain import Account, Head
from bedplate.services.ledger.expiry import lock_head
from bedplate.services.ledger.store import books


def close(connection: sa.Connection, tenant_id: str, ledger_id: str, account_id: str, now_us: int) -> Account:
    """Close an account, or find it closed; what is posted afterwards sees that it is.

    Raises:
        Refusal: LEDGER_NOT_FOUND, HOLDS_EXPIRING, ACCOUNT_NOT_FOUND or ACCOUNT_HAS_HOLDS.
    """
    head = lock_head(connection, tenant_id, ledger_id, now_us)
    balance = books.find_balance(connection, tenant_id, ledger_id, account_id)
    if balance is None:
        raise domain.account_not_found(account_id, "account_id")
    account = balance.account
    if account.close_time_us is not None:
        return account
    if balance.debits_pending_minor or balance.credits_pending_minor:
        raise domain.account_has_holds(account)
    # Later than all that was posted to it, so that the log tells which was first.
    time_us = max(now_us, head.time_us + 1)
    books.close_account(connection, tenant_id, ledger_id, account_id, close_time_us=time_us)
    books.save_head(connection, tenant_id, ledger_id, Head(head.sequence, time_us, head.due_us))
    return dataclasses.replace(account, close_time_us=time_us)

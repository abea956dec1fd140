"""Closes accounts, inside a transaction of the caller's."""

import dataclasses

import sqlalchemy as sa

from bedplate.services.ledger import domain
from bedplate.services.ledger.domain import Account, Head
from bedplate.services.ledger.store import books


def close(connection: sa.Connection, tenant_id: str, ledger_id: str, account_id: str, now_us: int) -> Account:
    """Close an account, or find it closed; what is posted afterwards sees that it is.

    Raises:
        Refusal: LEDGER_NOT_FOUND or ACCOUNT_NOT_FOUND.
    """
    head = books.lock_head(connection, tenant_id, ledger_id)
    if head is None:
        raise domain.ledger_not_found(ledger_id)
    balance = books.find_balance(connection, tenant_id, ledger_id, account_id)
    if balance is None:
        raise domain.account_not_found(account_id, "account_id")
    account = balance.account
    if account.close_time_us is not None:
        return account
    # Later than all that was posted to it, so that the log tells which was first.
    time_us = max(now_us, head.time_us + 1)
    books.close_account(connection, tenant_id, ledger_id, account_id, close_time_us=time_us)
    books.save_head(connection, tenant_id, ledger_id, Head(head.sequence, time_us))
    return dataclasses.replace(account, close_time_us=time_us)

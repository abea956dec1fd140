"""What holds have set aside comes back when their time has come.

A ledger knows the earliest time at which one may expire, so that what does not
touch such a hold pays nothing for it.
"""

import dataclasses
from collections.abc import Iterable

import sqlalchemy as sa

from bedplate.data import Database
from bedplate.services.ledger import domain
from bedplate.services.ledger.domain import Balance, Head, HoldState
from bedplate.services.ledger.store import books, holds

# Holds that one unit of work gives back: some 50 ms of work.
EXPIRE_MAX = 1000


def lock_head(connection: sa.Connection, tenant_id: str, ledger_id: str, now_us: int) -> Head:
    """Lock a ledger and give back what has expired in it; where it ends.

    Raises:
        Refusal: LEDGER_NOT_FOUND, LEDGER_IMPORTING, or HOLDS_EXPIRING: more than EXPIRE_MAX holds
            have expired. `expire` in transactions of its own mends that.
    """
    head, _ = expire(connection, tenant_id, ledger_id, now_us)
    if is_due(head, now_us):
        raise domain.holds_expiring(EXPIRE_MAX)
    return head


def expire(connection: sa.Connection, tenant_id: str, ledger_id: str, now_us: int) -> tuple[Head, int]:
    """Lock a ledger and give back what has expired in it, at most EXPIRE_MAX holds.

    Returns:
        Where the ledger ends, and how many holds expired; more are due when
        `is_due` says so of the former.

    Raises:
        Refusal: LEDGER_NOT_FOUND or LEDGER_IMPORTING.
    """
    head = books.lock_head(connection, tenant_id, ledger_id)
    if head is None:
        raise domain.ledger_not_found(ledger_id)
    domain.check_open(head, ledger_id)
    if not is_due(head, now_us):
        return head, 0
    # The time goes on: what has expired is never pending again, whatever the clock does.
    time_us = max(now_us, head.time_us)
    due = holds.list_due(connection, tenant_id, ledger_id, now_us=time_us, limit=EXPIRE_MAX)
    if due:
        account_ids = {entry.account_id for hold in due for entry in hold.asked.entries}
        balances = books.lock_balances(connection, tenant_id, ledger_id, account_ids)
        for hold in due:
            domain.give_back(hold, balances)
        resolved = [hold.resolve(HoldState.EXPIRED, hold.asked.expire_us or 0) for hold in due]
        holds.save_resolved(connection, tenant_id, ledger_id, resolved)
        books.save_balances(connection, tenant_id, ledger_id, list(balances.values()))
        head = dataclasses.replace(head, time_us=time_us)
    head = dataclasses.replace(head, due_us=holds.next_due(connection, tenant_id, ledger_id))
    books.save_head(connection, tenant_id, ledger_id, head)
    return head, len(due)


def is_due(head: Head, now_us: int) -> bool:
    """Whether a hold may have expired that is noted as pending."""
    return head.due_us is not None and head.due_us <= max(now_us, head.time_us)


def current_balances(
    connection: sa.Connection,
    tenant_id: str,
    ledger_id: str,
    head: Head,
    account_ids: Iterable[str],
    now_us: int,
    *,
    lock: bool,
) -> dict[str, Balance]:
    """Accounts and their sums, without what holds have set aside whose time has come.

    With `lock` the rows are locked; `lock_head` has given everything back by then.
    """
    if lock:
        return books.lock_balances(connection, tenant_id, ledger_id, account_ids)
    balances = books.find_balances(connection, tenant_id, ledger_id, account_ids)
    if not is_due(head, now_us):
        return balances
    time_us = max(now_us, head.time_us)
    for debited, credited, amount_minor in holds.due_sums(connection, tenant_id, ledger_id, now_us=time_us):
        if (each := balances.get(debited)) is not None:
            pending = each.debits_pending_minor - amount_minor
            balances[debited] = dataclasses.replace(each, debits_pending_minor=pending)
        if (each := balances.get(credited)) is not None:
            pending = each.credits_pending_minor - amount_minor
            balances[credited] = dataclasses.replace(each, credits_pending_minor=pending)
    return balances


async def sweep(database: Database, now_us: int, *, limit: int = 100) -> int:
    """Give back what has expired in at most so many ledgers, of all tenants; how many holds expired.

    For a job: it takes the ledgers that have waited longest, each in a
    transaction of its own, at most EXPIRE_MAX holds of each.
    """
    due = await database.read(lambda connection: holds.ledgers_due(connection, now_us=now_us, limit=limit))
    count = 0
    for tenant_id, ledger_id in due:

        def work(connection: sa.Connection, tenant_id: str = tenant_id, ledger_id: str = ledger_id) -> int:
            return expire(connection, tenant_id, ledger_id, now_us)[1]

        count += await database.transact(work)
    return count

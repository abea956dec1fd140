"""Adds up accounts in groups, now and as of a time."""

import dataclasses

import sqlalchemy as sa

from bedplate.services.ledger.domain import AsOf, Axis, GroupTotal, Head
from bedplate.services.ledger.expiry import is_due
from bedplate.services.ledger.store import aggregate
from bedplate.services.ledger.store.aggregate import Key, Scope, Sums
from bedplate.services.ledger.store.history import last_looked_at


def add_up(
    connection: sa.Connection,
    scope: Scope,
    head: Head,
    now_us: int,
    *,
    as_of: AsOf | None,
    after: Key,
    limit: int,
) -> list[GroupTotal]:
    """The sums of accounts, by group and currency code.

    Args:
        connection: An open transaction that sees one state of the books.
        scope: Which accounts, and how they are grouped.
        head: Where the ledger ends.
        now_us: The time.
        as_of: Sums as of this time; None: now, without what holds have set
            aside whose time has come, whether or not somebody has noted it.
        after: The group and code after which to begin.
        limit: At most so many.
    """
    groups = aggregate.groups_now(connection, scope, after=after, limit=limit)
    if not groups:
        return []
    first, last = groups[0], groups[-1]
    if as_of is None:
        if not is_due(head, now_us):
            return groups
        time_us = max(now_us, head.time_us)
        due = aggregate.due(connection, scope, first, last, now_us=time_us)
        return [_less_pending(group, due) for group in groups]
    pending = aggregate.pending_then(connection, scope, first, last, as_of)
    posted = _posted_then(connection, scope, head, groups, as_of)
    return [_then(group, posted, pending) for group in groups]


def _posted_then(
    connection: sa.Connection, scope: Scope, head: Head, groups: list[GroupTotal], as_of: AsOf
) -> Sums:
    first, last = groups[0], groups[-1]
    if as_of.axis is Axis.EFFECTIVE:
        return aggregate.effective_until(connection, scope, first, last, effective_us=as_of.time_us)
    until = last_looked_at(connection, scope.tenant_id, scope.ledger_id, head, as_of)
    if until <= head.sequence // 2:
        return aggregate.posted_between(connection, scope, first, last, after=0, until=until)
    # What was posted since is the smaller part.
    later: Sums = {}
    if until < head.sequence:
        later = aggregate.posted_between(connection, scope, first, last, after=until, until=head.sequence)
    then: Sums = {}
    for group in groups:
        debits_minor, credits_minor = later.get(_key(group), (0, 0))
        then[_key(group)] = (group.debits_minor - debits_minor, group.credits_minor - credits_minor)
    return then


def _key(group: GroupTotal) -> Key:
    return group.account_path, group.currency.code


def _less_pending(group: GroupTotal, due: Sums) -> GroupTotal:
    debits_minor, credits_minor = due.get(_key(group), (0, 0))
    return dataclasses.replace(
        group,
        debits_pending_minor=group.debits_pending_minor - debits_minor,
        credits_pending_minor=group.credits_pending_minor - credits_minor,
    )


def _then(group: GroupTotal, posted: Sums, pending: Sums) -> GroupTotal:
    debits_minor, credits_minor = posted.get(_key(group), (0, 0))
    debits_pending_minor, credits_pending_minor = pending.get(_key(group), (0, 0))
    return dataclasses.replace(
        group,
        debits_minor=debits_minor,
        credits_minor=credits_minor,
        debits_pending_minor=debits_pending_minor,
        credits_pending_minor=credits_pending_minor,
    )

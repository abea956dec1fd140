"""Records of an export to events of the domain, and back."""

import dataclasses

from google.protobuf.message import Message

from bedplate.ledger.v1 import ledger_pb2 as pb
from bedplate.services.ledger import hold_messages, messages
from bedplate.services.ledger.domain import (
    Account,
    AccountClosed,
    Counts,
    Entry,
    Event,
    Failure,
    Hold,
    HoldResolved,
    HoldState,
    NewHold,
    Opened,
    Side,
    Trailer,
    Transaction,
)
from bedplate.services.ledger.messages import metadata_of, microseconds, timestamp

# The version of what records hold; another one is refused.
FORMAT = 1


def to_record(event: Event) -> pb.LedgerRecord:
    """The record of an event, without index and check.

    What only the server sets is not in the messages of the resources: a request
    is held for one that does not have it.
    """
    match event:
        case Opened():
            opened = pb.LedgerOpened(
                format=FORMAT, display_name=event.display_name, time=timestamp(event.create_time_us)
            )
            return pb.LedgerRecord(opened=opened)
        case Account():
            account = messages.to_account(event)
            _clear(account, "create_time", "close_time")
            created = pb.AccountCreated(account=account, time=timestamp(event.create_time_us))
            return pb.LedgerRecord(account=created)
        case Transaction():
            posted = pb.TransactionPosted(
                transaction=_to_asked(event),
                time=timestamp(event.create_time_us),
                sequence=event.sequence,
                reverses_id=event.reverses_id,
                captures_id=event.captures_id,
            )
            return pb.LedgerRecord(transaction=posted)
        case Hold():
            hold = pb.HoldCreated(hold=_to_hold(event.asked), time=timestamp(event.create_time_us))
            return pb.LedgerRecord(hold=hold)
        case HoldResolved(state=HoldState.RELEASED):
            released = pb.HoldReleased(hold_id=event.hold_id, time=timestamp(event.time_us))
            return pb.LedgerRecord(hold_released=released)
        case HoldResolved():
            expired = pb.HoldExpired(hold_id=event.hold_id, time=timestamp(event.time_us))
            return pb.LedgerRecord(hold_expired=expired)
        case AccountClosed():
            closed = pb.AccountClosed(account_id=event.account_id, time=timestamp(event.time_us))
            return pb.LedgerRecord(account_closed=closed)
        case Failure():
            return pb.LedgerRecord(failure=_to_failure(event))
        case Trailer():
            return pb.LedgerRecord(trailer=_to_trailer(event))


def event_of(record: pb.LedgerRecord, path: str) -> Event:
    """The event of a record; currencies are those of the accounts, and not in it.

    Args:
        record: As the contract's rules let it pass.
        path: The event's field in the request.

    Raises:
        Refusal: INVALID_REQUEST: a time is no time.
    """
    name = record.WhichOneof("event")
    assert name is not None, "a record without an event is refused before"
    sent = getattr(record, name)
    time_us = microseconds(sent.time, f"{path}.time")
    match name:
        case "opened":
            return Opened(sent.display_name, time_us)
        case "account":
            return messages.new_account(sent.account, time_us)
        case "transaction":
            asked = _asked(sent.transaction, time_us, f"{path}.transaction")
            return dataclasses.replace(
                asked,
                sequence=sent.sequence,
                reverses_id=sent.reverses_id,
                captures_id=sent.captures_id,
            )
        case "hold":
            return Hold(hold_messages.new_hold(sent.hold), "", time_us)
        case "hold_released":
            return HoldResolved(sent.hold_id, HoldState.RELEASED, time_us)
        case "hold_expired":
            return HoldResolved(sent.hold_id, HoldState.EXPIRED, time_us)
        case "account_closed":
            return AccountClosed(sent.account_id, time_us)
        case "failure":
            return _failure(sent, time_us, path)
        case _:
            counts = Counts(sent.account_count, sent.transaction_count, sent.hold_count, sent.failure_count)
            return Trailer(counts, time_us, sent.digest)


def _asked(sent: pb.Transaction, create_time_us: int, path: str) -> Transaction:
    """A transaction as it was asked for, with the times that it got."""
    return Transaction(
        sent.transaction_id,
        tuple(Entry(entry.account_id, Side(entry.side), entry.amount_minor) for entry in sent.entries),
        microseconds(sent.effective_time, f"{path}.effective_time"),
        sent.description,
        create_time_us,
        0,
        metadata_of(sent.metadata),
    )


def _to_asked(transaction: Transaction) -> pb.Transaction:
    return pb.Transaction(
        transaction_id=transaction.transaction_id,
        entries=[
            pb.Entry(
                account_id=entry.account_id,
                side=entry.side.value,  # type: ignore[arg-type]
                amount_minor=entry.amount_minor,
            )
            for entry in transaction.entries
        ],
        effective_time=timestamp(transaction.effective_us),
        description=transaction.description,
        metadata=dict(transaction.metadata),
    )


def _to_hold(asked: NewHold) -> pb.Hold:
    hold = hold_messages.to_hold(Hold(asked, "", 0))
    _clear(hold, "create_time", "state")
    return hold


def _to_failure(failure: Failure) -> pb.LedgerFailure:
    made = pb.LedgerFailure(
        reason=failure.reason,
        sentence=failure.sentence,
        field=failure.field,
        facts=dict(failure.facts),
        time=timestamp(failure.create_time_us),
    )
    if isinstance(failure.attempt, NewHold):
        made.hold.CopyFrom(_to_hold(failure.attempt))
    else:
        made.transaction.CopyFrom(_to_asked(failure.attempt))
        made.reverses_id = failure.attempt.reverses_id
        made.captures_id = failure.attempt.captures_id
    return made


def _failure(sent: pb.LedgerFailure, time_us: int, path: str) -> Failure:
    attempt: NewHold | Transaction
    if sent.HasField("hold"):
        attempt = hold_messages.new_hold(sent.hold)
    else:
        asked = _asked(sent.transaction, time_us, f"{path}.transaction")
        attempt = dataclasses.replace(asked, reverses_id=sent.reverses_id, captures_id=sent.captures_id)
    facts = tuple(sorted(sent.facts.items()))
    return Failure(attempt, sent.reason, sent.sentence, sent.field, facts, time_us)


def _clear(message: Message, *names: str) -> None:
    for name in names:
        message.ClearField(name)


def _to_trailer(trailer: Trailer) -> pb.LedgerTrailer:
    return pb.LedgerTrailer(
        account_count=trailer.counts.accounts,
        transaction_count=trailer.counts.transactions,
        hold_count=trailer.counts.holds,
        failure_count=trailer.counts.failures,
        time=timestamp(trailer.time_us),
        digest=trailer.digest,
    )

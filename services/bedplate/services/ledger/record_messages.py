"""Records of an export to events of the domain, and back."""

import dataclasses

from google.protobuf.timestamp_pb2 import Timestamp

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
    """The record of an event, without index and check."""
    match event:
        case Opened():
            opened = pb.LedgerOpened(
                format=FORMAT, display_name=event.display_name, create_time=timestamp(event.create_time_us)
            )
            return pb.LedgerRecord(opened=opened)
        case Account():
            account = messages.to_account(event)
            account.ClearField("close_time")
            return pb.LedgerRecord(account=account)
        case Transaction():
            return pb.LedgerRecord(transaction=messages.to_transaction(event))
        case Hold():
            hold = hold_messages.to_hold(event)
            hold.ClearField("state")
            return pb.LedgerRecord(hold=hold)
        case HoldResolved(state=HoldState.RELEASED):
            return pb.LedgerRecord(
                hold_released=pb.HoldReleased(hold_id=event.hold_id, time=timestamp(event.time_us))
            )
        case HoldResolved():
            return pb.LedgerRecord(
                hold_expired=pb.HoldExpired(hold_id=event.hold_id, time=timestamp(event.time_us))
            )
        case AccountClosed():
            closed = pb.AccountClosed(account_id=event.account_id, time=timestamp(event.time_us))
            return pb.LedgerRecord(account_closed=closed)
        case Failure():
            return pb.LedgerRecord(failure=_to_failure(event))
        case Trailer():
            return pb.LedgerRecord(trailer=_to_trailer(event))


def event_of(record: pb.LedgerRecord, path: str) -> Event:
    """The event of a record.

    Args:
        record: As the contract's rules let it pass.
        path: The event's field in the request.

    Raises:
        Refusal: INVALID_REQUEST: a time is no time.
    """
    match record.WhichOneof("event"):
        case "opened":
            return Opened(record.opened.display_name, _time(record.opened.create_time, path))
        case "account":
            return messages.new_account(record.account, _time(record.account.create_time, path))
        case "transaction":
            sent = record.transaction
            return _transaction(sent, _time(sent.create_time, path), path)
        case "hold":
            created_us = _time(record.hold.create_time, path)
            return Hold(hold_messages.new_hold(record.hold), record.hold.currency_code, created_us)
        case "hold_released":
            released = record.hold_released
            return HoldResolved(released.hold_id, HoldState.RELEASED, _time(released.time, path, "time"))
        case "hold_expired":
            expired = record.hold_expired
            return HoldResolved(expired.hold_id, HoldState.EXPIRED, _time(expired.time, path, "time"))
        case "account_closed":
            closed = record.account_closed
            return AccountClosed(closed.account_id, _time(closed.time, path, "time"))
        case "failure":
            return _failure(record.failure, path)
        case _:
            trailer = record.trailer
            counts = Counts(
                trailer.account_count, trailer.transaction_count, trailer.hold_count, trailer.failure_count
            )
            return Trailer(counts, _time(trailer.time, path, "time"), trailer.digest)


def _time(time: Timestamp, path: str, name: str = "create_time") -> int:
    return microseconds(time, f"{path}.{name}")


def _transaction(sent: pb.Transaction, create_time_us: int, path: str) -> Transaction:
    return Transaction(
        sent.transaction_id,
        tuple(
            Entry(entry.account_id, Side(entry.side), entry.amount_minor, entry.currency_code)
            for entry in sent.entries
        ),
        _time(sent.effective_time, path, "effective_time"),
        sent.description,
        create_time_us,
        sent.sequence,
        metadata_of(sent.metadata),
        sent.reverses_id,
        sent.captures_id,
    )


def _to_failure(failure: Failure) -> pb.LedgerFailure:
    made = pb.LedgerFailure(
        reason=failure.reason,
        sentence=failure.sentence,
        field=failure.field,
        facts=dict(failure.facts),
        create_time=timestamp(failure.create_time_us),
    )
    if isinstance(failure.attempt, NewHold):
        made.hold.CopyFrom(hold_messages.to_hold(Hold(failure.attempt, "", failure.create_time_us)))
        made.hold.ClearField("state")
        made.hold.ClearField("create_time")
    else:
        made.transaction.CopyFrom(messages.to_transaction(failure.attempt))
        made.transaction.ClearField("create_time")
    return made


def _failure(sent: pb.LedgerFailure, path: str) -> Failure:
    time_us = _time(sent.create_time, path)
    attempt: NewHold | Transaction
    if sent.HasField("hold"):
        attempt = hold_messages.new_hold(sent.hold)
    else:
        asked = _transaction(sent.transaction, time_us, f"{path}.transaction")
        entries = tuple(dataclasses.replace(entry, currency_code="") for entry in asked.entries)
        attempt = dataclasses.replace(asked, entries=entries, sequence=0)
    facts = tuple(sorted(sent.facts.items()))
    return Failure(attempt, sent.reason, sent.sentence, sent.field, facts, time_us)


def _to_trailer(trailer: Trailer) -> pb.LedgerTrailer:
    return pb.LedgerTrailer(
        account_count=trailer.counts.accounts,
        transaction_count=trailer.counts.transactions,
        hold_count=trailer.counts.holds,
        failure_count=trailer.counts.failures,
        time=timestamp(trailer.time_us),
        digest=trailer.digest,
    )

"""Messages of the contract to values of the domain, and back."""

import datetime
from collections.abc import Mapping, Sequence

from google.protobuf.timestamp_pb2 import Timestamp

from bedplate.errors import Kind, Refusal, Violation
from bedplate.ledger.v1 import ledger_pb2 as pb
from bedplate.services.ledger.domain import (
    Account,
    AccountType,
    AsOf,
    Axis,
    Balance,
    Currency,
    CurrencyTotal,
    Entry,
    GroupTotal,
    Ledger,
    Metadata,
    Mode,
    NewTransaction,
    PlacedEntry,
    Side,
    Transaction,
)
from bedplate.services.ledger.posting import Reversal

# What google.protobuf.Timestamp may hold: the years 1 to 9999.
SECONDS_MIN = -62_135_596_800
SECONDS_MAX = 253_402_300_799

_SIDES = {side.value: side for side in Side}


def new_transactions(messages: Sequence[pb.Transaction]) -> list[NewTransaction]:
    """The transactions of a request.

    Raises:
        Refusal: INVALID_REQUEST: an effective_time is no time.
    """
    return [_new_transaction(message, f"transactions[{index}]") for index, message in enumerate(messages)]


def mode(value: "pb.BatchMode.ValueType") -> Mode:
    """How a batch is posted; ATOMIC when it is not said."""
    return Mode.INDEPENDENT if value == pb.BATCH_MODE_INDEPENDENT else Mode.ATOMIC


def new_account(message: pb.Account, create_time_us: int) -> Account:
    """The account of a request; its normal side is the usual one when it is not said."""
    kind = AccountType(message.type)
    return Account(
        account_id=message.account_id,
        type=kind,
        normal_side=_SIDES.get(message.normal_side, kind.usual_side),
        currency=Currency(message.currency.code, message.currency.scale),
        debits_must_not_exceed_credits=message.debits_must_not_exceed_credits,
        credits_must_not_exceed_debits=message.credits_must_not_exceed_debits,
        display_name=message.display_name,
        create_time_us=create_time_us,
        metadata=metadata_of(message.metadata),
    )


def new_reversal(message: pb.ReverseTransactionRequest) -> Reversal:
    """What a request asks to reverse.

    Raises:
        Refusal: INVALID_REQUEST: effective_time is no time.
    """
    effective_us = None
    if message.HasField("effective_time"):
        effective_us = microseconds(message.effective_time, "effective_time")
    return Reversal(
        message.transaction_id,
        message.reversal_id,
        effective_us,
        message.description,
        metadata_of(message.metadata),
    )


def as_of(message: pb.AsOf) -> AsOf:
    """The time at which a request looks at books.

    Raises:
        Refusal: INVALID_REQUEST: it is no time.
    """
    time_us = microseconds(message.time, "as_of.time")
    return AsOf(time_us, Axis.EFFECTIVE if message.axis == pb.TIME_AXIS_EFFECTIVE else Axis.CREATED)


def check_day(text: str, path: str) -> None:
    """Refuse what is written like a day and is none, such as 2026-02-30; empty passes.

    Raises:
        Refusal: INVALID_REQUEST.
    """
    if not text:
        return
    try:
        datetime.date.fromisoformat(text)
    except ValueError:
        raise _invalid(path, f"{text} is no day of the calendar; write one as YYYY-MM-DD.") from None


def to_ledger(ledger: Ledger) -> pb.Ledger:
    """The message of a ledger."""
    return pb.Ledger(
        ledger_id=ledger.ledger_id,
        display_name=ledger.display_name,
        create_time=timestamp(ledger.create_time_us),
    )


def to_account(account: Account) -> pb.Account:
    """The message of an account."""
    return pb.Account(
        account_id=account.account_id,
        type=account.type.value,  # type: ignore[arg-type]
        normal_side=account.normal_side.value,  # type: ignore[arg-type]
        currency=to_currency(account.currency),
        debits_must_not_exceed_credits=account.debits_must_not_exceed_credits,
        credits_must_not_exceed_debits=account.credits_must_not_exceed_debits,
        display_name=account.display_name,
        create_time=timestamp(account.create_time_us),
        metadata=dict(account.metadata),
        close_time=None if account.close_time_us is None else timestamp(account.close_time_us),
    )


def to_currency(currency: Currency) -> pb.Currency:
    """The message of a currency."""
    return pb.Currency(code=currency.code, scale=currency.scale)


def to_balance(balance: Balance) -> pb.Balance:
    """The message of a balance."""
    return pb.Balance(
        account_id=balance.account.account_id,
        currency=to_currency(balance.account.currency),
        debits_minor=balance.debits_minor,
        credits_minor=balance.credits_minor,
        balance_minor=balance.balance_minor,
        debits_pending_minor=balance.debits_pending_minor,
        credits_pending_minor=balance.credits_pending_minor,
        available_minor=balance.available_minor,
    )


def to_total(total: CurrencyTotal) -> pb.CurrencyTotal:
    """The message of a currency's total."""
    return pb.CurrencyTotal(
        currency=to_currency(total.currency),
        debits_minor=str(total.debits_minor),
        credits_minor=str(total.credits_minor),
        account_count=total.account_count,
    )


def to_group(group: GroupTotal) -> pb.BalanceGroup:
    """The message of a group's sums."""
    return pb.BalanceGroup(
        account_path=group.account_path,
        currency=to_currency(group.currency),
        debits_minor=str(group.debits_minor),
        credits_minor=str(group.credits_minor),
        net_debits_minor=str(group.net_debits_minor),
        debits_pending_minor=str(group.debits_pending_minor),
        credits_pending_minor=str(group.credits_pending_minor),
        account_count=group.account_count,
    )


def to_transaction(transaction: Transaction) -> pb.Transaction:
    """The message of a transaction."""
    return pb.Transaction(
        transaction_id=transaction.transaction_id,
        entries=[_to_entry(entry) for entry in transaction.entries],
        effective_time=timestamp(transaction.effective_us),
        description=transaction.description,
        create_time=timestamp(transaction.create_time_us),
        sequence=transaction.sequence,
        metadata=dict(transaction.metadata),
        reverses_id=transaction.reverses_id,
        captures_id=transaction.captures_id,
    )


def to_placed_entry(placed: PlacedEntry) -> pb.PostedEntry:
    """The message of an entry with its place."""
    return pb.PostedEntry(
        transaction_id=placed.transaction_id,
        sequence=placed.sequence,
        index=placed.index,
        entry=_to_entry(placed.entry),
        effective_time=timestamp(placed.effective_us),
        create_time=timestamp(placed.create_time_us),
    )


def _new_transaction(message: pb.Transaction, path: str) -> NewTransaction:
    effective_us = None
    if message.HasField("effective_time"):
        effective_us = microseconds(message.effective_time, f"{path}.effective_time")
    return NewTransaction(
        transaction_id=message.transaction_id,
        entries=tuple(
            Entry(entry.account_id, _SIDES[entry.side], entry.amount_minor) for entry in message.entries
        ),
        effective_us=effective_us,
        description=message.description,
        metadata=metadata_of(message.metadata),
    )


def _to_entry(entry: Entry) -> pb.Entry:
    return pb.Entry(
        account_id=entry.account_id,
        side=entry.side.value,  # type: ignore[arg-type]
        amount_minor=entry.amount_minor,
        currency_code=entry.currency_code,
    )


def metadata_of(pairs: Mapping[str, str]) -> Metadata:
    """The metadata of a message, in the order of its keys."""
    return tuple(sorted(pairs.items()))


def timestamp(time_us: int) -> Timestamp:
    """The message of a time."""
    seconds, rest_us = divmod(time_us, 1_000_000)
    return Timestamp(seconds=seconds, nanos=rest_us * 1000)


def microseconds(time: Timestamp, path: str) -> int:
    """A time of a request, as microseconds; what is finer is cut off.

    Raises:
        Refusal: INVALID_REQUEST: it is no time.
    """
    if not SECONDS_MIN <= time.seconds <= SECONDS_MAX or not 0 <= time.nanos < 1_000_000_000:
        raise _invalid(path, "This is no time from 0001-01-01T00:00:00Z to 9999-12-31T23:59:59.999999999Z.")
    return time.seconds * 1_000_000 + time.nanos // 1000


def _invalid(path: str, sentence: str) -> Refusal:
    return Refusal(
        Kind.INVALID, "INVALID_REQUEST", f"{path}: {sentence}", violations=[Violation(path, sentence)]
    )

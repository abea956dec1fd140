"""Messages about holds to values of the domain, and back."""

from bedplate.ledger.v1 import ledger_pb2 as pb
from bedplate.services.ledger.domain import Capture, Hold, NewHold
from bedplate.services.ledger.messages import metadata_of, microseconds, timestamp


def new_hold(message: pb.Hold) -> NewHold:
    """The hold of a request.

    Raises:
        Refusal: INVALID_REQUEST: expire_time is no time.
    """
    expire_us = None
    if message.HasField("expire_time"):
        expire_us = microseconds(message.expire_time, "hold.expire_time")
    return NewHold(
        message.hold_id,
        message.debit_account_id,
        message.credit_account_id,
        message.amount_minor,
        expire_us,
        message.description,
        metadata_of(message.metadata),
    )


def new_capture(message: pb.CaptureHoldRequest) -> Capture:
    """What a request asks to capture.

    Raises:
        Refusal: INVALID_REQUEST: effective_time is no time.
    """
    effective_us = None
    if message.HasField("effective_time"):
        effective_us = microseconds(message.effective_time, "effective_time")
    return Capture(
        message.hold_id,
        message.transaction_id,
        message.amount_minor if message.HasField("amount_minor") else None,
        effective_us,
        message.description,
        metadata_of(message.metadata),
    )


def to_hold(hold: Hold) -> pb.Hold:
    """The message of a hold."""
    asked = hold.asked
    return pb.Hold(
        hold_id=asked.hold_id,
        debit_account_id=asked.debit_account_id,
        credit_account_id=asked.credit_account_id,
        amount_minor=asked.amount_minor,
        expire_time=None if asked.expire_us is None else timestamp(asked.expire_us),
        description=asked.description,
        metadata=dict(asked.metadata),
        currency_code=hold.currency_code,
        create_time=timestamp(hold.create_time_us),
        state=hold.state.value,  # type: ignore[arg-type]
        resolve_time=None if hold.resolve_time_us is None else timestamp(hold.resolve_time_us),
        captured_minor=hold.captured_minor,
        capture_id=hold.capture_id,
    )

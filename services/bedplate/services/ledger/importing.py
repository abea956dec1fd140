"""Makes a ledger from the records of an export, batch by batch, inside a transaction of the caller's.

A batch is judged as a whole in memory, as a posting is, and then written with
few statements. Until the trailer is there the ledger takes nothing else.
"""

import heapq
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from bedplate.errors import Kind, Refusal, Violation
from bedplate.ledger.v1 import ledger_pb2 as pb
from bedplate.services.ledger import domain
from bedplate.services.ledger.chain import CHECK_BYTES, START, digest_of
from bedplate.services.ledger.domain import (
    Balance,
    Event,
    Failure,
    Head,
    Hold,
    HoldResolved,
    Ledger,
    NewHold,
    Opened,
    Progress,
    Restoring,
    Trailer,
    Transaction,
    wrong,
)
from bedplate.services.ledger.record_messages import FORMAT, event_of, to_record
from bedplate.services.ledger.store import books, failures, holds, imports, journal
from bedplate.services.ledger.store.imports import Import

_HOLD_FIELDS = {
    "entries[0].account_id": "debit_account_id",
    "entries[1].account_id": "credit_account_id",
    "entries[0].amount_minor": "amount_minor",
    "entries[1].amount_minor": "amount_minor",
    "entries": "amount_minor",
}


def where(connection: sa.Connection, tenant_id: str, ledger_id: str) -> Import:
    """How far a ledger has been made from an export; at the first record, when there is no such ledger.

    Raises:
        Refusal: LEDGER_EXISTS: it was not made from one.
    """
    found = imports.find_import(connection, tenant_id, ledger_id)
    if found is None and books.find_head(connection, tenant_id, ledger_id) is not None:
        raise _not_imported(ledger_id)
    return found or Import(0, START, Progress())


def take(
    connection: sa.Connection,
    tenant_id: str,
    ledger_id: str,
    first_record: int,
    records: Sequence[pb.LedgerRecord],
) -> Import:
    """Take a batch of records, or find that it was taken before; how far the ledger is then.

    Args:
        connection: An open transaction that writes; the caller commits, or
            leaves nothing of the batch when it is refused.
        tenant_id: Whose ledger it becomes.
        ledger_id: Which.
        first_record: Where the batch begins.
        records: One or more, as the contract's rules let them pass.

    Raises:
        Refusal: LEDGER_EXISTS, IMPORT_OUT_OF_PLACE, IMPORT_DIFFERS or RECORD_INVALID.
    """
    if first_record == 0:
        # Before the lock, which needs a ledger that is there.
        _open(connection, tenant_id, ledger_id, records[0])
    head = books.lock_head(connection, tenant_id, ledger_id)
    found = where(connection, tenant_id, ledger_id)
    if head is None or first_record > found.next_record:
        raise _out_of_place(found)
    if first_record < found.next_record:
        _check_known(connection, tenant_id, ledger_id, found, first_record, records)
        return found
    digest, events = _read(records, first_record, found.digest)
    restoring = _restoring(connection, tenant_id, ledger_id, head, found.progress, events)
    for offset, event in enumerate(events):
        if first_record + offset == 0:
            continue  # `_open` has let it happen
        try:
            restoring.take(event, _path(records, offset))
        except Refusal as refusal:
            raise _invalid(first_record + offset, refusal) from refusal
    imports.insert_batch(connection, tenant_id, ledger_id, first_record, found.digest)
    made = Import(first_record + len(records), digest, restoring.progress)
    imports.save_import(connection, tenant_id, ledger_id, made)
    _write(connection, tenant_id, ledger_id, restoring)
    return made


def _open(connection: sa.Connection, tenant_id: str, ledger_id: str, record: pb.LedgerRecord) -> None:
    """Make the ledger of an export's first record, unless there is one under the id."""
    try:
        if not record.HasField("opened"):
            raise wrong(
                "records[0]", "The first record tells how the ledger was opened; begin with that one."
            )
        if record.opened.format != FORMAT:
            sentence = f"This server reads exports of format {FORMAT}; use one that reads this format."
            raise wrong("records[0].opened.format", sentence)
        event = event_of(record, "records[0].opened")
        assert isinstance(event, Opened), event
    except Refusal as refusal:
        raise _invalid(0, refusal) from refusal
    ledger = Ledger(ledger_id, event.display_name, event.create_time_us)
    if imports.insert_ledger(connection, tenant_id, ledger):
        imports.insert_import(connection, tenant_id, ledger_id, Import(0, START, Progress()))


def _check_known(
    connection: sa.Connection,
    tenant_id: str,
    ledger_id: str,
    found: Import,
    first_record: int,
    records: Sequence[pb.LedgerRecord],
) -> None:
    """Whether a batch is one that was taken before."""
    end = first_record + len(records)
    digest = imports.find_batch(connection, tenant_id, ledger_id, first_record)
    after = found.digest
    if end != found.next_record:
        after = imports.find_batch(connection, tenant_id, ledger_id, end) or b""
    if digest is None or not after:
        raise _out_of_place(found)
    for record in records:
        digest = digest_of(record, digest)
    if digest != after:
        raise _differs(ledger_id, first_record, end)


def _read(records: Sequence[pb.LedgerRecord], first_record: int, digest: bytes) -> tuple[bytes, list[Event]]:
    """The digest of the last record, and the events of all of them."""
    events: list[Event] = []
    for offset, record in enumerate(records):
        index, path, item = first_record + offset, _path(records, offset), f"records[{offset}]"
        try:
            if record.WhichOneof("event") is None:
                raise wrong(item, "The record holds nothing that this server knows.")
            if record.index != index:
                raise wrong(f"{item}.index", f"This is where record {index} belongs, and not {record.index}.")
            before, digest = digest, digest_of(record, digest)
            if record.check != digest[:CHECK_BYTES]:
                raise wrong(f"{item}.check", "The record, or one before it, is not as it was exported.")
            event = event_of(record, path)
            _check_canonical(record, to_record(event), path)
            if isinstance(event, Trailer) and event.digest != before:
                raise wrong(f"{path}.digest", "This is not the digest of the records before it.")
        except Refusal as refusal:
            raise _invalid(index, refusal) from refusal
        events.append(event)
    return digest, events


def _check_canonical(record: pb.LedgerRecord, exported: pb.LedgerRecord, path: str) -> None:
    """Nothing is in a record but what an export of the same event would hold."""
    exported.index, exported.check = record.index, record.check
    if record == exported:
        return
    name = record.WhichOneof("event")
    sent, known = (dict(getattr(each, name or "").ListFields()) for each in (record, exported))
    differing = next((field.name for field in sent | known if sent.get(field) != known.get(field)), "")
    field = f"{path}.{differing}" if differing else path
    raise wrong(field, "An export would hold something else here, or nothing.")


def _restoring(
    connection: sa.Connection,
    tenant_id: str,
    ledger_id: str,
    head: Head,
    progress: Progress,
    events: Sequence[Event],
) -> Restoring:
    """What the events are judged against, as far as they name it."""
    transactions = [each for each in events if isinstance(each, Transaction)]
    refused = [each for each in events if isinstance(each, Failure)]
    reversed_ids = [each.reverses_id for each in transactions if each.reverses_id]
    transaction_ids = {each.transaction_id for each in transactions} | set(reversed_ids)
    transaction_ids |= {each.failed_id for each in refused if isinstance(each.attempt, Transaction)}
    hold_ids = {each.captures_id for each in transactions if each.captures_id}
    hold_ids |= {each.hold_id for each in events if isinstance(each, HoldResolved)}
    hold_ids |= {each.asked.hold_id for each in events if isinstance(each, Hold)}
    hold_ids |= {each.failed_id for each in refused if isinstance(each.attempt, NewHold)}
    made = Restoring(head, progress)
    made.posted = journal.find_transactions(connection, tenant_id, ledger_id, transaction_ids)
    if reversed_ids:
        made.reversals = journal.find_reversals(connection, tenant_id, ledger_id, reversed_ids)
    if hold_ids:
        made.holds = holds.find_holds(connection, tenant_id, ledger_id, hold_ids)
    if head.has_failures:
        known = failures.find_failed_transactions(connection, tenant_id, ledger_id, transaction_ids)
        made.failed |= {(Transaction, each) for each in known}
        known = failures.find_failed_holds(connection, tenant_id, ledger_id, hold_ids)
        made.failed |= {(NewHold, each) for each in known}
    account_ids = {account_id for event in events for account_id in domain.account_ids(event)}
    for hold in made.holds.values():
        account_ids |= {entry.account_id for entry in hold.asked.entries}
    made.balances = books.find_balances(connection, tenant_id, ledger_id, account_ids)
    made.scales = imports.find_scales(connection, tenant_id, ledger_id)
    # Each event resolves one hold at most, so that no more than these can matter.
    last_us = max((_time(event) for event in events), default=0)
    limit = len(events) + 1
    due = holds.list_due(connection, tenant_id, ledger_id, now_us=last_us, limit=limit)
    made.due = [(hold.asked.expire_us or 0, hold.asked.hold_id) for hold in due]
    heapq.heapify(made.due)
    return made


def _time(event: Event) -> int:
    if isinstance(event, Trailer):
        return event.time_us
    if isinstance(event, Opened | domain.Account):
        return 0
    return domain.place(event)[0]


def _write(connection: sa.Connection, tenant_id: str, ledger_id: str, made: Restoring) -> None:
    for currency in dict.fromkeys(made.new_currencies):
        books.ensure_currency(connection, tenant_id, ledger_id, currency)
    imports.insert_accounts(connection, tenant_id, ledger_id, made.new_accounts)
    journal.insert_transactions(connection, tenant_id, ledger_id, made.new_transactions)
    for hold_id in made.new_holds:
        holds.insert_hold(connection, tenant_id, ledger_id, made.holds[hold_id])
    holds.save_resolved(connection, tenant_id, ledger_id, [made.holds[each] for each in made.resolved])
    changed: list[Balance] = [made.balances[each] for each in made.changed]
    books.save_balances(connection, tenant_id, ledger_id, changed)
    for closed in made.closed:
        books.close_account(connection, tenant_id, ledger_id, closed.account_id, close_time_us=closed.time_us)
    failures.insert_failures(connection, tenant_id, ledger_id, made.new_failures)
    due_us = None
    if made.progress.complete:
        # Only now: whoever sweeps leaves a ledger alone that is not whole.
        due_us = holds.next_due(connection, tenant_id, ledger_id)
        imports.open_ledger(connection, tenant_id, ledger_id)
    books.save_head(connection, tenant_id, ledger_id, Head(made.head.sequence, made.head.time_us, due_us))


def _path(records: Sequence[pb.LedgerRecord], offset: int) -> str:
    return f"records[{offset}].{records[offset].WhichOneof('event')}"


def _invalid(index: int, refusal: Refusal) -> Refusal:
    """Why a record is refused: the reason of a posting that broke the same rule is among the facts."""
    facts: dict[str, Any] = dict(refusal.facts)
    if refusal.reason not in ("RECORD_INVALID", "INVALID_REQUEST"):
        facts["breaks"] = refusal.reason
    return Refusal(
        Kind.INVALID,
        "RECORD_INVALID",
        f"Record {index} is refused: {refusal.sentence} Export the ledger again where it came from.",
        violations=[Violation(_renamed(each.field), each.sentence, each.rule) for each in refusal.violations],
        **(facts | {"record": index}),
    )


def _renamed(field: str) -> str:
    """A field as the records call it: what a hold or a capture is judged as has entries, and it has none."""
    field = field.replace(".transaction.transaction.captures_id", ".transaction.captures_id")
    for part, own in _HOLD_FIELDS.items():
        field = field.replace(f".hold.hold.{part}", f".hold.hold.{own}")
    return field


def _out_of_place(found: Import) -> Refusal:
    sentence = f"The import stands at record {found.next_record}; send that one next."
    return Refusal(
        Kind.STATE,
        "IMPORT_OUT_OF_PLACE",
        sentence,
        violations=[Violation("first_record", sentence)],
        next_record=found.next_record,
    )


def _differs(ledger_id: str, first_record: int, end: int) -> Refusal:
    sentence = (
        f"Other records {first_record} to {end - 1} were imported into {ledger_id}; "
        "go on with the export that was begun, or import into another ledger."
    )
    return Refusal(Kind.EXISTS, "IMPORT_DIFFERS", sentence, violations=[Violation("records", sentence)])


def _not_imported(ledger_id: str) -> Refusal:
    sentence = f"There is a ledger {ledger_id} that no import made; import into another one."
    return Refusal(
        Kind.EXISTS,
        "LEDGER_EXISTS",
        sentence,
        violations=[Violation("ledger_id", sentence)],
        ledger_id=ledger_id,
    )

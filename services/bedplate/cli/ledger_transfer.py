"""Whole ledgers between a server and a file: what `bedplate ledger export` and `restore` do."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from bedplate.cli.caller import Caller
from bedplate.cli.exits import Exit, Stop
from bedplate.cli.ledger_file import Chain, FileDamagedError, Read, Writer, read
from bedplate.cli.ledger_import import open_progress, stop

if TYPE_CHECKING:
    from bedplate.client.errors import CallError
    from bedplate.clients.ledger import AsyncLedgerClient
    from bedplate.ledger.v1 import ledger_pb2

# Less than the contract takes; a batch that is lost is sent again.
BATCH_RECORDS_MAX = 500
BATCH_ENTRIES_MAX = 5000
BATCH_BYTES_MAX = 1024 * 1024
BATCH_TIMEOUT_S = 30.0
EXPORT_TIMEOUT_S = 3600.0


async def export(caller: Caller, ledger_id: str, file: Path) -> int:
    """Write a ledger to a file that there is not yet; how many records it has.

    Raises:
        Stop: A call failed, the file could not be written, or what came was not whole.
    """
    from bedplate.client.errors import CallError
    from bedplate.clients.ledger import AsyncLedgerClient

    chain = Chain()
    try:
        async with caller.connect(AsyncLedgerClient.SERVICE) as channel:
            with Writer(file) as writer, open_progress() as progress:
                bar = progress.add_task("Records", total=None)
                async for record in _records(AsyncLedgerClient(channel), ledger_id):
                    chain.follow(record)
                    writer.write(record)
                    progress.update(bar, completed=chain.count)
                if not chain.complete:
                    raise FileDamagedError("the server's answer ended before the trailer")
                writer.finish()
    except CallError as error:
        raise stop(error, caller) from error
    except FileDamagedError as error:
        raise Stop(Exit.FAULT, f"What came is no whole export: {error}.", "Nothing was written.") from error
    except OSError as error:
        raise _unwritten(file, error) from error
    return chain.count


async def restore(caller: Caller, ledger_id: str, file: Path) -> tuple[int, int]:
    """Make a ledger from a file, or the rest of it.

    Returns:
        How many records the file has, and how many of them were imported before.

    Raises:
        Stop: The file is damaged, a call was refused or failed, or the ledger
            was made from another file.
    """
    from bedplate.client.errors import CallError
    from bedplate.clients.ledger import AsyncLedgerClient

    # The whole file first: one that is damaged at its end makes no half ledger.
    count = await asyncio.to_thread(_check, file)
    done = known = 0
    try:
        async with caller.connect(AsyncLedgerClient.SERVICE) as channel:
            client = AsyncLedgerClient(channel)
            found = await client.import_ledger(ledger_id=ledger_id)
            done = known = found.next_record
            rest = _rest(file, ledger_id, known, found.digest)
            with open_progress() as progress:
                bar = progress.add_task("Records", total=count, completed=known)
                for batch in _batches(rest):
                    response = await client.import_ledger(
                        ledger_id=ledger_id, first_record=done, records=batch, timeout_s=BATCH_TIMEOUT_S
                    )
                    done = response.next_record
                    progress.update(bar, completed=done)
    except CallError as error:
        raise _stopped(error, caller, done, count) from error
    except (FileDamagedError, OSError) as error:
        raise _unreadable(file, error) from error
    return count, known


async def _records(client: "AsyncLedgerClient", ledger_id: str) -> "AsyncIterator[ledger_pb2.LedgerRecord]":
    async for response in client.export_ledger(ledger_id=ledger_id, timeout_s=EXPORT_TIMEOUT_S):
        for record in response.records:
            yield record


def _check(file: Path) -> int:
    """Read a file to its end; how many records it has."""
    try:
        return sum(1 for _ in read(file))
    except (FileDamagedError, OSError) as error:
        raise _unreadable(file, error) from error


def _rest(file: Path, ledger_id: str, known: int, digest: bytes) -> "Iterator[ledger_pb2.LedgerRecord]":
    """The records that the server does not know yet; those that it knows must be the file's."""
    records = read(file)
    last: Read | None = None
    for _ in range(known):
        last = next(records, None)
        if last is None:
            break
    if known and (last is None or last.digest != digest):
        raise Stop(
            Exit.STATE,
            f"{ledger_id} was made, wholly or in part, from another export than {file}.",
            "Name another ledger with --ledger, or the file that was begun with.",
        )
    return (each.record for each in records)


def _batches(records: "Iterable[ledger_pb2.LedgerRecord]") -> "Iterator[list[ledger_pb2.LedgerRecord]]":
    batch: list[ledger_pb2.LedgerRecord] = []
    entries = size = 0
    for record in records:
        more = len(record.transaction.transaction.entries) + len(record.failure.transaction.entries)
        entries, size = entries + more, size + record.ByteSize()
        full = len(batch) == BATCH_RECORDS_MAX or entries > BATCH_ENTRIES_MAX or size > BATCH_BYTES_MAX
        if batch and full:
            yield batch
            batch, entries, size = [], more, record.ByteSize()
        batch.append(record)
    if batch:
        yield batch


def _stopped(error: "CallError", caller: Caller, done: int, count: int) -> Stop:
    made = stop(error, caller)
    lines = [*made.lines]
    if done:
        lines.append(f"{done} of {count} records are imported.")
    if made.code in (Exit.AGAIN, Exit.LATE):
        lines.append("Run the command again for the rest: none is imported twice.")
    return Stop(made.code, *lines)


def _unreadable(file: Path, error: FileDamagedError | OSError) -> Stop:
    if isinstance(error, OSError):
        return Stop(Exit.USAGE, f"{file} cannot be read: {error.strerror or type(error).__name__}.")
    return Stop(
        Exit.INVALID, f"{file} cannot be imported: {error}.", "Export the ledger again where it came from."
    )


def _unwritten(file: Path, error: OSError) -> Stop:
    if isinstance(error, FileExistsError):
        return Stop(Exit.USAGE, f"{file} exists; name another file, or remove that one.")
    return Stop(
        Exit.USAGE,
        f"{file} cannot be written: {error.strerror or type(error).__name__}.",
        "Nothing was left there.",
    )

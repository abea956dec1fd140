"""The digests that tie the records of an export together.

The digest of a record is the SHA-256 of the digest of the record before it (32
zero bytes before the first) and of its own canonical bytes: the record without
its `check`, serialised deterministically. `check` is the digest's beginning, so
that whatever was changed, left out or moved is found at the record itself.
"""

import hashlib

from bedplate.ledger.v1 import ledger_pb2 as pb

START = bytes(32)
CHECK_BYTES = 8


def canonical(record: pb.LedgerRecord) -> bytes:
    """A record as its bytes: fields in the order of their numbers, maps in that of their keys."""
    return record.SerializeToString(deterministic=True)


def digest_of(record: pb.LedgerRecord, before: bytes) -> bytes:
    """The digest of a record, with or without its check."""
    bare = record
    if record.check:
        bare = pb.LedgerRecord()
        bare.CopyFrom(record)
        bare.ClearField("check")
    return hashlib.sha256(before + canonical(bare)).digest()


def seal(record: pb.LedgerRecord, before: bytes) -> bytes:
    """Set the check of a record that has none; its digest."""
    digest = digest_of(record, before)
    record.check = digest[:CHECK_BYTES]
    return digest

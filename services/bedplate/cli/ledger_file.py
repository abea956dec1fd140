"""The file that holds an exported ledger.

A first line, `bedplate ledger 1`, and then the records of ExportLedger, each
after its length in bytes as a protobuf varint. A file whose name ends in `.gz`
is the same, packed by gzip. Whatever was changed, cut off, left out or moved
is found when the file is read.
"""

import errno
import gzip
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, Self, cast

from google.protobuf.message import DecodeError

from bedplate.ledger.v1 import ledger_pb2 as pb
from bedplate.services.ledger.chain import CHECK_BYTES, START, canonical, digest_of

MAGIC = b"bedplate ledger 1\n"
RECORD_BYTES_MAX = 4 * 1024 * 1024
VARINT_BYTES_MAX = 4
WRITE_BYTES = 1024 * 1024
_GZIP_MAGIC = b"\x1f\x8b"


class FileDamagedError(Exception):
    """The file is no whole export. The text says where and why."""


class Read(NamedTuple):
    """A record of a file, and the digest of all records up to it."""

    record: pb.LedgerRecord
    digest: bytes


class Chain:
    """Follows the records of an export, and finds the first that is not as it was."""

    def __init__(self) -> None:
        self.digest = START
        self.count = 0
        self.complete = False

    def follow(self, record: pb.LedgerRecord) -> None:
        """Go on to the next record.

        Raises:
            FileDamagedError: It is not the one that was exported.
        """
        if self.complete:
            raise FileDamagedError(f"record {self.count}: nothing comes after the trailer")
        if record.index != self.count:
            raise FileDamagedError(f"record {self.count}: here is record {record.index} instead")
        if record.HasField("trailer") and record.trailer.digest != self.digest:
            raise FileDamagedError(f"record {self.count}: the trailer is that of another export")
        self.digest = digest_of(record, self.digest)
        if record.check != self.digest[:CHECK_BYTES]:
            raise FileDamagedError(f"record {self.count}: it is not as it was exported")
        self.complete = record.HasField("trailer")
        self.count += 1


class Writer:
    """Writes an export beside its place, and puts it there when it is whole.

    with Writer(path) as writer:
        writer.write(record)
        writer.finish()
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._part = path.with_name(f"{path.name}.part")

    def __enter__(self) -> Self:
        if self._path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(self._path))
        # Unbuffered: what does not fit on the disk is told by the write that brings it.
        self._raw = self._part.open("wb", buffering=0)
        # No time and no name: the same ledger makes the same file.
        self._packer = (
            gzip.GzipFile("", "wb", fileobj=self._raw, mtime=0) if self._path.suffix == ".gz" else None
        )
        self._waiting = bytearray(MAGIC)
        return self

    def write(self, record: pb.LedgerRecord) -> None:
        """Write the next record."""
        data = canonical(record)
        self._waiting += _varint(len(data)) + data
        if len(self._waiting) >= WRITE_BYTES:
            self._flush()

    def finish(self) -> None:
        """Put the file in its place: on the disk first, and then under its name."""
        self._flush()
        if self._packer is not None:
            self._packer.close()
        os.fsync(self._raw.fileno())
        self._raw.close()
        self._part.replace(self._path)

    def __exit__(self, *_: object) -> None:
        if not self._raw.closed:
            self._raw.close()
            self._part.unlink(missing_ok=True)

    def _flush(self) -> None:
        view = memoryview(bytes(self._waiting))
        self._waiting.clear()
        while view:
            view = view[(self._packer or self._raw).write(view) :]


def read(path: Path) -> Iterator[Read]:
    """The records of a file, each checked as it is read.

    Raises:
        FileDamagedError: It is no export, not whole, or not as it was exported.
        OSError: It cannot be read.
    """
    chain = Chain()
    with _opened(path) as file:
        try:
            if file.read(len(MAGIC)) != MAGIC:
                raise FileDamagedError("it is no exported ledger: it does not begin as one")
            while (data := _next(file, chain.count)) is not None:
                record = _parsed(data, chain.count)
                chain.follow(record)
                yield Read(record, chain.digest)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise FileDamagedError(f"record {chain.count}: the gzip data is damaged or cut off") from error
    if not chain.complete:
        raise FileDamagedError(f"record {chain.count}: the file ends here, and an export ends with a trailer")


def _opened(path: Path) -> BinaryIO:
    with path.open("rb") as file:
        packed = file.read(2) == _GZIP_MAGIC
    return cast("BinaryIO", gzip.open(path, "rb")) if packed else path.open("rb")


def _next(file: BinaryIO, index: int) -> bytes | None:
    """The bytes of the next record; None at the end."""
    length = shift = 0
    while True:
        byte = file.read(1)
        if not byte:
            if shift:
                raise FileDamagedError(f"record {index}: the file ends in the middle of it")
            return None
        length |= (byte[0] & 0x7F) << shift
        shift += 7
        if not byte[0] & 0x80:
            break
        if shift == 7 * VARINT_BYTES_MAX:
            raise FileDamagedError(f"record {index}: its length cannot be right")
    if length > RECORD_BYTES_MAX:
        raise FileDamagedError(f"record {index}: its length cannot be right")
    data = file.read(length)
    if len(data) < length:
        raise FileDamagedError(f"record {index}: the file ends in the middle of it")
    return data


def _parsed(data: bytes, index: int) -> pb.LedgerRecord:
    try:
        record = pb.LedgerRecord.FromString(data)
    except DecodeError as error:
        raise FileDamagedError(f"record {index}: it is not as it was exported") from error
    if canonical(record) != data:
        raise FileDamagedError(f"record {index}: it is not as it was exported")
    return record


def _varint(number: int) -> bytes:
    made = bytearray()
    while number > 0x7F:
        made.append(number & 0x7F | 0x80)
        number >>= 7
    made.append(number)
    return bytes(made)

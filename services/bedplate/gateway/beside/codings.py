"""Content codings: gzip always, br and zstd where they are installed (`bedplate[compression]`).

Bodies are whole, so that one call makes or reads one. Reading is bounded: no
coding yields more than it is asked for, and what it keeps besides (its window)
is at most 16 MiB, of one request at a time.
"""

import importlib
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

# Larger windows are no zstd of HTTP (RFC 9659); as a power of two, 8 MiB.
ZSTD_WINDOW_LOG_MAX = 23

# Larger bodies are coded more quickly: 220 KB of JSON take 1.0 ms and not 1.5 with
# gzip, 0.4 and not 1.6 with br, for a tenth more bytes. zstd's quickest level (0.2 ms)
# makes them as small as its usual one.
LARGE_BYTES = 64 * 1024

_GZIP, _ZLIB = 31, 15  # window bits, with a gzip head or a zlib one


class NotCoded(ValueError):  # noqa: N818 - the caller's fault, told as a refusal
    """What was to be read is not what its coding says; the text goes on with `the body ...`."""


class TooLong(ValueError):  # noqa: N818
    """There is more than was asked for."""


@dataclass(frozen=True, slots=True)
class Coding:
    """One coding.

    Attributes:
        name: As HTTP calls it.
        write: Codes a body; quickly, for it is done while others wait.
        read: The body of coded bytes and the most bytes that it may have.
            Raises NotCoded or TooLong.
    """

    name: str
    write: Callable[[bytes], bytes]
    read: Callable[[bytes, int], bytes]


def _module(*names: str) -> ModuleType | None:
    for name in names:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    return None


def _write_gzip(body: bytes) -> bytes:
    return zlib.compress(body, 1 if len(body) > LARGE_BYTES else 4, _GZIP)


def _reader_of_zlib(bits: int) -> Callable[[bytes, int], bytes]:
    def read(coded: bytes, limit: int) -> bytes:
        machine = zlib.decompressobj(bits)
        try:
            body = machine.decompress(coded, limit + 1)
        except zlib.error:
            raise NotCoded("is damaged, or coded otherwise") from None
        return _checked(body, limit, ended=machine.eof, rest=bool(machine.unused_data))

    return read


def _brotli(module: Any) -> Coding:
    def write(body: bytes) -> bytes:
        coded: bytes = module.compress(body, quality=1 if len(body) > LARGE_BYTES else 4)
        return coded

    def read(coded: bytes, limit: int) -> bytes:
        machine = module.Decompressor()
        try:
            body = bytes(machine.process(coded, output_buffer_limit=limit + 1))
            # It stops at the end without looking behind it, and is asked once more for what is there.
            rest = machine.is_finished() and machine.process(b"")
        except module.error:
            raise NotCoded("is damaged, or coded otherwise, or has something behind its end") from None
        return _checked(body, limit, ended=machine.is_finished(), rest=bool(rest))

    return Coding("br", write, read)


def _zstd(module: Any) -> Coding:
    options = {module.DecompressionParameter.window_log_max: ZSTD_WINDOW_LOG_MAX}

    def write(body: bytes) -> bytes:
        coded: bytes = module.compress(body, 1)
        return coded

    def read(coded: bytes, limit: int) -> bytes:
        machine = module.ZstdDecompressor(options=options)
        try:
            body = machine.decompress(coded, limit + 1)
        except module.ZstdError:
            raise NotCoded("is damaged, or coded otherwise") from None
        return _checked(body, limit, ended=machine.eof, rest=bool(machine.eof and machine.unused_data))

    return Coding("zstd", write, read)


def _checked(body: bytes, limit: int, *, ended: bool, rest: bool) -> bytes:
    if len(body) > limit:
        raise TooLong
    if not ended:
        raise NotCoded("ends too early")
    if rest:
        raise NotCoded("has something behind its end")
    return body


_GZIP_CODING = Coding("gzip", _write_gzip, _reader_of_zlib(_GZIP))
_FOUND_BROTLI = _module("brotli")
_FOUND_ZSTD = _module("compression.zstd", "backports.zstd")

# What answers are coded with, the best first.
WRITES: Mapping[str, Coding] = {
    coding.name: coding
    for coding in (
        _zstd(_FOUND_ZSTD) if _FOUND_ZSTD else None,
        _brotli(_FOUND_BROTLI) if _FOUND_BROTLI else None,
        _GZIP_CODING,
    )
    if coding
}

# What requests may be coded with; `deflate` is zlib's format (RFC 9110, 8.4.1.2).
READS: Mapping[str, Callable[[bytes, int], bytes]] = {
    **{name: coding.read for name, coding in WRITES.items()},
    "x-gzip": _GZIP_CODING.read,
    "deflate": _reader_of_zlib(_ZLIB),
}

"""Messages with flags and length before them, as gRPC has them: of Connect's streams and of gRPC-Web."""

import binascii
import re
import struct

from bedplate.errors import Kind, Refusal
from bedplate.gateway.beside import codings
from bedplate.gateway.beside.compress import COMPRESSED_MAX_BYTES
from bedplate.gateway.beside.inflate import unpack
from bedplate.gateway.beside.negotiate import noted
from bedplate.gateway.exchange import Request
from bedplate.gateway.protocols.dialect import Dialect
from bedplate.gateway.protocols.named import too_large

COMPRESSED = 0x01
END = 0x02  # of a stream of Connect's: what is in it ends the call
TRAILERS = 0x80  # the same of gRPC-Web

# What messages may be compressed with.
KNOWN = ", ".join(name for name in codings.READS if not name.startswith("x-"))

_HEAD = struct.Struct(">BI")
# Base64 in pieces, each with its padding: callers may encode message by message, or
# what they have of one. More than so many are made to hurt: each costs a call and
# ten times its memory.
PIECES_MAX = 1_000
_PIECES = re.compile(rb"[A-Za-z0-9+/]+={0,2}")


def frame(flags: int, data: bytes) -> bytes:
    """A message, or an end, as it is sent."""
    return _HEAD.pack(flags, len(data)) + data


def coded(data: bytes, coding: codings.Coding | None, at_least: int) -> bytes:
    """A response message as it is sent, compressed where it has so many bytes and is not too large."""
    if coding is None or not at_least <= len(data) <= COMPRESSED_MAX_BYTES:
        return frame(0, data)
    return frame(COMPRESSED, coding.write(data))


def message(request: Request, dialect: Dialect, limit: int) -> bytes:
    """The one message of a request.

    Args:
        request: Its body is read.
        dialect: How it is written.
        limit: How many bytes the message may have, unpacked.

    Raises:
        Refusal: MALFORMED_REQUEST, MESSAGE_COUNT_WRONG, COMPRESSION_UNSUPPORTED,
            CONTENT_ENCODING_INVALID or MESSAGE_TOO_LARGE.
    """
    if not dialect.enveloped:
        return unpacked(request.body, request.headers.get("content-encoding", ""), limit)
    body = _from_text(request.body) if dialect.text else request.body
    if not body:
        raise _count("The request has no message; send one, with its flags and its length before it.")
    if len(body) < _HEAD.size:
        raise _malformed("The message is cut off within its flags and its length; send all of it.")
    flags, size = _HEAD.unpack_from(body)
    data, rest = body[_HEAD.size : _HEAD.size + size], body[_HEAD.size + size :]
    if len(data) < size:
        raise _malformed(f"The message has {len(data)} of the {size} bytes that it says; send all of it.")
    if flags & ~COMPRESSED:
        raise _malformed(f"The message has the flags {flags}; send 0, or 1 for one that is compressed.")
    if rest:
        raise _count("The call takes one message, and more follows it; send one.")
    if not flags:
        return _within(data, limit)
    coding = request.headers.get(dialect.encoding_header, "")
    if coding.lower() in ("", "identity"):
        raise _malformed(f"The message is marked as compressed; name how in {dialect.encoding_header}.")
    return unpacked(data, coding, limit)


def unpacked(data: bytes, coding: str, limit: int) -> bytes:
    """A message as it was before it was compressed; at most so many bytes.

    Raises:
        Refusal: COMPRESSION_UNSUPPORTED, CONTENT_ENCODING_INVALID or MESSAGE_TOO_LARGE.
    """
    if coding.lower() in ("", "identity"):
        return _within(data, limit)
    read = codings.READS.get(coding.lower())
    if read is None:
        raise _unsupported("The message is compressed in a way that is not known here.")
    return unpack(data, read, limit) if data else data


def _within(data: bytes, limit: int) -> bytes:
    if len(data) > limit:
        raise too_large(limit)
    return data


def check(request: Request, dialect: Dialect) -> None:
    """Refuse a compression that there is not, also where no message has it.

    Raises:
        Refusal: COMPRESSION_UNSUPPORTED.
    """
    name = dialect.encoding_header
    coding = request.headers.get(name, "").lower()
    if coding not in ("", "identity") and coding not in codings.READS:
        noted(request, (dialect.accept_header, KNOWN))
        raise _unsupported(f"{name} names a compression that is not known here.")
    if dialect.enveloped and request.headers.get("content-encoding", "identity").lower() != "identity":
        raise _unsupported(f"Messages are compressed one by one; say how in {name}, not in content-encoding.")


def coding_for(request: Request, dialect: Dialect) -> codings.Coding | None:
    """How the caller takes responses: the best of what it reads; None: as they are."""
    accept = request.headers.get(dialect.accept_header)
    if not accept:
        return None
    names = {name.strip(" \t").lower() for name in accept.split(",")}
    return next((coding for name, coding in codings.WRITES.items() if name in names), None)


def _from_text(body: bytes) -> bytes:
    if b"\r" in body or b"\n" in body:
        body = body.translate(None, b"\r\n")
    pieces = _PIECES.findall(body) if body.count(b"=") < 2 * PIECES_MAX else ()
    if sum(map(len, pieces)) == len(body):
        try:
            return b"".join([binascii.a2b_base64(piece, strict_mode=True) for piece in pieces])
        except binascii.Error:
            pass
    raise _malformed("The body is no base64, which grpc-web-text is; send it in one piece, with its padding.")


def _unsupported(sentence: str) -> Refusal:
    """What is answered to a compression that there is not."""
    said = f"{sentence} Known are: {KNOWN}."
    return Refusal(Kind.UNSUPPORTED, "COMPRESSION_UNSUPPORTED", said, accept_encoding=KNOWN)


def _count(sentence: str) -> Refusal:
    return Refusal(Kind.UNSUPPORTED, "MESSAGE_COUNT_WRONG", sentence)


def _malformed(sentence: str) -> Refusal:
    return Refusal(Kind.INVALID, "MALFORMED_REQUEST", sentence)

"""Page tokens: where the next page begins, readable and usable by nobody but us.

A token is bound to the query, the tenant and the principal that it was made
for. With any other it is refused, as is one that was changed by a single bit.
"""

import base64
import datetime
import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from google.protobuf.message import Message

from bedplate.errors import Kind, Refusal, Violation
from bedplate.settings import SettingsError

KEY_BYTES = 32
TOKEN_MAX_CHARS = 2048
_NONCE_BYTES = 12
_VERSION = b"\x01"

CursorValue = str | int | bool | bytes | datetime.datetime | None


class PageTokens:
    """Makes and reads page tokens.

    tokens = PageTokens(load_or_create_key(settings.data_dir / "page.key"))
    query = fingerprint(request)
    cursor = tokens.decode(request.page_token, query=query, tenant=..., principal=...)
    ...
    next_page_token = tokens.encode((row.created, row.id), query=query, tenant=..., principal=...)
    """

    def __init__(self, key: bytes, *older: bytes) -> None:
        """Take the key, 32 random bytes, and those before it whose tokens still count."""
        if any(len(each) != KEY_BYTES for each in (key, *older)):
            raise ValueError(f"a page token key has {KEY_BYTES} bytes")
        self._ciphers = [AESGCM(each) for each in (key, *older)]

    def encode(self, cursor: tuple[CursorValue, ...], *, query: bytes, tenant: str, principal: str) -> str:
        """Make a token; all its characters are safe in a URL.

        Args:
            cursor: What the next page begins after, usually the sort key of the last row.
            query: See `fingerprint`.
            tenant: Whose data it is.
            principal: Who may use it.
        """
        text = json.dumps([_pack(value) for value in cursor], separators=(",", ":")).encode()
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._ciphers[0].encrypt(nonce, text, _binding(query, tenant, principal))
        token = _to_text(_VERSION + nonce + sealed)
        if len(token) > TOKEN_MAX_CHARS:
            raise ValueError(f"a cursor of {len(text)} bytes is too long for a page token")
        return token

    def decode(self, token: str, *, query: bytes, tenant: str, principal: str) -> tuple[CursorValue, ...]:
        """Read a token; the cursor of an empty one, which asks for the first page, is empty.

        Raises:
            Refusal: PAGE_TOKEN_INVALID.
        """
        if not token:
            return ()
        sealed = _from_text(token)
        if sealed[:1] != _VERSION:
            raise _invalid()
        nonce, text = sealed[1 : 1 + _NONCE_BYTES], sealed[1 + _NONCE_BYTES :]
        binding = _binding(query, tenant, principal)
        for cipher in self._ciphers:
            try:
                return tuple(_unpack(value) for value in json.loads(cipher.decrypt(nonce, text, binding)))
            except (InvalidTag, ValueError):
                continue
        raise _invalid()


def fingerprint(request: Message) -> bytes:
    """What of a request must stay the same from page to page: all but `page_size` and `page_token`."""
    copy = type(request)()
    copy.CopyFrom(request)
    for name in ("page_size", "page_token"):
        if name in copy.DESCRIPTOR.fields_by_name:
            copy.ClearField(name)
    whole = copy.DESCRIPTOR.full_name.encode() + b"\0" + copy.SerializeToString(deterministic=True)
    return hashlib.sha256(whole).digest()


def load_shared_key(path: Path) -> bytes:
    """Read the key that replicas share, which an operator put there; it is never made here.

    Its group may read it, because that is how secrets are mounted.

    Raises:
        SettingsError: There is none, it has another length, or everybody may read it.
    """
    setting = f"BEDPLATE_PAGE_KEY_FILE names {path}"
    try:
        return _load_key(path, closed_to=0o027)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise SettingsError(
            f"{setting}, which cannot be read: {why}. Make it once, for all replicas: "
            f"head -c {KEY_BYTES} /dev/urandom > {path.name}"
        ) from error
    except ValueError as error:
        raise SettingsError(f"{setting}, which cannot be used: {error}.") from error


def load_or_create_key(path: Path) -> bytes:
    """Read a key of 32 bytes from a file that only its owner may read; make both when there is none.

    Raises:
        ValueError: The file has another length, or others may read it.
    """
    try:
        return _load_key(path)
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Written beside and linked, so that a second process finds the whole key or none.
    descriptor, made = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(os.urandom(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        os.link(made, path)
    except FileExistsError:
        pass
    finally:
        os.unlink(made)
    return _load_key(path)


def _load_key(path: Path, *, closed_to: int = 0o077) -> bytes:
    with open(path, "rb") as file:
        if os.fstat(file.fileno()).st_mode & closed_to:
            raise ValueError(f"{path} can be read by others: chmod 600 {path}")
        key = file.read(KEY_BYTES + 1)
    if len(key) != KEY_BYTES:
        raise ValueError(f"{path} holds no key of {KEY_BYTES} bytes")
    return key


def _binding(query: bytes, tenant: str, principal: str) -> bytes:
    """The parts with their lengths, so that no two sets of parts give the same bytes."""
    parts = (query, tenant.encode(), principal.encode())
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def _pack(value: CursorValue) -> Any:
    if isinstance(value, bytes):
        return {"b": _to_text(value)}
    if isinstance(value, datetime.datetime):
        return {"t": value.isoformat()}
    if value is None or isinstance(value, (str, int)):
        return value
    raise TypeError(f"a cursor holds no {type(value).__name__}")


def _unpack(value: Any) -> CursorValue:
    if isinstance(value, dict):
        if "b" in value:
            return _from_text(value["b"])
        return datetime.datetime.fromisoformat(value["t"])
    assert value is None or isinstance(value, (str, int))
    return value


def _to_text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _from_text(text: str) -> bytes:
    if len(text) > TOKEN_MAX_CHARS:
        raise _invalid()
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        raise _invalid() from None
    # The last character has bits that are not used: only one spelling counts.
    if _to_text(data) != text:
        raise _invalid()
    return data


def _invalid() -> Refusal:
    sentence = "The page token is not one of this query and server; start again without it."
    return Refusal(
        Kind.INVALID, "PAGE_TOKEN_INVALID", sentence, violations=[Violation("page_token", sentence)]
    )

"""API keys in a file, until the identity service keeps them.

The file holds SHA-256 digests and no key. A plain hash is enough because a key
is 256 random bits: there is nothing to guess, so nothing to slow down. A key
is found by the digest of its whole text, so how long the look-up takes says
nothing about a key that exists.
"""

import hashlib
import logging
import os
import secrets
import stat
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from bedplate.auth.key_format import ID_PATTERN, Key, KeyFileError, Keys, parse_keys, write_keys
from bedplate.auth.principal import Principal
from bedplate.errors import Kind, Refusal
from bedplate.files import stamp
from bedplate.settings import Settings

# A change of the file is seen this much later at most, seconds.
LOOK_EVERY_S = 1.0
# Longer credentials are refused before they are hashed, characters.
CREDENTIAL_LENGTH_MAX = 256
# A larger file is refused: it is read on the event loop.
FILE_BYTES_MAX = 4 * 1024 * 1024

INVALID_SENTENCE = "The key is not valid. Send a valid one as `authorization: Bearer <key>`."

_log = logging.getLogger("bedplate.auth.keys")


class KeyFile:
    """Knows callers by the API keys of a file, and reads it again when it changes.

    A file that is not there holds no keys: whoever runs the server may create
    the first one afterwards. A file that breaks while the server runs changes
    nothing and is logged; one that is broken at start is an error.

    Args:
        path: The file.
        development: Whether development keys count. Where they do not, one in
            the file is an error at start, and is passed over later.
        now: Wall clock, seconds since 1970.
        monotonic: Clock of the looks at the file, seconds.

    Raises:
        KeyFileError: The file cannot be used; the text names the place in it.
    """

    def __init__(
        self,
        path: Path,
        *,
        development: bool = True,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._development = development
        self._now = now
        self._monotonic = monotonic
        self._by_digest: dict[bytes, tuple[Principal, float | None]] = {}
        # Texts of keys that were found good. Never more than there are keys.
        self._by_text: dict[str, tuple[Principal, float | None]] = {}
        self._stamp = stamp(path)
        self._look_at = monotonic() + LOOK_EVERY_S
        self._use(_read(path))

    @classmethod
    def from_settings(cls, settings: Settings) -> "KeyFile":
        """The process's key file; development keys count on loopback and outside production.

        Raises:
            KeyFileError: As above.
        """
        return cls(settings.keys_path, development=not settings.exposed)

    def authenticate(self, credential: str) -> Principal:
        """The principal of a key.

        Raises:
            Refusal: CREDENTIAL_INVALID, with one text whatever is wrong.
        """
        if self._monotonic() >= self._look_at:
            self._look()
        found = self._by_text.get(credential)
        if found is None:
            found = self._find(credential)
        principal, expires = found
        if expires is not None and self._now() >= expires:
            raise _invalid()
        return principal

    def _find(self, credential: str) -> tuple[Principal, float | None]:
        if len(credential) > CREDENTIAL_LENGTH_MAX:
            raise _invalid()
        found = self._by_digest.get(digest(credential))
        if found is None:
            raise _invalid()
        self._by_text[credential] = found
        return found

    def _look(self) -> None:
        self._look_at = self._monotonic() + LOOK_EVERY_S
        seen = stamp(self._path)
        if seen == self._stamp:
            return
        self._stamp = seen
        try:
            keys = _read(self._path)
        except KeyFileError as error:
            _log.error("the key file changed and cannot be used; the keys from before still count: %s", error)
            return
        if not self._development and any(key.development for key in keys.values()):
            _log.error("the key file holds development keys; they do not count here")
            keys = {key_id: key for key_id, key in keys.items() if not key.development}
        self._use(keys)
        _log.info("the key file changed; it holds %d keys", len(keys))

    def _use(self, keys: Keys) -> None:
        if not self._development:
            _refuse_development(self._path, keys)
        self._by_digest = {
            key.sha256: (
                Principal(id=key.principal, tenant=key.tenant, scopes=key.scopes, audiences=key.audiences),
                None if key.expires is None else key.expires.timestamp(),
            )
            for key in keys.values()
        }
        self._by_text = {}


def digest(text: str) -> bytes:
    """SHA-256 of a key's text, 32 bytes."""
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()


def create_key(
    path: Path,
    *,
    tenant: str,
    scopes: Iterable[str],
    key_id: str = "",
    expires: datetime | None = None,
    development: bool = False,
    audiences: Iterable[str] = (),
) -> tuple[Key, str]:
    """Add a key to the file, which is made when it is not there.

    Args:
        path: The file.
        tenant: The tenant that the key acts for.
        scopes: What it may do; at least one.
        key_id: 1 to 32 of a-z and 0-9; left out: a random one.
        expires: When it stops being valid, with a time zone; None: never.
        development: True for a key that no exposed server takes.
        audiences: What it is issued for; methods may ask for one of them.

    Returns:
        The key as stored, and its text, which is stored nowhere.

    Raises:
        KeyFileError: The file cannot be used, the id is taken, or a value has
            the wrong form.
    """
    key_id = key_id or secrets.token_hex(5)
    if not ID_PATTERN.fullmatch(key_id):
        raise KeyFileError(f"A key's id is 1 to 32 of a-z and 0-9; {key_id!r} is not.")
    text = f"bp_{key_id}_{secrets.token_urlsafe(32)}"
    key = Key(
        id=key_id,
        sha256=digest(text),
        principal=f"key:{key_id}",
        tenant=tenant,
        scopes=frozenset(scopes),
        created=datetime.now().astimezone(),
        expires=expires,
        development=development,
        audiences=frozenset(audiences),
    )

    def add(keys: Keys) -> Keys:
        if key_id in keys:
            raise KeyFileError(f"{path} has a key {key_id} already. Revoke it first, or leave the id out.")
        return {**keys, key_id: key}

    write_keys(path, _read, add)
    return key, text


def list_keys(path: Path) -> tuple[Key, ...]:
    """The keys of the file by id; none when there is no file.

    Raises:
        KeyFileError: The file cannot be used.
    """
    return tuple(sorted(_read(path).values(), key=lambda key: key.id))


def revoke_key(path: Path, key_id: str) -> None:
    """Take a key out of the file; a running server refuses it a second later.

    Raises:
        KeyFileError: The file cannot be used, or has no such key.
    """

    def remove(keys: Keys) -> Keys:
        if key_id not in keys:
            known = ", ".join(sorted(keys)) or "none"
            raise KeyFileError(f"{path} has no key {key_id}. It has: {known}.")
        return {other: key for other, key in keys.items() if other != key_id}

    write_keys(path, _read, remove)


def set_scopes(path: Path, key_id: str, scopes: Iterable[str]) -> None:
    """Give a key other scopes; its text stays valid.

    Raises:
        KeyFileError: The file cannot be used, or has no such key.
    """

    def change(keys: Keys) -> Keys:
        if key_id not in keys:
            raise KeyFileError(f"{path} has no key {key_id}.")
        return {**keys, key_id: replace(keys[key_id], scopes=frozenset(scopes))}

    write_keys(path, _read, change)


def _invalid() -> Refusal:
    return Refusal(Kind.UNKNOWN_CALLER, "CREDENTIAL_INVALID", INVALID_SENTENCE)


def _refuse_development(path: Path, keys: Keys) -> None:
    names = sorted(key.id for key in keys.values() if key.development)
    if names:
        raise KeyFileError(
            f"{path} holds the development key {names[0]}, and this server can be reached from outside or "
            f"runs in production. Take it out with `bedplate key revoke {names[0]}` and make real keys with "
            "`bedplate key create`, or point BEDPLATE_KEYS_FILE at another file."
        )


def _read(path: Path) -> Keys:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(FILE_BYTES_MAX + 1)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise KeyFileError(f"{path} cannot be read: {error.strerror or type(error).__name__}.") from error
    if stat.S_IMODE(mode) & (stat.S_IWGRP | stat.S_IWOTH):
        raise KeyFileError(
            f"{path} can be written by other users, who could make keys. Run: chmod go-w {path}"
        )
    if len(data) > FILE_BYTES_MAX:
        raise KeyFileError(f"{path} is larger than {FILE_BYTES_MAX} bytes.")
    return parse_keys(data, where=str(path))

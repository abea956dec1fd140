"""The key file's text: what it may say, read strictly and written whole.

    {"keys": {"dev": {"sha256": "<64 hex digits>", "tenant": "demo", "scopes": ["ledger.read"],
                      "audiences": ["books"], "principal": "key:dev", "created": "2026-11-02T10:00:00+00:00",
                      "expires": "2027-11-02T10:00:00+00:00", "development": true}}}

`sha256`, `tenant` and `scopes` must be there; the rest may be left out.
"""

import fcntl
import json
import os
import re
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

ID_PATTERN = re.compile(r"[a-z0-9]{1,32}")
TENANT_PATTERN = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,62}[a-z0-9])?")
SCOPE_PATTERN = re.compile(r"[a-z0-9_]+(?:\.[a-z0-9_]+)+")
PRINCIPAL_PATTERN = re.compile(r"[a-z]+:[A-Za-z0-9._@-]{1,128}")
AUDIENCE_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}")
SCOPES_MAX = 256

_FIELDS = ("sha256", "principal", "tenant", "scopes", "audiences", "created", "expires", "development")


class KeyFileError(Exception):
    """A key file that cannot be used, or a change that it cannot take. The text says what to do."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key as it is stored.

    Attributes:
        id: Its id, also the middle part of its text.
        sha256: Digest of its text, 32 bytes.
        principal: Whom it makes the caller.
        tenant: The tenant that it acts for.
        scopes: What it may do.
        created: When it was made; None: unknown.
        expires: When it stops being valid; None: never.
        development: Whether exposed servers refuse it.
        audiences: What it was issued for; empty: for nothing in particular.
    """

    id: str
    sha256: bytes
    principal: str
    tenant: str
    scopes: frozenset[str]
    created: datetime | None = None
    expires: datetime | None = None
    development: bool = False
    audiences: frozenset[str] = frozenset()


Keys = Mapping[str, Key]


def parse_keys(data: bytes, *, where: str) -> Keys:
    """The keys of a file's bytes, by id.

    Raises:
        KeyFileError: The text names the file and the place in it.
    """
    try:
        document = json.loads(data, object_pairs_hook=_once)
    except UnicodeDecodeError as error:
        raise KeyFileError(f"{where} is not UTF-8 text at byte {error.start}.") from error
    except json.JSONDecodeError as error:
        raise KeyFileError(
            f"{where}, line {error.lineno}, column {error.colno}: not JSON: {error.msg}."
        ) from error
    except _TwiceError as error:
        raise KeyFileError(f"{where}: the name {error} stands twice in one object.") from error
    except RecursionError as error:
        raise KeyFileError(f"{where}: it is nested too deeply.") from error
    reader = _Reader(where)
    reader.only(document, ("keys",), "the file")
    entries = reader.object(document.get("keys"), "keys")
    keys = {key_id: reader.key(key_id, entry) for key_id, entry in entries.items()}
    owners: dict[bytes, str] = {}
    for key in keys.values():
        other = owners.setdefault(key.sha256, key.id)
        if other != key.id:
            reader.fail(f"keys.{key.id}.sha256", f"is that of keys.{other} too; each key has its own")
    return keys


def format_keys(keys: Keys) -> bytes:
    """The file's bytes."""
    document = {"keys": {key_id: _entry(keys[key_id]) for key_id in sorted(keys)}}
    return json.dumps(document, indent=2).encode() + b"\n"


def write_keys(path: Path, read: Callable[[Path], Keys], change: Callable[[Keys], Keys]) -> None:
    """Change the file as a whole: a reader sees it before or after, never in between.

    A lock file keeps two writers from losing each other's change.

    Args:
        path: The file; made, with its folder, when it is not there.
        read: Reads it.
        change: What its keys are to become; may raise.

    Raises:
        KeyFileError: It cannot be written, or the change has the wrong form.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            data = format_keys(change(read(path)))
            parse_keys(data, where="The new key")
            write_private(path, data)
        finally:
            os.close(lock)
    except OSError as error:
        raise KeyFileError(f"{path} cannot be written: {error.strerror or type(error).__name__}.") from error


def write_private(path: Path, data: bytes) -> None:
    """Replace a file at once by one that only its owner can read (mode 0600).

    Raises:
        OSError: It cannot be written; the old one is still there.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _entry(key: Key) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "sha256": key.sha256.hex(),
        "principal": key.principal,
        "tenant": key.tenant,
        "scopes": sorted(key.scopes),
    }
    if key.audiences:
        entry["audiences"] = sorted(key.audiences)
    if key.created is not None:
        entry["created"] = key.created.isoformat(timespec="seconds")
    if key.expires is not None:
        entry["expires"] = key.expires.isoformat(timespec="seconds")
    if key.development:
        entry["development"] = True
    return entry


class _TwiceError(Exception):
    """A JSON object has one name twice."""


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise _TwiceError(repr(name))
        found[name] = value
    return found


class _Reader:
    """Reads values out of the document and names the place of what is wrong."""

    def __init__(self, where: str) -> None:
        self._where = where

    def fail(self, place: str, sentence: str) -> NoReturn:
        raise KeyFileError(f"{self._where}: {place} {sentence}.")

    def object(self, value: Any, place: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            self.fail(place, "must be an object")
        return value

    def only(self, value: Any, names: tuple[str, ...], place: str) -> None:
        for name in self.object(value, place):
            if name not in names:
                self.fail(place, f"holds {name!r}, which is unknown; it may hold {', '.join(names)}")

    def text(self, entry: dict[str, Any], name: str, place: str, pattern: re.Pattern[str], form: str) -> str:
        value = entry.get(name)
        if not isinstance(value, str) or not pattern.fullmatch(value):
            self.fail(f"{place}.{name}", f"must be {form}")
        return value

    def time(self, entry: dict[str, Any], name: str, place: str) -> datetime | None:
        value = entry.get(name)
        if value is None:
            return None
        try:
            found = datetime.fromisoformat(value)
        except (TypeError, ValueError):
            found = None
        if found is None or found.tzinfo is None:
            self.fail(f"{place}.{name}", "must be a time with its zone, such as 2027-01-31T00:00:00+00:00")
        return found

    def key(self, key_id: str, entry: Any) -> Key:
        place = f"keys.{key_id}"
        if not ID_PATTERN.fullmatch(key_id):
            self.fail(f"the id {key_id!r} in keys", "must be 1 to 32 of a-z and 0-9")
        self.only(entry, _FIELDS, place)
        development = entry.get("development", False)
        if not isinstance(development, bool):
            self.fail(f"{place}.development", "must be true or false")
        entry = {"principal": f"key:{key_id}", **entry}
        return Key(
            id=key_id,
            sha256=bytes.fromhex(
                self.text(entry, "sha256", place, re.compile("[0-9a-f]{64}"), "64 hex digits, lower case")
            ),
            principal=self.text(
                entry, "principal", place, PRINCIPAL_PATTERN, "of the form kind:name, such as key:dev"
            ),
            tenant=self.text(entry, "tenant", place, TENANT_PATTERN, "1 to 64 of a-z, 0-9, `_` and `-`"),
            scopes=self.scopes(entry, place),
            created=self.time(entry, "created", place),
            expires=self.time(entry, "expires", place),
            development=development,
            audiences=self.texts({"audiences": [], **entry}, "audiences", place, AUDIENCE_PATTERN, "books"),
        )

    def scopes(self, entry: dict[str, Any], place: str) -> frozenset[str]:
        found = self.texts(entry, "scopes", place, SCOPE_PATTERN, "ledger.read")
        if not found:
            self.fail(f"{place}.scopes", f"must be a list of 1 to {SCOPES_MAX} scopes")
        return found

    def texts(
        self, entry: dict[str, Any], name: str, place: str, pattern: re.Pattern[str], example: str
    ) -> frozenset[str]:
        value = entry.get(name)
        if not isinstance(value, list) or len(value) > SCOPES_MAX:
            self.fail(f"{place}.{name}", f"must be a list of at most {SCOPES_MAX} {name}")
        for index, item in enumerate(value):
            if not isinstance(item, str) or not pattern.fullmatch(item):
                self.fail(f"{place}.{name}[{index}]", f"must be one of the {name} such as {example}")
        return frozenset(value)

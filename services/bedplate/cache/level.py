"""Where entries are kept.

A level of its own and not cachetools: entries of one method and tenant must be
found together to be invalidated, which an LRU of a library can do only by
looking at all it holds, and both together are fewer lines than the adapter.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Protocol

from bedplate.cache.entry import Entry, Key

# An answer that takes more than this share of the level is not kept: it would
# push out everybody else's.
SHARE_MAX = 0.125


class Level(Protocol):
    """Keeps entries; of one process, or shared by many.

    A shared level is asked after the process's own and told of everything that
    is put into it. The times of the entries that it hands out are of this
    process's `time.monotonic`: it keeps ages, not times. One that cannot be
    reached answers None and forgets what it is told; it never raises, and never
    takes longer than a few milliseconds.
    """

    async def get(self, key: Key) -> Entry | None:
        """The entry of a key, fresh or stale; None: there is none."""
        ...

    async def put(self, key: Key, entry: Entry) -> None:
        """Keep an entry until its `stale_until`."""
        ...

    async def invalidate(self, method: str, tenant: str | None, digest: bytes | None) -> None:
        """Drop the entries of a method; None stands for all tenants, all requests."""
        ...


class LocalLevel:
    """Keeps entries in this process, up to a number of bytes; the longest unused goes first.

    Attributes:
        bytes: What the entries take.
        evicted: Entries that went because there was no room, so far.
    """

    def __init__(self, bytes_max: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._max = bytes_max
        self._clock = clock
        self._entries: OrderedDict[Key, Entry] = OrderedDict()
        # Keys by method and tenant, and there by digest.
        self._groups: dict[tuple[str, str], dict[bytes, set[Key]]] = {}
        self.bytes = 0
        self.evicted = 0

    def __len__(self) -> int:
        return len(self._entries)

    def find(self, key: Key) -> Entry | None:
        """As `get`, at once."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry.stale_until <= self._clock():
            self.drop(key)
            return None
        self._entries.move_to_end(key)
        return entry

    def keep(self, key: Key, entry: Entry) -> None:
        """As `put`, at once."""
        self.drop(key)
        size = entry.size
        if size > self._max * SHARE_MAX or entry.stale_until <= self._clock():
            return
        self._entries[key] = entry
        self._groups.setdefault(key[:2], {}).setdefault(key.digest, set()).add(key)
        self.bytes += size
        while self.bytes > self._max:
            self.drop(next(iter(self._entries)))
            self.evicted += 1

    def drop(self, key: Key) -> None:
        """Drop one entry, when there is one."""
        entry = self._entries.pop(key, None)
        if entry is None:
            return
        self.bytes -= entry.size
        group = self._groups[key[:2]]
        same = group[key.digest]
        same.discard(key)
        if not same:
            del group[key.digest]
        if not group:
            del self._groups[key[:2]]

    def forget(self, method: str, tenant: str | None, digest: bytes | None) -> None:
        """As `invalidate`, at once."""
        for key in list(self._keys(method, tenant, digest)):
            self.drop(key)

    def _keys(self, method: str, tenant: str | None, digest: bytes | None) -> Iterator[Key]:
        if tenant is None:
            groups = [group for (of, _), group in self._groups.items() if of == method]
        else:
            groups = [self._groups.get((method, tenant), {})]
        for group in groups:
            for keys in group.values() if digest is None else [group.get(digest, set())]:
                yield from keys

    async def get(self, key: Key) -> Entry | None:
        """See `Level`."""
        return self.find(key)

    async def put(self, key: Key, entry: Entry) -> None:
        """See `Level`."""
        self.keep(key, entry)

    async def invalidate(self, method: str, tenant: str | None, digest: bytes | None) -> None:
        """See `Level`."""
        self.forget(method, tenant, digest)

"""Row locks, who waits for whom, and deadlocks."""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from bedplate.testing.simulate.statement import CONFLICT

Key = tuple[Any, ...]


class Holder:
    """A transaction, as far as locks are concerned.

    Attributes:
        name: Who it is, for traces.
        held: Its locks and their strengths.
        waits_for: The holders that it waits for now.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.held: dict[Key, int] = {}
        self.waits_for: frozenset[Holder] = frozenset()
        self._waiting: list[tuple[Holder, asyncio.Future[None]]] = []

    def wake(self) -> None:
        """Tell who waits for it that it let go of something: they look again."""
        for waiter, future in self._waiting:
            waiter.waits_for = frozenset()
            if not future.done():
                future.set_result(None)
        self._waiting.clear()

    async def wait_for(self, others: "list[Holder]", loop: asyncio.AbstractEventLoop) -> None:
        """Wait until one of the others lets go of something."""
        future: asyncio.Future[None] = loop.create_future()
        self.waits_for = frozenset(others)
        for other in others:
            other._waiting.append((self, future))
        try:
            await future
        finally:
            self.waits_for = frozenset()


class Locks:
    """All row locks of a database."""

    def __init__(self) -> None:
        self._holders: dict[Key, dict[Holder, int]] = {}

    def take(self, holder: Holder, key: Key, strength: int) -> list[Holder]:
        """Lock a row; returns those who are in the way, and then nothing is locked."""
        holders = self._holders.setdefault(key, {})
        others = self.in_the_way(holder, key, strength)
        if not others:
            stronger = max(strength, holder.held.get(key, 0))
            holders[holder] = holder.held[key] = stronger
        return others

    def in_the_way(self, holder: Holder, key: Key, strength: int) -> list[Holder]:
        """Who else holds a lock of a row that conflicts."""
        holders = self._holders.get(key)
        if not holders:
            return []
        return [
            other
            for other, theirs in holders.items()
            if other is not holder and theirs + strength >= CONFLICT
        ]

    def keys_of_others(self, holder: Holder, table: str, strength: int) -> list[Key]:
        """Keys of a table's rows that others have locked and the holder could not."""
        keys = [key for key in self._holders if key[0] == table and key[1] == "key"]
        return [key[2] for key in keys if self.in_the_way(holder, key, strength)]

    def release(self, holder: Holder, keep: Mapping[Key, int] | None = None) -> None:
        """Let go of all locks but those to keep, with their strengths, and wake who waits."""
        keep = keep or {}
        for key in list(holder.held):
            holders = self._holders[key]
            if key in keep:
                holders[holder] = holder.held[key] = keep[key]
                continue
            del holder.held[key]
            del holders[holder]
            if not holders:
                del self._holders[key]
        holder.wake()


def closes_circle(holder: Holder, others: Iterable[Holder]) -> bool:
    """Whether one of those that a holder is about to wait for waits for the holder, directly or not."""
    seen: set[Holder] = set()
    ahead = list(others)
    while ahead:
        other = ahead.pop()
        if other is holder:
            return True
        if other not in seen:
            seen.add(other)
            ahead.extend(other.waits_for)
    return False

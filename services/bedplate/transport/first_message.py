"""Ends calls that were opened and then say nothing.

An open call costs its peer a few bytes and the server a task and its memory.
"""

import asyncio
import time
from typing import Any, Protocol

# How often waiting calls are looked at within the limit: they end at most a
# quarter of it late, and no call pays for a timer of its own (2 us).
LOOKS = 4


class Waiting(Protocol):
    """A call that waits for its first message."""

    late: bool
    task: "asyncio.Task[Any]"


class FirstMessages:
    """The calls that wait for their first message, oldest first."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._since: dict[Waiting, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to look, in the running loop."""
        self._timer = asyncio.get_running_loop().call_later(self._limit_s / LOOKS, self._look)

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()

    def add(self, call: Waiting) -> None:
        """A call has begun."""
        self._since[call] = time.monotonic()

    def discard(self, call: Waiting) -> None:
        """Its first message came, or it ended."""
        self._since.pop(call, None)

    def _look(self) -> None:
        oldest = time.monotonic() - self._limit_s
        late = []
        for call, since in self._since.items():
            if since > oldest:
                break
            late.append(call)
        for call in late:
            del self._since[call]
            call.late = True
            call.task.cancel()
        self.start()

"""Sends responses together that are made one right after the other.

Who waits for a response sleeps, and to wake it is a good part of what sending costs
(a tenth of a whole call, to a proxy or a caller on the same machine). When many
requests have come at once, the first response would wake it, it would take that one
and sleep again before the second. So while further requests are about to be answered,
each in a moment, responses wait for each other, for a millisecond at most. Where calls
take longer, or one comes alone, nothing waits.
"""

import asyncio
from typing import Protocol

# Responses follow each other so closely when calls do little of their own. Seconds.
CLOSE_S = 0.0002
# The first of those that wait for each other waits no longer, but for the call that
# runs in this moment. Seconds.
WAIT_S = 0.001
# A larger response is sent at once: its caller has something to do with it.
HELD_MAX_BYTES = 16 * 1024


class Holder(Protocol):
    """A connection with a response that waits."""

    def send_held(self) -> None:
        """Send it, if that has not happened."""
        ...


class Coalescer:
    """The responses of a door that wait for each other.

    Attributes:
        starting: Requests whose task is about to begin.
    """

    __slots__ = ("_last", "_since", "_waiting", "starting")

    def __init__(self) -> None:
        self.starting = 0
        self._waiting: list[Holder] = []
        self._last = 0.0
        self._since = 0.0

    def hold(self, holder: Holder, now: float, loop: asyncio.AbstractEventLoop) -> bool:
        """Whether a response is to wait; `holder.send_held` is called when it need no longer.

        Args:
            holder: Its connection.
            now: When its call ended, `time.monotonic` seconds.
            loop: The event loop, which runs.
        """
        close, self._last = now - self._last < CLOSE_S, now
        waiting = self._waiting
        if close and self.starting > 0:
            if not waiting:
                self._since = now
                loop.call_soon(self.send)  # whatever becomes of the requests that are about to begin
            if now - self._since < WAIT_S:
                waiting.append(holder)
                return True
        if waiting:
            self.send()
        return False

    def send(self) -> None:
        """Send all that wait."""
        waiting, self._waiting = self._waiting, []
        for holder in waiting:
            holder.send_held()

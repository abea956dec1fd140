"""Bounds what callers whom nobody knows can make this process keep of messages that do not end.

A method that anyone may call, such as a health check, must read what anyone
sends. A message that is being read is kept, up to the largest that the server
takes, for as long as `first_message_s`. So once there are many such calls,
those that have waited longest give way: an honest caller's message comes right
after its headers.
"""

import time
from itertools import islice
from typing import Protocol

# Calls of strangers that may wait for their message together, however slow they
# are; with messages of 16 MiB they keep 512 MiB.
STRANGERS_MAX = 32
# No call gives way before that, seconds: a busy loop comes late to messages
# that are there. What comes within it is bounded by the network alone.
STRANGER_S = 0.25


class Waits(Protocol):
    """A call that waits for its message.

    Attributes:
        waits_since: Since when, `time.monotonic` seconds.
    """

    waits_since: float

    def give_way(self) -> None:
        """End, because others wait. Asked again before it has, it does nothing."""
        ...


class Strangers:
    """The calls of strangers that wait for their message, those first that have waited longest."""

    def __init__(self) -> None:
        self._waiting: dict[Waits, None] = {}

    def begin(self, call: Waits) -> None:
        """A call begins to wait."""
        self._waiting[call] = None
        self.thin()

    def end(self, call: Waits) -> None:
        """Its message is there, or it ended."""
        self._waiting.pop(call, None)

    def thin(self) -> None:
        """End calls that are too many and have waited long enough."""
        too_many = len(self._waiting) - STRANGERS_MAX
        if too_many <= 0:
            return
        oldest = time.monotonic() - STRANGER_S
        for call in list(islice(self._waiting, too_many)):
            if call.waits_since > oldest:
                break
            call.give_way()

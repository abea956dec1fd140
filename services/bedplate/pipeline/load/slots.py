"""The slots of one method, and the queue before them.

Who waits is served by criticality, and among equals in the order in which they
came. Newest first, the other choice under pressure, keeps some calls fast where
queues are longer than callers wait; here a queue is bounded, and a call that
would wait longer than its deadline allows is refused when it comes, so that
nobody waits in vain and the order can be the fair one.
"""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable

from bedplate.contract.promises import Criticality
from bedplate.pipeline.failure import Failure
from bedplate.pipeline.load.overloaded import overloaded

LEVELS = tuple(sorted(Criticality, key=lambda level: int(level.value)))
_RANK = {level: rank for rank, level in enumerate(LEVELS)}

# How far the recent service time follows a call.
FOLLOW = 0.1


class Waiting:
    """A call that waits for a slot.

    Attributes:
        turn: Done when it has one, or is refused.
        deadline: When its answer must be ready, `time.monotonic` seconds.
        level: Its criticality.
    """

    __slots__ = ("deadline", "level", "turn")

    def __init__(self, turn: "asyncio.Future[None]", deadline: float, level: Criticality) -> None:
        self.turn = turn
        self.deadline = deadline
        self.level = level


class Slots:
    """How many calls of a method run, and who waits.

    Attributes:
        limit: Calls that run at once.
        queue: Calls that wait behind them.
        running: Calls that hold a slot.
        service_s: How long calls lately held one, seconds; 0 until one has.
        refused: Calls that were refused, by criticality.
    """

    __slots__ = ("_waiting", "limit", "queue", "queued", "refused", "running", "service_s")

    def __init__(self, limit: int, queue: int) -> None:
        self.limit = limit
        self.queue = queue
        self.running = 0
        self.queued = 0
        self.service_s = 0.0
        self.refused = dict.fromkeys(LEVELS, 0)
        self._waiting: tuple[deque[Waiting], ...] = tuple(deque() for _ in LEVELS)

    def resize(self, limit: int, queue: int) -> None:
        """Take other bounds; who runs or waits stays."""
        self.limit, self.queue = limit, queue
        self._serve()

    def take(self, level: Criticality, deadline: float) -> Awaitable[None] | None:
        """Take a slot; None when there was one, else what to wait for.

        Whoever waits must be awaited or never be looked at again: being
        cancelled leaves the queue.

        Raises:
            Failure: RESOURCE_EXHAUSTED OVERLOADED: the queue is full, or so long
                that the call would not be done in time.
        """
        if self.running < self.limit and not self.queued:
            self.running += 1
            return None
        rank = _RANK[level]
        ahead = sum(len(self._waiting[above]) for above in range(rank + 1))
        wait_s = (ahead + 1) * self.service_s / self.limit
        if time.monotonic() + wait_s + self.service_s > deadline:
            raise self._refuse(level)
        if self.queued >= self.queue and not self._push_out(rank):
            raise self._refuse(level)
        waiting = Waiting(asyncio.get_running_loop().create_future(), deadline, level)
        self._waiting[rank].append(waiting)
        self.queued += 1
        return self._wait(waiting)

    async def _wait(self, waiting: Waiting) -> None:
        try:
            await waiting.turn
        except asyncio.CancelledError:
            if waiting.turn.cancelled():
                self._leave(waiting)
            elif waiting.turn.exception() is None:
                self.give_back()  # its turn came in the moment in which it was cancelled
            raise

    def _leave(self, waiting: Waiting) -> None:
        queue = self._waiting[_RANK[waiting.level]]
        if waiting in queue:
            queue.remove(waiting)
            self.queued -= 1

    def give_back(self, held_s: float | None = None) -> None:
        """Return a slot; `held_s` is how long it was held, None when that tells nothing."""
        self.running -= 1
        if held_s is not None:
            self.service_s += (held_s - self.service_s) * (FOLLOW if self.service_s else 1.0)
        if self.queued:
            self._serve()

    def _serve(self) -> None:
        """Give free slots to those who wait."""
        now = 0.0
        for queue in self._waiting:
            while queue and self.running < self.limit:
                waiting = queue.popleft()
                self.queued -= 1
                if waiting.turn.done():
                    continue
                now = now or time.monotonic()
                if now + self.service_s > waiting.deadline:
                    # Work on it would be for nothing: nobody would take the answer.
                    waiting.turn.set_exception(self._refuse(waiting.level))
                else:
                    self.running += 1
                    waiting.turn.set_result(None)

    def _push_out(self, rank: int) -> bool:
        """Make room by refusing the newest of the least critical; False when all are as critical."""
        for below in range(len(self._waiting) - 1, rank, -1):
            if self._waiting[below]:
                waiting = self._waiting[below].pop()
                self.queued -= 1
                if not waiting.turn.done():
                    waiting.turn.set_exception(self._refuse(waiting.level))
                return True
        return False

    def _refuse(self, level: Criticality) -> Failure:
        self.refused[level] += 1
        return overloaded((self.queued + 1) * self.service_s / self.limit)

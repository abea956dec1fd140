"""Finds out whether calls wait in gRPC core, which tells nobody.

Core hands over one call of a method for each time it is asked for one. The
server asks for one at a time: then calls that the loop has no time for wait in
core, where waiting and being refused cost nothing. (Asked for 16 or 256 at a
time, the loop filled with calls that it could not answer in time.) To see how
many wait, more are asked for now and then, and it counts how many come at once.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

# How long core may take to hand over calls that wait already: so many rounds of
# the loop, each at least so long. A round asks, one hears of it, one takes.
ROUNDS = 3
ROUND_S = 0.001
# Of so many methods at most, the busiest.
METHODS = 8


class Waiting:
    """Looks for the calls that wait for one server."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        accept: Callable[[str], Awaitable[Any]],
        begin: Callable[[str, Any], None],
        stopped: type[Exception] | tuple[type[Exception], ...],
    ) -> None:
        """Prepare to look.

        Args:
            loop: Where the server runs.
            accept: Asks core for one call of a method.
            begin: Begins it.
            stopped: What `accept` raises when the server stops.
        """
        self._loop = loop
        self._accept = accept
        self._begin = begin
        self._stopped = stopped
        self._seen: Counter[str] = Counter()
        self._asked: Counter[str] = Counter()
        self._came = 0
        self._ended = False
        self._tasks: set[asyncio.Task[None]] = set()

    def stop(self) -> None:
        """Ask no more: core ends the process that asks a server which is gone."""
        self._ended = True

    def note(self, name: str) -> None:
        """A call of a method came."""
        self._seen[name] += 1

    def probe(self, count: int, told: Callable[[int], None]) -> None:
        """Ask for so many calls of each busy method; tell, a few rounds of the loop later, how many came.

        What was asked for and is not there is taken by the calls that come next.
        """
        names = [name for name, _ in self._seen.most_common(METHODS)]
        self._seen.clear()
        before = self._came
        for name in names:
            if self._asked[name]:
                continue  # core was asked for more than there were: none of it wait
            self._asked[name] = count
            for _ in range(count):
                task = self._loop.create_task(self._take(name))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)
        self._judge(ROUNDS, lambda: told(self._came - before))

    def _judge(self, rounds: int, judge: Callable[[], None]) -> None:
        if rounds:
            self._loop.call_later(ROUND_S, self._judge, rounds - 1, judge)
        else:
            judge()

    async def _take(self, name: str) -> None:
        if self._ended:
            return
        try:
            state = await self._accept(name)
        except self._stopped:
            return
        self._asked[name] -= 1
        self._came += 1
        self._begin(name, state)

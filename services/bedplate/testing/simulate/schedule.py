"""Who runs next: the strategies between which a seed chooses."""

import random
from collections.abc import Sequence
from typing import Protocol

# Change points of priorities fall into the first so many decisions.
HORIZON = 400
CHANGES_MAX = 6
# A task that polls must not keep all others waiting for ever.
RUN_MAX = 100


class Strategy(Protocol):
    """Chooses among tasks that are ready."""

    def pick(self, orders: Sequence[int]) -> int:
        """The index of the one that runs next.

        Args:
            orders: The tasks' numbers in the order of their creation, ascending; at least one.
        """
        ...


class Walk:
    """Every ready task is as likely as any other, at each decision."""

    def __init__(self, source: random.Random) -> None:
        self._random = source.random

    def pick(self, orders: Sequence[int]) -> int:
        """See `Strategy`."""
        return int(self._random() * len(orders))


class Priorities:
    """The ready task of the highest priority runs, and a few times the one that runs falls to the bottom.

    A walk rarely keeps one task waiting while another does many steps; this does
    so often. A bug that needs d particular switches is found with a probability
    that depends on d and not on how long the scenario is.
    """

    def __init__(self, source: random.Random) -> None:
        self._random = source.random
        self._priority: dict[int, float] = {}
        count = source.randrange(CHANGES_MAX + 1)
        self._changes = {source.randrange(HORIZON) for _ in range(count)}
        self._decisions = 0
        self._lowest = 0.0
        self._last, self._run = -1, 0

    def pick(self, orders: Sequence[int]) -> int:
        """See `Strategy`."""
        priority = self._priority
        for order in orders:
            if order not in priority:
                priority[order] = self._random()
        best = max(range(len(orders)), key=lambda index: priority[orders[index]])
        chosen = orders[best]
        self._run = self._run + 1 if chosen == self._last else 0
        self._last = chosen
        if self._decisions in self._changes or self._run >= RUN_MAX:
            self._lowest -= 1.0
            priority[chosen] = self._lowest
        self._decisions += 1
        return best


def strategy(seed: int) -> Strategy:
    """The strategy of a seed: a walk for every other one, priorities for the rest."""
    source = random.Random(f"schedule/{seed}")  # noqa: S311 - it must be repeatable
    return Walk(source) if seed % 2 else Priorities(source)

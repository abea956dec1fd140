"""Takes the machine's clock and chance away from the code of a run."""

import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from bedplate.testing.simulate.fault import SimulationError

# What clocks for people say when a run begins: 2027-01-15 08:00:00 UTC.
EPOCH_S = 1_800_000_000

_TIMES = {
    "monotonic": lambda now: now,
    "perf_counter": lambda now: now,
    "time": lambda now: EPOCH_S + now,
    "monotonic_ns": lambda now: round(now * 1e9),
    "perf_counter_ns": lambda now: round(now * 1e9),
    "time_ns": lambda now: EPOCH_S * 10**9 + round(now * 1e9),
}


class Virtual:
    """What `time`, `random`, `os.urandom`, `uuid` and `secrets` use during a run.

    Attributes:
        now: Tells virtual seconds.
    """

    def __init__(self) -> None:
        self.now: Callable[[], float] = lambda: 0.0
        self._bytes = random.Random()  # noqa: S311 - it must be repeatable

    def begin(self, seed: int, now: Callable[[], float]) -> None:
        """Begin a run anew."""
        self.now = now
        self._bytes.seed(f"entropy/{seed}")
        random.seed(f"random/{seed}")

    def urandom(self, size: int) -> bytes:
        """Repeatable bytes."""
        return self._bytes.randbytes(size)


@contextmanager
def virtual() -> Iterator[Virtual]:
    """Replace clocks and entropy for this thread until the block ends.

    Other threads keep the real ones. What has been taken out of its module
    beforehand (`from time import monotonic`) is not replaced, nor is
    `datetime.now`: take a clock as an argument.
    """
    owner = threading.get_ident()
    made = Virtual()
    random_state = random.getstate()
    replaced: list[tuple[Any, str, Any]] = []

    def replace(module: Any, name: str, instead: Callable[..., Any]) -> None:
        real = getattr(module, name)
        replaced.append((module, name, real))

        def chosen(*args: Any) -> Any:
            return instead(*args) if threading.get_ident() == owner else real(*args)

        setattr(module, name, chosen)

    for name, tell in _TIMES.items():
        replace(time, name, lambda tell=tell: tell(made.now()))
    replace(time, "sleep", _refuse_sleep)
    replace(os, "urandom", made.urandom)
    replace(random, "_urandom", made.urandom)
    try:
        yield made
    finally:
        for module, name, real in replaced:
            setattr(module, name, real)
        random.setstate(random_state)


def _refuse_sleep(seconds: float) -> NoReturn:
    raise SimulationError("time.sleep() would stop all tasks: await asyncio.sleep()")

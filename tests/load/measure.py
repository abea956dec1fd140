"""Loads a server of its own, at one rate after the other."""

import asyncio
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from bedplate.testing.serve import KEY
from tests.bench.rows import LOAD_CPU, SERVER_CPU
from tests.load.contract import DEADLINE_S, LEVELS, Request
from tests.load.open_loop import DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, Fate, Kind, Load, block

SHARES = {"Critical": 0.1, "Default": 0.6, "Sheddable": 0.3}
# An answer may be on its way for this much longer than the deadline. Seconds.
TOLERANCE_S = 0.05
_SERVICE = "/tests.load.v1.LoadService"


@dataclass(slots=True)
class Point:
    """What was seen at one rate.

    Attributes:
        offered: Calls a second.
        seconds: For how long.
        fates: What became of them, by criticality.
    """

    offered: float
    seconds: float
    fates: dict[str, Fate] = field(default_factory=dict)

    @property
    def goodput(self) -> float:
        """Answers within the deadline, a second."""
        good = [s for fate in self.fates.values() for s in fate.good_s if s <= DEADLINE_S + TOLERANCE_S]
        return len(good) / self.seconds

    @property
    def late(self) -> int:
        """Calls that were let in and had no answer by their deadline."""
        codes = self.codes
        return sum(codes.values()) - codes[0] - codes[RESOURCE_EXHAUSTED]

    @property
    def codes(self) -> Counter[int]:
        """How calls ended, by gRPC's code; -1: reset, -2: never."""
        return sum((fate.codes for fate in self.fates.values()), Counter())

    def success(self, level: str) -> float:
        """Share of a criticality's calls that were answered."""
        return self.fates[level].success

    def p99_ms(self, level: str = "") -> float:
        """99 of 100 answers took less, milliseconds."""
        fates = [self.fates[level]] if level else list(self.fates.values())
        took = sorted(s for fate in fates for s in fate.good_s)
        return took[int(len(took) * 0.99)] * 1000 if took else 0.0


@contextmanager
def server(*settings: str) -> Iterator[int]:
    """A server process, on a core of its own where there is one; its gRPC port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.load.serve", *settings],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        if len(os.sched_getaffinity(0)) > 1:
            os.sched_setaffinity(process.pid, {SERVER_CPU})
        assert process.stdout is not None
        yield int(process.stdout.readline().split()[0])
    finally:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        process.stdout.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def kinds(scenario: str, port: int) -> list[Kind]:
    """The calls of a scenario: `Narrow` and `Cheap` by method, `Slotted` by what the caller says."""
    made = []
    for level in LEVELS:
        if scenario == "Slotted":
            more = [("bedplate-criticality", level.lower())]
            headers = block(port, f"{_SERVICE}/Slotted", KEY, DEADLINE_S, *more)
        else:
            headers = block(port, f"{_SERVICE}/{scenario}{level}", KEY, DEADLINE_S)
        made.append(Kind(level, headers, SHARES[level]))
    return made


async def measure(scenario: str, port: int, rates: list[float], seconds: float) -> list[Point]:
    """One point for each rate, one after the other, over the same connections."""
    load = Load(Request(text="hello").SerializeToString())
    await load.connect(port)
    points = []
    for rate in rates:
        fates = await load.run(kinds(scenario, port), rate, seconds, DEADLINE_S + 1.0)
        points.append(Point(rate, seconds, fates))
    load.close()
    return points


def run(scenario: str, port: int, rates: list[float], seconds: float) -> list[Point]:
    """The same, from plain code; the load runs on the other core."""
    if len(os.sched_getaffinity(0)) > 1:
        os.sched_setaffinity(0, {LOAD_CPU})
    return asyncio.run(measure(scenario, port, rates, seconds))


__all__ = ["DEADLINE_EXCEEDED", "Point", "measure", "run", "server"]

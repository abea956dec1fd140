"""What a scenario is given: time, chance, and a trace."""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from bedplate.testing.simulate.loop import START_S, SimulatedLoop
from bedplate.testing.simulate.virtual import EPOCH_S


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a trace.

    Attributes:
        step: Decisions made before it.
        time_s: Virtual seconds since the run began.
        task: Who it is about.
        text: What happened; empty: the task was chosen, among `ready`.
        ready: How many tasks were ready.
    """

    step: int
    time_s: float
    task: str
    text: str = ""
    ready: int = 0


class World:
    """One run of a scenario.

    Attributes:
        seed: The run's number.
        random: Chance for the scenario's own choices. Does not depend on how
            tasks are scheduled, and scheduling does not depend on it.
        loop: The event loop.
        lines: The trace, if one is kept.
        recording: Whether one is kept.
    """

    def __init__(self, seed: int, loop: SimulatedLoop, *, recording: bool = False) -> None:
        self.seed = seed
        self.loop = loop
        self.random = random.Random(f"scenario/{seed}")  # noqa: S311 - it must be repeatable
        self.recording = recording
        self.lines: list[Line] = []
        self._endings: list[Callable[[], None]] = []
        if recording:
            loop.observe = self._observe

    @property
    def now_s(self) -> float:
        """Virtual seconds since the run began."""
        return self.loop.time() - START_S

    def clock(self) -> int:
        """UTC in microseconds, as `bedplate.clock.now_us` would tell it."""
        return EPOCH_S * 1_000_000 + round(self.loop.time() * 1_000_000)

    def note(self, text: str) -> None:
        """Add a line to the trace of a run that fails."""
        if self.recording:
            self.lines.append(Line(self.loop.step, self.now_s, self._task_name(), text))

    def fail(self, error: BaseException) -> None:
        """End the run with an error at once, whoever found it."""
        self.loop.fail(error)

    async def point(self) -> None:
        """A scheduling point: others may go first, or a crash may come."""
        if not self.loop.may_continue():
            await asyncio.sleep(0)

    def at_some_step(self, action: Callable[[], None], *, within: int) -> None:
        """Run an action, such as a crash, between any two of the first so many steps."""
        self.loop.at_step(self.loop.step + self.random.randrange(1, within + 1), action)

    def at_end(self, action: Callable[[], None]) -> None:
        """Run an action once the run is over, however it went."""
        self._endings.append(action)

    def end(self) -> None:
        """Run what `at_end` was told."""
        while self._endings:
            self._endings.pop()()

    def _observe(self, task: Any, ready: int) -> None:
        self.lines.append(Line(self.loop.step, self.now_s, task.get_name(), ready=ready))

    def _task_name(self) -> str:
        with suppress(RuntimeError):
            task = asyncio.current_task(self.loop)
            if task is not None:
                return task.get_name()
        return "-"

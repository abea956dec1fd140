"""Runs a scenario, seed by seed, and tells what went wrong and how to see it again."""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from bedplate.testing.simulate.fault import LeakError, SimulationError
from bedplate.testing.simulate.loop import SimulatedLoop, SimulatedTask
from bedplate.testing.simulate.schedule import strategy
from bedplate.testing.simulate.virtual import Virtual, virtual
from bedplate.testing.simulate.world import Line, World

Scenario = Callable[[World], Awaitable[None]]

LIMIT_S = 3_600.0
STEPS_MAX = 100_000
TRACE_LINES = 80
GARBAGE_RUNS = 20  # runs between two collections
_PERF = time.perf_counter


@dataclass(frozen=True, slots=True)
class Report:
    """What was run.

    Attributes:
        seeds: How many seeds, all of which passed.
        steps: Scheduling decisions, all together.
        took_s: Seconds of real time.
    """

    seeds: int
    steps: int
    took_s: float

    @property
    def seeds_per_s(self) -> float:
        """Seeds in a second of real time."""
        return self.seeds / self.took_s if self.took_s else float("inf")

    def __str__(self) -> str:
        return f"{self.seeds} seeds, {self.steps} steps, {self.seeds_per_s:.0f} seeds/s"


class SimulationFailed(AssertionError):  # noqa: N818 - the sentence that pytest prints begins with it
    """A scenario failed. The text tells the seed, the end of the trace and how to replay it.

    Attributes:
        seed: The seed.
        error: What failed; also its cause.
        trace: All lines, oldest first.
    """

    def __init__(self, scenario: Scenario, seed: int, error: BaseException, world: World) -> None:
        self.seed = seed
        self.error = error
        self.trace = tuple(world.lines)
        name = getattr(scenario, "__name__", type(scenario).__name__)
        super().__init__(
            f"seed {seed} of {name} failed at step {world.loop.step}, "
            f"after {world.now_s:.6f} s of virtual time\n"
            f"{_told(error)}\n"
            f"{written(self.trace)}\n"
            f"Replay it: simulate({name}, seed={seed})"
        )


def simulate(
    scenario: Scenario,
    *,
    seeds: Iterable[int] = range(1_000),
    seed: int | None = None,
    limit_s: float = LIMIT_S,
    steps_max: int = STEPS_MAX,
) -> Report:
    """Run a scenario once for each seed, each time in another order of its tasks.

    A seed decides who goes first at every scheduling point, what `world.random`
    and the modules `random`, `uuid` and `secrets` give, and which faults come
    when. The same seed does the same, as long as code and scenario are the same.
    Clocks are virtual: a scenario that sleeps for an hour takes no time.

    Call it from a plain function; it has an event loop of its own.

    Args:
        scenario: `async def scenario(world)`; it fails by raising. When it
            returns, every task that it started must have ended.
        seeds: The seeds, in this order. Put those that once failed first:
            `seeds=[417, *range(300)]`.
        seed: One seed, instead.
        limit_s: Virtual seconds that a run may take.
        steps_max: Scheduling decisions that a run may take.

    Returns:
        How many seeds ran, and how fast.

    Raises:
        SimulationFailed: At the first seed that fails, which was then run once
            more to record its trace.
        RuntimeError: An event loop runs already.
    """
    if asyncio._get_running_loop() is not None:
        raise RuntimeError("a simulation has its own event loop: call simulate() from a plain function")
    started, count, steps = _PERF(), 0, 0
    with virtual() as time_and_chance, _garbage_between_runs() as tidy:
        for each in seeds if seed is None else [seed]:
            world, error = _run(scenario, each, time_and_chance, limit_s, steps_max, recording=False)
            if error is not None:
                raise _failed(scenario, world, error, time_and_chance, limit_s, steps_max) from error
            count, steps = count + 1, steps + world.loop.step
            tidy(count)
    return Report(count, steps, _PERF() - started)


@contextmanager
def _garbage_between_runs() -> Iterator[Callable[[int], None]]:
    """Collect garbage between runs only: what is closed by it must not be so at some time or other."""
    was_on = gc.isenabled()
    gc.disable()

    def tidy(count: int) -> None:
        if count % GARBAGE_RUNS == 0:
            gc.collect(1)

    try:
        yield tidy
    finally:
        if was_on:
            gc.enable()


def written(trace: Iterable[Line], lines_max: int = TRACE_LINES) -> str:
    """A trace as text, steps of one task that say nothing taken together."""
    lines: list[str] = []
    last = ""
    for line, after in pairwise([*trace, Line(-1, 0.0, "")]):
        told_next = after.task == line.task and after.step == line.step and after.text
        if line.text or (line.task != last and not told_next):
            text = line.text or f"goes on ({line.ready} ready)"
            lines.append(f"{line.step:>7} {line.time_s:>11.6f}  {line.task:<24} {text}")
        last = line.task
    left_out = len(lines) - lines_max
    head = [f"        ... {left_out} lines before"] if left_out > 0 else []
    return "\n".join(["   step  virtual s  task                     what", *head, *lines[-lines_max:]])


def _told(error: BaseException) -> str:
    """What failed; of a group each part."""
    if isinstance(error, BaseExceptionGroup):
        return "\n".join(_told(part) for part in error.exceptions)
    return f"    {type(error).__name__}: {error}"


def _failed(
    scenario: Scenario,
    world: World,
    error: BaseException,
    time_and_chance: Virtual,
    limit_s: float,
    steps_max: int,
) -> SimulationFailed:
    again, same = _run(scenario, world.seed, time_and_chance, limit_s, steps_max, recording=True)
    if same is None or (type(same), world.loop.step) != (type(error), again.loop.step):
        note = (
            f"when seed {world.seed} was run again it "
            + ("passed" if same is None else f"failed with {same!r} at step {again.loop.step}")
            + f" instead of failing at step {world.loop.step}: the scenario depends on something that "
            "the seed does not decide, such as a real clock, the order of a set, or what a run left behind"
        )
        error.add_note(note)
        return SimulationFailed(scenario, world.seed, SimulationError(f"{error!r}, but {note}"), again)
    return SimulationFailed(scenario, world.seed, error, again)


def _run(
    scenario: Scenario,
    seed: int,
    time_and_chance: Virtual,
    limit_s: float,
    steps_max: int,
    *,
    recording: bool,
) -> tuple[World, BaseException | None]:
    # What is missing of the interface is what a simulation does not have: sockets, signals, processes.
    loop = SimulatedLoop(strategy(seed), limit_s=limit_s, steps_max=steps_max)  # type: ignore[abstract]
    world = World(seed, loop, recording=recording)
    time_and_chance.begin(seed, loop.time)
    error: BaseException | None = None
    try:
        loop.run_until_complete(loop.create_task(_main(scenario, world), name="scenario"))
        _check_left(loop)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as raised:
        # Whatever it is, it is told together with its seed.
        error = raised
    finally:
        step = loop.step
        loop.stop_quietly()
        loop.step = step
        world.end()
    return world, error


async def _main(scenario: Scenario, world: World) -> None:
    await scenario(world)


def _check_left(loop: SimulatedLoop) -> None:
    left = [task for task in loop.tasks if not task.done()]
    if left:
        raise LeakError(f"the scenario has ended and left tasks behind; {loop.waiting()}")
    for task in loop.tasks:
        if _unseen(task):
            raise LeakError(f"nobody looked at the exception of {task.get_name()}") from task.exception()
    for problem in loop.problems:
        exception = problem.get("exception")
        raise LeakError(str(problem.get("message"))) from exception


def _unseen(task: SimulatedTask) -> bool:
    """Whether a task failed and nobody asked for its exception."""
    log: Any = getattr(task, "_log_traceback", False)
    return bool(log)

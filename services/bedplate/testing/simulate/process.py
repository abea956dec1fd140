"""Servers that crash and start again, and calls whose answers are lost."""

import asyncio
import contextvars
import random
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from bedplate.errors import Refusal
from bedplate.testing.simulate.fault import Unreachable
from bedplate.testing.simulate.life import LIFE, Life
from bedplate.testing.simulate.world import World

T = TypeVar("T")

# A caller that gives up does so within so many scheduling points.
PATIENCE_POINTS = 12


class Process:
    """A server: takes calls, may crash between any two steps, and may be started again.

    A crash cancels its tasks and those that they made, and breaks its
    connections. What its tasks do in `finally` blocks afterwards reaches no
    simulated database: the life that they belong to is over.

        server = Process(world, "ledger", lost=0.05)
        world.at_some_step(server.bounce, within=200)
        answer = await server.call(lambda: handlers.PostTransactions(request, call))

    Attributes:
        name: What it is called in the trace.
        up: Whether it runs.
    """

    def __init__(self, world: World, name: str, *, lost: float = 0.0) -> None:
        """Start it.

        Args:
            world: The run.
            name: What it is called in the trace.
            lost: Which part of the requests to it, and of its answers, is lost,
                and which part of its callers gives up early; 0 to 1.
        """
        self.name = name
        self.up = True
        self._world = world
        self._lost = lost
        self._random = random.Random(f"process/{name}/{world.seed}").random  # noqa: S311 - repeatable
        self._life = Life()
        self._beside: list[Callable[[], Coroutine[Any, Any, None]]] = []
        self._loops: list[asyncio.Task[None]] = []
        self._calls = 0

    def start(self, function: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run a loop beside the calls, anew after each crash, until `stop`."""
        self._beside.append(function)
        if self.up:
            self._run_beside(function)

    def crash(self) -> None:
        """End it at once: what it has not committed is lost, and callers get no answer."""
        if self.up:
            self._world.note(f"{self.name} crashes")
            self.up = False
            self._life.end()

    def restart(self) -> None:
        """Start it again."""
        if not self.up:
            self._world.note(f"{self.name} starts")
            self.up, self._life = True, Life()
            self._loops.clear()
            for function in self._beside:
                self._run_beside(function)

    def bounce(self, down_s: float = 0.5) -> None:
        """Crash, and start again after some virtual time, up to `down_s` seconds."""
        if self.up:
            self.crash()
            self._world.loop.call_later(self._random() * down_s, self.restart)

    async def call(self, handler: Callable[[], Awaitable[T]], *, name: str = "") -> T:
        """Send it a call and wait for the answer.

        Args:
            handler: What it does; runs as a task of the process.
            name: What the task is called in the trace.

        Raises:
            Unreachable: It is down, it crashed meanwhile, the request or the
                answer was lost, or the caller gave up and it goes on.
            Exception: What the handler raises.
        """
        world = self._world
        await world.point()
        if not self.up or self._random() < self._lost:
            world.note(f"the request to {self.name} is lost")
            raise Unreachable(f"{self.name} does not answer")
        life = self._life
        self._calls += 1
        task = self._run(_awaited(handler), name or f"{self.name}/call-{self._calls}")
        world.note(f"calls {task.get_name()}")
        gives_up = self._random() < self._lost
        if gives_up:
            for _ in range(int(self._random() * PATIENCE_POINTS)):
                await world.point()
        else:
            await _finished(task)
        if gives_up or life.over or self._random() < self._lost:
            task.add_done_callback(self._look_at)
            world.note(f"the answer of {self.name} is lost")
            raise Unreachable(f"{self.name} did not answer")
        return task.result()

    async def stop(self) -> None:
        """Wait for calls that nobody waits for any more, and end the loops of `start`."""
        self._beside.clear()
        for loop in self._loops:
            loop.cancel()
        left = [task for task in self._life.tasks if not task.done()]
        if left:
            await asyncio.wait(left)
        self.up = False

    def _run_beside(self, function: Callable[[], Coroutine[Any, Any, None]]) -> None:
        name = f"{self.name}/{getattr(function, '__name__', 'loop')}"
        task = self._run(function(), name)
        task.add_done_callback(self._look_at)
        self._loops.append(task)

    def _run(self, coroutine: Coroutine[Any, Any, T], name: str) -> "asyncio.Task[T]":
        context = contextvars.copy_context()
        context.run(LIFE.set, self._life)
        return self._world.loop.create_task(coroutine, name=name, context=context)

    def _look_at(self, task: "asyncio.Task[Any]") -> None:
        """A mistake is one even when nobody waits for the answer."""
        if task.cancelled():
            return
        error = task.exception()
        if error is not None and not isinstance(error, Refusal):
            self._world.fail(error)


async def _awaited(handler: Callable[[], Awaitable[T]]) -> T:
    return await handler()


async def _finished(task: "asyncio.Task[Any]") -> None:
    """Wait; a caller that goes away cancels its call, as gRPC does."""
    try:
        await asyncio.wait([task])
    except asyncio.CancelledError:
        task.cancel()
        raise
